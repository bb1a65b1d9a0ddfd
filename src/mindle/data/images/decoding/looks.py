"""How a picture looks as a whole: a few numbers, taken from the pixels that are decoded anyway.

They must cost little beside decoding (a tenth of a millisecond), so that Pillow counts and picks, and NumPy
only sees what is left.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LOOKS = np.dtype(
    [
        ("brightness", "<f4"),
        ("contrast", "<f4"),
        ("sharpness", "<f4"),
        ("mean", "<f4", (3,)),
        ("low", "u1", (3,)),
        ("high", "u1", (3,)),
        ("top", "u1", (3,)),
        ("border", "<f4", (3,)),
        ("border_std", "<f4", (3,)),
    ]
)
"""Mean of the gray values, standard deviation of all channels, mean step of the gray values along a line (as
wide as a pixel of about 224); of each channel the mean, the 0.5th and 99.5th percentile and the largest
value, and mean and standard deviation of the outermost pixels. All from 0 to 255."""

_LEVELS = np.arange(256.0)
_MOMENTS = np.stack([np.ones(256), _LEVELS, _LEVELS**2])
_TAILS = np.array([0.005, 0.995, 1.0])[:, None, None]
_GRAY = {1: np.ones(1), 3: np.array([0.299, 0.587, 0.114])}  # by channels
_LINES, _LINE = 32, 224
_EDGE, _DEPTH = 32, 1 / 256  # points on each side of the border, and how far inside they lie
_EVENLY = np.full(4 * _EDGE, 1 / (4 * _EDGE), np.float32)
_PICK = Image.Resampling.NEAREST


def looks_of(base: Image.Image, gray: Image.Image) -> NDArray[Any]:
    """How an upright picture looks.

    Args:
        base: "L" or "RGB".
        gray: The same in "L".

    Returns:
        One entry of `LOOKS`.

    Example:
        >>> base = Image.new("RGB", (20, 10), (0, 100, 200))
        >>> looks_of(base, base.convert("L"))["border"].tolist()
        [0.0, 100.0, 200.0]
    """
    found = np.zeros((), LOOKS)
    counts = np.frombuffer(array("q", base.histogram()), np.int64).reshape(-1, 256)  # (channel, level)
    n, totals, squares = _MOMENTS @ counts.T  # (channel,) each
    found["mean"] = mean = totals / n
    found["brightness"] = mean @ _GRAY[len(mean)]
    found["contrast"] = max(0.0, float((squares / n - mean**2).mean())) ** 0.5
    found["sharpness"] = _step(gray)
    below = counts.cumsum(axis=1)
    found["low"], found["high"], found["top"] = (below < _TAILS * n[0]).sum(axis=2)  # (tail, channel)
    edge = _border(base)  # (point, channel)
    found["border"] = centre = _EVENLY @ edge  # twice as fast as `mean` and `std`
    found["border_std"] = np.sqrt(_EVENLY @ (edge - centre) ** 2)
    return found


def _step(gray: Image.Image) -> float:
    """By how much neighbours on a line differ; large pictures are looked at as if they had 224 pixels."""
    width, height = gray.size
    step = max(1, min(width, height) // _LINE)
    lines = np.asarray(gray.resize((max(2, width // step), _LINES), _PICK), np.int16)
    return float(np.abs(lines[:, 1:] - lines[:, :-1]).mean())


def _border(base: Image.Image) -> NDArray[np.float32]:
    """Some of the outermost pixels, (point, channel)."""
    width, height = base.size
    across, down = (side - 1 - 2 * _DEPTH * side for side in base.size)
    top = (width / _EDGE, 0, 0, 0, down, _DEPTH * height + 0.5 - down / 2)
    left = (across, 0, _DEPTH * width + 0.5 - across / 2, 0, height / _EDGE, 0)
    picked = [
        np.asarray(base.transform(size, Image.Transform.AFFINE, where, _PICK)).reshape(2 * _EDGE, -1)
        for size, where in (((_EDGE, 2), top), ((2, _EDGE), left))
    ]
    return np.concatenate(picked).astype(np.float32)
