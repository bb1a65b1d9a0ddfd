from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.evaluation.calibration import (
    COLDEST,
    HOTTEST,
    classwise_error,
    error_by_chance,
    expected_calibration_error,
    fit_offsets,
    fit_scaling,
    fit_temperature,
    reliability_bins,
)


def calibrated(n: int, classes: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits whose softmax is the true chance of each class, and labels drawn from it."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.normal(size=(n, classes))
    return logits, (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted: NDArray[np.float64] = logits - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def cooled(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Probabilities as a graph gives them with a temperature."""
    return np.exp(log_softmax(np.log(probabilities) / temperature))


@pytest.mark.parametrize("true", [0.3, 1.0, 2.5, 8.0])
def test_the_temperature_of_a_distorted_model_is_found(true: float) -> None:
    logits, labels = calibrated(8000, 5, seed=0)
    assert fit_temperature(log_softmax(logits * true), labels) == pytest.approx(true, rel=0.05)


def test_logits_and_log_probabilities_give_the_same_temperature() -> None:
    logits, labels = calibrated(500, 3, seed=1)
    assert fit_temperature(logits + 7, labels) == pytest.approx(
        fit_temperature(log_softmax(logits), labels), rel=1e-4
    )


def test_the_temperature_lowers_the_calibration_error() -> None:
    logits, labels = calibrated(4000, 4, seed=2)
    sure = np.exp(log_softmax(3 * logits))
    corrected = cooled(sure, fit_temperature(np.log(sure), labels))
    assert expected_calibration_error(corrected, labels) < 0.03 < expected_calibration_error(sure, labels)
    assert (corrected.argmax(axis=1) == sure.argmax(axis=1)).all()
    assert corrected.sum(axis=1) == pytest.approx(np.ones(len(corrected)))


def test_all_right_does_not_become_certainty() -> None:
    labels = np.arange(100) % 4
    probabilities = np.full((100, 4), 0.1)
    probabilities[np.arange(100), labels] = 0.7
    temperature = fit_temperature(np.log(probabilities), labels)
    surest = cooled(probabilities, temperature).max()
    assert 0.97 < surest < 0.999


def test_all_wrong_ends_at_the_hottest_end() -> None:
    logits = np.array([[9.0, 0.0, 0.0]] * 50)
    assert fit_temperature(logits, np.ones(50, np.int64)) == pytest.approx(HOTTEST, rel=0.01)


def test_probabilities_of_zero_are_survived() -> None:
    with np.errstate(divide="ignore"):
        logs = np.log(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.4]]))
    found = fit_temperature(logs, np.array([0, 1, 1, 0]))
    assert COLDEST <= found <= HOTTEST


def test_one_image_is_enough_to_answer() -> None:
    assert COLDEST <= fit_temperature(np.log([[0.6, 0.4]]), np.array([0])) <= HOTTEST


@pytest.mark.parametrize(
    ("logs", "labels", "said"),
    [
        (np.zeros((0, 3)), np.zeros(0, np.int64), "at least one"),
        (np.zeros((2, 3)), np.zeros(3, np.int64), "one row a label"),
        (np.array([[np.nan, 0.0]]), np.zeros(1, np.int64), "Received NaN or"),
    ],
)
def test_temperature_refuses(logs: NDArray[np.float64], labels: NDArray[np.int64], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_temperature(logs, labels)


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.65, 0.35], [0.3, 0.7]])
    labels = np.array([0, 1, 0, 1])
    # A bin for each confidence: 0.95 twice, one right: |1.90 - 1|; 0.65 right: 0.35; 0.7 right: 0.3.
    assert expected_calibration_error(probabilities, labels) == pytest.approx((0.90 + 0.35 + 0.3) / 4)


def test_bins_hold_every_image_and_close_on_the_left() -> None:
    probabilities = np.array([[0.5, 0.5], [1.0, 0.0], [0.75, 0.25]])
    bins = reliability_bins(probabilities, np.array([0, 0, 1]))
    assert [bin.n for bin in bins] == [1, 1, 1]
    assert [bin.accuracy for bin in bins] == [1.0, 0.0, 1.0]
    assert [bin.confidence for bin in bins] == [0.5, 0.75, 1.0]
    assert reliability_bins(np.array([[0.4, 0.6], [0.62, 0.38]]), np.array([1, 0]))[0].low == 9 / 15


def test_the_error_is_what_the_bins_say() -> None:
    logits, labels = calibrated(700, 6, seed=3)
    probabilities = np.exp(log_softmax(logits * 2))
    bins = reliability_bins(probabilities, labels)
    by_bins = sum(bin.n * abs(bin.accuracy - bin.confidence) for bin in bins) / 700
    assert expected_calibration_error(probabilities, labels) == pytest.approx(by_bins)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="at least one"):
        expected_calibration_error(np.ones((0, 1)), np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="one row a label"):
        reliability_bins(np.ones((1, 1)), np.zeros(2, np.int64))


def test_a_calibrated_model_stays_below_the_error_of_chance_about_as_often_as_it_says() -> None:
    below = []
    for seed in range(60):
        logits, labels = calibrated(100, 4, seed=seed)
        probabilities = np.exp(log_softmax(logits))
        below.append(expected_calibration_error(probabilities, labels) <= error_by_chance(probabilities))
    assert 0.85 < np.mean(below) <= 1.0


@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_classes_that_were_held_back_are_given_back(temperature: float) -> None:
    logits, labels = calibrated(8000, 4, seed=3)
    held_back = np.array([1.5, 0.0, -0.5, -1.0])  # sums to 0
    offsets = fit_offsets((logits - held_back) * temperature, labels)
    assert offsets / temperature == pytest.approx(held_back, abs=0.1)


def test_a_class_of_few_images_is_moved_less() -> None:
    logits, labels = calibrated(8000, 3, seed=4)
    few = np.flatnonzero(labels == 0)[:2]
    some = np.concatenate([few, np.flatnonzero(labels > 0)[:4]])
    held_back = logits - [5, 0, 0]
    gaps = []
    for rows in (some, np.arange(8000)):
        offsets = fit_offsets(held_back[rows], labels[rows])
        gaps.append(offsets[0] - offsets[1:].mean())
    assert 0 < gaps[0] < 4
    assert gaps[1] == pytest.approx(5, abs=0.3)


@pytest.mark.parametrize(
    ("scores", "labels", "said"),
    [
        (np.zeros((2, 3)), np.zeros(3, np.int64), r"Received \(2, 3\) and 3 labels"),
        (np.zeros((0, 3)), np.zeros(0, np.int64), "at least one"),
        (np.array([[0.0, np.nan]]), np.zeros(1, np.int64), "NaN or infinity"),
    ],
)
def test_offsets_of_what_is_no_score_are_refused(
    scores: NDArray[np.float64], labels: NDArray[np.int64], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        fit_offsets(scores, labels)


def test_scaling_by_class_undoes_what_distorts_each_class() -> None:
    logits, labels = calibrated(20_000, 3, seed=0)
    distorted = (logits - [0.0, 0.4, -0.3]) / [1.0, 0.5, 1.6]
    factors, offsets = fit_scaling(distorted, labels)
    np.testing.assert_allclose(factors, [1.0, 0.5, 1.6], rtol=0.1)
    np.testing.assert_allclose(offsets - offsets.mean(), np.array([0.0, 0.4, -0.3]) - 0.1 / 3, atol=0.1)
    found = np.exp(log_softmax(factors * distorted + offsets))
    assert classwise_error(found, labels) < 0.25 * classwise_error(np.exp(log_softmax(distorted)), labels)


def test_scaling_by_class_of_few_images_stays_near_a_temperature() -> None:
    logits, labels = calibrated(30, 4, seed=1)
    factors, offsets = fit_scaling(2 * logits, labels)
    assert np.log(factors).std() < 0.3
    assert np.abs(offsets).max() < 1
