"""What every source yields becomes a data set in one way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mindle.data import check, pixels
from mindle.data.images.sources.entries import Entries, dataset_of, image_array
from mindle.records import ArrayImages, InputSpec

IMAGES = ArrayImages(array=np.zeros((3, 4, 4), np.uint8))
PATHS = ["a", "b", "c"]


def test_columns_that_nothing_is_said_of_are_empty() -> None:
    dataset = Entries(kind="npz", images=IMAGES, paths=PATHS, labels=["x", "y", "x"]).dataset(
        name="three", source="three.npz"
    )
    assert dataset.labels.tolist() == [0, 1, 0]
    assert dataset.given == dataset.groups == dataset.set_aside == ("", "", "")
    assert [(each.kind, each.files) for each in dataset.findings] == [("single", ("b",))]


def test_numbers_take_the_place_of_classes() -> None:
    entries = Entries(
        kind="csv",
        images=IMAGES,
        paths=PATHS,
        targets=np.array([0.5, 1.5, np.nan]),
        target="height",
        given=["train", "val", "train"],
        split_words=["dev", "train"],
        set_aside=["", "", "unlabelled"],
    )
    dataset = entries.dataset(name="three", source="three.csv")
    assert (dataset.classes, dataset.task, dataset.target) == ((), "regression", "height")
    assert dataset.labels.tolist() == [-1, -1, -1]
    assert dataset.given == ("train", "test", "train")  # the one held-out split is sealed
    assert [(each.kind, each.files) for each in dataset.findings] == [("held-out", ("dev",))]


def test_classes_that_only_a_held_out_split_has_are_set_aside() -> None:
    entries = Entries(
        kind="folder",
        images=IMAGES,
        paths=PATHS,
        labels=["x", "y", "z"],
        given=["train", "train", "test"],
        declared=["empty"],
    )
    dataset = entries.dataset(name="three", source="three")
    assert dataset.classes == ("x", "y")
    assert dataset.set_aside == ("", "", "class-extra")
    assert "empty-class" in {each.kind for each in dataset.findings}


def test_floats_from_0_to_1_become_bytes_whatever_their_range() -> None:
    dark = np.full((1, 2, 2), 0.2)  # no image here is white, and none may be stretched to it
    found = image_array(dark)
    assert found is not None
    assert found.dtype == np.uint8
    assert found.max() == 51


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((2, 4)), r"Received shape \(2, 4\)"),
        (np.zeros((2, 4, 4, 2), np.uint8), r"Received shape \(2, 4, 4, 2\)"),
        (np.full((2, 4, 4), 7.0), "Received float64 from 7 to 7"),
        (np.full((2, 4, 4), 7, np.int64), "Received int64"),
    ],
)
def test_arrays_that_are_no_images_are_refused(images: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        image_array(images)


def test_paths_are_read_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    Image.new("RGB", (4, 4), (10, 20, 30)).save(tmp_path / "사진.png")
    monkeypatch.chdir(tmp_path)
    dataset = check(dataset_of(["사진.png"], np.array([0]), ["a", "b"]))
    found = pixels(dataset, dataset.rows(), InputSpec(height=4, width=4))
    assert found[np.array([0])][0, 0, 0].tolist() == [10, 20, 30]


def test_labels_and_images_must_agree() -> None:
    with pytest.raises(ValueError, match="Received 1 for 2 images"):
        dataset_of(["a", "b"], np.array([0]), ["a"])
