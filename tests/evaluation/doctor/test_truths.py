"""What answers say of classes and of numbers, with intervals."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.evaluation.doctor import truths


def test_a_class_that_stands_out_is_named_with_its_figures() -> None:
    labels = np.repeat([0, 1, 2], 100)
    answers = np.full((300, 3), 1 / 3)
    answers[labels == 1] = [0.1, 0.8, 0.1]
    strength = truths.of("multiclass", labels, ("a", "b", "c")).strength(answers)
    assert strength.label == "b"
    assert strength.ranking is not None
    assert strength.ranking["value"] == 1.0
    assert strength.chance == pytest.approx(1 / 3)
    assert strength.score["value"] == pytest.approx(2 / 3)  # ties name the first class
    assert strength.region is None


def test_a_region_needs_its_class_and_not_only_the_frequent_one() -> None:
    labels = np.repeat([0, 1], [950, 50])
    answers = np.tile([0.95, 0.05], (1000, 1))
    assert truths.of("binary", labels, ("a", "b")).strength(answers).region is None
    answers[950:975] = [0.0, 1.0]
    assert truths.of("binary", labels, ("a", "b")).strength(answers).region is None  # 25 rows prove little
    labels, answers = np.repeat([0, 1], 500), np.full((1000, 2), 0.5)
    answers[600:700] = [0.02, 0.98]
    region = truths.of("binary", labels, ("a", "b")).strength(answers).region
    assert region is not None
    assert (region["label"], region["share"], region["n"]) == ("b", 0.2, 100)


def test_how_much_of_a_number_is_explained_has_an_interval_that_covers() -> None:
    generator, covered = np.random.default_rng(0), 0
    for _ in range(200):
        values = generator.normal(size=150)
        truth = truths.Numbers(values=values)
        strength = truth.strength((0.9 * values + 0.3 * generator.normal(size=150))[:, None])
        covered += strength.overall["low"] <= 1 - (0.01 + 0.09) <= strength.overall["high"]
    assert covered > 175


def test_rare_classes_of_very_many_count_as_one() -> None:
    labels = np.concatenate([np.repeat(np.arange(100), 3), np.arange(100, 250)])
    truth = truths.of("multiclass", labels, [f"class {n}" for n in range(250)])
    assert truth.strata.max() == truths.MOST_CLASSES
    sizes, sums = truth.sums(np.arange(len(labels)), np.zeros(len(labels), np.int64), 1)
    assert sizes.tolist() == [450.0]
    assert sums.shape == (1, 101)
    assert truth.strength(np.eye(101)[truth.strata]).label == "class 0"
