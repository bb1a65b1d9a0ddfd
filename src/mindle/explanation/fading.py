"""Pictures of which a part fades into its blurred self: what occlusion and its checks ask a model about.

A part that is cut out, or filled with one colour, leaves edges that no photo has, and these alone move a
network's answer. A blurred picture under a soft mask leaves none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]  # (height, width, channel), or of several (image, height, width, channel)
Map = NDArray[np.float32]  # (height, width)
Score = Callable[[Pixels], NDArray[np.float64]]  # (image, height, width, channel) -> (image, target)

BATCH = 32
# Of the shorter side: how far the picture that shows through is blurred, and how soft the edge of a mask is.
_BLUR, _SOFTNESS = 1 / 14, 3 / 56


def blurred(pixels: Pixels) -> Pixels:
    """The picture without anything to recognise but its colours, uint8 (height, width, channel)."""
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return np.array(_smooth(picture, _BLUR)).reshape(pixels.shape)


def softened(masks: NDArray[np.floating]) -> NDArray[np.float32]:
    """Masks (mask, height, width) without hard edges."""
    levels = np.rint(255 * masks).astype(np.uint8)
    smooth = np.stack([np.asarray(_smooth(Image.fromarray(each), _SOFTNESS)) for each in levels])
    return smooth.astype(np.float32) / np.float32(255)


def _smooth(picture: Image.Image, share: float) -> Image.Image:
    """Gaussian blur, by a share of the shorter side."""
    return picture.filter(ImageFilter.GaussianBlur(share * min(picture.size)))


def faded(pixels: Pixels, into: Pixels, masks: NDArray[np.float32]) -> Pixels:
    """A picture that fades into another where a mask is 1, uint8 (mask, height, width, channel).

    Example:
        >>> white, black = np.full((1, 2, 1), 255, np.uint8), np.zeros((1, 2, 1), np.uint8)
        >>> faded(white, black, np.array([[[0.0, 1.0]]], np.float32)).ravel().tolist()
        [255, 0]
    """
    change = into.astype(np.float32) - pixels
    return np.rint(pixels + change * masks[..., None]).astype(np.uint8)


def scores(
    score: Score, target: int, pixels: Pixels, into: Pixels, masks: Iterable[NDArray[np.float32]]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]:
    """Masks, some at a time, with the score (mask,) of the picture faded by each."""
    rest = iter(masks)
    while some := list(islice(rest, BATCH)):
        stacked = np.stack(some)
        yield stacked, score(faded(pixels, into, stacked))[:, target]
