"""Heads that estimate numbers: exact against plain least squares, honest about what they had not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mindle.models.heads import build_head, describe_head
from mindle.training.images.heads import features as head_features
from mindle.training.images.heads import kernel
from mindle.training.images.heads.candidates import NumberCandidate, NumberHeadData, clearly_better
from mindle.training.images.heads.features import ConcatFeatures, block_of
from mindle.training.images.heads.kernel import fit_rbf, fit_ridge
from mindle.training.settings import ProbeSettings

SETTINGS = ProbeSettings()

Features = NDArray[np.float32]


def features(count: int = 80, width: int = 6, seed: int = 0) -> tuple[Features, NDArray[np.float64]]:
    """(view, image, feature) above zero, and a number that bends with them."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.2, 4, (1, count, width)).astype(np.float32)
    y = np.sqrt(x[0]) @ rng.normal(size=width) + 0.3 * np.sin(3 * x[0, :, 0]) + rng.normal(0, 0.1, count)
    return x, (y - y.mean()) / y.std()


def pool_of(y: NDArray[np.float64], views: int = 0) -> NumberHeadData:
    return NumberHeadData(truth=y, folds=np.arange(len(y)) % 5, views=views)


def answers(head: Any, x: Features) -> NDArray[np.float64]:
    with torch.inference_mode():
        return np.asarray(head(torch.from_numpy(x[0])).double().numpy())


@pytest.mark.parametrize("few", [True, False], ids=["all rows", "functions"])
def test_ridge_is_plain_ridge_regression(few: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not few:
        monkeypatch.setattr(kernel, "MOST_VECTORS", 10)
    x, y = features()
    joined = ConcatFeatures([block_of(x)])
    found = fit_ridge(pool_of(y), joined, SETTINGS)
    z = joined.x.astype(np.float64)
    gram = z.T @ z + found.settings["penalty"] * np.eye(z.shape[1])
    expected = z @ np.linalg.solve(gram, z.T @ y)
    got = answers(found.build(1.0), x)
    assert got.shape == (80, 6)
    assert (
        np.abs(got[:, 0] - expected).max() < 0.02
    )  # its constant costs a trace, and the features are centred


@pytest.mark.parametrize("most", [4000, 20], ids=["all rows", "landmarks"])
@pytest.mark.parametrize("kind", ["ridge", "rbf"])
def test_each_fold_is_estimated_by_a_head_that_did_not_see_it(
    kind: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (head_features, kernel):
        monkeypatch.setattr(module, "MOST_VECTORS", most)
    monkeypatch.setattr(head_features, "LANDMARKS", 30)
    x, y = features()
    pool = pool_of(y)
    joined = ConcatFeatures([block_of(x)])
    found = (fit_ridge if kind == "ridge" else fit_rbf)(pool, joined, SETTINGS)
    got = answers(found.build(1.0), x)
    alone = got[np.arange(80), 1 + pool.folds]
    assert np.abs(alone - found.scores[:, 0]).max() < 1e-3
    # Another truth in a fold moves what others say of it, and not what its head says.
    moved = y.copy()
    moved[pool.folds == 2] += 5.0
    if kind == "rbf":
        fixed = ProbeSettings(rbf_gamma=found.settings["gamma"], rbf_l2=found.settings["penalty"])
        again = fit_rbf(pool_of(moved), joined, fixed)
        assert np.abs(again.scores[:, 0] - found.scores[:, 0])[pool.folds == 2].max() < 1e-6
        assert np.abs(again.scores[:, 0] - found.scores[:, 0])[pool.folds != 2].max() > 0.1


def test_a_kernel_bends_where_a_line_cannot() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 4, (1, 150, 2)).astype(np.float32)
    y = np.sin(2 * np.sqrt(x[0, :, 0]) * 2)
    pool, joined = pool_of((y - y.mean()) / y.std()), ConcatFeatures([block_of(x)])
    line, bent = fit_ridge(pool, joined, SETTINGS), fit_rbf(pool, joined, SETTINGS)
    assert bent.loss < 0.3 * line.loss
    assert clearly_better(bent, line)
    assert not clearly_better(line, bent)


def test_the_mean_of_two_heads_is_one_head() -> None:
    x, y = features()
    pool, joined = pool_of(y), ConcatFeatures([block_of(x)])
    one, two = fit_ridge(pool, joined, SETTINGS), fit_rbf(pool, joined, SETTINGS)
    mixed = pool.blend(one, two)
    head = mixed.build(1.0)
    both = [answers(each.build(1.0), x) for each in (one, two)]
    assert np.allclose(answers(head, x), (both[0] + both[1]) / 2, atol=1e-5)
    assert np.allclose(mixed.scores[:, 0], (one.scores[:, 0] + two.scores[:, 0]) / 2)
    again = build_head(describe_head(head))
    again.load_state_dict(head.state_dict())
    assert np.array_equal(answers(again, x), answers(head, x))


def test_views_of_an_image_lie_in_its_fold() -> None:
    x, y = features(40)
    views = np.concatenate([x, x + np.float32(0.01)])
    found = fit_ridge(pool_of(y, views=1), ConcatFeatures([block_of(views)]), SETTINGS)
    plain = fit_ridge(pool_of(y), ConcatFeatures([block_of(x)]), SETTINGS)
    assert len(found.scores[:, 0]) == 40
    # A copy in training would make the errors vanish.
    assert found.loss > 0.7 * plain.loss


def with_errors(errors: NDArray[np.float64]) -> NumberCandidate:
    """A candidate that is off by so much; the mean is off by 2 on average."""
    truth = np.where(np.arange(len(errors)) % 2, 2.0, -2.0)
    return NumberCandidate(
        kind="made up",
        scores=(truth + errors)[:, None],
        truth=truth,
        build=lambda temperature: pytest.fail("it is only compared"),
    )


def test_errors_are_compared_pair_by_pair_in_per_cent_of_those_of_the_mean() -> None:
    rng = np.random.default_rng(0)
    errors, noise = rng.exponential(1.0, 400), rng.normal(0, 0.01, 400)
    best = with_errors(errors)
    assert best.points_lost(with_errors(errors + np.abs(noise))) < 0.6
    assert best.points_lost(with_errors(rng.permutation(errors))) > 2.0
    even = np.full(50, 0.3)
    assert with_errors(even).points_lost(with_errors(even + 0.01)) == pytest.approx(0.5)
