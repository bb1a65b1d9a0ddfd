from __future__ import annotations

import numpy as np

from mindle.explanation.border import AREA, AT_ONCE, border_shares, borders
from tests.explanation.looking import SIDE


def of(window: np.ndarray) -> object:
    return lambda pixels: (pixels.mean(axis=3) * window).sum(axis=(1, 2))[:, None].repeat(2, 1)


def scene(seed: int) -> np.ndarray:
    """Fine stripes, which a blur turns gray, so that hiding shows everywhere."""
    pixels = np.random.default_rng(seed).integers(0, 20, (SIDE, SIDE, 3)).astype(np.uint8)
    pixels[::2] += 200
    return pixels


def test_a_model_of_the_background_is_named_and_one_of_the_thing_is_not() -> None:
    light = np.zeros((SIDE, SIDE))
    light[::2] = 1  # the bright stripes, which lose when they are hidden
    ring, inside = light.copy(), np.zeros_like(light)
    ring[5:-5, 5:-5] = 0
    inside[12:-12, 12:-12] = light[12:-12, 12:-12]
    images, targets = np.stack([scene(at) for at in range(24)]), np.arange(24) % 2
    background, thing = (borders(of(window), images, targets, ("a", "b")) for window in (ring, inside))
    assert [each.is_too_much for each in background] == [True, True]
    assert [each.is_too_much for each in thing] == [False, False]
    assert all(each.share["value"] < AREA for each in thing)
    assert background[0].document()["warned"] is True


def test_few_pictures_make_no_warning() -> None:
    images = np.stack([scene(at) for at in range(4)])
    ring = np.ones((SIDE, SIDE))
    ring[8:-8, 8:-8] = 0
    found = borders(of(ring), images, np.zeros(4, np.int64), ("a", "b"))
    assert not found[0].is_too_much
    assert found[1].n == 0


def test_a_score_that_never_falls_has_no_share() -> None:
    found = border_shares(lambda pixels: np.zeros((len(pixels), 1)), scene(0)[None], np.array([0]))
    assert np.isnan(found).all()


def test_many_pictures_are_asked_about_in_their_order() -> None:
    inside = np.zeros((SIDE, SIDE))
    inside[::2] = 1
    images = np.stack([scene(at) for at in range(AT_ONCE + 3)])
    targets = np.zeros(len(images), np.int64)
    together = border_shares(of(inside), images, targets)
    alone = [border_shares(of(inside), each[None], targets[:1])[0] for each in images]
    np.testing.assert_allclose(together, alone)
