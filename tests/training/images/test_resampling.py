"""Synthetic samples: as many as are missing, between rows of one fold, unseen by heads evaluated on it."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from mindle.errors import ModelError
from mindle.training.images.heads.candidates import ClassHeadData, fold_numbers
from mindle.training.images.heads.features import ConcatFeatures, Floats, block_of
from mindle.training.images.heads.kernel import fit_rbf
from mindle.training.images.heads.logistic import fit_logistic
from mindle.training.images.heads.net import fit_net
from mindle.training.images.resampling import smote_is_there, with_synthetic_samples
from mindle.training.settings import ProbeSettings

pytest.importorskip("imblearn", reason="needs the extra `imbalance`")


def imbalanced(views: int = 0, seed: int = 0) -> tuple[ClassHeadData, ConcatFeatures]:
    """120 images of one class, 24 of another and 5 of a third, with two backbones' features."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], [120, 24, 5]).astype(np.int64)
    centres = rng.normal(size=(3, 6))
    features = centres[labels] + 2 * rng.normal(size=(views + 1, len(labels), 6))
    blocks = [block_of(features[..., :4].astype(np.float32)), block_of(features[..., 4:].astype(np.float32))]
    folds = fold_numbers(labels, np.arange(len(labels)), folds=4)
    return ClassHeadData(truth=labels, classes=3, folds=folds, views=views), ConcatFeatures(blocks)


@pytest.mark.parametrize("views", [0, 2])
def test_every_fold_gets_as_many_rows_of_each_class_that_has_two_images_there(views: int) -> None:
    data, features = imbalanced(views)
    grown, more = with_synthetic_samples(data, features)
    assert more.x.shape == (grown.rows, features.x.shape[1])
    assert np.array_equal(more.x[: data.rows], features.x)
    for fold in range(4):
        real = np.bincount(data.truth[data.folds == fold], minlength=3)
        rows = np.bincount(grown.row_truth[grown.row_folds == fold], minlength=3)
        for label in range(3):
            expected = real.max() if real[label] > 1 else real[label]
            assert rows[label] == expected * (views + 1)


def test_synthetic_samples_lie_between_two_images_of_their_class_and_fold() -> None:
    data, features = imbalanced()
    grown, more = with_synthetic_samples(data, features)
    assert grown.rows > data.rows
    for row in range(data.rows, grown.rows):
        same = (data.folds == grown.row_folds[row]) & (data.truth == grown.row_truth[row])
        ends = features.x[same].astype(np.float64)
        x = more.x[row].astype(np.float64)
        # On a segment the two distances add up to its length.
        legs = np.linalg.norm(ends - x, axis=1)
        gaps = legs[:, None] + legs[None] - np.linalg.norm(ends[:, None] - ends[None], axis=2)
        np.fill_diagonal(gaps, np.inf)
        assert gaps.min() < 1e-4


def test_what_lies_in_a_fold_changes_no_synthetic_sample_elsewhere() -> None:
    data, features = imbalanced()
    changed = ConcatFeatures(
        [
            replace(block, x=np.where((data.folds == 1)[:, None], -block.x, block.x))
            for block in features.blocks
        ]
    )
    (one, x), (two, y) = with_synthetic_samples(data, features), with_synthetic_samples(data, changed)
    assert np.array_equal(one.row_truth, two.row_truth)
    outside = one.row_folds != 1
    assert np.array_equal(x.x[outside], y.x[outside])


def scores(kind: str, data: ClassHeadData, features: ConcatFeatures) -> Floats:
    if kind == "rbf":
        return fit_rbf(data, features, ProbeSettings(), search=False).scores
    return (fit_logistic if kind == "logistic" else fit_net)(data, features, ProbeSettings()).scores


@pytest.mark.parametrize("kind", ["rbf", "logistic", "net"])
def test_every_head_learns_from_synthetic_samples_and_finds_more_of_the_scarce_class(kind: str) -> None:
    data, features = imbalanced(seed=3)
    plain, evened = scores(kind, data, features), scores(kind, *with_synthetic_samples(data, features))
    assert evened.shape == plain.shape == (len(data), 3)
    assert (evened.argmax(axis=1) > 0).sum() > (plain.argmax(axis=1) > 0).sum()


def test_out_of_fold_scores_are_those_of_a_fit_without_the_folds_rows() -> None:
    data, features = with_synthetic_samples(*imbalanced())
    fitted = fit_rbf(data, features, ProbeSettings(), search=False)
    kernel_scores = fitted.scores
    for fold in range(4):
        out, rest = np.flatnonzero(data.folds == fold), np.flatnonzero(data.row_folds != fold)
        distances = features.distances(np.arange(data.rows)).astype(np.float64)
        # Gamma is in units of the median distance of all rows, which no label enters.
        some = distances[:: max(1, data.rows // 1000)]
        kernel = np.exp(-distances / np.median(some[some > 0])) + 1
        system = kernel[np.ix_(rest, rest)] + 0.1 * np.eye(len(rest))
        alone = kernel[np.ix_(out, rest)] @ np.linalg.solve(system, data.targets[rest])
        assert kernel_scores[out] == pytest.approx(10 * alone, abs=1e-4)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert smote_is_there()
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    with pytest.raises(ModelError, match=r"mindle\[imbalance\]"):
        with_synthetic_samples(*imbalanced())
