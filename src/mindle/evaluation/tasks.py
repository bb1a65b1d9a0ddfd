"""What evaluation does for each family of tasks, and where a new one is registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.classification import Classification
from mindle.evaluation.conformal import Calibration
from mindle.evaluation.paired import Difference, Measure
from mindle.evaluation.regression import Regression
from mindle.messages import Message
from mindle.records import Answers, Task

A = TypeVar("A", bound=Answers)


class TaskEvaluation(Protocol[A]):
    """What evaluation asks of a family of tasks, whose answers are of one type.

    Attributes:
        main: Name of the score that decides, as in metrics.json.
        number: How its values are shown, a format string.
        baseline: Name of the constant answer among the baselines of metrics.json.
    """

    main: str
    number: str
    baseline: str

    def answers(
        self,
        outputs: Mapping[str, NDArray[np.floating[Any]]],
        paths: tuple[str, ...],
        *,
        classes: tuple[str, ...] = (),
        thresholds: NDArray[np.float64] | None = None,
        calibration: Calibration | None = None,
        truth: NDArray[Any] | None = None,
    ) -> A:
        """What the outputs of a graph, by name, answer.

        Args:
            outputs: (row, …) each.
            paths: One name a row.
            classes: Class names in the order of the graph's output.
            thresholds: One a class, where they name the class.
            calibration: What prediction intervals are made from, where there are some.
            truth: (row,) label or target, where it is known.
        """

    def outputs_of(self, values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """What a model answered out of fold, (row, …), under the names of a graph's outputs."""

    def score(self, answers: A, *, seed: int = 0) -> dict[str, Any]:
        """The block that stands as "test" and "val" in metrics.json."""

    def point(self, answers: A) -> float:
        """The main score without an interval."""

    def headline(self, scores: Mapping[str, Any]) -> Message:
        """The main score of a block with its interval, in a sentence."""

    def constant_baseline(self, value: float) -> Message:
        """What the best constant answer reaches, in a few words."""

    def pooled(self, answers: A) -> A:
        """One answer a row: the mean over the repeats where there were some."""

    def worst(self, answers: A, limit: int | None = None) -> list[int]:
        """Rows of the worst answers, the worst first."""

    def errors(self, answers: A) -> dict[str, list[Any]]:
        """The columns of a table of the worst answers, the worst first."""

    def matched(self, first: A, second: A) -> A:
        """The second model's answers in the order of the first one's.

        Raises:
            ValueError: If they answer other rows, or hold another truth; what differs is named.
        """

    def measure(self, first: A, second: A) -> Measure:
        """Scores of draws of rows; the second one's rows are numbered after the first one's."""

    def exact(self, first: A, second: A) -> tuple[Difference, ...]:
        """Differences that have an exact test, the first ones of what `measure` tells."""


TASKS: dict[str, TaskEvaluation[Any]] = {
    "classification": Classification(),
    "regression": Regression(),
}


def of(task: str) -> TaskEvaluation[Any]:
    """What evaluation does for a task.

    Example:
        >>> of("multiclass").main, of("regression").main
        ('accuracy', 'mae')
    """
    return TASKS[Task(task).family]
