"""What training on tables asks of a task, and where it is looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation import fit_temperature, wilson
from mindle.models.tables.model import LEAST, ClassificationModel, RegressionModel, TableModel
from mindle.records import Task
from mindle.training.tables.stacking import Loss, log_loss, robust_loss, squared_loss

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Truth = NDArray[np.float64] | NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Target:
    """The truth of a training set as learners and encoders take it.

    Attributes:
        truth: Class numbers, or the target with mean 0 and standard deviation 1.
        columns: (row, column) the target that categories are encoded by.
        centre, scale: Mean and standard deviation of the target before it was standardised.
    """

    truth: Truth
    columns: Floats
    centre: float = 0.0
    scale: float = 1.0


class TableTask(Protocol):
    """How tables of one family of tasks are learned from.

    Attributes:
        model: What it makes of scores, as a model of `mindle.models`.
        loss_name: What `value` is called.
        importance_metric: Name of the mean of `importance_loss`.
        has_intervals: Whether an answer has a prediction interval, made from the models of the folds.
    """

    model: type[TableModel]
    loss_name: str
    importance_metric: str
    has_intervals: bool

    def target(self, truth: NDArray[Any], outputs: int) -> Target:
        """The truth of a training set as it is learned."""

    def positive(self, truth: NDArray[Any]) -> bool:
        """Whether these are numbers above zero, whose logarithms can be learned."""

    def temperature(self, scores: Floats, truth: NDArray[Any]) -> float:
        """What a learner's scores are divided by."""

    def blend_temperature(self, answers: Floats, truth: NDArray[Any]) -> float:
        """The temperature of the weighted answers."""

    def loss(self, truth: NDArray[Any]) -> Loss:
        """Of each row's answers; models are scored by its mean."""

    def weighting_loss(self, truth: NDArray[Any], answers: Mapping[str, Floats]) -> Callable[[Rows], Loss]:
        """Rows to the loss that the weights of these learners are chosen by."""

    def importance_loss(self, truth: NDArray[Any]) -> Loss:
        """Of each row's answers, for permutation importance."""

    def value(self, mean_loss: float) -> float:
        """A mean of `loss` as people read it."""

    def accuracy(self, answers: Floats, truth: NDArray[Any]) -> float | None:
        """Share of rows that are right; None where answers are never simply right."""

    def score(self, answers: Floats, truth: NDArray[Any]) -> dict[str, float]:
        """The score of one attempt: value, low and high."""


class TableClassification:
    """Classes: probabilities, calibrated by a temperature."""

    model: type[TableModel] = ClassificationModel
    loss_name = "log loss"
    importance_metric = "log_loss"
    has_intervals = False

    def target(self, truth: NDArray[Any], outputs: int) -> Target:
        """Class numbers; categories are encoded by one column a class, of two classes by the second's."""
        columns = (truth == 1)[:, None].astype(np.float64) if outputs == 2 else np.eye(outputs)[truth]
        return Target(truth=truth, columns=columns)

    def positive(self, truth: NDArray[Any]) -> bool:
        """Never: classes are no numbers."""
        return False

    def temperature(self, scores: Floats, truth: NDArray[Any]) -> float:
        """Fitted to logits of rows that no model had learned from."""
        return fit_temperature(scores, truth)

    def blend_temperature(self, answers: Floats, truth: NDArray[Any]) -> float:
        """Fitted to the logarithms of the weighted probabilities."""
        return fit_temperature(np.log(np.maximum(answers, LEAST)), truth)

    def loss(self, truth: NDArray[Any]) -> Loss:
        """Cross-entropy."""
        return log_loss(truth)

    def weighting_loss(self, truth: NDArray[Any], answers: Mapping[str, Floats]) -> Callable[[Rows], Loss]:
        """Cross-entropy."""
        return lambda rows: log_loss(truth[rows])

    def importance_loss(self, truth: NDArray[Any]) -> Loss:
        """Cross-entropy."""
        return log_loss(truth)

    def value(self, mean_loss: float) -> float:
        """The cross-entropy itself."""
        return mean_loss

    def accuracy(self, answers: Floats, truth: NDArray[Any]) -> float | None:
        """Share of rows whose most probable class is the true one."""
        return float((answers.argmax(axis=1) == truth).mean())

    def score(self, answers: Floats, truth: NDArray[Any]) -> dict[str, float]:
        """Accuracy with Wilson's interval."""
        right, n = int((answers.argmax(axis=1) == truth).sum()), len(truth)
        low, high = wilson(right, n)
        return {"value": right / n, "low": low, "high": high}


class TableRegression:
    """A number: estimates in the target's own unit, with prediction intervals."""

    model: type[TableModel] = RegressionModel
    loss_name = "root mean squared error"
    importance_metric = "mae"
    has_intervals = True

    def target(self, truth: NDArray[Any], outputs: int) -> Target:
        """The standardised target."""
        centre, scale = float(truth.mean()), float(truth.std()) or 1.0
        standardised = np.asarray((truth - centre) / scale, np.float64)
        return Target(truth=standardised, columns=standardised[:, None], centre=centre, scale=scale)

    def positive(self, truth: NDArray[Any]) -> bool:
        """Whether the least is."""
        return bool(truth.min() > 0)

    def temperature(self, scores: Floats, truth: NDArray[Any]) -> float:
        """Estimates have none."""
        return 1.0

    def blend_temperature(self, answers: Floats, truth: NDArray[Any]) -> float:
        """Estimates have none."""
        return 1.0

    def loss(self, truth: NDArray[Any]) -> Loss:
        """Squared error."""
        return squared_loss(truth)

    def weighting_loss(self, truth: NDArray[Any], answers: Mapping[str, Floats]) -> Callable[[Rows], Loss]:
        """Huber loss, its threshold the median error of the best learner."""
        threshold = min(float(np.median(np.abs(one[:, 0] - truth))) for one in answers.values()) or 1.0
        return lambda rows: robust_loss(truth[rows], threshold)

    def importance_loss(self, truth: NDArray[Any]) -> Loss:
        """Absolute error."""
        return lambda answers: np.abs(answers[:, 0] - truth)

    def value(self, mean_loss: float) -> float:
        """Root mean squared error."""
        return float(mean_loss**0.5)

    def accuracy(self, answers: Floats, truth: NDArray[Any]) -> float | None:
        """None: an estimate is never simply right."""
        return None

    def score(self, answers: Floats, truth: NDArray[Any]) -> dict[str, float]:
        """Mean absolute error with a normal interval."""
        errors = np.abs(answers[:, 0] - truth)
        mean, reach = float(errors.mean()), 1.96 * float(errors.std()) / len(truth) ** 0.5
        return {"value": mean, "low": mean - reach, "high": mean + reach}


# By `Task.family`; another package adds an entry.
TASKS: dict[str, TableTask] = {
    "classification": TableClassification(),
    "regression": TableRegression(),
}


def of(task: str) -> TableTask:
    """What is done for a task.

    Example:
        >>> of("binary") is of("multiclass"), of("regression").loss_name
        (True, 'root mean squared error')
    """
    return TASKS[Task(task).family]
