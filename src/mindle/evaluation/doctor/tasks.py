"""What the examination of data does for each family of tasks, and where a new one is registered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.doctor.labels import Issues, label_issues
from mindle.evaluation.doctor.slices import SHARES, SIZES, Comparison
from mindle.evaluation.doctor.targets import target_issues
from mindle.evaluation.intervals import Floats
from mindle.records import OutOfFold, Predictions, Task


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What differs by task.

    Attributes:
        issues: Finds labels or targets that are probably wrong; is given the class names too, and which rows
            somebody confirmed.
        output: Name of the output that holds the answers.
        losses: Loss of each row from such answers and the truth: 1 where a class is named wrong; the size of
            the error of a number.
        strata: What a part of the rows holds its share of, from the truth: the class; one of five ranges.
        suggested: What is suggested as people write it, from one of `Issues.suggested` and the class names.
        expected: From such answers the loss that the model itself expects; None where it expects none.
        comparison: How losses of slices are compared.
        answered: The loss of each of some answers whose truth is known, and what the model expects.
    """

    issues: Callable[[OutOfFold, Sequence[str], NDArray[np.bool_] | None], Issues]
    output: str
    losses: Callable[[Floats, Floats], Floats]
    strata: Callable[[Floats], Floats]
    suggested: Callable[[Any, Sequence[str]], str]
    expected: Callable[[Floats], Floats | None]
    comparison: Comparison
    answered: Callable[[Any], tuple[Floats, Floats | None]]


def _wrong(probabilities: Floats, labels: Floats) -> Floats:
    return np.asarray(probabilities.argmax(axis=1) != labels, np.float64)


def _off(estimates: Floats, targets: Floats) -> Floats:
    return np.asarray(np.abs(estimates - targets), np.float64)


def _fifths(targets: Floats) -> Floats:
    ranks = np.argsort(np.argsort(targets, kind="stable"), kind="stable")
    return np.asarray(ranks * 5 // max(len(targets), 1))


def _named(answers: Predictions) -> tuple[Floats, Floats]:
    losses = np.asarray(answers.predicted != answers.truth, np.float64)
    return losses, 1 - answers.probabilities[np.arange(len(answers)), answers.predicted]


TASKS = {
    "classification": Examination(
        issues=label_issues,
        output="probabilities",
        losses=_wrong,
        strata=np.asarray,
        suggested=lambda label, classes: "" if label < 0 else classes[label],
        expected=lambda probabilities: 1 - probabilities.max(axis=1),
        comparison=SHARES,
        answered=_named,
    ),
    "regression": Examination(
        issues=target_issues,
        output="estimate",
        losses=_off,
        strata=_fifths,
        suggested=lambda estimate, classes: f"{estimate:.6g}",
        expected=lambda estimates: None,
        comparison=SIZES,
        answered=lambda answers: (_off(answers.values, answers.truth), None),
    ),
}


def of(task: str) -> Examination:
    """What the examination does for a task.

    Example:
        >>> of("binary").output, of("regression").output
        ('probabilities', 'estimate')
    """
    return TASKS[Task(task).family]
