"""Intervals for scores: how far the number could lie from the truth by the chance of the draw.

Three ways, each where it is at home: `wilson` for counts (right out of n), `bootstrap_rows` for averages over
images, `logit_interval` for ranking scores whose variance is known in closed form. All are 95 % intervals
unless `level` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import exp, isfinite, log, sqrt
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

D = TypeVar("D")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Score = dict[str, float | None]
"""A value with the ends of its interval, as metrics.json holds it: "value", "low" and "high"."""

UNKNOWN: Score = {"value": None, "low": None, "high": None}
LEVEL = 0.95
RESAMPLES = 2_000
_DRAWS_AT_A_TIME = 200_000  # 1.6 MB of row numbers stay in the cache; larger blocks are slower


def z_score(level: float = LEVEL) -> float:
    """How many standard errors lie on either side of the value in a two-sided interval.

    Example:
        >>> round(z_score(0.95), 3)
        1.96
    """
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie between 0 and 1. Received level={level}.")
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(successes: float, n: float, *, level: float = LEVEL) -> tuple[float, float]:
    """The score interval of a proportion; honest for small n and for 0 or n successes.

    Args:
        successes: How many of the trials came out right; may be fractional for an effective count.
        n: How many trials; 0 says nothing, and the interval is all of [0, 1].
        level: How often the interval holds the true proportion.

    Returns:
        (low, high), both in [0, 1].

    Source:
        Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953.

    Example:
        >>> low, high = wilson(81, 263)
        >>> round(low, 4), round(high, 4)
        (0.2553, 0.3662)
    """
    if not 0 <= successes <= n:
        raise ValueError(f"`successes` must lie in 0 to n={n}. Received successes={successes}.")
    if n == 0:
        return 0.0, 1.0
    z = z_score(level)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - reach)
    high = 1.0 if successes == n else min(1.0, centre + reach)
    return low, high


def counted(hits: int, n: int) -> Score:
    """The score that `hits` of `n` make, with Wilson's interval; unknown where nothing was counted.

    Example:
        >>> counted(0, 0)
        {'value': None, 'low': None, 'high': None}
    """
    if n == 0:
        return dict(UNKNOWN)
    low, high = wilson(hits, n)
    return {"value": hits / n, "low": low, "high": high}


def difference(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float, float]:
    """First minus second proportion, of independent samples, with its interval.

    Args:
        first: (proportion, n).
        second: (proportion, n).

    Returns:
        (difference, low, high). Where low and high have one sign, chance alone hardly explains it.

    Source:
        Newcombe 1998, method 10, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.

    Example:
        >>> [round(value, 4) for value in difference((56 / 70, 70), (48 / 80, 80))]
        [0.2, 0.0524, 0.3339]
    """
    (p1, n1), (p2, n2) = first, second
    low1, high1 = wilson(p1 * n1, n1)
    low2, high2 = wilson(p2 * n2, n2)
    low = p1 - p2 - sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2)
    high = p1 - p2 + sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2)
    return p1 - p2, low, high


def logit_interval(value: float, error: float, n: float) -> tuple[float, float]:
    """Value and standard error of a score in [0, 1] to an interval that stays inside [0, 1].

    Args:
        value: The score.
        error: Its standard error; 0 where nothing varied, as in a perfect ranking.
        n: Stands in as the number of trials of a Wilson interval where `error` says nothing.

    Returns:
        (low, high).

    Source:
        The logit scale: Boyd et al. 2013, section 3.2, https://doi.org/10.1007/978-3-642-40994-3_29.

    Example:
        >>> low, high = logit_interval(0.9, 0.03, 40)
        >>> round(low, 3), round(high, 3)
        (0.824, 0.945)
    """
    spread = value * (1 - value)
    if error <= 0 or spread <= 0 or not isfinite(error):
        return wilson(min(max(value, 0.0), 1.0) * n, n)
    reach, centre = z_score() * error / spread, logit(value)
    return logistic(centre - reach), logistic(centre + reach)


def logit(share: float) -> float:
    """The logarithm of the odds."""
    return log(share / (1 - share))


def logistic(at: float) -> float:
    """The share whose `logit` lies there."""
    return 1 / (1 + exp(-min(max(at, -700.0), 700.0)))


def draws_in_blocks(draws: int, n: int) -> Iterator[int]:
    """How many draws of n rows to make at a time, so that they stay in the cache."""
    block = max(1, _DRAWS_AT_A_TIME // n)
    for start in range(0, draws, block):
        yield min(block, draws - start)


def bootstrap_rows(n: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[Ints]:
    """Row numbers of resamples with replacement, in blocks (resample, n), the same for the same seed.

    A block at a time keeps memory flat: 2,000 resamples of 10,000 images would be 160 MB at once.

    Source:
        Efron 1979, https://doi.org/10.1214/aos/1176344552.

    Example:
        >>> sum(len(block) for block in bootstrap_rows(10, resamples=7))
        7
    """
    if n < 1 or resamples < 1:
        raise ValueError(f"`n` and `resamples` must be at least 1. Received n={n}, resamples={resamples}.")
    generator = np.random.default_rng(seed)
    for block in draws_in_blocks(resamples, n):
        yield generator.integers(0, n, (block, n))


def collected(measure: Callable[[D], Mapping[str, Floats]], draws: Iterable[D]) -> dict[str, Floats]:
    """The scores of draws that come in blocks: name to (draw,).

    Example:
        >>> means = collected(lambda rows: {"mean": rows.mean(axis=1)}, bootstrap_rows(10, resamples=7))
        >>> means["mean"].shape
        (7,)
    """
    found = [measure(block) for block in draws]
    return {name: np.concatenate([each[name] for each in found]) for name in found[0]}


def percentiles(draws: Floats) -> tuple[float, float]:
    """The middle 95 % of the resampled scores, whatever is no number aside.

    Example:
        >>> [round(end, 6) for end in percentiles(np.arange(201.0))]
        [5.0, 195.0]
    """
    low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
