"""Thresholds: what they name, that they never harm where they were fitted, and an honest look ahead."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from mindle.evaluation import thresholds as room
from mindle.evaluation.thresholds import (
    fit_thresholds,
    held_out_answers,
    macro_f1,
    macro_f1_gain,
    named_classes,
)


def drawn(
    seed: int, count: int = 300, shares: tuple[float, ...] = (0.8, 0.15, 0.05), skill: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Calibrated probabilities (image, class) under a prior, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = np.log(shares) + skill * rng.normal(size=(count, len(shares)))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(len(shares), p=row) for row in probabilities], np.int64)
    return probabilities, labels


@pytest.mark.parametrize("seed", range(12))
def test_macro_f1_never_falls_on_the_images_it_was_fitted_on(seed: int) -> None:
    classes = 2 + seed % 4
    shares = np.random.default_rng(seed).dirichlet(np.full(classes, 0.7))
    probabilities, labels = drawn(seed, 40 + 60 * seed, tuple(shares))
    thresholds = fit_thresholds(probabilities, labels)
    plain = macro_f1(labels, probabilities.argmax(axis=1), classes)
    assert macro_f1(labels, named_classes(probabilities, thresholds), classes) >= plain
    assert thresholds.min() > 0
    assert thresholds.sum() == pytest.approx(1)


def test_a_scarce_class_is_named_more_often_and_macro_f1_rises_on_new_images() -> None:
    probabilities, labels = drawn(0, 2000)
    thresholds = fit_thresholds(probabilities, labels)
    assert thresholds[2] < thresholds[0]
    fresh, truth = drawn(1, 2000)
    named = named_classes(fresh, thresholds)
    assert (named == 2).sum() > (fresh.argmax(axis=1) == 2).sum()
    assert macro_f1(truth, named, 3) > macro_f1(truth, fresh.argmax(axis=1), 3) + 0.03


def test_nothing_is_changed_where_the_likeliest_class_is_always_right() -> None:
    labels = np.arange(90) % 3
    probabilities = np.full((90, 3), 0.1) + 0.7 * np.eye(3)[labels]
    assert fit_thresholds(probabilities, labels) == pytest.approx(np.full(3, 1 / 3))


def test_of_two_classes_the_one_above_its_threshold_is_named() -> None:
    probabilities = np.column_stack([1 - np.linspace(0, 1, 101), np.linspace(0, 1, 101)])
    named = named_classes(probabilities, np.array([0.7, 0.3]))
    assert named.tolist() == [int(p > 0.3) for p in np.linspace(0, 1, 101)]


@pytest.mark.parametrize("column", [0, 1, 2])
def test_the_sums_over_distances_are_the_macro_f1_of_the_answers(column: int) -> None:
    probabilities, labels = drawn(3, 200)
    scores = np.log(probabilities)
    gain, value = room._best_gain(scores, labels, column)
    by_hand = []
    for point in room._GRID:
        moved = scores.copy()
        moved[:, column] += point
        by_hand.append(macro_f1(labels, moved.argmax(axis=1), 3))
    assert value == pytest.approx(max(by_hand))
    assert by_hand[int(np.abs(room._GRID - gain).argmin())] == pytest.approx(value)


def test_macro_f1_is_that_of_scikit_learn() -> None:
    probabilities, labels = drawn(4)
    answers = probabilities.argmax(axis=1)
    assert macro_f1(labels, answers, 3) == pytest.approx(f1_score(labels, answers, average="macro"))


def test_a_fold_is_answered_without_its_own_labels() -> None:
    probabilities, labels = drawn(5, 400)
    folds = np.arange(400) % 5
    answers = held_out_answers(probabilities, labels, folds)
    shuffled = labels.copy()
    shuffled[folds == 2] = (shuffled[folds == 2] + 1) % 3
    assert np.array_equal(held_out_answers(probabilities, shuffled, folds)[folds == 2], answers[folds == 2])
    assert not np.array_equal(answers, probabilities.argmax(axis=1))


def test_the_gain_comes_with_the_error_of_the_difference() -> None:
    probabilities, labels = drawn(6, 500)
    plain = probabilities.argmax(axis=1)
    gain, error = macro_f1_gain(labels, plain, labels, 3)
    assert gain == pytest.approx(1 - macro_f1(labels, plain, 3))
    assert 0 < error < gain
    assert macro_f1_gain(labels, plain, plain, 3) == (0.0, 0.0)


def test_images_without_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="one label an image"):
        fit_thresholds(np.zeros((3, 2)), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="one label an image"):
        fit_thresholds(np.zeros((0, 2)), np.zeros(0, np.int64))
