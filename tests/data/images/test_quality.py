"""What pixels say of a picture: each statistic moves with what it is named for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

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
    found = of(plain, dark, blurred, noisy, blank)
    brightness, contrast, sharpness, detail = (found[name] for name in STATISTICS[:4])
    assert brightness[1] == pytest.approx(0.2 * brightness[0], abs=1)
    assert contrast[4] == 0
    assert contrast[1] < 0.3 * contrast[0]
    assert sharpness[2] < sharpness[0] - 2
    assert detail[3] > detail[0] + 0.3
    assert brightness[4] == 200


def test_a_picture_that_ends_early_has_a_band() -> None:
    plain, torn, blank = photo(), photo().copy(), np.full((96, 96, 3), 128, np.uint8)
    torn[60:] = 128
    assert of(plain, torn, blank)["band"] == pytest.approx([0.0, 36 / 96, 0.0])


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
