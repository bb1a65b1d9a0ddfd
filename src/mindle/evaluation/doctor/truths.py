"""What the examination of data asks of a truth: classes, or numbers; `of` picks one by the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import Floats, Ints, Score, counted, wilson
from mindle.evaluation.metrics import areas
from mindle.records import Task

MOST_CLASSES = 100  # the others count as one, so that large sets take little memory
_BANDS = 10
# A region says one class where held-out rows in it are nearly all of that class.
PURE, REGION_SHARE = 0.9, 0.1


@dataclass(frozen=True, kw_only=True)
class Strength:
    """How much of a truth some answers say.

    Attributes:
        score: Share of right answers of classes, R² of numbers.
        chance: What the best constant answer reaches.
        label: The class that is predicted best, "" of numbers.
        ranking: ROC AUC of that class, None of numbers.
        overall: ROC AUC, the mean over the classes; R² of numbers. What a column of a table may say.
        region: Where nearly all held-out rows are of one class: `label`, `share` of that class, `n`,
            `precision`; None where there is no such region.
    """

    score: Score
    chance: float
    label: str
    ranking: Score | None
    overall: Score
    region: Mapping[str, Any] | None


class Truth(Protocol):
    """Truths of some rows."""

    @property
    def strata(self) -> Ints:
        """What every fold gets its share of, (row,)."""

    def sums(self, rows: Ints, place: Ints, size: int) -> tuple[Floats, Floats]:
        """How many of some rows fall into each of `size` places, and the sum of their truths there.

        Returns:
            (place,), (place, value).
        """

    def strength(self, answers: Floats) -> Strength:
        """How much the answers of trees, (row, value), say."""


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Class indices; those of the rarest are joined where there are very many."""

    labels: Ints
    names: Sequence[str]

    @classmethod
    def of(cls, truth: NDArray[Any], names: Sequence[str]) -> Classes:
        """Of the class index of each row."""
        if len(names) <= MOST_CLASSES:
            return cls(labels=truth.astype(np.int64), names=names)
        counts = np.bincount(truth, minlength=len(names))
        kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_CLASSES])
        number = np.full(len(names), MOST_CLASSES)
        number[kept] = np.arange(MOST_CLASSES)
        return cls(labels=number[truth], names=[names[at] for at in kept.tolist()])

    @property
    def strata(self) -> Ints:
        """The classes."""
        return self.labels

    @cached_property
    def _count(self) -> int:
        return int(self.labels.max(initial=0)) + 1

    def sums(self, rows: Ints, place: Ints, size: int) -> tuple[Floats, Floats]:
        """See `Truth`; one value a class."""
        found = np.bincount(place * self._count + self.labels[rows], minlength=size * self._count)
        sums = found.reshape(size, self._count).astype(np.float64)
        return sums.sum(axis=1), sums

    def strength(self, answers: Floats) -> Strength:
        """See `Truth`."""
        counts = np.bincount(self.labels, minlength=self._count)
        present = [at for at in range(min(self._count, len(self.names))) if 0 < counts[at] < len(self.labels)]
        each, mean = areas(answers, self.labels, present)
        best = max(range(len(present)), key=lambda at: each[at]["low"] or 0.0)
        return Strength(
            score=counted(int((answers.argmax(axis=1) == self.labels).sum()), len(self.labels)),
            chance=float(counts.max() / len(self.labels)),
            label=self.names[present[best]],
            ranking=each[best],
            overall=mean,
            region=self._region(answers, counts, present),
        )

    def _region(self, answers: Floats, counts: Ints, present: Sequence[int]) -> Mapping[str, Any] | None:
        """The region that holds the largest share of a class."""
        found: list[dict[str, Any]] = []
        for at in present:
            inside = answers[:, at] >= PURE
            hits, n, base = (
                int((self.labels[inside] == at).sum()),
                int(inside.sum()),
                counts[at] / counts.sum(),
            )
            low, high = wilson(hits, n)
            share = hits / int(counts[at])
            # Of a class that most rows are of, every region holds much.
            if share >= REGION_SHARE and low >= max(PURE, (1 + base) / 2):
                precision = {"value": hits / n, "low": low, "high": high}
                found.append({"label": self.names[at], "share": share, "n": n, "precision": precision})
        return max(found, key=lambda each: float(each["share"]), default=None)


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Targets."""

    values: Floats

    @classmethod
    def of(cls, truth: NDArray[Any], names: Sequence[str]) -> Numbers:
        """Of the number of each row; there are no names."""
        values = np.asarray(truth, np.float64)
        return cls(values=(values - values.mean()) / (values.std() or 1.0))

    @property
    def strata(self) -> Ints:
        """Bands of equally many rows."""
        order = np.argsort(np.argsort(self.values, kind="stable"), kind="stable")
        bands: Ints = order * _BANDS // max(1, len(order))
        return bands

    def sums(self, rows: Ints, place: Ints, size: int) -> tuple[Floats, Floats]:
        """See `Truth`; one value."""
        sizes = np.bincount(place, minlength=size).astype(np.float64)
        sums = np.bincount(place, self.values[rows], size).astype(np.float64)
        return sizes, sums[:, None]

    def strength(self, answers: Floats) -> Strength:
        """See `Truth`."""
        score = _explained(answers[:, 0], self.values)
        return Strength(score=score, chance=0.0, label="", ranking=None, overall=score, region=None)


def _explained(answers: Floats, values: Floats) -> Score:
    """R² with its interval, by the influence of each row on a ratio of two means."""
    wrong, without = (values - answers) ** 2, (values - values.mean()) ** 2
    total = float(without.mean()) or 1.0
    ratio = float(wrong.mean()) / total
    error = float((wrong - ratio * without).std() / total / len(values) ** 0.5)
    return {"value": 1 - ratio, "low": 1 - ratio - 1.96 * error, "high": min(1.0, 1 - ratio + 1.96 * error)}


TRUTHS: dict[str, type[Classes] | type[Numbers]] = {"classification": Classes, "regression": Numbers}


def of(task: str, truth: NDArray[Any], names: Sequence[str] = ()) -> Classes | Numbers:
    """The truth of some rows for the examination.

    Example:
        >>> of("binary", np.array([0, 1, 1]), ("cat", "dog")).strata.tolist()
        [0, 1, 1]
    """
    return TRUTHS[Task(task).family].of(truth, names)
