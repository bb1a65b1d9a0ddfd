"""Small pictures for reports."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

import mindle.data
from mindle.data.images.thumbnails import thumbnail
from tests.pictures import CLASSES, photo_folder


def test_a_thumbnail_is_a_small_jpeg_and_a_lost_file_none(tmp_path: Path) -> None:
    dataset = mindle.data.read(photo_folder(tmp_path / "photos", 2))
    picture = thumbnail(dataset, 0)
    assert picture is not None
    assert Image.open(io.BytesIO(picture)).format == "JPEG"
    assert len(picture) < 20_000
    (tmp_path / "photos" / CLASSES[0] / "사진 00.png").unlink()
    row = dataset.paths.index(f"{CLASSES[0]}/사진 00.png")
    assert thumbnail(dataset, row) is None
