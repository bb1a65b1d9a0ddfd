"""Label sets: the classes that an answer leaves open, so that the truth is among them as often as promised.

Answers out of fold say how unlikely a model may find the truth. Whatever class of a new answer is no less
likely than all but 10 % of those, at a level of 90 %, is in its set (split conformal prediction). The named
class always is, so that no set is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.typed import read_record
from mindle.evaluation.intervals import Floats, Ints

LEVEL = 0.9
# Of "raps": what each class beyond the first adds to a score. On flowers5, sets of 0.05 are the smallest.
PENALTY = 0.05
_ROUNDING = 1e-9  # (1 - level)(n + 1) is often whole, and must not be moved to the next rank


def _threshold(probabilities: Floats, penalty: float) -> Floats:
    """How unlikely each class is found.

    Source:
        Sadinle, Lei & Wasserman 2019, https://arxiv.org/abs/1609.00451.
    """
    return np.asarray(1 - probabilities)


def _raps(probabilities: Floats, penalty: float) -> Floats:
    """The probability of a class and of all likelier ones, and a penalty for each of these.

    Source:
        Angelopoulos et al. 2021, https://arxiv.org/abs/2009.14193, eq. 4, without randomisation.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")  # (row, class), 0 is the likeliest
    sums = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1)
    return np.asarray(np.take_along_axis(sums, rank, axis=1) + penalty * rank)


SCORES: dict[str, Callable[[Floats, float], Floats]] = {"threshold": _threshold, "raps": _raps}
"""How far each class is from being named, (row, class), by method."""


def needed(level: float) -> int:
    """The least number of answers whose truth is known that a promise can be made from.

    Example:
        >>> needed(0.9), needed(0.99)
        (9, 99)
    """
    return ceil(1 / (1 - level) - 1 - _ROUNDING)


@dataclass(frozen=True, kw_only=True)
class LabelSets:
    """What label sets are made by.

    Attributes:
        method: How classes are scored, one of `SCORES`.
        level: How often the truth should be in a set.
        penalty: Of each class beyond the first, in a score of "raps".
        limit: float64 (1,) or (class,), the score up to which a class is in; infinite where there were too
            few answers, which leaves the named class alone.
        n: int64 like `limit`, how many answers are behind each.
        alone: Share of these answers that named the truth.
    """

    method: str
    level: float
    penalty: float = 0.0
    limit: Floats
    n: Ints
    alone: float

    def __post_init__(self) -> None:
        if self.method not in SCORES:
            raise ValueError(f"`method` must be one of {', '.join(SCORES)}. Received {self.method!r}.")
        if not 0 < self.level < 1:
            raise ValueError(f"`level` must lie between 0 and 1. Received level={self.level}.")
        if self.limit.ndim != 1 or self.limit.shape != self.n.shape or not len(self.limit):
            raise ValueError(
                "`limit` and `n` must hold one number, or one a class. "
                f"Received {self.limit.shape} and {self.n.shape}."
            )

    @property
    def refused(self) -> bool:
        """Whether there were too few answers for the promise, or for that of a class."""
        return bool(np.isinf(self.limit).any())

    def of(self, probabilities: NDArray[np.floating[Any]], named: Ints | None = None) -> NDArray[np.bool_]:
        """Which classes are in the set of each row, (row, class).

        Args:
            probabilities: (row, class).
            named: (row,) the class that is named; the likeliest unless given.
        """
        scores = SCORES[self.method](np.asarray(probabilities, np.float64), self.penalty)
        sets: NDArray[np.bool_] = (scores <= self.limit) & np.isfinite(self.limit)
        sets[np.arange(len(sets)), probabilities.argmax(axis=1) if named is None else named] = True
        return sets

    def document(self) -> dict[str, Any]:
        """As it stands in bundle.json."""
        return {
            "method": self.method,
            "level": self.level,
            "limit": [None if np.isinf(limit) else limit for limit in self.limit.tolist()],
            "n": self.n.tolist(),
            "alone": self.alone,
            "penalty": self.penalty,
        }


@dataclass(frozen=True, kw_only=True)
class _Document:
    method: str
    level: float
    penalty: float
    limit: tuple[float | None, ...]
    n: tuple[int, ...]
    alone: float


def read_label_sets(document: Mapping[str, Any]) -> LabelSets:
    """What `LabelSets.document` wrote.

    Raises:
        ValueError: If it does not describe label sets.
    """
    stated = vars(read_record(_Document, document, "label_sets"))
    limit = [np.inf if limit is None else limit for limit in stated.pop("limit")]
    n = np.array(stated.pop("n"), np.int64)
    return LabelSets(limit=np.array(limit, np.float64), n=n, **stated)


def fit_label_sets(
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    *,
    level: float = LEVEL,
    per_class: bool = False,
    method: str = "threshold",
) -> LabelSets:
    """Find out from held-out answers how far down their order the truth is.

    Args:
        probabilities: (row, class), by models that had not learned from the rows.
        labels: (row,) the truth.
        level: How often it should be in a set.
        per_class: Whether that is promised of each class, not only of all rows together.
        method: One of `SCORES`; "threshold" makes the smallest sets.

    Source:
        Vovk, Gammerman & Shafer 2005; for a class at a time Vovk 2012, section 4,
        https://arxiv.org/abs/1209.2673.

    Example:
        >>> sure = np.linspace(0.5, 1.0, 99)
        >>> sets = fit_label_sets(np.stack([sure, 1 - sure], axis=1), np.zeros(99, int))
        >>> sets.of(np.array([[0.95, 0.05], [0.5, 0.5]])).tolist()
        [[True, False], [True, False]]
    """
    found, truth = np.asarray(probabilities, np.float64), np.asarray(labels, np.int64)
    penalty = PENALTY if method == "raps" else 0.0
    scores = SCORES[method](found, penalty)[np.arange(len(truth)), truth]  # (row,)
    parts = [scores[truth == label] for label in range(found.shape[1])] if per_class else [scores]
    return LabelSets(
        method=method,
        level=level,
        penalty=penalty,
        limit=np.array([_limit(part, level) for part in parts]),
        n=np.array([len(part) for part in parts], np.int64),
        alone=float((found.argmax(axis=1) == truth).mean()) if len(truth) else 0.0,
    )


def _limit(scores: Floats, level: float) -> float:
    """The score that so many of one more row's would not exceed, (n + 1) in all."""
    beyond = floor((1 - level) * (len(scores) + 1) + _ROUNDING)
    return float(np.sort(scores)[len(scores) - beyond]) if beyond else np.inf


def held_out_sets(
    sets: LabelSets,
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    folds: Ints,
    named: Ints | None = None,
) -> NDArray[np.bool_]:
    """Sets of the very answers that the limits come from, each by the answers of the other folds.

    Args:
        sets: Made from all of these answers.
        probabilities: (row, class).
        labels: (row,).
        folds: (row,) rows with the same number share limits, which come from the others.
        named: As for `LabelSets.of`.
    """
    found = np.zeros(np.shape(probabilities), bool)
    for fold in np.unique(folds):
        here, other = folds == fold, folds != fold
        fitted = fit_label_sets(
            probabilities[other],
            labels[other],
            level=sets.level,
            per_class=len(sets.limit) > 1,
            method=sets.method,
        )
        found[here] = fitted.of(probabilities[here], None if named is None else named[here])
    return found
