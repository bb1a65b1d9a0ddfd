from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.evaluation.intervals import (
    bootstrap_rows,
    collected,
    difference,
    logit_interval,
    percentiles,
    wilson,
    z_score,
)

# Newcombe 1998, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17,
# 857-872, table I, method 3 (the score interval without continuity correction).
PUBLISHED_WILSON = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]
# Newcombe 1998, "Interval estimation for the difference between independent proportions", Statistics in
# Medicine 17, 873-890, table II, method 10.
PUBLISHED_DIFFERENCES = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (10, 10, 0, 10, 0.6075, 1.0),
]


@pytest.mark.parametrize(("right", "n", "low", "high"), PUBLISHED_WILSON)
def test_wilson_equals_the_published_values(right: int, n: int, low: float, high: float) -> None:
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("a", "m", "b", "n", "low", "high"), PUBLISHED_DIFFERENCES)
def test_differences_equal_the_published_values(
    a: int, m: int, b: int, n: int, low: float, high: float
) -> None:
    assert difference((a / m, m), (b / n, n))[1:] == pytest.approx((low, high), abs=5e-5)


def test_wilson_equals_scipy() -> None:
    from scipy.stats import binomtest

    for right, n in ((0, 1), (1, 1), (3, 7), (450, 450), (416, 450)):
        theirs = binomtest(right, n).proportion_ci(method="wilson")
        assert wilson(right, n) == pytest.approx((theirs.low, theirs.high))


def test_wilson_at_the_edges() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 5)[0] == 0.0
    assert wilson(5, 5)[1] == 1.0
    assert wilson(7, 10, level=0.99)[0] < wilson(7, 10)[0]


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="`successes` must lie in 0 to n=3. Received successes=4"):
        wilson(4, 3)
    with pytest.raises(ValueError, match="`level` must lie between 0 and 1. Received level=95"):
        z_score(95)
    with pytest.raises(ValueError, match="`n` and `resamples` must be at least 1"):
        list(bootstrap_rows(0))


def test_wilson_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    for share, n in ((0.93, 450), (0.5, 20), (0.98, 100)):
        hits = [
            low <= share <= high for low, high in (wilson(k, n) for k in generator.binomial(n, share, 2000))
        ]
        assert 0.92 < np.mean(hits) < 0.985


def test_the_difference_covers_no_difference_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    train, test = generator.binomial(300, 0.9, 2000) / 300, generator.binomial(100, 0.9, 2000) / 100
    spans = [difference((float(a), 300), (float(b), 100))[1:] for a, b in zip(train, test, strict=True)]
    assert 0.925 < np.mean([low <= 0 <= high for low, high in spans]) < 0.985


def bootstrap(values: NDArray[np.float64], **options: int) -> tuple[float, float]:
    resampled = bootstrap_rows(len(values), **options)
    return percentiles(collected(lambda rows: {"mean": values[rows].mean(axis=1)}, resampled)["mean"])


def test_the_bootstrap_of_a_mean_covers_it() -> None:
    generator = np.random.default_rng(2)
    spans = [bootstrap(generator.exponential(1.0, 100), resamples=400, seed=i) for i in range(300)]
    assert 0.88 < np.mean([low <= 1.0 <= high for low, high in spans]) < 0.985


def test_the_bootstrap_repeats_itself_and_follows_its_seed() -> None:
    values = np.random.default_rng(3).normal(size=50)
    assert bootstrap(values, seed=4) == bootstrap(values, seed=4)
    assert bootstrap(values, seed=4) != bootstrap(values, seed=5)


def test_resamples_come_in_blocks_of_bounded_size() -> None:
    blocks = list(bootstrap_rows(100_000, resamples=5))
    assert [len(block) for block in blocks] == [2, 2, 1]
    assert all(block.min() >= 0 and block.max() < 100_000 for block in blocks)


def test_percentiles_ignore_what_is_no_number() -> None:
    assert percentiles(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)


def test_the_logit_interval_stays_inside_and_falls_back() -> None:
    low, high = logit_interval(0.995, 0.02, 30)
    assert 0 < low < 0.995 < high < 1
    assert logit_interval(1.0, 0.0, 30) == wilson(30, 30)
    assert logit_interval(0.5, 0.0, 10) == wilson(5, 10)
