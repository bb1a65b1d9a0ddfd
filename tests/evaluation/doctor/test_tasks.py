from __future__ import annotations

import numpy as np

from mindle.evaluation.doctor import tasks
from mindle.records import FAMILIES


def test_every_family_is_examined() -> None:
    assert {tasks.of(task).output for task in FAMILIES} == {"probabilities", "estimate"}


def test_losses_are_mistakes_of_classes_and_sizes_of_errors() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2]])
    assert tasks.of("binary").losses(probabilities, np.array([0, 1])).tolist() == [0.0, 1.0]
    assert tasks.of("regression").losses(np.array([1.0, 5.0]), np.array([2.0, 2.0])).tolist() == [1.0, 3.0]


def test_numbers_are_spread_by_fifths() -> None:
    assert np.bincount(tasks.of("regression").strata(np.arange(100.0) ** 2)).tolist() == [20] * 5


def test_suggestions_are_written_for_people() -> None:
    assert tasks.of("regression").suggested(5.900190000001, ()) == "5.90019"
    assert [tasks.of("binary").suggested(label, ("cat", "dog")) for label in (-1, 1)] == ["", "dog"]
