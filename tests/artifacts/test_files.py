"""Whole files or none, and documents with a schema number."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mindle.artifacts.files import (
    beside,
    cache_dir,
    exists,
    first_words,
    read_json,
    reading_csv,
    sha256_of,
    write_arrays,
    write_csv,
    write_json,
    write_text,
)
from mindle.errors import ArtifactError, DeviceError


def test_a_document_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "run.json"
    write_json(file, {"schema": 1, "name": "민들레"})
    assert read_json(file, schema=1, what="run") == {"schema": 1, "name": "민들레"}
    assert [path.name for path in file.parent.iterdir()] == ["run.json"]  # no draft is left


def test_a_newer_schema_says_what_to_do(tmp_path: Path) -> None:
    write_json(tmp_path / "bundle.json", {"schema": 3})
    with pytest.raises(ArtifactError, match=r"uses schema 3; .* reads up to 1\. Upgrade mindle"):
        read_json(tmp_path / "bundle.json", schema=1, what="bundle")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "damaged"),
        ("[1]", "schema number"),
        ('{"schema": "x"}', "schema number"),
        ('{"schema": 0}', "schema number"),
    ],
)
def test_what_is_no_document_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ArtifactError, match=sentence):
        read_json(tmp_path / "run.json", schema=1, what="run")


def test_a_missing_document_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"must hold run\.json"):
        read_json(tmp_path / "run.json", schema=1, what="run")


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "metrics.json"
    write_text(file, "old")
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(file, {"accuracy": float("nan")})
    assert file.read_text() == "old"


def test_a_folder_in_the_way_is_the_machines_fault(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(DeviceError, match="must be a file that can be written"):
        write_text(tmp_path / "taken", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match="must be a file that can be written"):
        write_text(tmp_path / "file" / "below.json", "text")


def test_sha256_is_the_published_one_of_abc(tmp_path: Path) -> None:
    """FIPS 180-2, appendix B.1."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("old")

    def broken_off() -> None:
        with beside(file) as draft:
            assert draft.name == "a.csv.partial"
            draft.write_text("half")
            raise KeyError("stopped")

    with pytest.raises(KeyError):
        broken_off()
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert file.read_text() == "old"


def test_a_link_stays_one_and_rights_are_kept(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "real.csv", tmp_path / "a.csv"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink()
    assert (real.read_text(), stat.S_IMODE(real.stat().st_mode)) == ("new", 0o600)


def test_a_draft_of_a_killed_writer_is_written_anew_and_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "dear.txt").write_text("dear")
    (tmp_path / "a.csv.partial").symlink_to(tmp_path / "dear.txt")
    write_text(tmp_path / "a.csv", "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "dear.txt"]
    assert (tmp_path / "dear.txt").read_text() == "dear"


def test_a_pipe_and_a_device_are_written_as_they_are(tmp_path: Path) -> None:
    write_text(Path(os.devnull), "gone")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_text(tmp_path / "pipe", "through")
    assert os.read(reader, 20) == b"through"
    os.close(reader)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.fixture
def _full_disk() -> Iterator[None]:
    """A limit on the size of files stands for a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("_full_disk")
def test_a_full_disk_keeps_the_old_file_and_says_what_to_do(tmp_path: Path) -> None:
    write_text(tmp_path / "a.csv", "old")
    long = np.zeros(1000)
    for write in (
        lambda path: write_text(path, "x" * 5000),
        lambda path: write_csv(path, ["n"], [[n] for n in range(1000)]),
        lambda path: write_arrays(path, {"a": long}),
    ):
        with pytest.raises(DeviceError, match=r"Make room on the disk.*--resume"):
            write(tmp_path / "a.csv")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.csv", "old")]


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    rows = [["=cat.jpg", "-3.2", "'=x", "a\nb"], ["@x", "", '"q"', "c,d"]]
    write_csv(tmp_path / "a.csv", ["=path", "n", "o", "p"], rows)
    with reading_csv(tmp_path / "a.csv") as found:
        assert list(found) == [["=path", "n", "o", "p"], *rows]
    assert "\n'=cat.jpg,-3.2,''=x," in (tmp_path / "a.csv").read_text()
    write_csv(tmp_path / "a.csv", ["=path"], [["=cat.jpg"]], raw=True)
    assert (tmp_path / "a.csv").read_text() == "=path\n=cat.jpg\n"


def test_names_that_are_no_text_are_escaped_in_texts_and_kept_in_documents(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    write_text(tmp_path / "a.txt", name)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "caf\\xe9.jpg"
    write_csv(tmp_path / "a.csv", ["path"], [[name]])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "path\ncaf\\xe9.jpg\n"
    write_json(tmp_path / "a.json", {"schema": 1, "source": name})
    assert read_json(tmp_path / "a.json", schema=1, what="run")["source"] == name


def test_what_is_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert exists(tmp_path / "file")
    assert not exists(tmp_path / "none")
    assert not exists(tmp_path / "file" / "below")


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MINDLE_CACHE", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("MINDLE_CACHE")
    assert "mindle" in str(cache_dir())


def test_the_words_of_an_error_never_are_none() -> None:
    assert first_words(KeyError()) == "KeyError"
    assert first_words(OSError("No route to host.\nTry later.")) == "No route to host. Try later"
