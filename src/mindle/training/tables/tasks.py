"""What training on tables asks of a task, and where it is looked up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.calibration import fit_temperature
from mindle.evaluation.intervals import difference, wilson
from mindle.models.tables.model import LEAST, ClassificationModel, RegressionModel, TableModel
from mindle.records import Task
from mindle.training.tables.stacking import Loss, log_loss, robust_loss, squared_loss

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Truth = NDArray[np.float64] | NDArray[np.int64]

# Models that are right about, or explain, this much more of what they learned from than of what they did not
# are overfitted.
FAR_RIGHT, FAR_EXPLAINED = 0.10, 0.25


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


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Answers that are worse than the best constant one.

    Attributes:
        kind: Of the diagnosis.
        value, against: How good they are, and the constant answer is.
        values: What its sentence says.
    """

    kind: str
    value: float
    against: float
    values: Mapping[str, Any]


class TableTask(ABC):
    """How tables of one family of tasks are learned from.

    Attributes:
        model: What it makes of scores, as a model of `mindle.models`.
        loss_name: What `value` is called.
        has_intervals: Whether an answer is a number with a prediction interval, made from the models of the
            folds.
        share_name: Of what `overfitting` compares, "right" or "explained".
    """

    model: type[TableModel]
    loss_name: str
    has_intervals: bool
    share_name: str

    @abstractmethod
    def target(self, truth: NDArray[Any], outputs: int) -> Target:
        """The truth of a training set as it is learned."""

    @abstractmethod
    def loss(self, truth: NDArray[Any]) -> Loss:
        """Of each row's answers; models are scored by its mean."""

    @abstractmethod
    def score(self, answers: Floats, truth: NDArray[Any]) -> dict[str, float]:
        """The score of one attempt: value, low and high."""

    @abstractmethod
    def failure(self, truth: NDArray[Any], answers: Floats, classes: tuple[str, ...]) -> Failure | None:
        """Whether answers out of fold are worse than the best constant one, by more than chance."""

    @abstractmethod
    def overfitting(
        self, truth: NDArray[Any], learned: Floats, answers: Floats
    ) -> tuple[float, float] | None:
        """The shares of training rows and out of fold, where the first is far higher, by more than chance."""

    def positive(self, truth: NDArray[Any]) -> bool:
        """Whether these are numbers above zero, whose logarithms can be learned."""
        return False

    def temperature(self, scores: Floats, truth: NDArray[Any]) -> float:
        """What a learner's scores are divided by."""
        return 1.0

    def blend_temperature(self, answers: Floats, truth: NDArray[Any]) -> float:
        """The temperature of the weighted answers."""
        return 1.0

    def weighting_loss(self, truth: NDArray[Any], answers: Mapping[str, Floats]) -> Callable[[Rows], Loss]:
        """Rows to the loss that the weights of these learners are chosen by."""
        return lambda rows: self.loss(truth[rows])

    def importance_loss(self, truth: NDArray[Any]) -> Loss:
        """Of each row's answers, for permutation importance."""
        return self.loss(truth)

    def value(self, mean_loss: float) -> float:
        """A mean of `loss` as people read it."""
        return mean_loss

    def accuracy(self, answers: Floats, truth: NDArray[Any]) -> float | None:
        """Share of rows that are right; None where answers are never simply right."""
        return None


class TableClassification(TableTask):
    """Classes: probabilities, calibrated by a temperature."""

    model = ClassificationModel
    loss_name = "log loss"
    has_intervals = False
    share_name = "right"

    def target(self, truth: NDArray[Any], outputs: int) -> Target:
        """Class numbers; categories are encoded by one column a class, of two classes by the second's."""
        columns = (truth == 1)[:, None].astype(np.float64) if outputs == 2 else np.eye(outputs)[truth]
        return Target(truth=truth, columns=columns)

    def loss(self, truth: NDArray[Any]) -> Loss:
        """Cross-entropy."""
        return log_loss(truth)

    def score(self, answers: Floats, truth: NDArray[Any]) -> dict[str, float]:
        """Accuracy with Wilson's interval."""
        right = self._right(answers, truth)
        low, high = wilson(right, len(truth))
        return {"value": right / len(truth), "low": low, "high": high}

    def failure(self, truth: NDArray[Any], answers: Floats, classes: tuple[str, ...]) -> Failure | None:
        """Fewer right than by always naming the most frequent class."""
        counts, n = np.bincount(truth.astype(np.int64), minlength=len(classes)), len(truth)
        right, majority = self._right(answers, truth), float(counts.max() / n)
        high = wilson(right, n)[1]
        if high >= majority:
            return None
        values = {
            "share": right / n,
            "high": high,
            "majority": majority,
            "label": classes[int(counts.argmax())],
        }
        return Failure(kind="val-below-majority", value=right / n, against=majority, values=values)

    def overfitting(
        self, truth: NDArray[Any], learned: Floats, answers: Floats
    ) -> tuple[float, float] | None:
        """Shares of rows that are right."""
        n = len(truth)
        train, val = self._right(learned, truth) / n, self._right(answers, truth) / n
        return (train, val) if difference((train, n), (val, n))[1] >= FAR_RIGHT else None

    def temperature(self, scores: Floats, truth: NDArray[Any]) -> float:
        """Fitted to logits of rows that no model had learned from."""
        return fit_temperature(scores, truth)

    def blend_temperature(self, answers: Floats, truth: NDArray[Any]) -> float:
        """Fitted to the logarithms of the weighted probabilities."""
        return fit_temperature(np.log(np.maximum(answers, LEAST)), truth)

    def accuracy(self, answers: Floats, truth: NDArray[Any]) -> float | None:
        """Share of rows whose most probable class is the true one."""
        return self._right(answers, truth) / len(truth)

    def _right(self, answers: Floats, truth: NDArray[Any]) -> int:
        return int((answers.argmax(axis=1) == truth).sum())


class TableRegression(TableTask):
    """A number: estimates in the target's own unit, with prediction intervals."""

    model = RegressionModel
    loss_name = "root mean squared error"
    has_intervals = True
    share_name = "explained"

    def target(self, truth: NDArray[Any], outputs: int) -> Target:
        """The standardised target."""
        centre, scale = float(truth.mean()), float(truth.std()) or 1.0
        standardised = np.asarray((truth - centre) / scale, np.float64)
        return Target(truth=standardised, columns=standardised[:, None], centre=centre, scale=scale)

    def loss(self, truth: NDArray[Any]) -> Loss:
        """Squared error."""
        return squared_loss(truth)

    def score(self, answers: Floats, truth: NDArray[Any]) -> dict[str, float]:
        """Mean absolute error with a normal interval."""
        errors = np.abs(answers[:, 0] - truth)
        mean, reach = float(errors.mean()), 1.96 * float(errors.std()) / len(truth) ** 0.5
        return {"value": mean, "low": mean - reach, "high": mean + reach}

    def failure(self, truth: NDArray[Any], answers: Floats, classes: tuple[str, ...]) -> Failure | None:
        """Further from the truth than the mean, in squares."""
        errors, spread = (answers - truth) ** 2, (truth - truth.mean()) ** 2
        worse = errors - spread
        if worse.mean() <= 1.96 * worse.std() / len(truth) ** 0.5:
            return None
        error, mean = float(errors.mean() ** 0.5), float(spread.mean() ** 0.5)
        values = {"error": error, "mean": mean}
        return Failure(kind="worse-than-mean", value=error, against=mean, values=values)

    def overfitting(
        self, truth: NDArray[Any], learned: Floats, answers: Floats
    ) -> tuple[float, float] | None:
        """Shares of the variance that are explained."""
        spread, errors = max(float(truth.var()), 1e-12), (answers - truth) ** 2
        train = 1 - float(((learned - truth) ** 2).mean()) / spread
        val = 1 - float(errors.mean()) / spread
        high = val + 1.96 * float(errors.std()) / len(truth) ** 0.5 / spread
        return (train, val) if train - high >= FAR_EXPLAINED else None

    def positive(self, truth: NDArray[Any]) -> bool:
        """Whether the least is."""
        return bool(truth.min() > 0)

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
