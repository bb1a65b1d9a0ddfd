"""Pickles read as data: what is understood, and that nothing else ever runs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindle.data.images.sources.plainpickle import read_plain_pickle
from mindle.errors import DataError

# What Python 2 and its NumPy wrote, spelled by hand: byte strings, the old module name, a dict of an array
# and a list.
PYTHON_2 = (
    b"\x80\x02}q\x00(U\x04datacnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    b"(K\x01(K\x02K\x03tcnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
    b"K\x00tb\x89U\x06\x00\x01\x02\xfd\xfe\xfftbU\x06labels](K\x01K\x02eu."
)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(protocol: int) -> None:
    content: dict[Any, Any] = {
        b"data": np.arange(24, dtype=np.uint8).reshape(2, 12),
        "wide": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        b"labels": [3, -1, 70_000, 2**40, True, None],
        "names": ("고양이", b"\xff\x00", 1.5, ""),
        "empty": [[], {}, ()],
    }
    read = read_plain_pickle(pickle.dumps(content, protocol=protocol), file="f")
    assert list(read) == list(content)
    for key in (b"data", "wide"):
        np.testing.assert_array_equal(read.pop(key), content.pop(key))
    assert read == content


def test_shared_items_are_found_again() -> None:
    row = [1, 2]
    assert read_plain_pickle(pickle.dumps([row, row]), file="f") == [[1, 2], [1, 2]]


def test_what_python_2_wrote() -> None:
    read = read_plain_pickle(PYTHON_2, file="data_batch_1")
    np.testing.assert_array_equal(read["data"], [[0, 1, 2], [253, 254, 255]])
    assert read["labels"] == [1, 2]


class Evil:
    """Unpickling it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.write_text, (self.target, "it ran")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "ran"
    attack = pickle.dumps({"data": [Evil(target)]}, protocol=protocol)
    with pytest.raises(DataError, match="nothing of it was run"):
        read_plain_pickle(attack, file="data_batch_1")
    assert not target.exists()
    pickle.loads(attack)  # the attack is real
    assert target.exists()


@pytest.mark.parametrize(
    ("attack", "asked"),
    [
        (b"cos\nsystem\n(S'false'\ntR.", "os.system"),
        (b"(S'false'\nios\nsystem\n.", "INST"),
        (b"\x80\x02cnumpy\nload\n(S'x'\ntR.", "numpy.load"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.", "builtins.eval"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "NEWOBJ"),
        (b"\x80\x02cnumpy\nndarray\n(K\x02tR.", "a call of ndarray"),
        (b"\x80\x02cnumpy\nndarray\n.", "a bare name"),
        (b"\x80\x02U\x01aQ.", "BINPERSID"),
    ],
)
def test_every_other_instruction_is_refused_by_name(attack: bytes, asked: str) -> None:
    with pytest.raises(DataError, match=f"asks for '.*{asked}"):
        read_plain_pickle(attack, file="f")


def test_objects_in_arrays_are_refused() -> None:
    with pytest.raises(DataError, match="damaged or no pickle"):
        read_plain_pickle(pickle.dumps(np.array([{}, []], dtype=object)), file="f")


def test_damage_is_told_not_raised() -> None:
    whole = pickle.dumps({"data": np.zeros((3, 4), np.uint8), "labels": [1, 2, 3]}, protocol=4)
    with pytest.raises(DataError, match="'f', which is damaged"):
        read_plain_pickle(whole[:-20], file="f")
    random = np.random.default_rng(5)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[random.integers(0, len(whole))] = random.integers(0, 256)
        try:
            read_plain_pickle(bytes(damaged), file="f")
        except DataError:
            continue


def test_an_array_that_claims_more_than_it_has_is_refused() -> None:
    huge = PYTHON_2.replace(b"(K\x02K\x03t", b"(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft")
    with pytest.raises(DataError, match="does not fit 6 bytes"):
        read_plain_pickle(huge, file="f")


def nested(depth: int, container: bytes = b"]") -> bytes:
    """A list of two references to a list of two references to a list of …, 12 bytes a level."""
    levels = b"".join(b"](h%ch%ceq%c" % (at, at, at + 1) for at in range(depth))
    return b"\x80\x02]q\x00" + levels + b"."


BOMBS = {
    "references": nested(33),
    "keys": b"\x80\x02)q\x00" + b"".join(b"h%ch%c\x86q%c" % (at, at, at + 1) for at in range(60)) + b"}h<Ns.",
    "itself": b"\x80\x02]q\x00h\x00a.",
    "copies": b"c_codecs\nencode\nq\x00X\x10\x27\x00\x00"
    + b"a" * 10_000
    + b"q\x01"
    + b"h\x00h\x01\x85R" * 2000
    + b".",
    "marks": b"(" * 50_000 + b"l" * 50_000 + b".",
    "spelled": nested(30)[:-1] + b"q?c_codecs\nencode\nh?\x85R.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_means_more_than_it_holds_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="pickled data file"):
        read_plain_pickle(BOMBS[name], file="data_batch_1")
