"""What a file tells of where it comes from."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from mindle.data.images.decoding.decode import examine
from tests.pictures import scene


def encoded(form: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    scene(64, 48).convert("RGB").save(stream, form, **options)
    return stream.getvalue()


def exif(**tags: str) -> Image.Exif:
    found = Image.Exif()
    for name, value in tags.items():
        if name == "DateTimeOriginal":
            found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = value
        else:
            found[getattr(ExifTags.Base, name)] = value
    return found


def test_a_photo_tells_its_camera_and_date() -> None:
    data = encoded(exif=exif(Make="Canon", Model="EOS 5D", DateTimeOriginal="1970:01:03 12:00:00"))
    found = examine(data).origin
    assert (found.size_bytes, found.camera, found.taken) == (len(data), "Canon EOS 5D", 2.5)


def test_lower_quality_divides_by_more() -> None:
    fine, coarse = (examine(encoded(quality=quality)).origin.tables for quality in (95, 40))
    assert 1 < fine < coarse
    assert examine(encoded("PNG")).origin.tables == 0


@pytest.mark.parametrize("date", ["0000:00:00 00:00:00", "yesterday", ""])
def test_a_date_that_is_none_is_unknown(date: str) -> None:
    assert math.isnan(examine(encoded(exif=exif(DateTime=date or " "))).origin.taken)


def test_arrays_have_no_origin(tmp_path: Path) -> None:
    found = examine(np.zeros((9, 9), np.uint8)).origin
    assert (found.size_bytes, found.camera) == (0, "")
