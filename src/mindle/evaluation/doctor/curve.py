"""How much more data would help: the learning curve of a quick model, continued.

Parts of the rows, each within the next larger one, are learned from and answered out of fold; the loss
follows c + a·n^−b, of which b is tried on a grid, and a and c are least squares that cannot be negative. The
interval is that of a bootstrap of the rows, the same at every size: what is hard about a row stays so.
Fitted on 40 % of flowers5 and dogs-vs-cats, 20 draws, the loss on all of them lay inside the interval
each time.

Source:
    The form: Hestness et al. 2017, section 3, https://arxiv.org/abs/1712.00409.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import Floats, Ints, Score, bootstrap_rows, percentiles

Relearn = Callable[[NDArray[Any], Ints], Floats]
Losses = Callable[[Floats, NDArray[Any]], Floats]

# Parts of the rows that are learned from, and how often each: small parts vary more, and cost less.
PARTS = {0.05: 6, 0.075: 5, 0.1: 4, 0.15: 2, 0.2: 2, 0.3: 1, 0.4: 1, 0.7: 1}
# No part has more rows, so that a head takes a moment; one has at least so many, and so many of each class.
MOST, LEAST, LEAST_OF_CLASS = 2_000, 40, 8
# Times the rows that there are, to which the loss is extrapolated.
TIMES = (2, 4)
MORE = 100  # of a class, for what it would gain
# Of the bootstrap, of more rows some; and how often a class must gain most to be named.
RESAMPLES, MOST_RESAMPLED, SURE = 400, 10_000, 0.9
_EXPONENTS = np.linspace(0.05, 2.0, 40)


class Power(NamedTuple):
    """c + a·n^−b, one of each a draw."""

    a: Floats
    b: Floats
    c: Floats

    def at(self, n: float) -> Floats:
        """The loss of so many rows, (draw,)."""
        return np.asarray(self.c + self.a * n**-self.b)


def fit_power(sizes: Floats, losses: Floats, weights: Floats) -> Power:
    """The curve through losses at some sizes, for many draws at once.

    Args:
        sizes: (size,) numbers of rows.
        losses: (draw, size) mean losses.
        weights: (size,) what each counts, such as the number of rows behind it.

    Example:
        >>> sizes = np.array([50.0, 100, 200, 400])
        >>> power = fit_power(sizes, 0.02 + 2 * sizes[None] ** -0.65, np.ones(4))
        >>> round(float(power.c[0]), 3), round(float(power.at(1600)[0]), 4)
        (0.02, 0.0365)
    """
    x = (sizes[:, None] / sizes.max()) ** -_EXPONENTS  # (size, exponent)
    w = weights / weights.sum()
    sx, sxx = w @ x, w @ x**2  # (exponent,)
    sy, sxy = (losses @ w)[:, None], losses @ (w[:, None] * x)  # (draw, 1), (draw, exponent)
    a = np.maximum((sxy - sx * sy) / np.maximum(sxx - sx**2, 1e-12), 0.0)
    c = sy - a * sx
    a, c = np.where(c < 0, sxy / sxx, a), np.maximum(c, 0.0)
    misfit = -2 * c * sy - 2 * a * sxy + c**2 + 2 * a * c * sx + a**2 * sxx  # less what all share
    best = misfit.argmin(axis=1)
    draws, b = np.arange(len(losses)), _EXPONENTS[best]
    return Power(a=a[draws, best] * sizes.max() ** b, b=b, c=c[draws, best])


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some of the rows, learned from and answered out of fold.

    Attributes:
        rows: Which, ascending.
        losses: (row,) loss of each of them.
    """

    rows: Ints
    losses: Floats


def parts_of(strata: NDArray[Any], *, seed: int) -> Iterator[Ints]:
    """Rows of the parts to learn from, the smallest last: the first shows what all will cost.

    Args:
        strata: Of each row, of which every part has its share.
        seed: Of the draws.
    """
    # Of many rows the parts are taken from some.
    pool = np.sort(np.random.default_rng(seed).permutation(len(strata))[: 2 * MOST_RESAMPLED])
    names, which = np.unique(strata[pool], return_inverse=True)
    n, least = len(pool), max(LEAST, LEAST_OF_CLASS * len(names))
    sizes = {round(part * min(n, MOST / max(PARTS))): draws for part, draws in PARTS.items()}
    for size, draws in sorted(sizes.items(), reverse=True):
        for draw in range(draws if least <= size < n else 0):
            order = np.random.default_rng([seed, draw]).permutation(n)
            place = np.empty(n)
            for stratum in range(len(names)):  # where each row stands within its class, from 0 to 1
                members = order[which[order] == stratum]
                place[members] = (np.arange(len(members)) + 0.5) / len(members)
            yield np.sort(pool[np.argsort(place, kind="stable")[:size]])


def learn(rows: Ints, truth: NDArray[Any], relearn: Relearn, losses: Losses) -> Part:
    """Learn from some rows, and see how each is answered out of fold."""
    return Part(rows=rows, losses=losses(relearn(truth, rows), truth[rows]))


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A learning curve and how it goes on.

    Attributes:
        points: Size and mean loss of each part of the rows, with its interval.
        now: Rows, and their mean loss out of fold by the model that was selected.
        fitted: a, b and c of the curve of the quick model.
        extrapolated: Rows, and the loss that is to be expected of the selected model.
        per_class: By how much the loss over all rows would fall with `MORE` samples of a class: its name and
            that, the largest first.
        next_class: The first of them, "" where it is not clearly so.
    """

    points: Sequence[Mapping[str, Any]]
    now: Mapping[str, Any]
    fitted: Mapping[str, float]
    extrapolated: Sequence[Mapping[str, Any]]
    per_class: Sequence[Mapping[str, Any]]
    next_class: str

    def document(self) -> dict[str, Any]:
        """What run.json keeps."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def learning_curve(
    parts: Sequence[Part], losses: Floats, labels: NDArray[Any], classes: Sequence[str], *, seed: int
) -> Curve:
    """Put a curve through what was learned from parts of the rows, and continue it.

    The quick model's curve says by which factor the loss falls; the loss of the selected model falls by as
    much.

    Args:
        parts: Of some sizes.
        losses: (row,) of the selected model, out of fold, to all rows.
        labels: (row,) class of each; anything where there are no classes.
        classes: Their names; none of numbers.
        seed: Of the bootstrap.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> def part(n):
        ...     return Part(rows=np.arange(n), losses=(generator.random(n) < 3 * n**-0.5) * 1.0)
        >>> parts = [part(n) for n in (50, 100, 200, 400, 800)]
        >>> curve = learning_curve(parts, part(1000).losses, np.zeros(1000), (), seed=0)
        >>> [each["n"] for each in curve.extrapolated], curve.extrapolated[0]["value"] < curve.now["value"]
        ([2000, 4000], True)
    """
    n, kept = len(losses), _resampled(parts, len(losses))
    parts = [replace(part, rows=np.searchsorted(kept, part.rows)) for part in parts]
    counts = _counts(len(kept), seed)
    sizes, means = _means(parts, counts, np.ones(len(kept), np.bool_))
    power = fit_power(sizes, means, sizes * np.array([_draws(parts, size) for size in sizes]))
    now = counts @ losses[kept] / len(kept)
    now += losses.mean() - now[0]  # of all rows, also where not all are resampled
    extrapolated = [{"n": times * n, **_score(now * _ratio(power, n, times * n))} for times in TIMES]
    shares = {label: float((labels == label).mean()) for label in range(len(classes))}
    gains = _gains(parts, counts, labels[kept], {classes[label]: share for label, share in shares.items()}, n)
    return Curve(
        points=[{"n": int(size), **_score(means[:, at])} for at, size in enumerate(sizes)],
        now={"n": n, **_score(now)},
        fitted={name: float(value[0]) for name, value in power._asdict().items()},
        extrapolated=extrapolated,
        per_class=sorted(
            ({"name": name, **_score(gain)} for name, gain in gains), key=lambda each: -each["value"]
        ),
        next_class=_best(gains),
    )


def _resampled(parts: Sequence[Part], n: int) -> Ints:
    """The rows of a bootstrap: all, or those of the parts and some more."""
    if n <= MOST_RESAMPLED:
        return np.arange(n)
    some = np.linspace(0, n - 1, MOST_RESAMPLED).astype(np.int64)
    return np.unique(np.concatenate([some, *(part.rows for part in parts)]))


def _counts(n: int, seed: int) -> Floats:
    """How often each row is in each draw of a bootstrap, (draw, row); the first has every row once."""
    drawn = (rows for block in bootstrap_rows(n, resamples=RESAMPLES, seed=seed) for rows in block)
    return np.stack([np.ones(n), *(np.bincount(rows, minlength=n) for rows in drawn)])


def _means(parts: Sequence[Part], counts: Floats, among: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Different sizes, and the mean loss at each in each draw, (draw, size), of some rows."""
    sizes = np.unique([len(part.rows) for part in parts])
    means = []
    for size in sizes:
        total, weight = np.zeros(len(counts)), np.zeros(len(counts))
        for part in parts:
            if len(part.rows) == size:
                kept = among[part.rows]
                drawn = counts[:, part.rows[kept]]
                total, weight = total + drawn @ part.losses[kept], weight + drawn.sum(axis=1)
        means.append(total / np.maximum(weight, 1))
    return sizes.astype(np.float64), np.stack(means, axis=1)


def _draws(parts: Sequence[Part], size: float) -> int:
    return sum(len(part.rows) == size for part in parts)


def _ratio(power: Power, n: float, more: float) -> Floats:
    """By which factor the loss falls, (draw,); where there is none it stays."""
    before = power.at(n)
    return np.divide(power.at(more), before, out=np.ones_like(before), where=before > 0)


def _score(draws: Floats) -> Score:
    """The value of the data themselves, with the interval of the other draws."""
    low, high = percentiles(draws[1:])
    value = float(draws[0])
    return {"value": value, "low": min(low, value), "high": max(high, value)}


def _gains(
    parts: Sequence[Part], counts: Floats, labels: NDArray[Any], classes: Mapping[str, float], rows: int
) -> list[tuple[str, Floats]]:
    """By how much the loss over all rows would fall with `MORE` samples of each class, (draw,) each.

    Each class has a curve of its own, by how many of it were learned from; what more of it would do to the
    mistakes in other classes is not counted.

    Args:
        parts: With rows among those of `counts`.
        counts: Of the bootstrap.
        labels: (row,) of these rows.
        classes: Each with its share of all rows.
        rows: How many there are.
    """
    found = []
    for label, (name, share) in enumerate(classes.items()):
        if share:
            sizes, means = _means(parts, counts, labels == label)
            power = fit_power(sizes * share, means, sizes)
            found.append((name, (power.at(share * rows) - power.at(share * rows + MORE)) * share))
    return found


def _best(gains: Sequence[tuple[str, Floats]]) -> str:
    """The class that gains most, if it does so in most draws."""
    if len(gains) < 2:
        return ""
    draws = np.stack([gain for _, gain in gains])  # (class, draw)
    best = int(draws[:, 0].argmax())
    often = ((draws[:, 1:].argmax(axis=0) == best) & (draws[best, 1:] > 0)).mean()
    return gains[best][0] if often >= SURE else ""
