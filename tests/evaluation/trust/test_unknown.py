"""How unlike training an input is: against pytorch-ood, without its group, and the same after writing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.evaluation.trust.unknown import (
    FEWEST_ROWS,
    SCORES,
    UnknownScore,
    drawn_evenly,
    fit_unknown,
    held_out_of,
    limit_of,
    read_unknown,
)
from mindle.records import OutOfFold


def rows(
    features: NDArray[np.floating], groups: NDArray[np.int64] | None = None, *, blocks: tuple[int, ...] = ()
) -> OutOfFold:
    count = len(features)
    return OutOfFold(
        rows=np.arange(count),
        outputs={"probabilities": np.full((count, 2), 0.5)},
        truth=np.arange(count) % 2,
        folds=np.arange(count) % 5,
        groups=np.arange(count) if groups is None else groups,
        learned_from=np.ones(count, bool),
        features=features,
        blocks=blocks,
    )


def fitted(found: OutOfFold) -> tuple[UnknownScore, NDArray[np.float64]]:
    made = fit_unknown(found)
    assert made is not None
    return made


def known(count: int = 300, width: int = 12, seed: int = 0) -> NDArray[np.float32]:
    """Two clouds, one dense and one wide."""
    rng = np.random.default_rng(seed)
    spread = np.where(np.arange(count) % 2, 0.3, 1.0)[:, None]
    centre = np.where(np.arange(count) % 2, 3.0, -3.0)[:, None]
    return (centre + spread * rng.normal(size=(count, width))).astype(np.float32)


@pytest.mark.slow
def test_distances_are_those_of_pytorch_ood() -> None:
    from mindle.models.pretrained.torchvision_shim import import_torchvision

    import_torchvision()
    detector = pytest.importorskip("pytorch_ood.detector")
    import torch

    x, new = known().astype(np.float16).astype(np.float32), known(40, seed=1) + 1
    score, _ = fitted(rows(x))
    plain, angle, _ = score._three(*next(score._distances(new))[1])
    for ours, normalize in ((plain, False), (angle, True)):
        theirs = detector.KNN(None, k=5, normalize=normalize)
        theirs.fit_features(torch.from_numpy(x), torch.zeros(len(x)))
        found = theirs.predict_features(torch.from_numpy(new)).numpy()
        np.testing.assert_allclose(ours, found, rtol=2e-4, atol=2e-3)


def test_what_is_far_away_is_refused_and_what_is_alike_is_not() -> None:
    x = known(600)
    score, three = fitted(rows(x))
    values = score.combined(three)
    score = replace(score, limit=limit_of(values, np.zeros(600, bool), 0.05))
    assert (values > score.limit).mean() == pytest.approx(0.05, abs=0.002)
    alike = score.scores(known(600, seed=1)) > score.limit
    assert alike.mean() == pytest.approx(0.05, abs=0.04)
    assert (score.scores(np.zeros((5, 12))) > score.limit).all()  # between the clouds
    assert (score.scores(known(5) * 1e9) > score.limit).all()
    # Near the dense cloud it takes less to be unlike it than near the wide one.
    near = x.mean(axis=0)[None] + 0
    relative = [
        score._three(*next(score._distances(np.full((1, 12), at, np.float32)))[1])[2, 0] for at in (4.5, -4.5)
    ]
    assert relative[0] > 2 * relative[1]
    assert np.isfinite(score.scores(near)).all()


def test_rows_are_scored_without_themselves_and_their_group() -> None:
    x = known(200)
    twice = np.concatenate([x, x])
    alone = fitted(rows(twice))[1]
    together = fitted(rows(twice, np.arange(400) % 200))[1]
    first = fitted(rows(x))[1]
    assert alone[0].mean() < 0.97 * together[0].mean()  # a twin is the nearest of all
    # With the twin left out, five nearest are three others and two of their twins.
    assert together[0].mean() < first[0].mean()
    nothing = rows(x, np.zeros(200, np.int64))
    assert fit_unknown(nothing) is None  # one group: nothing is held out
    most = np.where(np.arange(200) < 120, 0, np.arange(200))
    assert np.isfinite(fitted(rows(x, most))[1]).all()


def test_bodies_side_by_side_count_alike_whatever_their_scale() -> None:
    x = np.abs(known(200, 16))
    one, _ = fitted(rows(x, blocks=(8, 8)))
    other, _ = fitted(rows(x * np.repeat([1.0, 1e4], 8), blocks=(8, 8)))
    np.testing.assert_allclose(one.standardised(x), other.standardised(x * np.repeat([1, 1e4], 8)), atol=2e-3)
    assert np.square(one.standardised(x)).sum(axis=1).mean() == pytest.approx(1, rel=1e-4)


def test_after_writing_it_says_the_same() -> None:
    score, _ = fitted(rows(known(), blocks=(4, 8)))
    again = read_unknown(score.arrays(), neighbours=score.neighbours, limit=2.0, parts=("angle",))
    new = known(20, seed=3)
    part = replace(score, parts=("angle",))
    assert np.array_equal(again.scores(new), part.scores(new))
    assert again.scores(new[:0]).shape == (0,)
    at, far = again.nearest(known()[:7], 1)
    assert at[:, 0].tolist() == list(range(7))
    assert far.max() < 0.05
    damaged = {name: value for name, value in score.arrays().items() if name != "own"}
    with pytest.raises(ValueError, match="no own"):
        read_unknown(damaged, neighbours=5, limit=1.0)
    with pytest.raises(ValueError, match="`own`"):
        read_unknown({**score.arrays(), "own": score.own[:-1]}, neighbours=5, limit=1.0)
    with pytest.raises(ValueError, match="two axes"):
        read_unknown({**score.arrays(), "tails": np.zeros(2)}, neighbours=5, limit=1.0)
    with pytest.raises(ValueError, match="`neighbours`"):
        read_unknown(score.arrays(), neighbours=0, limit=1.0)
    with pytest.raises(ValueError, match="`parts`"):
        read_unknown(score.arrays(), neighbours=5, limit=1.0, parts=("other",))


def test_rarity_grows_with_the_logarithm_and_beyond_the_tail_with_the_distance() -> None:
    values = np.sort(np.random.default_rng(0).exponential(size=4000))
    points, tails = held_out_of(np.tile(values, (len(SCORES), 1)))
    score, _ = fitted(rows(known()))
    score = replace(score, held_out=points, tails=tails, parts=("distance",))
    at = np.array([0.0, np.log(2), np.log(10), 5.0, 50.0])
    found = score.combined(np.tile(at, (3, 1)))
    np.testing.assert_allclose(found, at, rtol=0.08, atol=0.02)  # of an exponential, rarity is the value


def test_too_few_rows_have_no_score_and_few_features_will_do() -> None:
    assert fit_unknown(rows(known(FEWEST_ROWS - 1))) is None
    assert fit_unknown(replace(rows(known(80)), features=None)) is None
    constant, _ = fitted(rows(np.ones((80, 3))))  # every row is alike
    assert (constant.scores(np.ones((2, 3))) <= 3 * np.log(10) + 1e-9).all()
    assert constant.scores(np.full((1, 3), 2.0))[0] > 3 * np.log(10)


def test_every_class_has_its_share_of_the_vectors() -> None:
    truth = np.repeat([0, 1, 2], [900, 90, 10])
    counts = np.bincount(truth[drawn_evenly(truth, 100, seed=1)])
    assert counts.tolist() == [90, 9, 1]
    numbers = np.random.default_rng(0).normal(size=1000)
    drawn = numbers[drawn_evenly(numbers, 50)]
    assert np.abs(np.quantile(drawn, [0.1, 0.5, 0.9]) - np.quantile(numbers, [0.1, 0.5, 0.9])).max() < 0.25


@pytest.mark.parametrize(("share", "expected"), [(0.1, 8.0), (0.3, 6.0), (0.0, 8.0)])
def test_a_limit_leaves_room_for_what_is_refused_already(share: float, expected: float) -> None:
    assert limit_of(np.arange(10.0), np.arange(10) == 9, share) == expected
    assert limit_of(np.zeros(0), np.zeros(0, bool), share) == float("inf")
