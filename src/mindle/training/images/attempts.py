"""How something that was tried did, by the metric of its task, as run.json lists it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import Floats, wilson
from mindle.messages import message


@dataclass(frozen=True)
class Metric:
    """What candidates are compared by on val.

    Attributes:
        name: As in metrics.json.
        measure: Of scores (image, output) and the truth, what each image adds to the mean.
        interval: The 95 % interval of the mean.

    Example:
        >>> MAE.attempt("mean", np.array([1.0, 3.0]), "always the mean")["value"]
        2.0
    """

    name: str
    measure: Callable[[Floats, NDArray[Any]], NDArray[Any]]
    interval: Callable[[NDArray[Any]], tuple[float | None, float | None]]

    def attempt(self, name: str, values: NDArray[Any], note: str, seconds: float = 0.0) -> dict[str, Any]:
        """How something did, as run.json lists it, from what each val image adds."""
        low, high = self.interval(values)
        return {
            "name": name,
            "value": float(values.mean()) if len(values) else None,
            "low": low,
            "high": high,
            "seconds": round(seconds, 2),
            "note": note,
            "chosen": False,
        }


def _error_interval(errors: NDArray[Any]) -> tuple[float | None, float | None]:
    if len(errors) < 2:
        return None, None
    mean, reach = float(errors.mean()), 1.96 * float(errors.std(ddof=1)) / len(errors) ** 0.5
    return max(mean - reach, 0.0), mean + reach


ACCURACY = Metric(
    "accuracy",
    lambda scores, labels: scores.argmax(axis=1) == labels,
    lambda right: wilson(int(right.sum()), len(right)),
)
MAE = Metric("mae", lambda scores, targets: np.abs(scores[:, 0] - targets), _error_interval)


def both(first: str, second: str, kind: str = "remarks") -> str:
    """Two remarks, or "sentences", one after the other; one alone where the other is empty.

    Example:
        >>> both("slow", "exact"), both("", "exact")
        ('slow; exact', 'exact')
    """
    if not (first and second):
        return first or second
    return message(f"selection.{kind}", first=first, second=second)


def log_softmax(scores: Floats) -> Floats:
    """Log-probabilities of scores (image, class).

    Example:
        >>> np.exp(log_softmax(np.zeros((1, 4)))).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def log_loss(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """Mean cross-entropy of probabilities (image, class).

    Example:
        >>> log_loss(np.array([[1.0, 0.0]]), np.array([0]))
        -0.0
    """
    known = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(known, 1e-12)).mean())
