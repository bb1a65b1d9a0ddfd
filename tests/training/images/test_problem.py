"""Training is given the rows of train and val alone: no test row, no test truth, and no way to either."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mindle.data
from mindle.records import Dataset, InputSpec, Texts
from mindle.training.images.problem import Problem
from tests.discs import write_discs
from tests.reachable import reachable

SPEC = InputSpec(height=8, width=8, colour="gray", mean=(0.0,), std=(1.0,))


def digits() -> Dataset:
    return mindle.data.split(mindle.data.read("digits"))


def photos(folder: Path) -> Dataset:
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(20):
            Image.new("RGB", (8, 8), (number, ord(label[0]), 0)).save(folder / label / f"{number}.png")
    return mindle.data.split(mindle.data.check(mindle.data.read(folder)))


@pytest.mark.parametrize("kind", ["photos", "digits", "numbers"])
def test_no_test_row_and_no_test_truth_can_be_reached(kind: str, tmp_path: Path, cache: Path) -> None:
    make: dict[str, Any] = {
        "photos": lambda: photos(tmp_path / "photos"),
        "digits": digits,
        "numbers": lambda: mindle.data.split(mindle.data.read(write_discs(tmp_path, 40, side=20))),
    }
    dataset = make[kind]()
    test, taken = dataset.rows("test"), len(dataset.rows("train")) + len(dataset.rows("val"))
    names = {dataset.paths[row] for row in test.tolist()}
    problem = Problem.of(dataset, typical_size=(8, 8))
    objects = reachable(problem)
    arrays = [found for found in objects if isinstance(found, np.ndarray)]
    assert arrays
    assert all(len(array) <= taken for array in arrays if array.ndim)
    assert not any(found is dataset for found in objects)
    assert names.isdisjoint(found for found in objects if isinstance(found, str))
    assert names.isdisjoint(text for found in objects if isinstance(found, Texts) for text in found)
    assert len(problem.pixels(problem.train, SPEC)) == len(problem.train)


def test_rows_keep_their_truth_hash_and_pixels(cache: Path) -> None:
    dataset = mindle.data.check(digits())
    dataset = mindle.data.split(dataset)
    problem = Problem.of(dataset, typical_size=(8, 8))
    for part, rows in (("train", problem.train), ("val", problem.val)):
        before = dataset.rows(part)
        np.testing.assert_array_equal(problem.truth[rows], dataset.labels[before])
        assert problem.keys(rows) == [dataset.sha256[row] for row in before.tolist()]
        images = problem.pixels(rows, SPEC)
        expected = mindle.data.pixels(dataset, before, SPEC)
        np.testing.assert_array_equal(images[np.arange(5)], expected[np.arange(5)])
    assert problem.test_count == len(dataset.rows("test"))


def test_rows_of_one_group_share_a_number_and_others_do_not() -> None:
    dataset = digits()
    names = [""] * len(dataset)
    first, second, third = dataset.rows("train")[:3].tolist()
    names[first] = names[third] = "burst"
    grouped = Problem.of(replace(dataset, groups=tuple(names)), typical_size=(8, 8))
    numbers = grouped.groups(grouped.train)
    assert numbers[0] == numbers[2] != numbers[1]
    assert len(np.unique(numbers)) == len(grouped.train) - 1
    assert second not in (first, third)
