"""A strategy sees the train and val parts, never the test part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mindle.data
from mindle.records import InputSpec
from mindle.training.images.problem import Problem

SPEC = InputSpec(height=8, width=8, colour="gray", mean=(0.0,), std=(1.0,))


def digits() -> Problem:
    dataset = mindle.data.split(mindle.data.read("digits"))
    return Problem(dataset=dataset, typical_size=(8, 8))


def test_the_test_part_stays_shut(cache: Path) -> None:
    problem = digits()
    assert len(problem.pixels(problem.train, SPEC)) == len(problem.train)
    test = problem.dataset.rows("test")
    with pytest.raises(ValueError, match="leave the test part shut"):
        problem.pixels(np.concatenate([problem.train, test[:1]]), SPEC)


def test_rows_of_one_group_share_a_number_and_others_do_not() -> None:
    problem = digits()
    names = [""] * len(problem.dataset)
    first, second, third = problem.train[:3].tolist()
    names[first] = names[third] = "burst"
    grouped = Problem(dataset=replace(problem.dataset, groups=tuple(names)), typical_size=(8, 8))
    numbers = grouped.groups(problem.train)
    assert numbers[0] == numbers[2] != numbers[1]
    assert len(np.unique(numbers)) == len(problem.train) - 1
    assert second not in (first, third)
