from __future__ import annotations

import io

import numpy as np
from PIL import Image

from mindle.explanation.drawing import SIDE, overlay, photo, png, sheet


def test_an_overlay_is_bright_where_the_map_is_high() -> None:
    pixels = np.full((28, 28, 1), 90, np.uint8)
    found = np.zeros((28, 28), np.float32)
    found[:14] = 3
    drawn = np.asarray(overlay(pixels, found), np.float64)
    assert drawn.shape == (SIDE, SIDE, 3)
    assert drawn[: SIDE // 2 - 8].mean() > 2 * drawn[SIDE // 2 + 8 :].mean()


def test_an_empty_map_is_drawn_dark() -> None:
    drawn = np.asarray(overlay(np.full((400, 300, 3), 90, np.uint8), np.zeros((400, 300), np.float32)))
    assert drawn.shape == (400, 300, 3)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1


def test_pictures_are_files_that_open() -> None:
    pixels = np.zeros((28, 28, 3), np.uint8)
    assert Image.open(io.BytesIO(photo(pixels))).format == "JPEG"
    assert Image.open(io.BytesIO(png(overlay(pixels, pixels[..., 0].astype(np.float32))))).size == (
        SIDE,
        SIDE,
    )


def test_a_sheet_holds_maps_of_any_number_and_colour() -> None:
    rng = np.random.default_rng(0)
    assert sheet(rng.random((9, 14, 14))).size == (8 * 44 - 2, 2 * 44 - 2)
    assert sheet(rng.random((3, 8, 8, 3)), columns=2).size == (2 * 42 - 2, 2 * 42 - 2)
