from __future__ import annotations

import numpy as np
import pytest

from mindle.explanation.fading import blurred
from mindle.explanation.occlusion import occlusion, random_masks
from tests.explanation.looking import SIDE, brightest, pictures


def test_the_map_is_highest_where_the_model_looks() -> None:
    images, corners = pictures(4)
    for image, (down, right) in zip(images, corners, strict=True):
        found = occlusion(brightest, image, 0)
        inside = np.zeros((SIDE, SIDE), bool)
        inside[down : down + 12, right : right + 12] = True
        assert found.shape == (SIDE, SIDE)
        assert found[inside].mean() > 4 * np.abs(found[~inside]).mean()
        against = occlusion(brightest, image, 1)  # of the reverse, the same place speaks against it
        np.testing.assert_allclose(against, -found, atol=1e-5)


def test_the_same_seed_draws_the_same_map_whatever_is_added_to_the_score() -> None:
    image = pictures(1)[0][0]
    found = occlusion(brightest, image, 0, masks=64, seed=3)
    shifted = occlusion(lambda pixels: brightest(pixels) + 1e6, image, 0, masks=64, seed=3)
    np.testing.assert_allclose(shifted, found, atol=1e-4)
    assert not np.allclose(occlusion(brightest, image, 0, masks=64, seed=4), found)


@pytest.mark.parametrize("shape", [(28, 28), (40, 64), (3, 5)])
def test_masks_hide_half_of_any_shape_of_picture(shape: tuple[int, int]) -> None:
    masks = np.stack(list(random_masks(shape, 200, 0)))
    assert masks.shape == (200, *shape)
    assert masks.min() >= 0
    assert masks.max() <= 1
    np.testing.assert_allclose(masks.mean(axis=0), 0.5, atol=0.15)


def test_agrees_with_captum_on_a_linear_model() -> None:
    """Of a score that is a weighted sum of the pixels, both say of each place what hiding it takes off."""
    captum = pytest.importorskip("captum.attr")
    import torch

    rng = np.random.default_rng(0)
    weights = np.kron(rng.normal(size=(6, 6)), np.ones((8, 8)))[..., None]
    pixels = np.kron(rng.integers(0, 256, (6, 6)), np.ones((8, 8))).astype(np.uint8)[..., None]

    def score(images: np.ndarray) -> np.ndarray:
        return (images.astype(np.float64) * weights).sum(axis=(1, 2))

    def floats(image: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))

    ours = occlusion(score, pixels, 0, masks=4000)
    sliding = captum.Occlusion(lambda x: torch.from_numpy(score(x.permute(0, 2, 3, 1).numpy())))
    window = {"sliding_window_shapes": (1, 8, 8), "strides": (1, 8, 8)}
    theirs = sliding.attribute(floats(pixels), baselines=floats(blurred(pixels)), **window)[0, 0].numpy()
    blocks = [each.reshape(6, 8, 6, 8).mean(axis=(1, 3)).ravel() for each in (ours, theirs)]
    assert np.corrcoef(*blocks)[0, 1] > 0.8
