"""Intervals for scores: how far the number could lie from the truth by the luck of the draw.

Three ways, each where it is at home: `wilson` for counts (right out of n), `bootstrap_rows` for averages over
images, `logit_interval` for ranking scores whose variance is known in closed form. All are 95 % intervals
unless `level` says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, isfinite, log, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

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


def difference(
    first: tuple[float, float], second: tuple[float, float], *, level: float = LEVEL
) -> tuple[float, float, float]:
    """First minus second proportion, of independent samples, with its interval.

    Args:
        first: (proportion, n).
        second: (proportion, n).
        level: How often the interval holds the true difference.

    Returns:
        (difference, low, high). Where low and high have one sign, chance alone hardly explains it.

    Source:
        Newcombe 1998, method 10, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.

    Example:
        >>> [round(value, 4) for value in difference((56 / 70, 70), (48 / 80, 80))]
        [0.2, 0.0524, 0.3339]
    """
    (p1, n1), (p2, n2) = first, second
    low1, high1 = wilson(p1 * n1, n1, level=level)
    low2, high2 = wilson(p2 * n2, n2, level=level)
    low = p1 - p2 - sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2)
    high = p1 - p2 + sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2)
    return p1 - p2, low, high


def logit_interval(value: float, error: float, n: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Value and standard error of a score in [0, 1] to an interval that stays inside [0, 1].

    Args:
        value: The score.
        error: Its standard error; 0 where nothing varied, as in a perfect ranking.
        n: Stands in as the number of trials of a Wilson interval where `error` says nothing.
        level: How often the interval holds the true score.

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
        return wilson(min(max(value, 0.0), 1.0) * n, n, level=level)
    reach = z_score(level) * error / spread
    centre = log(value / (1 - value))
    return _logistic(centre - reach), _logistic(centre + reach)


def _logistic(at: float) -> float:
    return 1 / (1 + exp(-min(max(at, -700.0), 700.0)))


def bootstrap_rows(n: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[NDArray[np.int64]]:
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
    block = max(1, _DRAWS_AT_A_TIME // n)
    for start in range(0, resamples, block):
        yield generator.integers(0, n, (min(block, resamples - start), n))


def percentiles(draws: NDArray[np.float64], *, level: float = LEVEL) -> tuple[float, float]:
    """The middle `level` of the resampled scores; draws that are not numbers are left out.

    Example:
        >>> percentiles(np.arange(101.0), level=0.5)
        (25.0, 75.0)
    """
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap(
    values: NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> tuple[float, float]:
    """Percentile interval of the mean of `values`, by resampling them.

    Args:
        values: One number an image.
        resamples: How many times the images are drawn again.
        seed: Of the draws.
        level: How often the interval holds the true mean.

    Returns:
        (low, high).

    Example:
        >>> low, high = bootstrap(np.array([0.0, 1.0] * 50), seed=1)
        >>> low < 0.5 < high
        True
    """
    means = [
        values[rows].mean(axis=1) for rows in bootstrap_rows(len(values), resamples=resamples, seed=seed)
    ]
    return percentiles(np.concatenate(means), level=level)
