"""What a data set holds, counted and in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mindle.data
from mindle.data.common.counts import set_aside_counts
from mindle.data.common.summary import (
    decided,
    describe,
    disk_bytes,
    parse_size,
    ready,
    require_learnable,
    split_counts,
)
from mindle.errors import DataError
from mindle.records import Dataset, InputSpec
from tests.discs import write_discs
from tests.pictures import CLASSES, photo_folder


def digits() -> Dataset:
    """The built-in digits, split, with three rows set aside."""
    dataset = mindle.data.split(mindle.data.read("digits"))
    reasons = ["truncated", "truncated", "leak", *[""] * (len(dataset) - 3)]
    return replace(dataset, set_aside=tuple(reasons))


def test_counts_add_up_to_every_image() -> None:
    dataset = digits()
    counts = split_counts(dataset)
    assert sum(sum(row.values()) for row in counts.values()) == len(dataset)
    assert sum(row["set_aside"] for row in counts.values()) == 3
    assert sum(row["test"] for row in counts.values()) == len(dataset.rows("test"))
    assert set_aside_counts(dataset) == {"truncated": 2, "leak": 1}


def test_the_description_names_every_class_and_reason() -> None:
    lines = "\n".join(describe(digits()))
    assert "1,794 images in 10 classes" in lines
    assert "2 truncated, 1 leak" in lines
    assert all(f"\n  {digit}" in lines for digit in range(10))
    assert "and 7 more classes" in "\n".join(describe(digits(), most_classes=3))


def test_one_pixel_layout_is_counted_once() -> None:
    spec = InputSpec(height=10, width=10)
    other = replace(spec, mean=(0.5, 0.5, 0.5))
    assert disk_bytes(7, (spec, other)) == 7 * 300
    assert disk_bytes(7, (spec, replace(spec, fit="pad"))) == 7 * 600


@pytest.mark.parametrize("size", ["five", "-1", "5 apples", ""])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match="5GB"):
        parse_size(size)


def test_rows_without_a_class_count_nowhere() -> None:
    dataset = digits()
    labels = dataset.labels.copy()
    labels[0] = -1
    assert sum(row["set_aside"] for row in split_counts(replace(dataset, labels=labels)).values()) == 2
    assert isinstance(labels, np.ndarray)


def test_numbers_are_described_by_their_spread(tmp_path: Path, cache: Path) -> None:
    dataset = mindle.data.split(mindle.data.read(write_discs(tmp_path, 40)))
    lines = describe(dataset)
    assert lines[0] == "discs: 40 images, to estimate target"
    assert lines[1].split() == ["split", "images", "least", "median", "mean", "most"]
    assert [line.split()[0] for line in lines[2:]] == ["train", "val", "test"]
    counts = split_counts(dataset)
    assert len(counts) == 4
    assert [sum(row.values()) for row in counts.values()] == [10, 10, 10, 10]


def test_too_few_numbers_are_refused(tmp_path: Path, cache: Path) -> None:
    few = mindle.data.split(mindle.data.read(write_discs(tmp_path, 9)))
    with pytest.raises(DataError, match="at least 10 usable training images"):
        require_learnable(few)


def test_the_split_that_came_with_the_data_is_told(tmp_path: Path) -> None:
    for part, count in (("training_set", 3), ("test_set", 2)):
        photo_folder(tmp_path / part, count)
    lines = describe(mindle.data.read(str(tmp_path)))
    assert f"  split given: train {3 * len(CLASSES)}, test {2 * len(CLASSES)}" in lines


def test_where_every_image_is_damaged_check_and_train_say_the_same(tmp_path: Path, cache: Path) -> None:
    for label in CLASSES:
        for number in range(3):
            file = tmp_path / label / f"{number}.jpg"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(b"\xff\xd8\xff" + bytes(f"{label} {number}", "utf-8"))
    dataset = mindle.data.read(str(tmp_path))
    with pytest.raises(DataError) as refused:
        mindle.data.typical_size(dataset)
    finding, *_ = decided(mindle.data.check(dataset), ready).findings
    assert (finding.kind, finding.message) == ("not-learnable", str(refused.value))
