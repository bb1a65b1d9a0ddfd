from __future__ import annotations

import json
from math import pi, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as theirs

from mindle.evaluation.intervals import wilson
from mindle.evaluation.regression import SCALES, score_estimates
from mindle.records import Estimates

NOTHING = {"value": None, "low": None, "high": None}


def estimates(values: Any, targets: Any, **more: Any) -> Estimates:
    values = np.asarray(values, np.float64)
    return Estimates(
        paths=tuple(f"row {i}" for i in range(len(values))),
        values=values,
        targets=None if targets is None else np.asarray(targets, np.float64),
        **more,
    )


def drawn(n: int, *, seed: int = 0, size: float = 1.0, around: float = 0.0) -> Estimates:
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=n)
    return estimates(around + size * (0.8 * truth + 0.5 * generator.normal(size=n)), around + size * truth)


@pytest.mark.parametrize(("size", "around"), [(1.0, 0.0), (1e-6, 0.0), (2e5, 1e7)])
def test_values_agree_with_scikit_learn(size: float, around: float) -> None:
    given = drawn(300, size=size, around=around)
    block, truth, values = score_estimates(given), given.targets, given.values
    expected = {
        "mae": theirs.mean_absolute_error(truth, values),
        "rmse": theirs.root_mean_squared_error(truth, values),
        "r2": theirs.r2_score(truth, values),
        "correlation": np.corrcoef(truth, values)[0, 1],
        "median_absolute_error": theirs.median_absolute_error(truth, values),
    }
    assert block["n"] == 300
    for name, value in expected.items():
        assert block[name]["value"] == pytest.approx(value, rel=1e-7)
        assert block[name]["low"] < value < block[name]["high"]


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held: dict[str, list[bool]] = {name: [] for name in SCALES}
    spread = sqrt(0.2**2 + 0.5**2)  # of the normal errors that `drawn` makes
    endless = {
        "mae": spread * sqrt(2 / pi),
        "rmse": spread,
        "r2": 1 - spread**2,
        "correlation": 0.8 / sqrt(0.8**2 + 0.5**2),
        "median_absolute_error": spread * NormalDist().inv_cdf(0.75),
    }
    for seed in range(60):
        block = score_estimates(drawn(150, seed=seed), seed=seed)
        for name in SCALES:
            held[name].append(block[name]["low"] <= endless[name] <= block[name]["high"])
    for name, hits in held.items():
        assert sum(hits) >= 50, name  # 57 are expected of 60; fewer than 50 in one of ten thousand


def test_a_large_scale_or_offset_moves_no_interval() -> None:
    small, large = score_estimates(drawn(50)), score_estimates(drawn(50, size=1e6, around=1e9))
    for name in ("r2", "correlation"):
        assert small[name] == pytest.approx(large[name], rel=1e-6)
    assert {end: value * 1e6 for end, value in small["mae"].items()} == pytest.approx(large["mae"], rel=1e-6)


def test_constant_targets_have_no_r2_and_no_correlation() -> None:
    block = score_estimates(estimates([1.0, 2.0, 3.5], [0.1, 0.1, 0.1]))
    assert block["r2"] == NOTHING
    assert block["correlation"] == NOTHING
    assert block["mae"]["value"] == pytest.approx((0.9 + 1.9 + 3.4) / 3)
    assert json.loads(json.dumps(block, allow_nan=False)) == block


def test_a_constant_answer_has_an_r2_and_no_correlation() -> None:
    block = score_estimates(estimates([0.3] * 40, np.linspace(0, 1, 40)))
    assert block["correlation"] == NOTHING
    assert block["r2"]["value"] < 0
    assert block["r2"]["low"] <= block["r2"]["value"] <= block["r2"]["high"]


def test_one_row_has_scores_without_intervals() -> None:
    block = score_estimates(estimates([2.0], [5.0]))
    assert block["mae"] == {"value": pytest.approx(3.0), "low": None, "high": None}
    assert block["rmse"]["value"] == pytest.approx(3.0)
    assert block["r2"] == NOTHING
    json.dumps(block, allow_nan=False)


def test_errors_of_one_size_promise_no_interval() -> None:
    perfect = score_estimates(estimates(np.arange(9.0), np.arange(9.0)))
    for name in ("mae", "rmse", "median_absolute_error"):
        assert perfect[name] == {"value": 0.0, "low": None, "high": None}
    assert perfect["correlation"]["value"] == pytest.approx(1.0)
    two = score_estimates(estimates([1.0, 2.0], [1.5, 4.0]))
    assert two["correlation"] == {"value": pytest.approx(1.0), "low": None, "high": None}


@pytest.mark.parametrize("where", ["values", "targets"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused_by_name(where: str, bad: float) -> None:
    columns: dict[str, NDArray[np.float64]] = {"values": np.arange(3.0), "targets": np.arange(3.0)}
    columns[where][1] = bad
    with pytest.raises(ValueError, match=f"`{where}` must be finite numbers. Received {bad} for 'row 1'"):
        score_estimates(estimates(columns["values"], columns["targets"]))


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(ValueError, match="must carry `targets`"):
        score_estimates(estimates([1.0], None))
    with pytest.raises(ValueError, match="at least one row"):
        score_estimates(estimates([], []))


def test_coverage_counts_the_truths_inside() -> None:
    given = estimates(
        [1.0, 2.0, 3.0, 4.0],
        [1.4, 2.6, 3.0, 9.0],
        low=np.array([0.5, 1.5, 2.5, -np.inf]),
        high=np.array([1.5, 2.5, 3.5, np.inf]),
    )
    block = score_estimates(given)
    low, high = wilson(3, 4)
    assert block["coverage"] == {"value": 0.75, "low": low, "high": high}
    assert block["intervals"]["methods"]["coverage"] == "wilson"
    assert block["interval_level"] == 0.9


def test_the_mean_width_of_intervals_is_given() -> None:
    given = estimates([1.0, 2.0], [1.0, 2.5], low=np.array([0.0, 1.0]), high=np.array([2.0, 5.0]))
    assert score_estimates(given)["interval_width"] == pytest.approx(3.0)
    assert score_estimates(given)["interval_level"] == 0.9
    assert "coverage" not in score_estimates(drawn(5))


def test_endless_intervals_have_no_mean_width() -> None:
    given = estimates([1.0, 2.0], [1.0, 2.5], low=np.array([-np.inf, 1.0]), high=np.array([2.0, 5.0]))
    block = score_estimates(given)
    assert block["interval_width"] is None
    json.dumps(block, allow_nan=False)


def test_an_interval_upside_down_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"Received \[3.0, 2.0\] for 'row 1'"):
        score_estimates(
            estimates([1.0, 2.0], [1.0, 2.0], low=np.array([0.0, 3.0]), high=np.array([1.0, 2.0]))
        )


def test_the_same_seed_gives_the_same_block() -> None:
    given = drawn(80)
    assert score_estimates(given, seed=1) == score_estimates(given, seed=1)
    assert score_estimates(given, seed=1)["mae"] != score_estimates(given, seed=2)["mae"]
    stated = score_estimates(given, seed=3)["intervals"]
    assert stated == {
        "level": 0.95, "resamples": 2000, "seed": 3, "methods": dict.fromkeys(SCALES, "bootstrap")
    }  # fmt: skip
