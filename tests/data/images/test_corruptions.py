"""Corruptions of pictures: each does what it says, more of it with each severity, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.data.common.corruptions import generator_of
from mindle.data.images.corruptions import (
    CORRUPTIONS,
    IRRELEVANT,
    PictureCorruption,
    blurred,
    corrupted,
)

BY_NAME = {corruption.name: corruption for corruption in (*CORRUPTIONS, *IRRELEVANT)}
ALL = pytest.mark.parametrize("corruption", BY_NAME.values(), ids=list(BY_NAME))


def scene(height: int = 96, width: int = 128, channels: int = 3) -> NDArray[np.uint8]:
    """A coloured disc on a gradient."""
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=2)
    disc = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (min(height, width) / 4) ** 2
    picture[disc] = (250, 200, 30)
    return picture[:, :, :channels].astype(np.uint8)


def at(name: str, severity: int, picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    found = BY_NAME[name].apply(picture, severity, generator_of("ab", name))
    return found.astype(float)


@ALL
@pytest.mark.parametrize(("height", "width", "channels"), [(96, 128, 3), (8, 8, 1), (1, 2, 3)])
def test_shape_stays_and_the_given_picture_too(
    corruption: PictureCorruption, height: int, width: int, channels: int
) -> None:
    picture = scene(height, width, channels)
    before = picture.copy()
    for severity in corruption.severities:
        found = corruption.apply(picture, severity, generator_of("ab", corruption.name))
        assert found.shape == picture.shape
        assert found.dtype == np.uint8
        assert not np.shares_memory(found, picture)
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda one: one.name)
def test_a_higher_severity_is_further_from_the_picture(corruption: PictureCorruption) -> None:
    picture = scene(97, 131)  # no side that halves evenly
    off = [np.abs(at(corruption.name, severity, picture) - picture).mean() for severity in range(1, 6)]
    assert off == sorted(off)
    assert off[0] > 0


def test_ten_corruptions_have_five_severities() -> None:
    asked = {"resolution", "contrast", "rotation", "blur", "noise", "jpeg", "crop", "occlusion", "gray"}
    assert asked | {"darkness", "brightness"} == {corruption.name for corruption in CORRUPTIONS}
    assert {len(corruption.amounts) for corruption in CORRUPTIONS} == {5}


def test_gray_ends_without_colour() -> None:
    assert np.ptp(at("gray", 5, scene()), axis=2).max() <= 1
    assert np.ptp(at("gray", 1, scene()), axis=2).max() > 100


def test_light_and_contrast_change_by_the_stated_amount() -> None:
    flat = np.full((8, 8, 3), 100, np.uint8)
    assert at("darkness", 2, flat).mean() == 50
    assert at("brightness", 3, flat).mean() == pytest.approx(176.5, abs=0.5)
    spread = [np.ptp(picture, axis=(0, 1)) for picture in (at("contrast", 4, scene()), scene().astype(float))]
    assert spread[0] == pytest.approx(0.1 * spread[1], abs=1)


def test_noise_has_the_stated_deviation() -> None:
    flat = np.full((200, 200, 3), 127, np.uint8)
    assert at("noise", 1, flat).std() == pytest.approx(0.08 * 255, rel=0.02)


def test_occlusion_covers_the_stated_area() -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    assert (at("occlusion", 4, white) == 127).mean() == pytest.approx(0.3, abs=0.01)


def test_rotation_turns_to_both_sides_and_shows_no_black_corners() -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    assert at("rotation", 5, white).min() == 255
    picture, corruption = scene(64, 64), BY_NAME["rotation"]
    found = {corruption.apply(picture, 3, generator_of(str(n), "rotation")).tobytes() for n in range(9)}
    assert len(found) == 2


def test_blur_follows_the_side_of_the_picture() -> None:
    small, large = (np.kron([[0, 255]], np.ones((side, side // 2)))[..., None] for side in (64, 256))
    soft = [
        (np.abs(blurred(each.astype(np.uint8), 6.0)[0, :, 0] - 127.5) < 100).mean() for each in (small, large)
    ]
    assert soft[0] == pytest.approx(soft[1], abs=0.03)


def test_pictures_that_show_nothing_owe_nothing_to_the_picture() -> None:
    for name in ("blank", "random-pixels", "mosaic"):
        assert np.array_equal(at(name, 1, scene()), at(name, 1, scene()[::-1].copy()))
    assert np.ptp(at("blank", 1, scene()), axis=(0, 1)).max() == 0
    assert len(np.unique(at("mosaic", 1, scene()).reshape(-1, 3), axis=0)) <= 14 * 14


def test_chance_follows_the_content_and_not_the_order() -> None:
    pictures = np.stack([scene(32, 32), scene(32, 32)[::-1], scene(32, 32)])
    found = corrupted(pictures, BY_NAME["noise"], 3, ["a", "b", "c"], 0)
    turned = corrupted(pictures[::-1].copy(), BY_NAME["noise"], 3, ["c", "b", "a"], 0)
    assert np.array_equal(found, turned[::-1])
    assert not np.array_equal(found[0], found[2])  # the same picture under another hash
    assert not np.array_equal(found, corrupted(pictures, BY_NAME["noise"], 3, ["a", "b", "c"], 1))
