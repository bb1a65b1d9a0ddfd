"""What happens to pictures after training: worse light, a tilted or cheaper camera, something in the way.

Amounts are those of ImageNet-C where it has the corruption, and are applied, as there, to the pixels that a
model takes, so that a severity means the same whatever the size of the photo. Lengths are given for a side of
224 pixels and follow the side of the picture.

Source:
    Hendrycks and Dietterich 2019, https://arxiv.org/abs/1903.12261; amounts from their code,
    https://github.com/hendrycks/robustness (Apache-2.0).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mindle.data.common.corruptions import Corruption, generator_of
from mindle.data.images.pixels import in_threads

Picture = NDArray[np.uint8]  # (height, width, channel), of 1 or 3 channels
Generator = np.random.Generator
PictureCorruption = Corruption[Picture, Generator]

_SIDE = 224
_MOSAIC = 14  # tiles along a side: 16 pixels of 224
_GRAY = 127
_BILINEAR = Image.Resampling.BILINEAR
_LUMA = np.array([0.299, 0.587, 0.114])  # as Pillow turns colour to gray (ITU-R BT.601)


def _image(picture: Picture) -> Image.Image:
    return Image.fromarray(picture if picture.shape[2] == 3 else picture[:, :, 0])


def _pixels(image: Image.Image, like: Picture) -> Picture:
    pixels: Picture = np.asarray(image, np.uint8).reshape(like.shape)
    return pixels


def _rounded(values: NDArray[Any]) -> Picture:
    rounded: Picture = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def _lower_resolution(picture: Picture, share: float, generator: Generator) -> Picture:
    height, width = picture.shape[:2]
    small = _image(picture).resize((ceil(width * share), ceil(height * share)), _BILINEAR)
    return _pixels(small.resize((width, height), _BILINEAR), picture)


def _scaled(picture: Picture, factor: float, generator: Generator) -> Picture:
    return _rounded(picture * np.float32(factor))


def _lifted(picture: Picture, share: float, generator: Generator) -> Picture:
    return _rounded(picture + np.float32(255 * share))


def _flattened(picture: Picture, factor: float, generator: Generator) -> Picture:
    mean = picture.mean(axis=(0, 1), dtype=np.float32)  # (channel,)
    return _rounded((picture - mean) * np.float32(factor) + mean)


def _turned(picture: Picture, degrees: float, generator: Generator) -> Picture:
    """Turned to either side; corners show the mirrored edge, not black, which would give it away."""
    height, width = picture.shape[:2]
    margin = ceil(max(height, width) * (sqrt(2) - 1) / 2) + 1
    wide = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), "symmetric")
    angle = degrees if generator.random() < 0.5 else -degrees
    turned = np.asarray(_image(wide).rotate(angle, _BILINEAR)).reshape(wide.shape)
    return turned[margin : margin + height, margin : margin + width].copy()


def blurred(picture: Picture, deviation: float, generator: Generator | None = None) -> Picture:
    """A picture blurred by a Gaussian whose deviation is given for a side of 224 pixels.

    Example:
        >>> edge = np.zeros((224, 224, 1), np.uint8)
        >>> edge[:, 112:] = 255
        >>> bool(blurred(edge, 4.0)[0, 108, 0] > 0)
        True
    """
    radius = deviation * min(picture.shape[:2]) / _SIDE
    return _pixels(_image(picture).filter(ImageFilter.GaussianBlur(radius)), picture)


def _noisy(picture: Picture, deviation: float, generator: Generator) -> Picture:
    noise = generator.standard_normal(picture.shape, np.float32)
    return _rounded(picture + np.float32(255 * deviation) * noise)


def _compressed(picture: Picture, quality: float, generator: Generator) -> Picture:
    file = io.BytesIO()
    _image(picture).save(file, "JPEG", quality=int(quality))
    return _pixels(Image.open(file), picture)


def _cropped(picture: Picture, share: float, generator: Generator) -> Picture:
    """A part of the picture, anywhere in it, at full size."""
    height, width = picture.shape[:2]
    top, left = generator.random(2) * (1 - share)
    box = (left * width, top * height, (left + share) * width, (top + share) * height)
    return _pixels(_image(picture).resize((width, height), _BILINEAR, box=box), picture)


def _occluded(picture: Picture, area: float, generator: Generator) -> Picture:
    """A gray rectangle of the picture's shape, anywhere in it."""
    height, width = picture.shape[:2]
    tall, broad = (max(1, round(side * sqrt(area))) for side in (height, width))
    top, left = (
        int(generator.random() * (side - part + 1)) for side, part in ((height, tall), (width, broad))
    )
    found = picture.copy()
    found[top : top + tall, left : left + broad] = _GRAY
    return found


def _without_colour(picture: Picture, share: float, generator: Generator) -> Picture:
    if picture.shape[2] == 1:
        return picture.copy()
    gray = picture @ _LUMA  # (height, width)
    return _rounded(picture + share * (gray[:, :, None] - picture))


def _blank(picture: Picture, amount: float, generator: Generator) -> Picture:
    return np.full_like(picture, generator.integers(0, 256, picture.shape[2]))


def _random(picture: Picture, amount: float, generator: Generator) -> Picture:
    return generator.integers(0, 256, picture.shape, np.uint8)


def _mosaic(picture: Picture, amount: float, generator: Generator) -> Picture:
    height, width, channels = picture.shape
    tiles = generator.integers(0, 256, (_MOSAIC, _MOSAIC, channels), np.uint8)
    tiled: Picture = tiles[np.arange(height) * _MOSAIC // height][:, np.arange(width) * _MOSAIC // width]
    return tiled


CORRUPTIONS: tuple[PictureCorruption, ...] = (
    Corruption(name="resolution", amounts=(0.6, 0.5, 0.4, 0.3, 0.25), change=_lower_resolution),
    Corruption(name="darkness", amounts=(0.7, 0.5, 0.35, 0.2, 0.1), change=_scaled),
    Corruption(name="brightness", amounts=(0.1, 0.2, 0.3, 0.4, 0.5), change=_lifted),
    Corruption(name="contrast", amounts=(0.4, 0.3, 0.2, 0.1, 0.05), change=_flattened),
    Corruption(name="rotation", amounts=(5, 10, 20, 30, 45), change=_turned),
    Corruption(name="blur", amounts=(1, 2, 3, 4, 6), change=blurred),
    Corruption(name="noise", amounts=(0.08, 0.12, 0.18, 0.26, 0.38), change=_noisy),
    Corruption(name="jpeg", amounts=(25, 18, 15, 10, 7), change=_compressed),
    Corruption(name="crop", amounts=(0.9, 0.8, 0.7, 0.6, 0.5), change=_cropped),
    Corruption(name="occlusion", amounts=(0.05, 0.1, 0.2, 0.3, 0.4), change=_occluded),
    Corruption(name="gray", amounts=(0.2, 0.4, 0.6, 0.8, 1.0), change=_without_colour),
)
"""Pictures that still show what they show, each in five severities."""

IRRELEVANT: tuple[PictureCorruption, ...] = (
    Corruption(name="blank", amounts=(0.0,), change=_blank),
    Corruption(name="random-pixels", amounts=(0.0,), change=_random),
    Corruption(name="mosaic", amounts=(0.0,), change=_mosaic),
    Corruption(name="heavy-blur", amounts=(12.0,), change=blurred),
)
"""Pictures that show nothing any more, which no model should answer: of one severity each."""


def corrupted(
    pictures: NDArray[np.uint8],
    corruption: PictureCorruption,
    severity: int,
    contents: Sequence[str],
    seed: int,
) -> NDArray[np.uint8]:
    """Pictures as they are at a severity of a corruption, made in threads.

    Args:
        pictures: (image, height, width, channel).
        corruption: What happens to them.
        severity: How much of it, from 1.
        contents: The hash of each image.
        seed: Another one gives other draws.

    Example:
        >>> flat = np.full((1, 8, 8, 3), 200, np.uint8)
        >>> int(corrupted(flat, CORRUPTIONS[1], 2, ["ab"], 0).max())
        100
    """
    found = np.empty_like(pictures)

    def changed(row: int) -> None:
        generator = generator_of(contents[row], corruption.name, seed)
        found[row] = corruption.apply(pictures[row], severity, generator)

    for _ in in_threads(changed, range(len(pictures))):
        pass
    return found
