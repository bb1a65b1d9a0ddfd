"""Occlusion: hide parts of a picture and see how much less the model says what it said. Any model will do.

The parts are hidden by random soft masks, which overlap, so that each place is hidden together with many
others; a place counts as much as the score falls with it hidden rather than shown. Measured on 100 pictures
of flowers (`benchmarks explain`): the pixels that such a map names are missed more than random ones in more
pictures than with windows that slide over the picture, whatever their size.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mindle.explanation.fading import Map, Pixels, Score, blurred, scores

MASKS = 400
CELLS = 6  # of a mask, along the shorter side


def occlusion(score: Score, pixels: Pixels, target: int, *, masks: int = MASKS, seed: int = 0) -> Map:
    """How much the score falls where a place of the picture is hidden.

    Args:
        score: What the model says, (image, target), of pixels (image, height, width, channel).
        pixels: The picture, uint8 (height, width, channel).
        target: Which of the scores.
        masks: How many are drawn, each of which costs a forward pass.
        seed: Draws them.

    Returns:
        (height, width), the slope of the score by how much each pixel is hidden, the sign turned.

    Source:
        Petsiuk, Das & Saenko 2018, RISE, https://arxiv.org/abs/1806.07421; here the picture fades into its
        blurred self instead of into black, and a place is compared with itself shown (a slope) instead of
        with nothing, so that places that masks hide more often do not count for more.

    Example:
        >>> bright = lambda pixels: pixels[:, :8, :8].mean(axis=(1, 2)).astype(float)  # looks at one corner
        >>> picture = np.zeros((32, 32, 1), np.uint8)
        >>> picture[:8, :8] = 255
        >>> found = occlusion(bright, picture, 0)
        >>> bool(found[:8, :8].mean() > 5 * abs(found[16:, 16:].mean()))
        True
    """
    drawn = random_masks(pixels.shape[:2], masks, seed)
    # Sums from which the covariance and variance of each pixel follow: masks need not be kept.
    moments = np.zeros((3, *pixels.shape[:2]))  # of mask, mask², mask · score
    answered: list[NDArray[np.float64]] = []
    for hidden, found in scores(score, target, pixels, blurred(pixels), drawn):
        answered.append(found)
        # The first score is taken off: products of large numbers would eat the digits of small differences.
        weighted = np.tensordot(found - answered[0][0], hidden.astype(np.float64), 1)
        moments += np.stack([hidden.sum(0, np.float64), (hidden.astype(np.float64) ** 2).sum(0), weighted])
    mean, square, product = moments / masks
    fall = (np.concatenate(answered) - answered[0][0]).mean() * mean - product
    return np.asarray(fall / np.maximum(square - mean**2, 1e-9), np.float32)


def random_masks(shape: tuple[int, ...], count: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """Soft masks (height, width) of which half is 1: cells drawn by chance, enlarged, at a chance offset."""
    rng = np.random.default_rng(seed)
    cell = -(-min(shape) // CELLS)
    rows, columns = (-(-side // cell) + 1 for side in shape)
    for _ in range(count):
        cells = Image.fromarray((rng.random((rows, columns)) < 0.5).astype(np.float32))
        down, right = rng.integers(0, cell, 2)
        box = (right, down, right + shape[1], down + shape[0])
        large = cells.resize((columns * cell, rows * cell), Image.Resampling.BICUBIC).crop(box)
        yield np.clip(np.asarray(large), 0, 1)
