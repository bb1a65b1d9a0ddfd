"""Heads: honest cross-validation, the formulas they claim, and answers that survive being built."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

import mindle.data
from mindle.evaluation.calibration import fit_temperature
from mindle.models.heads import Head, KernelHead, LinearHead, Standardise
from mindle.training import settings as recipe_settings
from mindle.training.images.attempts import log_softmax
from mindle.training.images.classification import ClassSelection
from mindle.training.images.heads import HEADS, HeadKind
from mindle.training.images.heads import features as head_features
from mindle.training.images.heads import logistic as logistic_module
from mindle.training.images.heads import net as net_module
from mindle.training.images.heads.candidates import (
    ClassCandidate,
    ClassHeadData,
    clearly_better,
    fold_numbers,
    scaled_by_class,
)
from mindle.training.images.heads.features import (
    ConcatFeatures,
    Directions,
    Floats,
    Singles,
    block_of,
    product,
    vectors_for,
)
from mindle.training.images.heads.kernel import fit_rbf
from mindle.training.images.heads.logistic import fit_logistic
from mindle.training.images.heads.net import fit_net
from mindle.training.images.heads.solver import Dual, Primal, walk
from mindle.training.images.options import cards_of
from mindle.training.images.problem import Problem
from mindle.training.loop.imbalance import balanced_weights
from mindle.training.loop.objectives import focal_loss
from mindle.training.recipe import read_recipe, with_settings
from mindle.training.search.images import ImageTask
from mindle.training.search.space import make_space
from mindle.training.search.task import TrialMonitor
from mindle.training.settings import ProbeSettings
from tests.pictures import photo_folder

CLASSES = 3
SETTINGS = ProbeSettings()
Fit = Callable[[ClassHeadData, ConcatFeatures], ClassCandidate]
Order = Literal["C", "F"]


def clouds(
    count: int, *, features: int = 12, spread: float = 1.5, views: int = 0, seed: int = 0
) -> tuple[Singles, NDArray[np.int64]]:
    """Features (view, image, feature) around one centre a class, and labels; views tremble a little."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(CLASSES, features))
    labels = (np.arange(count) % CLASSES).astype(np.int64)
    plain = centres[labels] + spread * rng.normal(size=(count, features))
    tremble = 0.3 * rng.normal(size=(views, count, features))
    return np.concatenate([plain[None], plain + tremble]).astype(np.float32), labels


def chequers(count: int, seed: int = 0) -> tuple[Singles, NDArray[np.int64]]:
    """Two classes that no straight line separates: the sign of the product of the first two features."""
    x = np.random.default_rng(seed).normal(size=(1, count, 2))
    return x.astype(np.float32), (x[0, :, 0] * x[0, :, 1] > 0).astype(np.int64)


def pool_of(labels: NDArray[np.int64], *, views: int = 0, folds: int = 5) -> ClassHeadData:
    numbers = fold_numbers(labels, np.arange(len(labels)), folds=folds)
    return ClassHeadData(truth=labels, classes=int(labels.max()) + 1, folds=numbers, views=views)


def rbf(pool: ClassHeadData, joined: ConcatFeatures) -> ClassCandidate:
    return fit_rbf(pool, joined, SETTINGS)


def logistic(pool: ClassHeadData, joined: ConcatFeatures) -> ClassCandidate:
    return fit_logistic(pool, joined, SETTINGS)


def net(pool: ClassHeadData, joined: ConcatFeatures) -> ClassCandidate:
    return fit_net(pool, joined, SETTINGS)


FITS = pytest.mark.parametrize("fit", [rbf, logistic, net])


def answers(head: Head, features: Singles) -> Floats:
    """What a head says to raw features (image, feature)."""
    with torch.inference_mode():
        return np.asarray(head(torch.from_numpy(np.ascontiguousarray(features))).double().numpy())


def gaussian(rows: NDArray[np.floating], vectors: Singles, candidate: ClassCandidate) -> Floats:
    """The kernel between standardised rows and vectors, written out."""
    head = candidate.build(1.0)
    assert isinstance(head, KernelHead)
    gaps = rows[:, None].astype(np.float64) - vectors[None]
    return np.asarray(np.exp(-head.gamma.item() * np.square(gaps).sum(axis=2)))


def offsets(candidate: ClassCandidate) -> Floats:
    """What its scores hold beside those of least squares, (class,)."""
    head = candidate.build(1.0)
    assert isinstance(head, KernelHead)
    return np.asarray(head.offset.double().numpy())


# ---- folds ------------------------------------------------------------------------------------------------


def test_groups_stay_whole_and_every_fold_is_used() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 200)
    labels = (groups % 4).astype(np.int64)
    found = fold_numbers(labels, groups)
    for group in np.unique(groups):
        assert len(np.unique(found[groups == group])) == 1
    assert set(found.tolist()) == {0, 1, 2, 3, 4}


def test_every_class_is_spread_evenly() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(4), [50, 23, 7, 101]))
    found = fold_numbers(labels, np.arange(181))
    for label in range(4):
        counts = np.bincount(found[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_small_classes_do_not_pile_up_in_one_fold() -> None:
    labels = np.repeat(np.arange(10), 3)
    found = fold_numbers(labels, np.arange(30))
    assert np.bincount(found, minlength=5).tolist() == [6] * 5


def test_large_groups_are_balanced_by_small_ones() -> None:
    """One group of 40 and 160 lone images of the same class: the fold of the group gets no other."""
    groups = np.concatenate([np.zeros(40, np.int64), np.arange(1, 161)])
    found = fold_numbers(np.zeros(200, np.int64), groups)
    assert np.bincount(found).tolist() == [40] * 5


def test_the_seed_decides_the_folds() -> None:
    labels, groups = (np.arange(90) % 3).astype(np.int64), np.arange(90) // 2
    first = fold_numbers(labels, groups, seed=1)
    np.testing.assert_array_equal(first, fold_numbers(labels, groups, seed=1))
    assert not np.array_equal(first, fold_numbers(labels, groups, seed=2))


def test_views_of_an_image_share_its_fold_and_label() -> None:
    pool = pool_of(np.array([0, 1, 1, 0], np.int64), views=2, folds=2)
    assert (len(pool), pool.rows) == (4, 12)
    np.testing.assert_array_equal(pool.row_folds.reshape(3, 4), np.tile(pool.folds, (3, 1)))
    np.testing.assert_array_equal(pool.row_truth.reshape(3, 4), np.tile(pool.truth, (3, 1)))
    np.testing.assert_allclose(pool.targets.sum(axis=1), 0)
    assert pool.targets[0].tolist() == [0.5, -0.5]


# ---- blocks -----------------------------------------------------------------------------------------------


def test_a_block_is_centred_with_a_mean_squared_length_of_1() -> None:
    block = block_of(clouds(80)[0])
    np.testing.assert_allclose(block.x.mean(axis=0), 0, atol=1e-6)
    assert np.square(block.x).sum(axis=1).mean() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(block.squares, np.square(block.x).sum(axis=1), rtol=1e-5)


def test_the_plain_view_alone_says_how_a_block_is_scaled() -> None:
    features, _ = clouds(80, views=2)
    plain, whole = block_of(features[:1]), block_of(features)
    assert whole.x.shape == (240, 12)
    np.testing.assert_array_equal(whole.x[:80], plain.x)
    np.testing.assert_array_equal(whole.mean, plain.mean)
    assert whole.scale == plain.scale


def test_the_unit_of_a_backbone_does_not_matter() -> None:
    features, _ = clouds(50)
    np.testing.assert_allclose(block_of(100 * features).x, block_of(features).x, atol=1e-3)


def test_features_that_never_vary_are_all_zero() -> None:
    block = block_of(np.full((1, 6, 4), 3.0, np.float32))
    assert block.scale == 1
    np.testing.assert_allclose(block.x, 0, atol=1e-6)


def two_blocks(views: int = 0) -> tuple[ConcatFeatures, Singles]:
    """Two backbones of unlike width and unit, and their raw features side by side, (row, feature)."""
    one, two = clouds(60, views=views)[0], 50 * clouds(60, features=5, views=views, seed=1)[0]
    raw = np.concatenate([one, two], axis=2)
    return ConcatFeatures([block_of(one), block_of(two)]), raw.reshape(-1, raw.shape[2])


def test_joined_blocks_weigh_the_same() -> None:
    joined, _ = two_blocks()
    halves = np.square(joined.x[:, :12]).sum(axis=1).mean(), np.square(joined.x[:, 12:]).sum(axis=1).mean()
    assert halves == pytest.approx((0.5, 0.5), rel=1e-4)


def test_distances_are_those_of_the_joined_features() -> None:
    joined, _ = two_blocks(views=1)
    vectors = np.array([5, 0, 77])
    gaps = joined.x[:, None].astype(np.float64) - joined.x[vectors][None]
    found = joined.distances(vectors)
    np.testing.assert_allclose(found, np.square(gaps).sum(axis=2), atol=1e-5)
    assert found.min() >= 0


def test_a_head_makes_the_joined_features_of_raw_ones() -> None:
    joined, raw = two_blocks(views=1)
    width = raw.shape[1]
    head = LinearHead(joined.standardise(), np.eye(width), np.zeros(width))
    np.testing.assert_allclose(answers(head, raw), joined.x, atol=1e-4)


@pytest.mark.parametrize(("images", "features"), [(80, 12), (20, 50)])
def test_directions_only_turn_the_features(images: int, features: int) -> None:
    joined = ConcatFeatures([block_of(clouds(images, features=features)[0])])
    found = Directions(joined.x)
    x = joined.x.astype(np.float64)
    products = found.z.T @ found.z
    np.testing.assert_allclose(found.z @ found.z.T, x @ x.T, atol=1e-5)
    np.testing.assert_allclose(products, np.diag(found.strengths), atol=1e-5)
    np.testing.assert_allclose(found.turn.T @ found.turn, np.eye(found.z.shape[1]), atol=1e-5)
    assert found.strengths.tolist() == sorted(found.strengths, reverse=True)


def test_of_many_rows_a_sample_gives_the_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_features, "MOST_DIRECTIONS", 30)
    joined = ConcatFeatures([block_of(clouds(90, features=40)[0])])
    found, again, other = (Directions(joined.x, seed) for seed in (1, 1, 2))
    assert found.z.shape == (90, 30)
    np.testing.assert_array_equal(found.z, again.z)
    assert not np.array_equal(found.z, other.z)
    np.testing.assert_allclose(found.turn.T @ found.turn, np.eye(30), atol=1e-6)


# ---- support vectors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("views", [0, 2])
def test_one_inversion_answers_as_fits_without_each_fold(views: int) -> None:
    features, labels = clouds(60, views=views)
    pool, joined = pool_of(labels, views=views), ConcatFeatures([block_of(features)])
    found = fit_rbf(pool, joined, ProbeSettings(rbf_gamma=0.5, rbf_l2=0.3))
    kernel = gaussian(joined.x, joined.x, found) + 1
    expected = np.empty_like(pool.targets)
    for fold in range(5):
        out, rest = pool.row_folds == fold, pool.row_folds != fold
        system = kernel[np.ix_(rest, rest)] + 0.3 * np.eye(rest.sum())
        expected[out] = kernel[np.ix_(out, rest)] @ np.linalg.solve(system, pool.targets[rest])
    np.testing.assert_allclose(found.scores - offsets(found), pool.sharpness * expected[:60], atol=1e-3)


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_kernel_head_is_the_fit_on_everything(blocks: int) -> None:
    joined, raw = two_blocks(views=1)
    joined, raw = (joined, raw) if blocks == 2 else (ConcatFeatures(joined.blocks[:1]), raw[:, :12])
    pool = pool_of(clouds(60)[1], views=1)
    found = fit_rbf(pool, joined, SETTINGS)
    unseen = np.random.default_rng(5).normal(size=(9, raw.shape[1])).astype(np.float32)
    head = found.build(1.7)
    rows = joined.standardise()(torch.from_numpy(unseen)).numpy()
    kernel = gaussian(joined.x, joined.x, found) + 1
    dual = np.linalg.solve(kernel + found.settings["penalty"] * np.eye(pool.rows), pool.targets)
    expected = (pool.sharpness * (gaussian(rows, joined.x, found) + 1) @ dual + offsets(found)) / 1.7
    np.testing.assert_allclose(answers(head, unseen), expected, atol=2e-3)


def few_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head_features, "MOST_VECTORS", 60)
    monkeypatch.setattr(head_features, "LANDMARKS", 40)


def test_many_rows_share_fewer_vectors_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    few_vectors(monkeypatch)
    assert vectors_for(60).tolist() == list(range(60))
    found = vectors_for(61, seed=1)
    assert len(np.unique(found)) == 40
    assert found.tolist() == sorted(found)
    np.testing.assert_array_equal(found, vectors_for(61, seed=1))
    assert not np.array_equal(found, vectors_for(61, seed=2))
    assert len(vectors_for(80)) == 40  # 80 rows are too many


def test_fewer_vectors_answer_as_fits_without_each_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    few_vectors(monkeypatch)
    features, labels = clouds(90, views=1)
    pool, joined = pool_of(labels, views=1), ConcatFeatures([block_of(features)])
    found = fit_rbf(pool, joined, ProbeSettings(rbf_gamma=1.0, rbf_l2=0.3))
    vectors = joined.x[vectors_for(pool.rows)]
    kernel, among = (gaussian(rows, vectors, found) for rows in (joined.x, vectors))

    def scores(learned: NDArray[np.bool_], rows: Floats) -> Floats:
        mean = pool.targets[learned].mean(axis=0)
        system = kernel[learned].T @ kernel[learned] + 0.3 * among
        weights = np.linalg.solve(system, kernel[learned].T @ (pool.targets[learned] - mean))
        offset = (pool.targets[learned] - kernel[learned] @ weights).mean(axis=0)
        return np.asarray(pool.sharpness * (rows @ weights + offset))

    folds = pool.row_folds
    expected = np.empty((90, CLASSES))
    for fold in range(5):
        expected[pool.folds == fold] = scores(folds != fold, kernel[:90][pool.folds == fold])
    np.testing.assert_allclose(found.scores - offsets(found), expected, atol=1e-2)
    head = found.build(1.0)
    assert isinstance(head, KernelHead)
    assert head.support.shape[0] == 40
    whole = scores(np.ones(180, bool), kernel)
    said = answers(head, features.reshape(180, -1))
    np.testing.assert_allclose(said, whole + offsets(found), atol=1e-2)


def test_fewer_vectors_answer_nearly_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clouds(150, spread=0.7)
    pool, joined = pool_of(labels), ConcatFeatures([block_of(features)])
    whole = fit_rbf(pool, joined, SETTINGS)
    few_vectors(monkeypatch)
    found = fit_rbf(pool, ConcatFeatures(joined.blocks), SETTINGS)
    assert found.right.mean() > whole.right.mean() - 0.05 > 0.8


def test_the_search_never_ends_worse_than_it_began() -> None:
    features, labels = clouds(90)
    pool, joined = pool_of(labels), ConcatFeatures([block_of(features)])
    plain = fit_rbf(pool, joined, SETTINGS, search=False)
    found = fit_rbf(pool, joined, SETTINGS)
    assert plain.settings == {"gamma": 1.0, "penalty": 0.1}
    assert found.settings != plain.settings
    assert found.loss < plain.loss


def test_a_rare_class_gets_the_probability_it_deserves() -> None:
    features, labels = clouds(600, spread=1.2)
    keep = np.flatnonzero((labels > 0) | (np.arange(600) < 60))  # 20 of the first class, 200 of the others
    pool, joined = pool_of(labels[keep]), ConcatFeatures([block_of(features[:, keep])])
    found = fit_rbf(pool, joined, SETTINGS)
    rare = pool.truth == 0
    unmoved = found.scores - offsets(found)
    plain = log_softmax(unmoved / fit_temperature(unmoved, pool.truth))
    expected, mended = (np.exp(said[:, 0]).sum() for said in (plain, found.predictions))
    assert expected < mended == pytest.approx(rare.sum(), rel=0.05)
    assert found.loss < -plain[np.arange(len(keep)), pool.truth].mean()


# ---- logistic and net -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("features", "spread"), [(12, 1.5), (200, 4.0)], ids=["few", "more than images"])
def test_the_logistic_head_agrees_with_scikit_learn(features: int, spread: float) -> None:
    raw, labels = clouds(120, features=features, spread=spread)
    pool, joined = pool_of(labels), ConcatFeatures([block_of(raw)])
    found = logistic(pool, joined)
    model = LogisticRegression(C=1 / found.settings["penalty"], max_iter=5000, tol=1e-8)
    model.fit(joined.x.astype(np.float64), labels)
    said = np.exp(log_softmax(answers(found.build(1.0), raw[0])))
    np.testing.assert_allclose(said, model.predict_proba(joined.x.astype(np.float64)), atol=5e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("a_order", ["C", "F"])
@pytest.mark.parametrize("b_order", ["C", "F"])
def test_products_are_those_of_numpy_whatever_the_layout(dtype: type, a_order: Order, b_order: Order) -> None:
    generator = np.random.default_rng(0)
    a: NDArray[Any] = np.asarray(generator.normal(size=(8, 6)), dtype, order=a_order)
    b: NDArray[Any] = np.asarray(generator.normal(size=(6, 3)), dtype, order=b_order)
    found = product(a, b)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, a @ b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(product(a[::2, :3], b[::2]), a[::2, :3] @ b[::2], rtol=1e-5, atol=1e-6)


def test_logistic_folds_agree_with_scikit_learn() -> None:
    raw, labels = clouds(120)
    pool, joined = pool_of(labels), ConcatFeatures([block_of(raw)])
    found, x = logistic(pool, joined), joined.x.astype(np.float64)
    model = LogisticRegression(C=1 / found.settings["penalty"], max_iter=5000, tol=1e-8)
    for fold in range(5):
        out = pool.folds == fold
        expected = model.fit(x[~out], labels[~out]).predict_proba(x[out])
        np.testing.assert_allclose(np.exp(log_softmax(found.scores[out])), expected, atol=5e-3)


def test_the_net_head_is_the_net_that_was_trained() -> None:
    raw, labels = clouds(60, views=1)
    pool, joined = pool_of(labels, views=1), ConcatFeatures([block_of(raw)], seed=4)
    directions = Directions(joined.x)
    z = directions.z[:, : net_module.MOST_INPUTS]
    stretched = torch.from_numpy(z / np.sqrt(np.mean(z**2))).float()
    trained = net_module.Nets(stretched, pool, SETTINGS, seed=4).train([np.arange(pool.rows)])
    head = fit_net(pool, joined, SETTINGS).build(2.0)
    expected = net_module._scores([tensor[0] for tensor in trained], stretched) / 2.0
    np.testing.assert_allclose(answers(head, raw.reshape(120, -1)), expected, atol=1e-3)


def test_a_net_separates_what_no_straight_line_can() -> None:
    raw, labels = chequers(300)
    pool, joined = pool_of(labels), ConcatFeatures([block_of(raw)])
    assert logistic(pool, joined).right.mean() < 0.65
    found = net(pool, joined)
    assert found.right.mean() > 0.95
    assert rbf(pool, joined).right.mean() > 0.95
    unseen, truth = chequers(200, seed=1)
    assert np.mean(answers(found.build(1.0), unseen[0]).argmax(axis=1) == truth) > 0.9


def test_fitting_a_net_leaves_the_process_as_it_was() -> None:
    raw, labels = clouds(30)
    pool, joined = pool_of(labels), ConcatFeatures([block_of(raw)])
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        net(pool, joined)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), before)


# ---- all kinds of head ------------------------------------------------------------------------------------


@FITS
def test_every_head_learns_and_answers_the_unseen(fit: Fit) -> None:
    raw, labels = clouds(150, spread=0.7)
    found = fit(pool_of(labels), ConcatFeatures([block_of(raw)]))
    unseen, truth = clouds(90, spread=0.7, seed=7)
    assert found.right.mean() > 0.85
    assert np.mean(answers(found.build(found.temperature), unseen[0]).argmax(axis=1) == truth) > 0.85


@FITS
def test_a_temperature_divides_the_logits(fit: Fit) -> None:
    raw, labels = clouds(60)
    found = fit(pool_of(labels), ConcatFeatures([block_of(raw)]))
    hot, plain = answers(found.build(4.0), raw[0]), answers(found.build(1.0), raw[0])
    np.testing.assert_allclose(4 * hot, plain, atol=1e-3)


@FITS
def test_the_same_seed_gives_the_same_head(fit: Fit) -> None:
    raw, labels = clouds(60, views=1)
    pool = pool_of(labels, views=1)
    one, two = (fit(pool, ConcatFeatures([block_of(raw)])) for _ in range(2))
    np.testing.assert_array_equal(one.scores, two.scores)
    np.testing.assert_array_equal(answers(one.build(1.0), raw[0]), answers(two.build(1.0), raw[0]))


def test_another_seed_gives_another_net() -> None:
    raw, labels = clouds(60)
    pool, joined = pool_of(labels), ConcatFeatures([block_of(raw)])
    one, two = (net(pool, ConcatFeatures(joined.blocks, seed)) for seed in (0, 1))
    assert not np.array_equal(one.scores, two.scores)


def test_an_images_own_label_and_those_of_its_fold_never_reach_its_scores() -> None:
    raw, labels = clouds(60, views=1)
    pool, joined = pool_of(labels, views=1), ConcatFeatures([block_of(raw)])
    out = pool.folds == 2
    lied = replace(pool, truth=np.where(out, (labels + 1) % CLASSES, labels))
    plain = [fit_rbf(each, joined, SETTINGS, search=False) for each in (pool, lied)]
    kernel = [found.scores - offsets(found) for found in plain]  # offsets are fitted to all labels
    nets = [net(each, joined).scores for each in (pool, lied)]
    for true, false in (kernel, nets):
        np.testing.assert_allclose(false[out], true[out], atol=1e-6)
        assert np.abs(false[~out] - true[~out]).max() > 0.1


@FITS
def test_noise_is_not_believed(fit: Fit) -> None:
    """Where the labels are drawn at random, calibrated answers are hardly better or worse than none."""
    raw, _ = clouds(150)
    labels = np.random.default_rng(3).integers(0, CLASSES, 150)
    found = fit(pool_of(labels), ConcatFeatures([block_of(raw)]))
    assert found.loss == pytest.approx(math.log(CLASSES), abs=0.05)


@FITS
def test_a_class_of_a_single_image_stops_no_head(fit: Fit) -> None:
    raw, labels = clouds(61)
    labels = np.minimum(labels, 1)
    labels[60] = 2
    found = fit(pool_of(labels), ConcatFeatures([block_of(raw)]))
    assert np.isfinite(found.scores).all()
    assert np.isfinite(answers(found.build(1.0), raw[0])).all()


@pytest.mark.parametrize("fit", [rbf, logistic])
def test_features_that_say_nothing_give_even_answers(fit: Fit) -> None:
    labels = (np.arange(20) % 2).astype(np.int64)
    found = fit(pool_of(labels), ConcatFeatures([block_of(np.ones((1, 20, 8), np.float32))]))
    assert found.loss == pytest.approx(math.log(2), abs=0.01)
    logits = answers(found.build(1.0), np.ones((1, 8), np.float32))
    np.testing.assert_allclose(np.exp(log_softmax(logits)), 0.5, atol=0.01)


# ---- blends and choices -----------------------------------------------------------------------------------


def blended() -> tuple[ClassCandidate, ClassCandidate, ClassCandidate, Singles]:
    raw, labels = clouds(90)
    pool, joined = pool_of(labels), ConcatFeatures([block_of(raw)])
    one, two = rbf(pool, joined), logistic(pool, joined)
    return one, two, pool.blend(one, two), raw[0]


def test_a_blend_is_the_mean_of_calibrated_log_probabilities() -> None:
    one, two, both, raw = blended()
    np.testing.assert_allclose(both.scores, (one.predictions + two.predictions) / 2)
    built = [answers(part.build(part.temperature), raw) for part in (one, two)]
    expected = (log_softmax(built[0]) + log_softmax(built[1])) / 2
    np.testing.assert_allclose(answers(both.build(1.0), raw), expected, atol=1e-4)


def test_a_blend_loses_no_more_than_its_parts_on_average() -> None:
    """By the convexity of the cross-entropy."""
    one, two, both, _ = blended()
    assert both.loss <= (one.loss + two.loss) / 2 + 1e-3


def test_a_blend_keeps_its_temperature_outside() -> None:
    *_, both, _ = blended()
    with pytest.raises(ValueError, match=r"must keep its temperature outside\. Received 2\.0"):
        both.build(2.0)


def made_up(margins: Floats) -> ClassCandidate:
    """A candidate of two classes whose true class, the first, leads by these margins."""

    def build(temperature: float) -> Head:
        raise NotImplementedError

    scores = np.stack([margins, np.zeros_like(margins)], axis=1)
    labels = np.zeros(len(margins), np.int64)
    return ClassCandidate(kind="made up", scores=scores, truth=labels, build=build)


def test_losses_are_those_of_the_softmax_at_the_temperature() -> None:
    candidate = replace(made_up(np.array([4.0, -4.0])), temperature=2.0)
    np.testing.assert_allclose(candidate.losses, np.log1p(np.exp([-2.0, 2.0])))
    assert candidate.loss == pytest.approx(candidate.losses.mean())
    assert candidate.right.tolist() == [True, False]


def test_better_is_what_is_better_almost_everywhere_and_not_what_is_equal() -> None:
    margins = np.random.default_rng(0).normal(1, 1, 400)
    old = made_up(margins)
    assert clearly_better(made_up(margins + 0.2), old)
    assert not clearly_better(made_up(margins - 0.2), old)
    assert not clearly_better(old, old)


def test_few_images_prove_less_than_many() -> None:
    """The same mixed gain is chance on 4 images and clear on 400."""
    old, new = np.array([1.0, 1.0, 1.0, 1.0]), np.array([3.0, 0.5, 2.8, 0.6])
    assert made_up(new).loss < made_up(old).loss
    assert not clearly_better(made_up(new), made_up(old))
    assert clearly_better(made_up(np.tile(new, 100)), made_up(np.tile(old, 100)))


@pytest.mark.parametrize("start", [1.0, 2.0, 3.0, 4.0, 5.0])
@pytest.mark.parametrize("best", [1.0, 3.0, 5.0])
def test_a_walk_finds_the_bottom_of_a_valley_from_anywhere(start: float, best: float) -> None:
    assert walk((1.0, 2.0, 3.0, 4.0, 5.0), start, lambda value: (value - best) ** 2) == best


def test_a_walk_stays_where_nothing_is_better() -> None:
    assert walk((1.0, 2.0, 3.0), 2.0, lambda value: 0.0) == 2.0
    assert walk((7.0,), 7.0, lambda value: value) == 7.0


@FITS
def test_features_that_are_all_alike_give_every_class_its_share(
    fit: Callable[[ClassHeadData, ConcatFeatures], ClassCandidate],
) -> None:
    labels = np.array([0, 0, 0, 1] * 10)
    found = fit(pool_of(labels), ConcatFeatures([block_of(np.ones((1, 40, 8), np.float32))]))
    shares = np.exp(found.predictions)
    assert np.abs(shares[:, 0] - 0.75).max() < 0.15


# ---- classes that count more ------------------------------------------------------------------------------


def uneven() -> tuple[ClassHeadData, ConcatFeatures]:
    """Half of the classes' images thinned out."""
    features, labels = clouds(150)
    some = np.flatnonzero((labels == 0) | (np.arange(150) % 4 == 0))
    labels = labels[some]
    return pool_of(labels), ConcatFeatures([block_of(features[:, some])])


def weighed(pool: ClassHeadData) -> ClassHeadData:
    return replace(pool, weights=balanced_weights(pool.truth, pool.classes))


@pytest.mark.parametrize("kind", ["rbf", "logistic", "net"])
def test_weights_find_more_of_minority_classes_and_equal_weights_change_nothing(kind: str) -> None:
    pool, joined = uneven()

    def scores(some: ClassHeadData) -> Floats:
        if kind == "rbf":
            found = fit_rbf(some, joined, SETTINGS, search=False)
            return found.scores - offsets(found)
        fit = fit_logistic if kind == "logistic" else fit_net
        return fit(some, joined, SETTINGS).scores

    plain = scores(pool)
    assert scores(replace(pool, weights=np.ones(CLASSES))) == pytest.approx(plain, abs=1e-3)
    assert (scores(weighed(pool)).argmax(axis=1) != 0).sum() > (plain.argmax(axis=1) != 0).sum()


@pytest.mark.parametrize("most", [4000, 20])
def test_weighted_support_vectors_are_evaluated_as_if_fitted_without_the_fold(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_features, "MOST_VECTORS", most)
    monkeypatch.setattr(head_features, "LANDMARKS", most)
    pool, joined = uneven()
    pool = weighed(pool)
    vectors = vectors_for(pool.rows)
    kernel = np.exp(-joined.distances(vectors).astype(np.float64))
    dual = len(vectors) == pool.rows
    solver = Dual(pool, kernel) if dual else Primal(pool, kernel, kernel[vectors])
    scores = solver.out_of_fold(0.1)
    weights = pool.row_weights
    assert weights is not None
    for fold in range(5):
        out, rest = pool.folds == fold, pool.folds != fold
        if dual:
            system = kernel[np.ix_(rest, rest)] + 1 + 0.1 * np.diag(1 / weights[rest])
            alone = (kernel[np.ix_(out, rest)] + 1) @ np.linalg.solve(system, pool.targets[rest])
        else:
            mean = np.average(pool.targets[rest], axis=0, weights=weights[rest])
            heavy = kernel[rest] * weights[rest][:, None]
            system = heavy.T @ kernel[rest] + 0.1 * kernel[vectors]
            found = np.linalg.lstsq(system, heavy.T @ (pool.targets[rest] - mean), rcond=None)[0]
            left = pool.targets[rest] - kernel[rest] @ found
            alone = kernel[out] @ found + np.average(left, axis=0, weights=weights[rest])
        assert scores[out] == pytest.approx(alone, abs=1e-5)


def test_weighted_logistic_regression_is_that_of_scikit_learn() -> None:
    pool, joined = uneven()
    pool = weighed(pool)
    directions = Directions(joined.x)
    (weights,) = logistic_module._path(pool, directions, np.ones((1, pool.rows))).weights(0.5)
    theirs = LogisticRegression(C=2.0, tol=1e-8, max_iter=5000, class_weight="balanced")
    theirs.fit(directions.z, pool.truth)
    ours = log_softmax(directions.z @ weights[:, :-1].T + weights[:, -1])
    assert np.exp(ours) == pytest.approx(theirs.predict_proba(directions.z), abs=5e-3)


def test_a_path_gives_each_penalty_the_same_in_whatever_order_and_the_least_loss() -> None:
    raw, labels = clouds(90)
    pool, joined = pool_of(labels), ConcatFeatures([block_of(raw)])
    learned = pool.row_folds != np.arange(5)[:, None]
    one, two = (logistic_module._path(pool, joined.directions, 1.0 * learned) for _ in range(2))
    down, up = [one.weights(each) for each in (1.0, 0.02)], [two.weights(each) for each in (0.02, 1.0)]
    np.testing.assert_array_equal(down[0], up[1])
    np.testing.assert_array_equal(down[1], up[0])
    for fold, weights in enumerate(down[1].astype(np.float64)):
        rows = learned[fold]
        z, truth = joined.directions.z[rows].astype(np.float64), labels[rows]
        theirs = LogisticRegression(C=50.0, tol=1e-9, max_iter=9000).fit(z, truth)

        def loss(weight: Floats, bias: Floats, z: Floats = z, truth: NDArray[np.int64] = truth) -> float:
            log_p = log_softmax(z @ weight.T + bias)[np.arange(len(z)), truth]
            return float(0.01 * np.square(weight).sum() - log_p.sum())

        least = loss(theirs.coef_, theirs.intercept_)
        assert least * (1 - 1e-6) <= loss(weights[:, :-1], weights[:, -1]) <= least * (1 + 1e-4)


def test_a_second_penalty_on_the_same_features_walks_no_path_again(monkeypatch: pytest.MonkeyPatch) -> None:
    raw, labels = clouds(90)
    pool, joined = pool_of(labels), ConcatFeatures([block_of(raw)])
    descents: list[float] = []
    descend = logistic_module.LogisticPath._descend

    def counted(path: Any, at: Any, penalty: float) -> Any:
        descents.append(penalty)
        return descend(path, at, penalty)

    monkeypatch.setattr(logistic_module.LogisticPath, "_descend", counted)
    for penalty in (0.02, 0.05, 0.02):
        fit_logistic(pool, joined, ProbeSettings(logistic_l2=penalty))
    assert descents == [10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.02, 0.05, 0.02]


def test_the_focal_slope_is_the_derivative_of_the_focal_loss() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(6, 3)), np.arange(6) % 3
    turned = torch.tensor(logits, requires_grad=True)
    truth = torch.eye(3, dtype=torch.float64)[labels]
    loss = focal_loss(turned, truth, 2.0) * 6
    loss.backward()  # type: ignore[no-untyped-call]
    log_p = log_softmax(logits)[np.arange(6), labels][:, None]
    care, chosen = logistic_module._focal(log_p, np.ones((6, 1)), 2.0)
    slope = (np.exp(log_softmax(logits)) - truth.numpy()) * care
    assert turned.grad is not None
    assert slope == pytest.approx(turned.grad.numpy(), abs=1e-9)
    assert -chosen.sum() == pytest.approx(loss.item())


@pytest.mark.parametrize("kind", ["logistic", "net"])
def test_heads_with_a_loss_take_the_focal_one(kind: str) -> None:
    pool, joined = uneven()
    fit = fit_logistic if kind == "logistic" else fit_net
    plain = fit(pool, joined, SETTINGS)
    focal = fit(replace(pool, focal=2.0), joined, SETTINGS)
    assert focal.right.mean() > 0.5
    assert not np.allclose(focal.scores, plain.scores)
    features = clouds(30, seed=9)[0][0]
    assert focal.build(1.0)(torch.from_numpy(features)).shape == (30, CLASSES)


def fit_nearest(
    data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
) -> ClassCandidate:
    """A toy kind of head from outside of the package: the kernel head at its usual settings."""
    return replace(fit_rbf(data, features, settings, search=False), kind="nearest")


NEAREST = HeadKind(fit=fit_nearest, seconds=lambda data, width, settings, pace: 1.0)


@pytest.fixture
def nearest(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(HEADS, "nearest", NEAREST)
    recipe_settings.HEADS.append("nearest")
    yield
    recipe_settings.HEADS.remove("nearest")


@pytest.mark.usefixtures("nearest")
def test_a_head_from_outside_is_tried_by_auto_and_by_a_search(tmp_path: Path, cache: Path) -> None:
    changed = {"probe.heads": "nearest", "probe.views": 0, "model.name": "tf_efficientnet_lite0"}
    recipe = with_settings(read_recipe("probe"), changed)
    dataset = mindle.data.split(mindle.data.check(mindle.data.read(photo_folder(tmp_path / "photos", 12))))
    problem = Problem.of(dataset, typical_size=(48, 48))
    outcome = ClassSelection(problem, cards=cards_of(recipe, None), recipe=recipe).heads_only()
    assert [attempt["name"] for attempt in outcome.tried if attempt["chosen"]] == [
        "nearest head on tf_efficientnet_lite0"
    ]
    space = make_space({"probe.rbf_l2": {"low": 0.1, "high": 1.0}}, {"probe": recipe}, "probe")
    score = ImageTask(problem=problem, space=space).evaluate(recipe, TrialMonitor())
    assert score.note.startswith("nearest head")


# ---- what a cheaper head may cost -------------------------------------------------------------------------


def of_classes(right: NDArray[np.bool_]) -> ClassCandidate:
    """A candidate of two classes that predicts these rows correctly."""
    margins = np.where(right, 1.0, -1.0)
    return made_up(margins)


def test_the_same_predictions_for_many_rows_show_that_nothing_is_lost() -> None:
    found = of_classes(np.arange(3000) >= 30)
    assert 0 <= found.points_lost(found) < 0.2
    few = of_classes(np.ones(100, bool))
    assert few.points_lost(few) > 2


def test_a_clear_loss_is_more_than_its_mean() -> None:
    best, other = of_classes(np.arange(2000) >= 40), of_classes(np.arange(2000) >= 80)
    assert 2.0 < best.points_lost(other) < 3.0
    assert other.points_lost(best) < 0


def test_classes_are_scaled_apart_only_where_that_clearly_helps() -> None:
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(2000, 3))
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    data = ClassHeadData(truth=labels, classes=3, folds=np.arange(2000) % 5)
    built: list[float] = []

    def build(temperature: float) -> Head:
        built.append(temperature)
        return LinearHead(Standardise.identity(3), np.eye(3), np.zeros(3))

    calibrated = data.candidate("rbf", logits, build)
    assert scaled_by_class(data, calibrated) is None
    uneven = data.candidate("rbf", logits / [1.0, 0.4, 1.0], build)
    scaled = scaled_by_class(data, uneven)
    assert scaled is not None
    assert scaled.loss < uneven.loss
    assert scaled.temperature == pytest.approx(1.0, abs=0.05)
    head = scaled.build(1.0)
    assert built == [1.0]
    answers = head(torch.from_numpy((logits / [1.0, 0.4, 1.0]).astype(np.float32))).detach().numpy()
    assert np.abs(np.exp(log_softmax(answers)) - np.exp(scaled.predictions)).max() < 0.05
    assert scaled_by_class(replace(data, weights=np.ones(3)), uneven) is None
