"""The checks tell a map from its impostors."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.explanation.checks import (
    Picture,
    check,
    correlations,
    filled_in,
    moved,
    random_order,
    top_shares,
)
from mindle.explanation.fading import Map, Pixels
from mindle.explanation.occlusion import occlusion
from tests.explanation.looking import brightest, pictures


def edges(pixels: Pixels) -> Map:
    """An edge detector, which looks like a map of what matters and knows nothing of any model."""
    gray = pixels.mean(axis=2)
    return np.hypot(*np.gradient(gray)).astype(np.float32)


def grainiest(pixels: Pixels) -> np.ndarray:
    """Another model: it looks at how grainy the left of a picture is."""
    left = pixels[:, :, :16].astype(np.float64)
    return np.repeat(np.abs(np.diff(left, axis=1)).mean(axis=(1, 2, 3))[:, None], 2, 1)


@pytest.fixture(scope="module")
def tried() -> list[Picture]:
    return [Picture(brightest, each, 0) for each in pictures(12)[0]]


def test_a_map_of_the_model_passes(tried: list[Picture]) -> None:
    maps = [occlusion(brightest, each.pixels, 0, masks=200) for each in tried]
    others = [occlusion(grainiest, each.pixels, 0, masks=200) for each in tried[:6]]
    found = check(tried, maps, others)
    assert found.failures == ()
    assert found.deletion["value"] == 1
    assert found.insertion["value"] == 1
    assert found.moved["value"] == 1
    assert found.document()["passed"] is True


def test_an_edge_detector_is_caught_by_shuffled_weights(tried: list[Picture]) -> None:
    maps = [edges(each.pixels) for each in tried]
    found = check(tried, maps, maps[:6])  # it draws the same whatever the weights are
    assert "shuffled" in found.failures
    assert found.shuffled["value"] == pytest.approx(1)


def test_maps_of_chance_and_empty_ones_are_caught(tried: list[Picture]) -> None:
    chance = [random_order(each.pixels.shape[:2], [9, at]) for at, each in enumerate(tried)]
    assert "deletion" in check(tried, chance, []).failures
    empty = [np.zeros(each.pixels.shape[:2], np.float32) for each in tried]
    assert "empty" in check(tried, empty, empty[:6]).failures


def test_what_all_maps_share_does_not_count_as_alike() -> None:
    rng = np.random.default_rng(0)
    frame = np.zeros((28, 28), np.float32)
    frame[:2] = frame[-2:] = 30
    maps = [frame + rng.random((28, 28)).astype(np.float32) for _ in range(8)]
    others = [frame + rng.random((28, 28)).astype(np.float32) for _ in range(8)]
    assert correlations(maps, others).mean() < 0.2
    assert correlations(maps, maps).min() > 0.999


def test_a_moved_map_names_as_much_elsewhere() -> None:
    found = pictures(1)[0][0].mean(axis=2).astype(np.float32)
    for other in moved(found):
        assert sorted(other.ravel()) == sorted(found.ravel())
        assert not np.array_equal(other, found)


def test_masks_of_a_curve_grow_to_half_of_the_picture() -> None:
    masks = top_shares(np.random.default_rng(0).random((30, 40)).astype(np.float32))
    assert (np.diff(masks, axis=0) >= 0).all()
    assert masks[-1].mean() == pytest.approx(0.5)


def test_a_filled_hole_shows_nothing_of_what_was_there() -> None:
    rows = np.linspace(20, 220, 33).astype(np.uint8)
    pixels = rows[:, None, None].repeat(45, 1).repeat(3, 2)
    hole = np.zeros(pixels.shape[:2], bool)
    hole[12:20, 10:30] = True
    spoiled = pixels.copy()
    spoiled[hole] = 255
    filled = filled_in(spoiled, hole)
    np.testing.assert_array_equal(filled[~hole], pixels[~hole])
    assert np.abs(filled.astype(int) - pixels)[hole].mean() < 20
