"""Figures of trust: against what they mean on models whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.evaluation.calibration import expected_calibration_error
from mindle.evaluation.trust.label_sets import fit_label_sets
from mindle.evaluation.trust.scores import (
    abstention_scores,
    calibration_scores,
    cost_scores,
    risk_coverage,
    set_scores,
)


def model(count: int, seed: int = 0, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities with their truth."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(count, classes))
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True), (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)


def test_the_error_before_is_that_of_the_model_without_its_temperature() -> None:
    probabilities, labels = model(3000)
    odds = np.exp(3 * np.log(probabilities))  # three times too sure
    before = odds / odds.sum(axis=1, keepdims=True)
    found = calibration_scores(probabilities, labels, temperature=3.0)
    assert found["ece_uncalibrated"] == pytest.approx(expected_calibration_error(before, labels), rel=1e-6)
    assert found["ece_uncalibrated"] > 4 * expected_calibration_error(probabilities, labels)
    chance = found["ece_by_chance"]
    assert 0 < chance["mean"] < chance["high"]
    assert expected_calibration_error(probabilities, labels) < chance["high"]
    assert found["ece_classwise"] < 0.02
    assert "ece_uncalibrated" not in calibration_scores(probabilities, labels)


def test_bins_have_intervals_that_hold_the_confidence_of_a_calibrated_model() -> None:
    held = [
        each["accuracy"]["low"] <= each["confidence"] <= each["accuracy"]["high"]
        for seed in range(8)
        for each in calibration_scores(*model(400, seed))["reliability"]
    ]
    assert np.mean(held) > 0.9


def test_label_sets_hold_what_they_promise() -> None:
    sets = fit_label_sets(*model(2000), level=0.95)
    probabilities, labels = model(4000, seed=1)
    found = set_scores(sets.of(probabilities), labels, sets)
    assert found["target"] == 0.95
    assert found["coverage"]["low"] < 0.95 < found["coverage"]["high"] + 0.01
    assert sum(found["sizes"].values()) == pytest.approx(1)
    sizes = sum(int(size) * share for size, share in found["sizes"].items())
    assert found["mean_set_size"] == pytest.approx(sizes)
    assert len(found["per_class"]) == 4
    assert "refused" not in found
    assert "alone" not in found  # it is right less often than promised
    few = fit_label_sets(*model(5), level=0.9)
    assert set_scores(few.of(probabilities), labels, few)["refused"] == {"n": 5, "needed": 9}
    easy = fit_label_sets(np.tile([0.99, 0.01], (50, 1)), np.zeros(50, int))
    assert set_scores(np.tile([True, False], (3, 1)), np.zeros(3, int), easy)["alone"] == 1.0


def test_what_is_left_is_better_and_repeats_are_no_more_rows() -> None:
    losses = np.array([0.0] * 80 + [1.0] * 20)
    codes = np.array([""] * 90 + ["unlike_training"] * 6 + ["dark"] * 4)
    sure = np.linspace(1, 0, 100)
    found = abstention_scores(codes, losses, sure, name="accuracy")
    assert found["rate"]["value"] == 0.1
    assert found["accuracy_of_the_rest"]["value"] == pytest.approx(80 / 90)
    assert found["by_reason"] == {"dark": 4, "unlike_training": 6}
    curve = found["risk_coverage"]
    assert curve[-1] == [1.0, 0.2]
    assert curve[0][1] == 0.0
    assert [at for at, _ in curve] == sorted(at for at, _ in curve)
    twice = abstention_scores(
        np.tile(codes, 2), np.tile(losses, 2), np.tile(sure, 2), name="accuracy", repeats=2
    )
    for name in ("rate", "accuracy_of_the_rest", "by_reason"):
        assert twice[name] == found[name]
    numbers = abstention_scores(codes, 3 * losses, sure, name="mae")
    assert numbers["mae_of_the_rest"]["value"] == pytest.approx(30 / 90)
    assert numbers["mae_of_the_rest"]["low"] < 30 / 90 < numbers["mae_of_the_rest"]["high"]
    every = abstention_scores(np.full(100, "dark"), losses, sure, name="mae")
    assert every["mae_of_the_rest"]["value"] is None


def test_the_curve_of_a_sure_order_rises() -> None:
    rng = np.random.default_rng(0)
    sure = rng.random(5000)
    wrong = (rng.random(5000) > sure).astype(float)
    risks = [risk for _, risk in risk_coverage(wrong, sure)]
    assert risks == sorted(risks)
    assert risk_coverage(wrong, rng.random(5000))[3][1] == pytest.approx(0.5, abs=0.05)
    assert risk_coverage(np.array([1.0]), np.array([0.3])) == [[1.0, 1.0]]


def test_costs_have_an_interval() -> None:
    costs = np.random.default_rng(0).exponential(size=300)
    found = cost_scores(costs, costs + 1)
    assert found["cost"]["low"] < costs.mean() < found["cost"]["high"]
    assert found["cost_without_abstaining"] == pytest.approx(costs.mean() + 1)
