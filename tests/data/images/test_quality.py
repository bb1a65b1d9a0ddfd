"""What pixels say of a picture: each statistic moves with what it is named for."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageFilter

from mindle.data.images.quality import STATISTICS, measure
from tests.pictures import draw


def photo(side: int = 96) -> NDArray[np.uint8]:
    return np.asarray(draw(2, 3, side))


def of(*pictures: NDArray[np.uint8]) -> dict[str, list[float]]:
    columns = measure(np.stack(pictures)).T.astype(float)
    return dict(zip(STATISTICS, columns.tolist(), strict=True))


def test_each_statistic_says_what_its_name_says() -> None:
    plain = photo()
    rng = np.random.default_rng(0)
    dark = (plain * 0.2).astype(np.uint8)
    blurred = np.asarray(Image.fromarray(plain).filter(ImageFilter.GaussianBlur(3)))
    noisy = np.clip(plain + rng.normal(0, 60, plain.shape), 0, 255).astype(np.uint8)
    blank = np.full_like(plain, 200)
    mosaic = rng.integers(0, 256, (6, 6, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    found = of(plain, dark, blurred, noisy, blank, mosaic)
    brightness, contrast, sharpness, detail = (found[name] for name in STATISTICS[:4])
    assert brightness[1] == pytest.approx(0.2 * brightness[0], abs=1)
    assert contrast[4] == 0
    assert contrast[1] < 0.3 * contrast[0]
    assert sharpness[2] < sharpness[0] - 2
    assert detail[3] > detail[0] + 0.3
    assert brightness[4] == 200
    assert found["flat"][4:] == pytest.approx([1, 90 / 95], abs=0.01)
    assert max(found["flat"][0], found["flat"][3]) < 0.3


def test_a_torn_file_that_was_saved_again_has_a_band(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = saved(Image.fromarray(photo(224)))
    with Image.open(BytesIO(whole[: len(whole) // 2])) as torn, Image.open(BytesIO(saved(torn))) as again:
        pixels = np.asarray(again)
    assert pixels.shape == (224, 224, 3)
    assert 0.2 < of(pixels)["band"][0] < 0.8


def saved(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


@pytest.mark.parametrize("level", [(0, 0, 0), (1, 0, 16), (255, 255, 255), (128, 128, 90)])
def test_an_even_background_is_no_band(level: tuple[int, int, int]) -> None:
    plain, below, blank = photo(), photo().copy(), np.full((96, 96, 3), 128, np.uint8)
    below[60:] = level
    assert of(plain, below, blank)["band"] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (224, 224, 3), (300, 200, 3)])
def test_any_size_and_one_channel(shape: tuple[int, int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (70, *shape), np.uint8)
    found = measure(pixels)
    assert found.shape == (70, len(STATISTICS))
    assert np.isfinite(found).all()
    gray = pixels.astype(float) @ ([1.0] if shape[2] == 1 else [0.299, 0.587, 0.114])
    assert np.abs(found[:, 0] - gray.mean(axis=(1, 2))).max() < 6
    assert np.array_equal(found[:3], measure(pixels[:3]))  # whatever else is measured with them
    assert measure(pixels[:0]).shape == (0, len(STATISTICS))
