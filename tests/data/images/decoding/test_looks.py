"""How a picture looks as a whole: the numbers of its pixels, whatever its size and mode."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from mindle.data.images.decoding.looks import looks_of
from tests.pictures import scene


def looks(image: Image.Image) -> np.ndarray:
    return looks_of(image, image.convert("L"))


def test_they_are_the_numbers_of_the_pixels() -> None:
    image = scene(120, 90).convert("RGB")
    pixels = np.asarray(image).reshape(-1, 3).astype(float)
    found = looks(image)
    assert found["mean"] == pytest.approx(pixels.mean(axis=0), abs=0.01)
    assert found["brightness"] == pytest.approx(np.asarray(image.convert("L")).mean(), abs=0.6)
    assert found["contrast"] == pytest.approx(np.sqrt(pixels.var(axis=0).mean()), abs=0.01)
    assert found["top"].tolist() == pixels.max(axis=0).tolist()
    assert np.abs(found["high"] - np.percentile(pixels, 99.5, axis=0)).max() <= 1
    assert np.abs(found["low"] - np.percentile(pixels, 0.5, axis=0)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (31, 33), (700, 500)])
def test_every_size_has_a_border(size: tuple[int, int]) -> None:
    image = Image.new("L", size, 40)
    found = looks(image)
    assert found["border"].tolist() == [40.0] * 3
    assert found["border_std"].tolist() == [0.0] * 3
    assert (found["sharpness"], found["contrast"]) == (0, 0)


@pytest.mark.parametrize("size", [(224, 224), (320, 240), (640, 480)])
def test_a_frame_of_four_pixels_is_the_border(size: tuple[int, int]) -> None:
    frame = ImageOps.expand(scene(size[0] - 8, size[1] - 8).convert("RGB"), 4, (200, 20, 20))
    found = looks(frame)
    assert found["border"].tolist() == [200.0, 20.0, 20.0]
    assert found["border_std"].max() == 0


def test_blurring_takes_sharpness_at_any_size() -> None:
    for side in (224, 900):
        image = scene(side, side)
        blurred = image.filter(ImageFilter.GaussianBlur(side / 80))
        assert looks(blurred)["sharpness"] < 0.6 * looks(image)["sharpness"]
