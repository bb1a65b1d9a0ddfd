"""Whole files or none, and documents with a schema number."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindle.artifacts.files import read_json, sha256_of, write_json, write_text
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
    ("text", "words"),
    [
        ("{", "damaged"),
        ("[1]", "schema number"),
        ('{"schema": "x"}', "schema number"),
        ('{"schema": 0}', "schema number"),
    ],
)
def test_what_is_no_document_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ArtifactError, match=words):
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
    with pytest.raises(DeviceError, match="could not be written"):
        write_text(tmp_path / "taken", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match="could not be written"):
        write_text(tmp_path / "file" / "below.json", "text")


def test_sha256_is_the_published_one_of_abc(tmp_path: Path) -> None:
    """FIPS 180-2, appendix B.1."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
