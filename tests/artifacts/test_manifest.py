"""The manifest holds a row for every file and comes back as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mindle.artifacts.manifest import fingerprint, manifest_rows, read_manifest, write_manifest
from mindle.errors import ArtifactError
from mindle.records import Dataset, FileImages


def photos() -> Dataset:
    return Dataset(
        name="photos",
        kind="folder",
        source="photos/",
        classes=("개", '"cat", big'),
        paths=("개/a.jpg", "c/b,1.jpg", "c/broken.jpg", ".hidden"),
        labels=np.array([0, 1, 1, -1]),
        given=("",) * 4,
        groups=("g1", "", "", ""),
        images=FileImages(root=Path("photos"), names=("개/a.jpg", "c/b,1.jpg", "c/broken.jpg", ".hidden")),
        set_aside=("", "", "truncated", "hidden"),
        sha256=("aa", "bb", "cc", ""),
        heights=np.array([10, 20, 0, 0]),
        widths=np.array([11, 21, 0, 0]),
        splits=("train", "test", "", ""),
    )


def test_rows_come_back(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", photos())
    rows = read_manifest(tmp_path / "manifest.csv")
    assert rows == manifest_rows(photos())
    assert [row.label for row in rows] == ["개", '"cat", big', '"cat", big', ""]
    assert [row.finding for row in rows] == ["", "", "truncated", "hidden"]
    assert (rows[0].height, rows[0].width, rows[0].group) == (10, 11, "g1")


def test_a_dataset_not_yet_checked_has_a_manifest_too(tmp_path: Path) -> None:
    fresh = replace(
        photos(), sha256=(), splits=(), heights=np.zeros(0, np.int64), widths=np.zeros(0, np.int64)
    )
    assert [row.split for row in manifest_rows(fresh)] == ["", "", "", ""]


def test_a_lost_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label\na,b\n")
    with pytest.raises(ArtifactError, match="sha256"):
        read_manifest(tmp_path / "manifest.csv")


def test_the_fingerprint_follows_content_class_and_part_only() -> None:
    one = photos()
    moved = replace(one, paths=("x", "y", "z", "w"), name="elsewhere", groups=("",) * 4)
    assert fingerprint(moved) == fingerprint(one)
    assert fingerprint(replace(one, sha256=("aa", "b2", "cc", ""))) != fingerprint(one)
    assert fingerprint(replace(one, splits=("test", "train", "", ""))) != fingerprint(one)
    assert fingerprint(replace(one, labels=np.array([1, 1, 1, -1]))) != fingerprint(one)
