"""Slices: samples with something in common for which the model is clearly worse.

Many are looked at, so that p values are corrected for their number, and a difference must matter as well as
be certain. Errors always lie together where classes meet: by what a model answers from (clusters of features,
columns of a table) slices are only named where it is worse than its own confidences say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import erfc, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import Floats, Ints
from mindle.records import Cue

Rows = NDArray[np.bool_]

LEVEL = 0.01
"""Adjusted p value; at 5 % an untouched data set had a slice (flowers5, 97 slices looked at: 0.045)."""
LEAST_ROWS = 15
FIFTH = 0.2
MOST_CLASSES = 20  # within each of which slices are looked for
SAME_ROWS = 0.75
CLUSTERS, MOST_CLUSTERED, ROUNDS = 10, 4_000, 12
_EXAMPLES = 6


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Some rows, and how the model does there.

    Attributes:
        name: Of the cue, or "cluster".
        part: What of it: a category, a part of the cue; "" where it has none.
        side: "low" or "high" fifth, "is" of a category, "cluster".
        ends: Least and largest value of a fifth.
        label: The class within which it lies; "" where it lies in all.
        rows: (row,) which rows.
        value, rest: Mean loss there and elsewhere: the share of wrong answers, the mean error of numbers;
            `rest` is what the model's confidence predicts where `expected` says so.
        p: By chance alone, corrected for how many slices were looked at.
    """

    name: str
    part: str = ""
    side: str
    ends: tuple[float, float] | None = None
    label: str = ""
    rows: Rows
    value: float = 0.0
    rest: float = 0.0
    p: float = 1.0
    expected: bool = False

    def document(self, names: Sequence[str], losses: Floats) -> dict[str, Any]:
        """As run.json keeps it, with the names of some of its worst rows."""
        found = {key: value for key, value in vars(self).items() if key != "rows" and value not in ("", None)}
        here = np.flatnonzero(self.rows)
        worst = here[np.argsort(-losses[here], kind="stable")[:_EXAMPLES]]
        return {**found, "n": int(self.rows.sum()), "examples": [names[at] for at in worst.tolist()]}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How losses are compared, by task.

    Attributes:
        wording: Which sentence of `messages/slices.toml` says what was found.
        p: One-sided p value that some rows have larger losses than some others.
        matters: Whether a mean loss is so much larger than another that it matters.
    """

    wording: str
    p: Callable[[Floats, Floats], float]
    matters: Callable[[float, float], bool]


def find_slices(
    cues: Sequence[Cue],
    losses: Floats,
    comparison: Comparison,
    *,
    labels: Ints | None = None,
    names: Sequence[str] = (),
    expected: Floats | None = None,
    features: NDArray[Any] | None = None,
) -> list[Slice]:
    """Where a model is clearly worse than elsewhere, the surest first.

    Args:
        cues: By which rows are grouped.
        losses: (row,) 1 where an answer is wrong and 0 where it is right, or the size of an error.
        comparison: How they are compared.
        labels: (row,) the class of each row; slices are looked for within each class as well.
        names: What classes are called.
        expected: (row,) the loss that the model itself expects, one minus its confidence.
        features: (row, feature), by which rows are clustered where `expected` is known.

    Example:
        >>> dark = Cue(name="exposure", values=np.arange(200.0)[:, None])
        >>> losses = (np.arange(200) < 30).astype(float)
        >>> [(found.side, found.value) for found in find_slices([dark], losses, SHARES)]
        [('low', 0.75)]
    """
    everywhere = np.ones(len(losses), bool)
    inputs = [cue for cue in cues if cue.content == "all" and expected is not None]
    cues = [cue for cue in cues if all(cue is not each for each in inputs)]
    drawn = [*_drawn(cues, everywhere, "")]
    if labels is not None and len(names) <= MOST_CLASSES:
        for at, name in enumerate(names):
            drawn += _drawn([cue for cue in cues if not cue.parts], labels == at, name)
    looked = [each for each in drawn if min(each.rows.sum(), (~each.rows).sum()) >= LEAST_ROWS]
    tested = [_compared(each, losses, comparison) for each in looked]
    if expected is not None:
        level = _levelled(expected, losses)
        seen = [*_drawn(inputs, everywhere, ""), *(() if features is None else _clusters(features))]
        tested += [_unexpected(each, losses, level) for each in seen if each.rows.sum() >= LEAST_ROWS]
    named = [
        each
        for each in _corrected(tested)
        if each.p < LEVEL
        and comparison.matters(each.value, each.rest)
        and _stands_out(each, losses, comparison, labels, names)
    ]
    return _different(named)


def _different(named: Sequence[Slice]) -> list[Slice]:
    """Of slices that hold nearly the same rows the first: what is dark has little contrast, too."""
    found: list[Slice] = []
    for each in named:
        shared = [(each.rows & other.rows).sum() / (each.rows | other.rows).sum() for other in found]
        if max(shared, default=0.0) < SAME_ROWS:
            found.append(each)
    return found


def _drawn(cues: Sequence[Cue], inside: Rows, label: str) -> Iterator[Slice]:
    """The slices of some cues among some rows: the lowest and highest fifth, or each category."""
    for cue in cues:
        if len(cue.parts) > cue.values.shape[1]:  # one column of codes
            for code, part in enumerate(cue.parts):
                yield Slice(
                    name=cue.name, part=part, side="is", label=label, rows=inside & (cue.values[:, 0] == code)
                )
            continue
        for at, column in enumerate(cue.values.T):
            part = cue.parts[at] if cue.parts else ""
            if set(np.unique(column).tolist()) <= {0.0, 1.0}:
                yield Slice(name=cue.name, part=part, side="is", label=label, rows=inside & (column == 1))
            else:
                yield from _fifths(cue.name, part, column, inside, label)


def _fifths(name: str, part: str, column: Floats, inside: Rows, label: str) -> Iterator[Slice]:
    known = inside & ~np.isnan(column)
    if not known.any():
        return
    low, high = np.quantile(column[known], [FIFTH, 1 - FIFTH])
    for side, rows in (("low", known & (column <= low)), ("high", known & (column >= high))):
        # Where many rows have the same value there may be no fifth, but nearly all.
        if rows.any() and rows.sum() <= 2 * FIFTH * known.sum():
            ends = (float(column[rows].min()), float(column[rows].max()))
            yield Slice(name=name, part=part, side=side, ends=ends, label=label, rows=rows)


def _compared(each: Slice, losses: Floats, comparison: Comparison) -> Slice:
    inside, outside = losses[each.rows], losses[~each.rows]
    value, rest = float(inside.mean()), float(outside.mean())
    return replace(each, value=value, rest=rest, p=comparison.p(inside, outside) if value > rest else 1.0)


def _stands_out(
    each: Slice, losses: Floats, comparison: Comparison, labels: Ints | None, names: Sequence[str]
) -> bool:
    """Whether a slice of a class is worse than the rest of that class: a difficult class is no slice."""
    if not each.label or labels is None:
        return True
    others = losses[(labels == names.index(each.label)) & ~each.rows]
    if not len(others) or not comparison.matters(each.value, float(others.mean())):
        return False
    return comparison.p(losses[each.rows], others) < LEVEL


def _corrected(tested: Sequence[Slice]) -> list[Slice]:
    """P values by Holm's method, the smallest first.

    Source:
        Holm 1979, https://www.jstor.org/stable/4615733.
    """
    ordered, least, found = sorted(tested, key=lambda each: each.p), 0.0, []
    for at, each in enumerate(ordered):
        least = max(least, min(1.0, each.p * (len(ordered) - at)))
        found.append(replace(each, p=least))
    return found


# ---- comparisons ------------------------------------------------------------------------------------------


def fisher(inside: Floats, outside: Floats) -> float:
    """Probability of at least so many of the ones inside, if they were drawn from all.

    Source:
        Fisher's exact test, one-sided: https://doi.org/10.2307/2340521.

    Example:
        >>> round(fisher(np.array([1.0, 1.0, 1.0]), np.array([0.0, 0.0, 0.0])), 3)
        0.05
    """
    hits, n = round(float(inside.sum())), len(inside)
    total, ones = n + len(outside), hits + round(float(outside.sum()))
    factorials = _log_factorials(total)
    taken = np.arange(hits, min(n, ones) + 1)

    def chosen(of: int, some: Ints) -> Floats:
        return np.asarray(factorials[of] - factorials[some] - factorials[of - some], np.float64)

    logs = chosen(ones, taken) + chosen(total - ones, n - taken) - chosen(total, np.array(n))
    return float(min(1.0, np.exp(logs).sum()))


@lru_cache(maxsize=4)
def _log_factorials(most: int) -> Floats:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])


def ranked(inside: Floats, outside: Floats) -> float:
    """Probability that values inside rank so high by chance (Mann-Whitney, normal approximation).

    Source:
        Mann & Whitney 1947, https://doi.org/10.1214/aoms/1177730491.
    """
    n, m = len(inside), len(outside)
    values, which, counts = np.unique(
        np.concatenate([inside, outside]), return_inverse=True, return_counts=True
    )
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[which]
    above = float(ranks[:n].sum()) - n * (n + 1) / 2
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / ((n + m) * (n + m - 1))
    spread = sqrt(n * m / 12 * (n + m + 1 - ties)) if len(values) > 1 else 0.0
    return _upper((above - n * m / 2 - 0.5) / spread) if spread else 1.0


def _upper(z: float) -> float:
    return 0.5 * erfc(z / sqrt(2))


SHARES = Comparison(wording="wrong", p=fisher, matters=lambda value, rest: value >= rest + 0.05)
"""Of right and wrong answers: five points more are wrong."""
SIZES = Comparison(wording="off", p=ranked, matters=lambda value, rest: value >= 2 * rest)
"""Of errors of numbers: they are twice as large. Untouched tables have 1.6 times as large ones."""


# ---- clusters ---------------------------------------------------------------------------------------------


def _clusters(features: NDArray[Any]) -> Iterator[Slice]:
    """Groups of rows with similar features; of very many rows all are assigned to the groups of some."""
    x = np.asarray(features, np.float32)
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    if len(x) < 2 * CLUSTERS * LEAST_ROWS:
        return
    generator = np.random.default_rng(0)
    some = x[np.sort(generator.permutation(len(x))[:MOST_CLUSTERED])]
    centres = some[generator.permutation(len(some))[:CLUSTERS]]
    for _ in range(ROUNDS):
        nearest = _nearest(some, centres)
        centres = np.stack(
            [
                some[nearest == at].mean(axis=0) if (nearest == at).any() else some[at]
                for at in range(CLUSTERS)
            ]
        )
    nearest = _nearest(x, centres)
    for at in range(CLUSTERS):
        rows = nearest == at
        if rows.sum() >= LEAST_ROWS:
            yield Slice(name="cluster", side="cluster", rows=rows)


def _nearest(x: NDArray[np.float32], centres: NDArray[np.float32]) -> Ints:
    distances = (centres**2).sum(axis=1) - 2 * x @ centres.T  # less the square of each row, which all have
    return np.asarray(distances.argmin(axis=1), np.int64)


def _levelled(expected: Floats, losses: Floats) -> Floats:
    """Expected losses that hold on the whole, so that only what differs between rows is counted."""
    return np.minimum(expected * float(losses.mean()) / (float(expected.mean()) or 1.0), 1.0)


def _unexpected(each: Slice, losses: Floats, expected: Floats) -> Slice:
    """Rows by what the model answers from, compared with what its own confidence predicts there."""
    hits, count = round(float(losses[each.rows].sum())), float(expected[each.rows].sum())
    value, rest = float(losses[each.rows].mean()), float(expected[each.rows].mean())
    return replace(each, value=value, rest=rest, p=at_least(hits, count), expected=True)


def at_least(hits: int, expected: float) -> float:
    """Probability of so many rare events where fewer are expected (Poisson, which is cautious for shares).

    Example:
        >>> round(at_least(2, 0.5), 4)
        0.0902
    """
    if hits <= expected:
        return 1.0
    counts = np.arange(hits, hits + 200 + 10 * round(expected**0.5))
    logs = counts * np.log(max(expected, 1e-12)) - expected - _log_factorials(int(counts[-1]))[counts]
    return float(min(1.0, np.exp(logs).sum()))
