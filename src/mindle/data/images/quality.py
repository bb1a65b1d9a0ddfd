"""What the pixels of a picture say of it, whatever it shows: dark, blank, blurred, noisy, torn.

Features of a backbone hardly show these: of noise, of a blank picture and of a blurred one they lie near the
centre of those of photos. Everything is measured on every fourth row and column of the pixels as a model sees
them, in a tenth of the time that a backbone takes.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

STATISTICS = ("brightness", "contrast", "sharpness", "detail", "band", "flat")
"""The columns of `measure`."""


class Rows(Protocol):
    """Pixels by the numbers of their rows."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Some of them, (image, height, width, channel)."""


# Lines of pixels that are measured of large pictures; every one of small ones.
_LINES = 56
# Decoders fill what is missing of a torn JPEG with mid-gray: all channels of such rows lie between these
# levels, and differ by no more than `_FLAT`. Even backgrounds of photos are mostly black or white.
_FLAT, _MID_GRAY = 2, (118, 138)
_LEAST = 1e-3
_IMAGES_AT_A_TIME = 64
# Luminance of red, green and blue in 256ths (BT.601).
_WEIGHTS = (77, 150, 29)


def measure(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Brightness, contrast, sharpness, detail, empty band and flatness of pictures.

    Args:
        pixels: uint8 (image, height, width, channel), one channel or three.

    Returns:
        float32 (image, 6): mean and standard deviation of the gray levels, 0 to 255; the logarithms of the
        mean squared second and first differences of neighbours; the share of the height that rows of even
        mid-gray at the bottom take, 0 where all rows are so; the share of neighbours that are equal.

    Example:
        >>> half = np.full((1, 64, 64, 3), 128, np.uint8)
        >>> half[:, :32] = np.arange(64)[:, None]
        >>> [round(float(value), 2) for value in measure(half)[0, [0, 4]]]
        [79.75, 0.5]
    """
    parts = [
        _measured(pixels[at : at + _IMAGES_AT_A_TIME]) for at in range(0, len(pixels), _IMAGES_AT_A_TIME)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, len(STATISTICS)), np.float32)


def measure_stored(stored: Rows) -> NDArray[np.float32]:
    """As `measure`, of pixels that are read a few at a time."""
    rows = np.arange(len(stored))
    parts = [
        _measured(stored[rows[at : at + _IMAGES_AT_A_TIME]]) for at in rows[::_IMAGES_AT_A_TIME].tolist()
    ]
    return np.concatenate(parts) if parts else np.zeros((0, len(STATISTICS)), np.float32)


def _measured(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    down, across = (max(1, side // _LINES) for side in pixels.shape[1:3])
    thinned = pixels[:, :, ::across]
    rows, columns = _gray(pixels[:, ::down]), _gray(thinned)  # lines along which, (image, …)
    along, along_too = np.diff(rows, axis=2), np.diff(columns, axis=1)
    first = _mean_square(along) + _mean_square(along_too)
    second = _mean_square(np.diff(along, axis=2)) + _mean_square(np.diff(along_too, axis=1))
    flat = (_equal(along) + _equal(along_too)) / 2
    mean = rows.mean(axis=(1, 2), dtype=np.float64)
    spread = np.maximum(_mean_square(rows) - mean**2, 0) ** 0.5
    logs = [np.log(each + _LEAST) for each in (second, first)]
    return np.stack([mean, spread, *logs, _band(thinned), flat], axis=1).astype(np.float32)


def _equal(differences: NDArray[np.int16]) -> NDArray[np.float64]:
    """Share of the differences of an image that are none."""
    return np.asarray(np.mean(differences == 0, axis=(1, 2), dtype=np.float64))


def _gray(pixels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Gray levels (image, height, width)."""
    if pixels.shape[-1] == 1:
        return pixels[..., 0].astype(np.int16)
    weighted = sum(
        np.multiply(pixels[..., at], weight, dtype=np.uint16) for at, weight in enumerate(_WEIGHTS)
    )
    return np.asarray(weighted >> 8, np.int16)


def _mean_square(values: NDArray[np.int16]) -> NDArray[np.float64]:
    flat = values.reshape(len(values), -1).astype(np.float32)
    return np.asarray(np.einsum("ij,ij->i", flat, flat), np.float64) / max(flat.shape[1], 1)


def _band(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of the height below the last row that no decoder filled in."""
    levels = pixels.reshape(*pixels.shape[:2], -1)  # (image, row, column · channel)
    low, high = levels.min(axis=2), levels.max(axis=2)
    drawn = (high - low > _FLAT) | (low < _MID_GRAY[0]) | (high > _MID_GRAY[1])
    below = drawn[:, ::-1].argmax(axis=1)
    return np.where(drawn.any(axis=1), below / drawn.shape[1], 0.0)
