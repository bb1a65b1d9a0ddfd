"""A model that looks at one place, and pictures that show something there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 48


def pictures(count: int, *, side: int = SIDE, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Grain with a bright square, uint8 (image, height, width, 3), and where it begins, (image, 2)."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (count, side, side, 3)).astype(np.uint8)
    corners = rng.integers(4, side - 16, (count, 2))
    for image, (down, right) in zip(images, corners, strict=True):
        image[down : down + 12, right : right + 12] = 230
    return images, corners


def brightest(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(image, 2): how bright the brightest 12 by 12 square is, and the reverse."""
    gray = pixels.mean(axis=3)
    sums = np.pad(gray.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    squares = sums[:, 12:, 12:] - sums[:, :-12, 12:] - sums[:, 12:, :-12] + sums[:, :-12, :-12]
    top = squares.max(axis=(1, 2)) / 144 / 20
    return np.stack([top, -top], axis=1)
