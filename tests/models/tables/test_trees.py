"""Sums of trees: thresholds that decide as they did in float64."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.models.tables.trees import Trees, float32_floor


def stump(threshold: float, *, floor: float | None = None) -> Trees:
    """One comparison: 1 on the left, 3 on the right, and 10 in any case."""
    return Trees(
        roots=np.array([0], np.int32),
        feature=np.array([0, 0, 0], np.int32),
        threshold=np.array([threshold, 0, 0], np.float32),
        left=np.array([1, 1, 2], np.int32),
        right=np.array([2, 1, 2], np.int32),
        leaf=np.array([-1, 0, 1], np.int32),
        values=np.array([[1.0], [3.0]]),
        base=np.array([10.0]),
        floor=floor,
    )


def test_at_most_the_threshold_goes_left() -> None:
    assert stump(2.0).scores(np.array([[1.0], [2.0], [2.1]])).tolist() == [[11.0], [11.0], [13.0]]
    assert stump(2.0).scores(np.zeros((0, 1))).shape == (0, 1)


def test_a_logarithm_can_follow() -> None:
    assert stump(2.0, floor=0.1).scores(np.array([[1.0]]))[0, 0] == pytest.approx(np.log(11))


def test_floored_thresholds_decide_as_the_original() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=20_000).astype(np.float32)
    near = np.nextafter(values, np.float32(np.inf))
    between = (values.astype(np.float64) + near.astype(np.float64)) / 2
    for thresholds in (values.astype(np.float64), between, np.nextafter(values.astype(np.float64), -np.inf)):
        floored = float32_floor(thresholds)
        assert floored.dtype == np.float32
        for x in (values, near):
            assert np.array_equal(x <= floored, x.astype(np.float64) <= thresholds)
