"""How something that was tried did, as run.json lists it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import wilson
from mindle.messages import message


def accuracy_attempt(name: str, right: int, n: int, seconds: float, note: str) -> dict[str, Any]:
    """Its accuracy on val with a 95 % interval.

    Example:
        >>> accuracy_attempt("majority", 3, 4, 0.0, "always 'cat'")["value"]
        0.75
    """
    low, high = wilson(right, n)
    return _attempt(name, right / n if n else None, (low, high), seconds, note)


def error_attempt(name: str, errors: NDArray[np.float64], seconds: float, note: str) -> dict[str, Any]:
    """Its mean absolute error on val with a 95 % interval.

    Example:
        >>> error_attempt("mean", np.array([1.0, 3.0]), 0.0, "always the mean")["value"]
        2.0
    """
    n = len(errors)
    mean = float(errors.mean()) if n else None
    if mean is None or n < 2:
        return _attempt(name, mean, (None, None), seconds, note)
    reach = 1.96 * float(errors.std(ddof=1)) / n**0.5
    return _attempt(name, mean, (max(mean - reach, 0.0), mean + reach), seconds, note)


def _attempt(
    name: str,
    value: float | None,
    interval: tuple[float | None, float | None],
    seconds: float,
    note: str,
) -> dict[str, Any]:
    low, high = interval
    return {
        "name": name,
        "value": value,
        "low": low,
        "high": high,
        "seconds": round(seconds, 2),
        "note": note,
        "chosen": False,
    }


def both(first: str, second: str, kind: str = "remarks") -> str:
    """Two remarks, or "sentences", one after the other; one alone where the other is empty.

    Example:
        >>> both("slow", "exact"), both("", "exact")
        ('slow; exact', 'exact')
    """
    if not (first and second):
        return first or second
    return message(f"selection.{kind}", first=first, second=second)


def log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities of scores (image, class).

    Example:
        >>> np.exp(log_softmax(np.zeros((1, 4)))).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
