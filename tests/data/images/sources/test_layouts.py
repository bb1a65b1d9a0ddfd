"""Layouts of folders: parts in any spelling, what is passed through, what stays in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindle.data import read
from mindle.data.common.classes import UNDECIDED
from mindle.data.common.summary import require_learnable
from mindle.data.images.sources.folder import read_folder
from mindle.errors import DataError
from mindle.records import Dataset

SPLITS = [
    ("training_set", "test_set"),
    ("Train", "Test"),
    ("train_images", "test_images"),
    ("TrainSet", "TestSet"),
    ("flowers_train", "flowers_test"),
    ("seg_train/seg_train", "seg_test/seg_test"),
    ("archive/Training", "archive/Testing"),
    ("x/x/train/images", "x/x/test/images"),
    ("1.Training", "2.test"),
    ("학습", "시험"),
]


def build(root: Path, *folders: str, files: tuple[str, ...] = ()) -> Dataset:
    """Two pictures in each folder, and files beside them."""
    for name in (*(f"{folder}/{number}.jpg" for folder in folders for number in (1, 2)), *files):
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(name.encode())
    return read_folder(root).dataset(name="photos", source="photos")


def classed(*parts: str) -> list[str]:
    return [f"{part}/{label}" for part in parts for label in ("cat", "dog")]


def kinds(dataset: Dataset, *, decisions: bool) -> set[str]:
    return {finding.kind for finding in dataset.findings if finding.decision == decisions}


@pytest.mark.parametrize(("train", "test"), SPLITS)
def test_parts_in_common_spellings(tmp_path: Path, train: str, test: str) -> None:
    dataset = build(tmp_path, *classed(train, test))
    assert dataset.classes == ("cat", "dog")
    assert [dataset.given.count(part) for part in ("train", "test")] == [4, 4]
    assert kinds(dataset, decisions=True) == set()


@pytest.mark.parametrize("beside", ["models/a.h5", "docs/a.txt", "annotations/a.xml"])
def test_a_folder_without_pictures_beside_the_parts_is_left_out(tmp_path: Path, beside: str) -> None:
    dataset = build(tmp_path, *classed("train", "test"), files=(beside,))
    assert dataset.classes == ("cat", "dog")
    assert dataset.set_aside.count("stray") == 1
    assert kinds(dataset, decisions=True) == set()


@pytest.mark.parametrize("beside", ["seg_pred", "seg_pred/seg_pred", "pred"])
def test_pictures_without_labels_beside_the_parts_are_left_out_and_said(tmp_path: Path, beside: str) -> None:
    dataset = build(tmp_path, *classed("seg_train", "seg_test"), beside)
    assert dataset.classes == ("cat", "dog")
    assert "beside-parts" in kinds(dataset, decisions=False)


def test_a_part_without_class_folders_is_left_out_and_holds_nothing_out(tmp_path: Path) -> None:
    dataset = build(tmp_path / "one", *classed("train"), "test")
    assert set(dataset.given) == {""}
    assert dataset.set_aside.count("unlabelled") == 2
    other = build(tmp_path / "two", *classed("train", "valid"), "test")
    assert [other.given.count(part) for part in ("train", "test", "val")] == [4, 4, 0]


def test_classes_left_beside_the_parts_need_a_decision(tmp_path: Path) -> None:
    assert "beside-parts" in kinds(build(tmp_path, *classed("train", "test", "more")), decisions=True)


@pytest.mark.parametrize("folder", ["photos", "photos/photos", "a/b/c", "train", "val", "data/test"])
def test_folders_around_all_classes_are_passed_through(tmp_path: Path, folder: str) -> None:
    dataset = build(tmp_path, *classed(folder), files=("README.md",))
    assert dataset.classes == ("cat", "dog")
    assert set(dataset.given) == {""}
    assert "passed-through" in kinds(dataset, decisions=False)


def test_parts_within_class_folders(tmp_path: Path) -> None:
    dataset = build(tmp_path, "cat/train", "cat/test", "dog/train", "dog/test")
    assert dataset.classes == ("cat", "dog")
    assert [dataset.given.count(part) for part in ("train", "test")] == [4, 4]


def test_a_part_with_one_class_that_has_folders_keeps_it(tmp_path: Path) -> None:
    dataset = build(tmp_path, "train/cat/a", "train/cat/b", "train/dog", "test/cat/a", "test/cat/b")
    assert dataset.classes == ("cat", "dog")
    assert dataset.set_aside.count("") == len(dataset)


@pytest.mark.parametrize("folders", [("testudo", "emys"), ("trainers", "boots"), ("cat/a", "cat/b", "dog/c")])
def test_names_that_only_look_like_parts_are_classes(tmp_path: Path, folders: tuple[str, ...]) -> None:
    dataset = build(tmp_path, *folders)
    assert dataset.classes == tuple(sorted({folder.split("/")[0] for folder in folders}))
    assert dataset.findings == ()


@pytest.mark.parametrize("folders", [("car", "bus", "train"), ("park", "train_station")])
def test_a_train_with_images_beside_others_is_a_class(tmp_path: Path, folders: tuple[str, ...]) -> None:
    dataset = build(tmp_path, *folders)
    assert dataset.classes == tuple(sorted(folders))
    assert kinds(dataset, decisions=False) == {"part-names"}


def test_one_word_of_a_split_within_a_class_needs_a_decision(tmp_path: Path) -> None:
    dataset = build(tmp_path, "test_tube", "flask")
    assert dataset.classes == ("flask", "test_tube")
    assert kinds(dataset, decisions=True) == {"part-names"}


@pytest.mark.parametrize(
    "folders",
    [
        ("cat", "dog", "test"),
        ("boots", "validation"),
        ("train", "test", "car"),
        ("cats_train", "cats_test", "dogs_train", "dogs_test"),
        ("old_train/cat", "old_train/dog", "new_test/cat", "new_test/dog"),
        ("train/cat", "train/dog", "unlabelled"),
    ],
)
def test_what_may_be_parts_or_classes_is_never_learned(tmp_path: Path, folders: tuple[str, ...]) -> None:
    dataset = build(tmp_path, *folders)
    assert UNDECIDED in kinds(dataset, decisions=True)
    with pytest.raises(DataError, match="classes or splits"):
        require_learnable(dataset)


@pytest.mark.parametrize("tops", [("fold1", "fold2", "fold3"), ("site a", "site b")])
def test_class_folders_that_hold_the_same_folders_need_a_decision(
    tmp_path: Path, tops: tuple[str, ...]
) -> None:
    assert kinds(build(tmp_path, *classed(*tops)), decisions=True) == {"same-folders"}


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "parts"),
    [("dogs-vs-cats", {"train", "test"}), ("flowers5", {"train", "test"}), ("trashnet-150", {""})],
)
def test_the_photos_of_the_course_are_read_as_ever(shared: Path, name: str, parts: set[str]) -> None:
    dataset = read(shared / "data" / name)
    assert set(dataset.given) == parts
    assert {finding.kind for finding in dataset.findings} <= {"held-out"}
    assert not any(dataset.set_aside)
