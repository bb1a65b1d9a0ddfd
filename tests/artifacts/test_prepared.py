"""The index of a prepared folder: written whole, read strictly, and never mistaken for a file of the user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindle.artifacts.prepared import FINISHED, INDEX, PreparedFile, PreparedIndex, read_index, write_index
from mindle.errors import ArtifactError

INDEXED = PreparedIndex(
    state=FINISHED,
    settings={"link": "copy"},
    folders={"b/c": "b_c", "a": "a"},
    files=(PreparedFile(path="train/b_c/1.png", original="x/1.png", group="house"),),
    failed={"x/2.png": "The file is gone."},
)


def test_an_index_comes_back_as_it_was(tmp_path: Path) -> None:
    write_index(tmp_path, INDEXED)
    assert read_index(tmp_path) == INDEXED
    assert INDEXED.classes == ("b/c", "a")
    assert INDEXED.class_of["b_c"] == "b/c"


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"kind": "something else", "schema": 9}'])
def test_a_file_of_the_same_name_is_not_an_index(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_text(text)
    assert read_index(tmp_path) is None


def test_a_newer_index_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    write_index(tmp_path, INDEXED)
    document = json.loads((tmp_path / INDEX).read_text())
    (tmp_path / INDEX).write_text(json.dumps(document | {"schema": 99}))
    with pytest.raises(ArtifactError, match="uses schema 99"):
        read_index(tmp_path)
    del document["folders"]
    (tmp_path / INDEX).write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="must be a whole index"):
        read_index(tmp_path)
