"""Maps as pictures: laid over what they explain."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mindle.explanation.fading import Map, Pixels

SIDE = 320  # of a picture of a page, at least
# From places that count least to those that count most: dark, and then the yellow of a dandelion.
_SHADES = np.array([[24, 27, 46], [86, 52, 92], [176, 74, 76], [236, 146, 44], [255, 226, 96]], np.float64)
_COVERED = 0.62


def overlay(pixels: Pixels, found: Map) -> Image.Image:
    """A picture in gray under its map: bright yellow counts most for the answer, dark least or against it."""
    share = _scaled(found)
    gray = np.asarray(as_image(pixels).convert("L"), np.float64)[..., None].repeat(3, 2)
    colours = np.stack([np.interp(share, np.linspace(0, 1, len(_SHADES)), shade) for shade in _SHADES.T], -1)
    mixed = (1 - _COVERED) * gray + _COVERED * colours
    return _enlarged(Image.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8)))


def as_image(pixels: Pixels) -> Image.Image:
    """Pixels (height, width, 1 or 3) as a picture in colour."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")


def photo(pixels: Pixels) -> bytes:
    """What the model was shown, as a JPEG."""
    file = io.BytesIO()
    _enlarged(as_image(pixels)).save(file, "JPEG", quality=88)
    return file.getvalue()


def png(image: Image.Image) -> bytes:
    """A picture as PNG."""
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def sheet(maps: NDArray[np.floating], *, columns: int = 8, gap: int = 2, least: int = 40) -> Image.Image:
    """Maps (map, height, width[, 3]) side by side in gray, or colour, each scaled to its own range."""
    height, width = maps.shape[1:3]
    times = max(1, -(-least // max(height, width)))
    rows = -(-len(maps) // columns)
    paper = Image.new(
        "RGB", (columns * (width * times + gap) - gap, rows * (height * times + gap) - gap), "white"
    )
    for at, each in enumerate(maps):
        levels = Image.fromarray((255 * _scaled(each)).astype(np.uint8)).convert("RGB")
        tile = levels.resize((width * times, height * times), Image.Resampling.NEAREST)
        paper.paste(tile, (at % columns * (width * times + gap), at // columns * (height * times + gap)))
    return paper


def _scaled(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """To 0 to 1; 0 throughout where there is no range."""
    low, high = float(values.min()), float(values.max())
    return (values.astype(np.float64) - low) / (high - low) if high > low else np.zeros(values.shape)


def _enlarged(image: Image.Image) -> Image.Image:
    times = SIDE / max(image.size)
    if times <= 1:
        return image
    method = Image.Resampling.NEAREST if times > 3 else Image.Resampling.BICUBIC
    return image.resize((round(image.width * times), round(image.height * times)), method)
