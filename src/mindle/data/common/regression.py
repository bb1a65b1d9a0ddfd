"""Data whose truth is a number: bands in the place of classes, findings, counts and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.counts import by_split, headings
from mindle.data.common.findings import finding
from mindle.errors import DataError
from mindle.messages import Message, message
from mindle.records import SPLITS, Dataset, Examples, Finding

STRATA = 10
"""Bands of a number to estimate, of equally many rows, each of which gets its share of every split."""
FEW = 100  # images or rows with a number
FAR_RANGES = 10.0  # a target so many interquartile ranges from the median is odd
_FEWEST_NUMBERS = 10  # fewer cannot be distinguished from chance, nor split


class RegressionData:
    """See `mindle.data.common.tasks.DataTask`."""

    same = "two-targets"
    all_blank = "data.images.blank-all"
    asks_numbers = True

    def strata(self, data: Examples, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The band that the target of each row lies in."""
        return bands(data.targets[rows])

    def known(self, data: Examples) -> NDArray[np.bool_]:
        """Rows that have a number."""
        return ~np.isnan(data.targets)

    def spread(self, data: Examples) -> float:
        """Standard deviation of the numbers of all rows that have one."""
        known = data.targets[np.isfinite(data.targets)]
        return float(known.std()) if len(known) else 0.0

    def text(self, data: Examples, row: int) -> str:
        """The number, to six digits."""
        return f"{data.targets[row]:g}"

    def truth(self, data: Examples, text: str) -> float:
        """The number that a text stands for.

        Raises:
            ValueError: If it is none.
        """
        with suppress(ValueError):
            if isfinite(number := float(text)):
                return number
        raise ValueError(f"A target must be a number, such as 12.5. Received {text!r}.")

    def summary(self, data: Dataset, rows: Sequence[int]) -> str:
        """The target with the smallest and largest of its values: "target 1 to 3.5"."""
        values = data.targets[list(rows)]
        known = values[~np.isnan(values)].tolist()
        ends = dict.fromkeys(f"{end:g}" for end in (min(known), max(known))) if known else ()
        return _range_of(data.target, list(ends))

    def findings(self, data: Examples, rows: NDArray[np.int64]) -> list[Finding]:
        """Too few targets."""
        if not 0 < len(rows) < FEW:
            return []
        return [
            finding("few-numbers", [], message("data.targets.few", least=FEW, n=len(rows), unit=data.unit))
        ]

    def odd(self, data: Dataset, rows: NDArray[np.int64]) -> list[Finding]:
        """Targets that never vary, and those that lie far from all others."""
        targets = data.targets[rows]
        if not len(targets):
            return []
        if np.ptp(targets) == 0:
            values = {"total": len(rows), "target": data.target, "value": float(targets[0])}
            return [finding("one-target", [data.target], message("data.targets.one", **values))]
        lower, median, upper = np.quantile(targets, (0.25, 0.5, 0.75)).tolist()
        far = np.flatnonzero(np.abs(targets - median) > FAR_RANGES * (upper - lower)).tolist()
        if upper == lower or not far:
            return []
        paths = [data.paths[rows[at]] for at in far]
        known = {"low": lower, "high": upper, "first": paths[0], "value": float(targets[far[0]])}
        return [finding("odd-target", paths, message("data.targets.odd", n=len(far), **known))]

    def counts(self, data: Examples) -> dict[str, dict[str, int]]:
        """Rows by quarter of the numbers to estimate: "1 to 2.5", as many in each."""
        known = np.isfinite(data.targets)
        if not known.any():
            return {}
        edges = np.quantile(data.targets[known], (0, 0.25, 0.5, 0.75, 1))
        quarters = np.where(known, np.searchsorted(edges[1:4], data.targets, side="right"), -1)
        counts: dict[str, dict[str, int]] = {}
        cells = by_split(data, quarters, 4, SPLITS)
        for (low, high), row in zip(pairwise(edges.tolist()), cells, strict=True):
            quarter = counts.setdefault(f"{low:.4g} to {high:.4g}", dict.fromkeys((*SPLITS, "set_aside"), 0))
            for column, count in zip(quarter, row, strict=True):
                quarter[column] += count
        return counts

    def headline(self, data: Dataset) -> Message:
        """How many images there are, and what is to be estimated."""
        images = message("data.summary.images", n=len(data.rows()))
        return message("data.summary.numbers", name=data.name, images=images, target=data.target)

    def rows(self, data: Examples, most: int) -> Iterator[tuple[str, ...]]:
        """How the numbers are spread, by split where there is one."""
        yield headings("split", data.unit, "least", "median", "mean", "most")
        for split in SPLITS if any(data.splits) else (None,):
            values = data.targets[data.rows(split)]
            values = values[np.isfinite(values)]
            if len(values):
                spread = (values.min(), np.median(values), values.mean(), values.max())
                numbers = (f"{value:.6g}" for value in spread)
                yield (*headings(split or "all"), f"{len(values):,}", *numbers)

    def require_drawable(self, data: Dataset, per_class: Any) -> None:
        """There are no classes to draw from."""
        raise ValueError(
            f"`per_class` must be left out where numbers are estimated: {data.source!r} has no classes. "
            f"Received per_class={per_class!r}."
        )

    def require_learnable(self, data: Dataset, aside: str) -> None:
        """Enough training images with different targets must be there."""
        train = data.rows("train")
        different = len(np.unique(data.targets[train]))
        if len(train) < _FEWEST_NUMBERS or different < 2:
            raise DataError(
                f"To estimate {data.target}, at least {_FEWEST_NUMBERS} usable training images with two or "
                f"more different targets must be there. Received {len(train):,} images with {different} in "
                f"{data.source}.{aside} `mindle check` names every file and its reason."
            )


def bands(targets: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which of up to `STRATA` bands of equally many rows each number lies in.

    Example:
        >>> bands(np.arange(20.0)).tolist()
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    count = min(STRATA, max(1, len(targets) // STRATA))
    edges = np.quantile(targets, np.arange(1, count) / count) if len(targets) else np.zeros(0)
    return np.searchsorted(edges, targets, side="right")


def _range_of(target: str, ends: Sequence[str]) -> str:
    """A target with the smallest and largest of some values."""
    if not ends:
        return message("data.list.unknown", target=target)
    if len(ends) == 1:
        return f"{target} {ends[0]}"
    return message("data.list.range", target=target, low=ends[0], high=ends[1])
