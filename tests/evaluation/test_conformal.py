from __future__ import annotations

from math import ceil, floor, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.evaluation import conformal
from mindle.evaluation.conformal import (
    Calibration,
    calibrate,
    prediction_interval,
    read_calibration,
)


def by_hand(estimates: Any, residuals: Any, folds: Any, level: float) -> tuple[list[float], list[float]]:
    """The definition, a row and a training row at a time; ranks count from 1 as in the paper."""
    n, alpha = len(residuals), 1 - level
    lows, highs = [], []
    for row in estimates:
        down = sorted(row[folds[i]] - abs(residuals[i]) for i in range(n))
        up = sorted(row[folds[i]] + abs(residuals[i]) for i in range(n))
        first, last = floor(alpha * (n + 1) + 1e-9), ceil((1 - alpha) * (n + 1) - 1e-9)
        lows.append(down[first - 1] if first >= 1 else -np.inf)
        highs.append(up[last - 1] if last <= n else np.inf)
    return lows, highs


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("n", [9, 19, 40, 61])
def test_it_is_the_published_definition(n: int, level: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformal, "_CELLS_AT_A_TIME", 3 * n)  # several pieces, the last one shorter
    generator = np.random.default_rng(n)
    residuals, folds = generator.standard_t(2, n), generator.integers(0, 4, n)
    folds[:4] = range(4)
    estimates = generator.normal(size=(7, 4))
    low, high = prediction_interval(calibrate(residuals, folds), estimates, level=level)
    expected = by_hand(estimates, residuals, folds, level)
    assert low.tolist() == pytest.approx(expected[0])
    assert high.tolist() == pytest.approx(expected[1])


def ridge(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linalg.solve(x.T @ x + 0.1 * np.eye(x.shape[1]), x.T @ y)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_heavy_tails_are_covered_as_often_as_promised(level: float) -> None:
    hits = trials = 0
    for seed in range(12):
        generator = np.random.default_rng(seed)
        weights = generator.normal(size=5)
        x, fresh = generator.normal(size=(150, 5)), generator.normal(size=(300, 5))
        y = x @ weights + (1 + np.abs(x[:, 0])) * generator.standard_t(2, 150)
        truth = fresh @ weights + (1 + np.abs(fresh[:, 0])) * generator.standard_t(2, 300)
        folds = np.arange(150) % 10
        models = [ridge(x[folds != fold], y[folds != fold]) for fold in range(10)]
        residuals = np.array([y[i] - x[i] @ models[folds[i]] for i in range(150)])
        low, high = prediction_interval(
            calibrate(residuals, folds), np.stack([fresh @ model for model in models], axis=1), level=level
        )
        hits += int(((low <= truth) & (truth <= high)).sum())
        trials += 300
    # 12 calibrations of 150 rows each: the chance of the calibration outweighs that of the fresh rows
    error = sqrt(level * (1 - level) * (1 / (12 * 150) + 1 / trials))
    assert hits / trials >= level - 3 * error
    assert hits / trials <= level + 5 * error  # and are not simply endless


def test_too_few_rows_for_the_level_give_an_endless_interval() -> None:
    low, high = prediction_interval(calibrate(np.ones(8), np.arange(8) % 2), np.zeros((2, 2)), level=0.9)
    assert np.isneginf(low).all()
    assert np.isposinf(high).all()
    calibration = calibrate(np.ones(9), np.arange(9) % 2)  # 0.1 · 10 is one row
    low, high = prediction_interval(calibration, np.zeros((1, 2)), level=0.9)
    assert (low[0], high[0]) == (-1.0, 1.0)


def test_a_bundle_can_carry_it(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    calibration = calibrate(generator.normal(size=30), np.arange(30) % 3)
    np.savez(tmp_path / "calibration.npz", **calibration.arrays())
    with np.load(tmp_path / "calibration.npz", allow_pickle=False) as arrays:
        again = read_calibration(arrays)
    estimates = generator.normal(size=(5, 3))
    for one, two in zip(
        prediction_interval(calibration, estimates), prediction_interval(again, estimates), strict=True
    ):
        assert (one == two).all()
    assert (np.diff(calibration.errors[:10]) >= 0).all()
    with pytest.raises(ValueError, match="none of counts"):
        read_calibration({"errors": np.ones(2)})


def test_folds_that_held_out_nothing_keep_their_column() -> None:
    calibration = calibrate(np.array([1.0, 2.0, 3.0]), np.array([0, 2, 2]))
    assert calibration.counts.tolist() == [1, 0, 2]
    low, high = prediction_interval(calibration, np.array([[0.0, 1e9, 0.0]]), level=0.5)
    assert (low[0], high[0]) == (-2.0, 2.0)


def test_what_does_not_fit_is_refused() -> None:
    calibration = calibrate(np.ones(20), np.arange(20) % 2)
    for level in (0.0, 1.0, 90.0):
        with pytest.raises(ValueError, match="`level` must lie between 0 and 1"):
            prediction_interval(calibration, np.zeros((1, 2)), level=level)
    with pytest.raises(ValueError, match=r"must be \(row, 2\): one column a fold. Received \(1, 3\)"):
        prediction_interval(calibration, np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"finite numbers. Received \[0.0, nan\]"):
        prediction_interval(calibration, np.array([[0.0, np.nan]]))
    with pytest.raises(ValueError, match=r"of one length, at least 1. Received \(2,\) and \(3,\)"):
        calibrate(np.ones(2), np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="finite numbers. Received nan in row 1"):
        calibrate(np.array([1.0, np.nan]), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="count from 0. Received -1"):
        calibrate(np.ones(2), np.array([0, -1]))
    with pytest.raises(ValueError, match="`counts` must say"):
        Calibration(errors=np.ones(3), counts=np.array([1, 1]))
    with pytest.raises(ValueError, match="sizes of at least 0"):
        Calibration(errors=-np.ones(2), counts=np.array([1, 1]))
