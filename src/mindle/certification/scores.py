"""What is measured of answers to corrupted images or rows, beside those to the same ones as they were.

Each family of tasks has its own scores; everything rests on one number a row whose mean is the main score.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from mindle.evaluation.calibration import error_by_chance, expected_calibration_error
from mindle.evaluation.intervals import Floats, Score, bootstrap_rows, counted, percentiles
from mindle.evaluation.paired import paired_difference
from mindle.records import Answers, Estimates, Predictions, Task

A = TypeVar("A", bound=Answers)

_RESAMPLES = 1_000


class Scores(ABC, Generic[A]):
    """The scores of a family of tasks.

    Attributes:
        main: Name of the main score.
        least: The scores of which a limit states the least that is allowed; of the others the most.
        most: Those.
    """

    main: ClassVar[str]
    least: ClassVar[tuple[str, ...]]
    most: ClassVar[tuple[str, ...]]

    @abstractmethod
    def each(self, answers: A) -> Floats:
        """(row,) what the main score is the mean of."""

    @abstractmethod
    def alone(self, answers: A) -> dict[str, Any]:
        """The scores of some answers, whatever others are."""

    @abstractmethod
    def difference(self, clean: Floats, corrupted: Floats) -> tuple[float, float]:
        """Ends of the interval of the difference of two means of the same rows."""

    def of(self, answers: A, clean: A) -> dict[str, Any]:
        """The scores of some answers, and beside those to the same rows as they were."""
        before, after = self.each(clean), self.each(answers)
        low, high = self.difference(before, after)
        return {
            **self.alone(answers),
            "difference": {"value": float(after.mean() - before.mean()), "low": low, "high": high},
            "relative": _relative(before, after),
        }


def _relative(before: Floats, after: Floats) -> Score:
    """The ratio of two means of the same rows; unknown where the first is 0."""
    if not before.any():
        return {"value": None, "low": None, "high": None}
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = [
            after[rows].mean(axis=1) / before[rows].mean(axis=1)
            for rows in bootstrap_rows(len(before), resamples=_RESAMPLES)
        ]
    found: Floats = np.concatenate(draws)
    # Of few rows some draws hold nothing right: no number, or one without bound.
    low, high = percentiles(found) if np.isfinite(found).all() else (None, None)
    return {"value": float(after.mean() / before.mean()), "low": low, "high": high}


def abstained(answers: Answers) -> dict[str, Any]:
    """How often a model abstains, and for which reasons; nothing where it cannot."""
    if answers.abstain is None:
        return {}
    codes = Counter(code for code in answers.abstain.tolist() if code)
    return {"abstained": counted(codes.total(), len(answers)), "by_reason": dict(codes.most_common())}


class ClassScores(Scores[Predictions]):
    """Accuracy, calibration, and how often the label set holds the true class."""

    main = "accuracy"
    least = ("accuracy", "accuracy_of_the_rest", "relative", "coverage")
    most = ("ece", "set_size")

    def each(self, answers: Predictions) -> Floats:
        """Whether it is right."""
        right: Floats = (answers.predicted == answers.truth).astype(np.float64)
        return right

    def alone(self, answers: Predictions) -> dict[str, Any]:
        """See `Scores`."""
        labels, right = np.asarray(answers.labels), self.each(answers)
        found = {
            "accuracy": counted(int(right.sum()), len(right)),
            "ece": expected_calibration_error(answers.probabilities, labels),
            # What 95 % of perfectly calibrated models stay below: few answers alone make an error.
            "ece_by_chance": error_by_chance(answers.probabilities),
            **abstained(answers),
        }
        if answers.abstain is not None:
            kept = answers.abstain == ""
            found["accuracy_of_the_rest"] = counted(int(right[kept].sum()), int(kept.sum()))
        if answers.sets is not None:
            inside = answers.sets[np.arange(len(labels)), labels]
            found["coverage"] = counted(int(inside.sum()), len(inside))
            found["set_size"] = float(answers.sets.sum(axis=1).mean())
        return found

    def difference(self, clean: Floats, corrupted: Floats) -> tuple[float, float]:
        """Newcombe's interval of paired shares."""
        one, two = clean > 0, corrupted > 0
        both, gained, lost = int((one & two).sum()), int((~one & two).sum()), int((one & ~two).sum())
        return paired_difference(both, gained, lost, len(one))


class NumberScores(Scores[Estimates]):
    """Mean absolute error, and how often the prediction interval holds the target."""

    main = "mae"
    least = ("coverage",)
    most = ("mae", "mae_of_the_rest", "relative", "width")

    def each(self, answers: Estimates) -> Floats:
        """How far it is off."""
        off: Floats = np.abs(answers.values - np.asarray(answers.targets, np.float64))
        return off

    def alone(self, answers: Estimates) -> dict[str, Any]:
        """See `Scores`."""
        off = self.each(answers)
        low, high = _mean_interval(off)
        found = {"mae": {"value": float(off.mean()), "low": low, "high": high}, **abstained(answers)}
        if answers.abstain is not None:
            kept = off[answers.abstain == ""]
            found["mae_of_the_rest"] = float(kept.mean()) if len(kept) else None
        if answers.low is not None and answers.high is not None:
            targets = np.asarray(answers.targets, np.float64)
            inside = (answers.low <= targets) & (targets <= answers.high)
            found["coverage"] = counted(int(inside.sum()), len(inside))
            found["width"] = float(np.mean(answers.high - answers.low))
        return found

    def difference(self, clean: Floats, corrupted: Floats) -> tuple[float, float]:
        """By resampling rows."""
        return _mean_interval(corrupted - clean)


def _mean_interval(values: Floats) -> tuple[float, float]:
    draws = [values[rows].mean(axis=1) for rows in bootstrap_rows(len(values), resamples=_RESAMPLES)]
    return percentiles(np.concatenate(draws))


SCORES: dict[str, Scores[Any]] = {"classification": ClassScores(), "regression": NumberScores()}


def of(task: str) -> Scores[Any]:
    """The scores of a task.

    Example:
        >>> of("binary").main, of("regression").main
        ('accuracy', 'mae')
    """
    return SCORES[Task(task).family]


def value_of(score: Any) -> float | None:
    """A score without its interval.

    Example:
        >>> value_of({"value": 0.9, "low": 0.8, "high": 0.95}), value_of(0.03), value_of(None)
        (0.9, 0.03, None)
    """
    found: float | None = score["value"] if isinstance(score, Mapping) else score
    return found
