"""Samples far from all others are outliers; a class of its own is none."""

from __future__ import annotations

import numpy as np

from mindle.evaluation.doctor.outliers import outliers
from mindle.records import OutOfFold


def found(features: np.ndarray | None, groups: np.ndarray | None = None) -> OutOfFold:
    rows = np.arange(400)
    return OutOfFold(
        rows=rows,
        outputs={},
        truth=rows % 2,
        folds=rows % 5,
        groups=rows if groups is None else groups,
        learned_from=np.ones(400, bool),
        features=features,
    )


def crowd() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(400, 6))


def test_what_lies_far_out_comes_first() -> None:
    features = crowd()
    features[[7, 90]] += 40
    features[90] += np.arange(6) * 30
    far, scores = outliers(found(features))
    assert set(far.tolist()) == {7, 90}
    assert (np.diff(scores) <= 0).all()


def test_a_burst_of_the_same_thing_is_out_as_a_whole() -> None:
    features, groups = crowd(), np.arange(400)
    features[[3, 4]] = 50
    groups[[3, 4]] = 3
    assert {3, 4} <= set(outliers(found(features, groups))[0].tolist())


def test_a_class_of_its_own_is_no_outlier() -> None:
    features = crowd()
    features[:60] += 30
    far, _ = outliers(found(features))
    assert len(far) <= 2


def test_without_features_there_are_none() -> None:
    assert len(outliers(found(None))[0]) == 0
