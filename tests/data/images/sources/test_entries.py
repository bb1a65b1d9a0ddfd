"""What every source yields becomes a data set in one way."""

from __future__ import annotations

import numpy as np

from mindle.data.images.sources.entries import Entries
from mindle.records import ArrayImages

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
