"""Augmentation: what each setting does to pixels, and that one sampling composes them all."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mindle.training.loop.augment import Augment, _grid, mix, stronger
from mindle.training.settings import AugmentSettings


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photos(count: int = 8, height: int = 24, width: int = 32, channels: int = 3) -> Tensor:
    """Smooth images without any symmetry."""
    y, x = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)
    base = 0.2 + 0.5 * x + 0.2 * y**2
    tones = torch.linspace(0.6, 1, channels)[:, None, None]
    brightness = torch.linspace(0.7, 1, count)[:, None, None, None]
    return brightness * tones * base


def values(images: Tensor) -> set[float]:
    return set(images.flatten().tolist())


EVERYTHING = AugmentSettings(
    flip="both",
    rotate=0.1,
    zoom=0.2,
    shift=0.1,
    crop=0.5,
    brightness=0.2,
    contrast=0.3,
    saturation=0.3,
    random_erasing=0.5,
)


def test_nothing_is_changed_by_default() -> None:
    images = photos()
    assert Augment(AugmentSettings())(images, generator()) is images


def test_everything_at_once_keeps_shape_range_and_the_input() -> None:
    images = photos()
    before = images.clone()
    changed = Augment(EVERYTHING)(images, generator())
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert not torch.equal(changed, before)
    assert torch.equal(images, before)


def test_the_generator_decides_everything() -> None:
    augment, images = Augment(EVERYTHING), photos()
    torch.manual_seed(1)
    first = augment(images, generator(3))
    torch.manual_seed(2)
    assert torch.equal(first, augment(images, generator(3)))
    assert not torch.equal(first, augment(images, generator(4)))


@pytest.mark.parametrize(("flip", "axes"), [("horizontal", {3}), ("vertical", {2}), ("both", {2, 3})])
def test_a_flip_gives_the_image_or_its_mirror_image_exactly(flip: str, axes: set[int]) -> None:
    images = photos(64)
    changed = Augment(AugmentSettings(flip=flip))(images, generator())
    seen = set()
    for image, got in zip(images, changed, strict=True):
        candidates = {
            (a, b): image.flip([axis - 1 for axis, on in ((3, a), (2, b)) if on])
            for a in (False, True)
            for b in (False, True)
        }
        (kind,) = [kind for kind, candidate in candidates.items() if torch.equal(candidate, got)]
        seen.add(kind)
    assert len(seen) == 2 ** len(axes)


@pytest.mark.parametrize(("channels", "changes"), [(3, True), (1, False)])
def test_auto_mirrors_colour_photos_but_not_gray_writing(channels: int, changes: bool) -> None:
    images = photos(channels=channels)
    changed = Augment(AugmentSettings(flip="auto"))(images, generator())
    assert torch.equal(changed, images) is not changes


def test_a_flip_inside_the_sampling_equals_the_plain_one() -> None:
    images = photos(16)
    plain = Augment(AugmentSettings(flip="horizontal", crop=0.9999))(images, generator())
    matches = [
        min((got - image).abs().max(), (got - image.flip(2)).abs().max())
        for image, got in zip(images, plain, strict=True)
    ]
    assert max(matches) < 0.01


def test_a_quarter_turn_is_a_quarter_turn_also_of_an_oblong_image() -> None:
    augment = Augment(AugmentSettings(rotate=0.25, fill="black"))
    images = photos(1, height=24, width=32)
    # 90 degrees either way: the map for angle +-pi/2 reads (x, y) from (-+y, +-x), in pixels.
    maps = augment._affine(images.expand(400, -1, -1, -1), generator())
    angles = torch.atan2(maps[:, 1, 0] * 24 / 32, maps[:, 0, 0])
    assert angles.abs().max() == pytest.approx(math.pi / 2, abs=0.02)
    lengths = torch.stack([maps[:, 0, 0], maps[:, 1, 0] * 24 / 32]).norm(dim=0)
    assert torch.allclose(lengths, torch.ones(400), atol=1e-5)


def test_zoom_and_crop_stay_within_their_bounds() -> None:
    images = photos(400)
    zoomed = Augment(AugmentSettings(zoom=0.2))._affine(images, generator())
    assert zoomed[:, 0, 0].min() == pytest.approx(0.8, abs=0.02)
    assert zoomed[:, 0, 0].max() == pytest.approx(1.2, abs=0.02)
    cropped = Augment(AugmentSettings(crop=0.4))._affine(images, generator())
    wide, tall = cropped[:, 0, 0], cropped[:, 1, 1]
    assert (wide * tall).min() == pytest.approx(0.4, abs=0.02)
    assert (wide / tall).max() == pytest.approx(16 / 9, abs=0.1)
    reach = torch.stack([wide + cropped[:, 0, 2].abs(), tall + cropped[:, 1, 2].abs()])
    assert reach.max() <= 1 + 1e-5  # a crop never reads beyond the edge


def test_a_shift_moves_whole_pixels() -> None:
    images = torch.rand(8, 3, 20, 20, generator=generator())
    changed = Augment(AugmentSettings(shift=0.1))(images, generator(1))
    assert values(changed) <= values(images)
    assert not torch.equal(changed, images)


def test_images_can_come_out_smaller_either_way() -> None:
    for settings in (AugmentSettings(crop=0.8), AugmentSettings(flip="horizontal"), EVERYTHING):
        assert Augment(settings)(photos(), generator(), (12, 16)).shape == (8, 3, 12, 16)


def test_the_grid_is_that_of_affine_grid() -> None:
    images = photos(5)
    maps = Augment(EVERYTHING)._affine(images, generator())
    expected = torch.nn.functional.affine_grid(maps, [5, 3, 24, 32], align_corners=False)
    assert torch.allclose(_grid(maps, (24, 32)), expected, atol=1e-6)


def test_brightness_contrast_and_saturation_do_what_they_say() -> None:
    images = 0.3 + 0.3 * photos(200)
    mean = images.mean((1, 2, 3))
    brighter = Augment(AugmentSettings(brightness=0.1))(images, generator())
    lift = brighter - images
    assert lift.std((1, 2, 3)).max() < 1e-5
    assert lift.abs().max() == pytest.approx(0.1, abs=0.01)
    harder = Augment(AugmentSettings(contrast=0.2))(images, generator())
    ratio = harder.std((1, 2, 3)) / images.std((1, 2, 3))
    assert 0.8 <= ratio.min() < 0.82
    assert 1.18 < ratio.max() <= 1.2001
    assert torch.allclose(harder.mean((1, 2, 3)), mean, atol=0.02)
    coloured = Augment(AugmentSettings(saturation=0.5))(images, generator())
    assert torch.allclose(coloured.mean(1), images.mean(1), atol=1e-5)


def test_a_full_chance_of_erasing_touches_every_image_in_one_rectangle() -> None:
    images = photos(50, 40, 40)
    changed = Augment(AugmentSettings(random_erasing=1))(images, generator())
    for image, got in zip(images, changed, strict=True):
        touched = (image != got).any(0)
        rows, columns = touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()
        box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        assert 0.01 <= box / 1600 <= 0.25


def test_mixup_blends_images_and_labels_alike() -> None:
    images = torch.eye(6)[:, :, None, None].expand(6, 6, 4, 4)
    mixed, targets = mix(images, torch.eye(6), AugmentSettings(mixup=1.0), generator())
    assert torch.allclose(mixed[:, :, 0, 0], targets, atol=1e-6)
    assert torch.allclose(targets.sum(1), torch.ones(6))


def test_cutmix_labels_say_how_much_was_pasted() -> None:
    images = torch.eye(6)[:, :, None, None].expand(6, 6, 20, 20)
    mixed, targets = mix(images, torch.eye(6), AugmentSettings(cutmix=1.0), generator(2))
    assert torch.allclose(mixed.mean((2, 3)), targets, atol=1e-6)
    assert values(mixed) <= {0.0, 1.0}


def test_no_mixing_gives_back_what_came() -> None:
    images, targets = photos(2), torch.eye(2)
    assert mix(images, targets, AugmentSettings(), generator()) == (images, targets)


def test_both_kinds_of_mixing_take_turns() -> None:
    images = torch.eye(6)[:, :, None, None].expand(6, 6, 20, 20)
    settings = AugmentSettings(mixup=1.0, cutmix=1.0)
    cuts = {values(mix(images, torch.eye(6), settings, generator(s))[0]) <= {0.0, 1.0} for s in range(20)}
    assert cuts == {True, False}


@pytest.mark.parametrize("fill", ["reflect", "edge", "black"])
def test_every_fill_works_with_and_without_sampling(fill: str) -> None:
    settings = AugmentSettings(shift=0.2, fill=fill)
    for chosen in (settings, replace(settings, rotate=0.1)):
        changed = Augment(chosen)(torch.ones(4, 1, 10, 10), generator())
        assert (changed.min() < 0.999) == (fill == "black")


@pytest.mark.parametrize(
    "settings", [EVERYTHING, AugmentSettings(flip="both", shift=0.2)], ids=["all", "whole pixels"]
)
def test_with_a_generator_each_an_image_changes_as_it_does_alone(settings: AugmentSettings) -> None:
    augment, images = Augment(settings), photos(4)
    together = augment(images, [generator(seed) for seed in range(4)])
    for number in range(4):
        alone = augment(images[number : number + 1], [generator(number)])
        torch.testing.assert_close(together[number], alone[0])
    assert not torch.equal(together[0], augment(images, [generator(9) for _ in range(4)])[0])


def test_stronger_changes_are_wider_allowed_and_never_mirror_unasked() -> None:
    for settings in (
        AugmentSettings(),
        AugmentSettings(flip="both", rotate=0.4, zoom=0.8, crop=0.1, random_erasing=0.9),
    ):
        more = stronger(settings)
        assert more.flip == settings.flip
        assert more.crop < settings.crop
        for name in ("rotate", "zoom", "shift", "brightness", "contrast"):
            assert getattr(more, name) > getattr(settings, name)
        assert more.mixup == settings.mixup
