"""Rows on disk: found by content, kept through interruption, shared by processes, verified, pruned."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from mindle.data.common import store as store_module
from mindle.data.common.store import RowStore, prune, usage
from mindle.errors import DeviceError
from mindle.records import Silent
from tests.processes import program, python

ROW = (4, 2)


class Heard(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def row_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, ROW, np.uint8)


def open_store(folder: Path, rows_per_segment: int = 4) -> RowStore:
    return RowStore(folder, shape=ROW, dtype=np.uint8, segment_bytes=rows_per_segment * 8)


def fill(store: RowStore, numbers: range) -> None:
    with store.writer() as writer:
        for number in numbers:
            writer.add(f"key{number}", row_of(number))


def keys(numbers: range) -> list[str]:
    return [f"key{number}" for number in numbers]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture(autouse=True)
def _fresh_verification() -> None:
    """Every test begins like a new process, which has verified nothing yet."""
    store_module._SOUND.clear()


def test_rows_come_back_in_the_order_asked_for_across_segments(folder: Path) -> None:
    fill(open_store(folder), range(11))
    assert len(list(folder.glob("*.rows"))) == 3
    store = open_store(folder)
    assert store.missing(keys(range(11))) == []
    rows = store.rows(keys(range(10, -1, -1)))
    picked = np.array([0, 10, 3, 3, 7])
    assert rows.shape == (11, *ROW)
    np.testing.assert_array_equal(rows[picked], np.stack([row_of(10 - n) for n in picked]))


@pytest.mark.parametrize("side", [8, 80])  # rows below and above the size where copying changes its way
def test_small_and_large_rows_are_gathered_alike(folder: Path, side: int) -> None:
    made = np.random.default_rng(0).integers(0, 255, (9, side, side), np.uint8)
    store = RowStore(folder, shape=(side, side), dtype=np.uint8, segment_bytes=3 * side * side)
    with store.writer() as writer:
        for number, row in enumerate(made):
            writer.add(str(number), row)
    picked = np.array([8, 0, 4, 4, 2])
    np.testing.assert_array_equal(store.rows([str(n) for n in range(9)])[picked], made[picked])


def test_missing_names_positions_and_keys_with_a_suffix_differ(folder: Path) -> None:
    store = open_store(folder)
    with store.writer() as writer:
        writer.add("ab12:v1", row_of(1))
        assert store.missing(["ab12:v1"]) == [0]  # not visible before the segment is finished
    assert store.missing(["ab12", "ab12:v1", "ab12:v2"]) == [0, 2]
    assert "ab12:v1" in store
    assert "ab12" not in store
    with pytest.raises(KeyError, match="1 of 2 rows"):
        store.rows(["ab12:v1", "ab12"])


def test_a_key_is_written_once(folder: Path) -> None:
    store = open_store(folder)
    with store.writer() as writer:
        writer.add("same", row_of(1))
        writer.add("same", row_of(2))
        assert len(writer) == 1
    np.testing.assert_array_equal(store.rows(["same"])[np.array([0])][0], row_of(1))


def test_a_store_of_one_structured_value_a_row(folder: Path) -> None:
    facts = np.dtype([("height", "<i4"), ("name", "S3"), ("thumbnail", "u1", (2, 2))])
    store = RowStore(folder, shape=(), dtype=facts)
    row = np.zeros((), facts)
    row["height"], row["name"], row["thumbnail"] = 7, b"abc", [[1, 2], [3, 4]]
    with store.writer() as writer:
        writer.add("a", row)
    back = store.rows(["a"])[np.array([0])]
    assert back["height"].tolist() == [7]
    assert back["thumbnail"].tolist() == [[[1, 2], [3, 4]]]


def test_wrong_rows_are_refused(folder: Path) -> None:
    store = open_store(folder)
    with store.writer() as writer, pytest.raises(ValueError, match=r"must be \(4, 2\) uint8"):
        writer.add("a", np.zeros((2, 4), np.uint8))
    with pytest.raises(ValueError, match="plain values"):
        RowStore(folder, shape=(2,), dtype=object)
    with pytest.raises(IndexError, match="one-dimensional"):
        open_store(folder).rows([])[np.zeros((1, 1), int)]


def test_many_keys_are_found(folder: Path) -> None:
    store = RowStore(folder, shape=(2,), dtype=np.int32)
    with store.writer() as writer:
        for number in range(20_000):
            writer.add(f"k{number}", np.array([number, -number], np.int32))
    wanted = np.random.default_rng(0).permutation(20_000)
    rows = open_rows = store.rows([f"k{number}" for number in wanted])
    assert open_rows.shape == (20_000, 2)
    np.testing.assert_array_equal(rows[np.arange(20_000)][:, 0], wanted)


def test_what_was_added_before_an_exception_is_kept(folder: Path) -> None:
    def interrupted() -> None:
        with open_store(folder).writer() as writer:
            for number in range(6):
                writer.add(f"key{number}", row_of(number))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert open_store(folder).missing(keys(range(7))) == [6]


def damage(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(bytes(data))


def test_damaged_rows_are_missing_and_can_be_written_again(folder: Path) -> None:
    fill(open_store(folder), range(4))
    damage(next(folder.glob("*.rows")), 8 * 2 + 3)  # the third row
    store = open_store(folder)
    assert store.missing(keys(range(4))) == [2]
    assert store.damaged == 1
    with store.writer() as writer:
        writer.add("key2", row_of(2))
    for again in (store, open_store(folder)):
        assert again.missing(keys(range(4))) == []
        np.testing.assert_array_equal(again.rows(["key2"])[np.array([0])][0], row_of(2))


def test_a_file_that_was_cut_short_keeps_its_whole_rows(folder: Path) -> None:
    fill(open_store(folder), range(4))
    path = next(folder.glob("*.rows"))
    path.write_bytes(path.read_bytes()[: 8 * 2 + 1])
    assert open_store(folder).missing(keys(range(4))) == [2, 3]


@pytest.mark.parametrize("position", [0, 40, -1])
def test_a_damaged_index_means_missing_and_is_removed_by_the_next_writer(folder: Path, position: int) -> None:
    fill(open_store(folder), range(4))
    damage(next(folder.glob("*.index")), position)
    store = open_store(folder)
    assert store.missing(keys(range(4))) == [0, 1, 2, 3]
    fill(store, range(4))
    assert store.missing(keys(range(4))) == []
    assert len(list(folder.glob("*.rows"))) == len(list(folder.glob("*.index"))) == 1


def test_leftovers_of_dead_writers_are_removed(folder: Path) -> None:
    fill(open_store(folder), range(4))
    (folder / "dead.rows.tmp").write_bytes(b"half")
    (folder / "orphan.rows").write_bytes(b"no index")
    (folder / "dead.index.tmp").write_bytes(b"half")
    fill(open_store(folder), range(4, 5))
    assert sorted({path.suffix for path in folder.iterdir()} - {".lock"}) == [".index", ".rows"]
    assert open_store(folder).missing(keys(range(5))) == []


# ------------------------------------------------------------------------------------ other processes

CHILD = """
import sys
from pathlib import Path
import numpy as np
from mindle.data.common.store import RowStore
from mindle.records import Silent

class Speaking(Silent):
    def say(self, sentence):
        print("said", sentence, flush=True)

folder, wait, count = Path(sys.argv[1]), sys.argv[2] == "wait", int(sys.argv[3])
store = RowStore(folder, shape=(4, 2), dtype=np.uint8, segment_bytes=4 * 8)
with store.writer(Speaking()) as writer:
    missing = store.missing([f"key{n}" for n in range(count)])
    for n in missing:
        writer.add(f"key{n}", np.random.default_rng(n).integers(0, 255, (4, 2), np.uint8))
    print("added", len(missing), flush=True)
    if wait:
        sys.stdin.readline()
"""


def start(folder: Path, how: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        program(CHILD, str(folder), how, str(count)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_killed_writer_loses_only_its_open_segment(folder: Path) -> None:
    with start(folder, "wait", 10) as child:
        assert heard(child) == "added 10"
        child.kill()
    assert list(folder.glob("*.tmp"))
    store = open_store(folder)
    assert store.missing(keys(range(10))) == [8, 9]
    fill(store, range(8, 10))
    np.testing.assert_array_equal(
        store.rows(keys(range(10)))[np.arange(10)], np.stack([row_of(n) for n in range(10)])
    )
    assert not list(folder.glob("*.tmp"))


def test_a_second_process_waits_and_finds_the_rows(folder: Path) -> None:
    with start(folder, "wait", 6) as first:
        assert heard(first) == "added 6"
        with start(folder, "run", 6) as second:
            assert heard(second).startswith("said Another mindle process is filling")
            assert first.stdin is not None
            first.stdin.write("\n")
            first.stdin.flush()
            assert heard(second) == "added 0"
    assert open_store(folder).missing(keys(range(6))) == []


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from mindle.data.common.store import RowStore
from mindle.errors import DeviceError

resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, 64_000))  # as if the disk ended there
store = RowStore(Path(sys.argv[1]), shape=(1000,), dtype=np.uint8, segment_bytes=int(sys.argv[2]))
try:
    with store.writer() as writer:
        for number in range(200):
            writer.add(str(number), np.full(1000, number % 256, np.uint8))
except DeviceError as error:
    print(error)
print(200 - len(store.missing([str(number) for number in range(200)])))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of files")
@pytest.mark.parametrize(("segment", "kept"), [(20_000, 200), (100_000, 0)])
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(
    folder: Path, segment: int, kept: int
) -> None:
    done = python(FULL, str(folder), str(segment))
    if kept == 0:
        assert "needs free disk space" in done.stdout
        assert "`mindle cache --prune 1GB`" in done.stdout
    assert done.stdout.split()[-1] == str(kept)
    assert not list(folder.glob("*.tmp"))
    assert len(list(folder.glob("*.rows"))) == len(list(folder.glob("*.index")))


def test_a_cache_that_cannot_be_a_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = open_store(tmp_path / "file" / "store")
    assert store.missing(["a"]) == [0]
    with pytest.raises(DeviceError, match=r"must be writable.*MINDLE_CACHE"), store.writer():
        pass


READ_ONLY = """
import mmap, os, sys  # mmap before the user changes: nobody may not read root's Python
from pathlib import Path
import numpy as np
from mindle.data.common.store import RowStore
from mindle.errors import DeviceError

if os.geteuid() == 0:
    os.setuid(65534)  # root ignores modes
store = RowStore(Path(sys.argv[1]), shape=(4, 2), dtype=np.uint8)
print(store.missing(["key0", "key9"]), store.rows(["key0"])[np.array([0])].shape)
try:
    with store.writer():
        pass
except DeviceError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="modes of folders mean nothing on Windows")
def test_a_read_only_cache_is_read_and_says_why_it_cannot_be_written() -> None:
    # Not below pytest's own folder, which other users may not enter.
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        done = read_as_nobody(Path(place) / "store")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "[1] (1, 4, 2)"
    assert "must be writable" in second


def read_as_nobody(folder: Path) -> subprocess.CompletedProcess[str]:
    fill(open_store(folder), range(2))
    for path in folder.glob("*.lock"):
        path.unlink()
    folder.chmod(0o555)
    try:
        return python(READ_ONLY, str(folder), check=False)
    finally:
        folder.chmod(0o755)


def test_threads_read_and_write_at_the_same_time(folder: Path) -> None:
    fill(open_store(folder), range(40))
    rows = open_store(folder).rows(keys(range(40)))
    wrong: list[int] = []

    def read(seed: int) -> None:
        for picked in np.random.default_rng(seed).integers(0, 40, (50, 8)):
            if not np.array_equal(rows[picked], np.stack([row_of(n) for n in picked])):
                wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# ------------------------------------------------------------------------------------------ the cache


def test_usage_counts_rows_and_leaves_out_empty_folders(tmp_path: Path) -> None:
    fill(open_store(tmp_path / "pixels" / "a"), range(6))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "file.safetensors").write_bytes(b"12345")
    entries = {entry.path: entry for entry in usage(tmp_path)}
    assert set(entries) == {"pixels/a", "weights"}
    assert entries["pixels/a"].rows == 6
    assert (entries["weights"].rows, entries["weights"].size_bytes) == (0, 5)


def test_pruning_removes_the_segments_that_were_opened_longest_ago(tmp_path: Path) -> None:
    old, new = open_store(tmp_path / "old"), open_store(tmp_path / "new")
    fill(old, range(8))
    fill(new, range(8))
    (tmp_path / "weights.bin").write_bytes(b"stays")
    for number, path in enumerate(sorted(tmp_path.glob("*/*.index"))):
        os.utime(path, (1_000 + number, 1_000 + number))
    store_module._SOUND.clear()
    assert open_store(tmp_path / "old").missing(keys(range(8))) == []  # opening makes them the newest
    whole = sum(entry.size_bytes for entry in usage(tmp_path) if entry.rows)
    freed = prune(tmp_path, whole // 2)
    assert freed >= whole // 2
    assert open_store(tmp_path / "old").missing(keys(range(8))) == []
    assert open_store(tmp_path / "new").missing(keys(range(8))) == list(range(8))
    assert prune(tmp_path, 0) > 0
    assert open_store(tmp_path / "old").missing(keys(range(8))) == list(range(8))
    assert (tmp_path / "weights.bin").read_bytes() == b"stays"
    with pytest.raises(ValueError, match="limit_bytes"):
        prune(tmp_path, -1)


def test_pruning_cleans_up_after_dead_writers(folder: Path) -> None:
    with start(folder, "wait", 10) as child:
        assert heard(child) == "added 10"
        prune(folder.parent, 1 << 30)
        assert list(folder.glob("*.tmp"))  # alive: its open segment is left alone
        child.kill()
    assert prune(folder.parent, 1 << 30) >= 0
    assert not list(folder.glob("*.tmp"))
    assert open_store(folder).missing(keys(range(10))) == [8, 9]


def test_rows_stay_readable_while_the_cache_is_pruned(folder: Path) -> None:
    fill(open_store(folder), range(8))
    store = open_store(folder)
    assert store.missing(keys(range(8))) == []
    prune(folder.parent, 0)
    if sys.platform != "win32":  # there the mapped file stays, and the segment with it
        assert not list(folder.glob("*.rows"))
    rows = store.rows(keys(range(8)))
    np.testing.assert_array_equal(rows[np.array([5])][0], row_of(5))
    assert store.damaged == 0
