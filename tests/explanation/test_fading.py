from __future__ import annotations

import numpy as np

from mindle.explanation.fading import BATCH, blurred, faded, scores, softened


def test_a_blurred_picture_keeps_its_shape_and_mean() -> None:
    for channels in (1, 3):
        pixels = np.random.default_rng(0).integers(0, 256, (40, 56, channels)).astype(np.uint8)
        found = blurred(pixels)
        assert found.shape == pixels.shape
        assert found.dtype == np.uint8
        assert abs(float(found.mean()) - pixels.mean()) < 3
        assert found.std() < pixels.std() / 5


def test_a_softened_mask_has_no_edge_and_keeps_its_share() -> None:
    mask = np.zeros((1, 56, 56), np.float32)
    mask[:, 14:42, 14:42] = 1
    soft = softened(mask)
    assert abs(float(soft.mean() - mask.mean())) < 0.01
    assert np.abs(np.diff(soft[0], axis=1)).max() < 0.2


def test_scores_come_in_order_however_many_there_are() -> None:
    pixels = np.full((8, 8, 1), 200, np.uint8)
    masks = np.linspace(0, 1, BATCH + 3, dtype=np.float32)[:, None, None].repeat(8, 1).repeat(8, 2)
    answered = [found for _, found in scores(lambda p: p.mean(axis=(1, 2)), 0, pixels, 0 * pixels, masks)]
    assert [len(each) for each in answered] == [BATCH, 3]
    assert (np.diff(np.concatenate(answered)) < 0).all()
    assert faded(pixels, 0 * pixels, masks).shape == (BATCH + 3, 8, 8, 1)
