"""Small JPEGs of images, for reports."""

from __future__ import annotations

import io

from mindle.data.images.decoding.decode import UndecodableImage, decode
from mindle.data.images.sources.source import load
from mindle.records import Dataset, InputSpec

SIDE = 160


def thumbnail(dataset: Dataset, row: int) -> bytes | None:
    """A JPEG of one image within a square of 160 pixels, on white; None where it cannot be read any more."""
    from PIL import Image

    spec = InputSpec(height=SIDE, width=SIDE, fit="pad", interpolation="lanczos")
    try:
        pixels = decode(load(dataset, row), spec)
    except (OSError, UndecodableImage):
        return None
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=82)
    return file.getvalue()
