"""Baselines: what the majority class and colour alone are worth, on the test split only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import mindle.data
from mindle.data import Pixels
from mindle.records import ArrayImages, Dataset, InputSpec
from mindle.training.images import baselines as module
from mindle.training.images.baselines import baselines, colour_histograms, number_baselines

SIDE = 6
SPEC = InputSpec(height=SIDE, width=SIDE)


def dataset(images: NDArray[np.uint8], labels: NDArray[np.int64], splits: list[str]) -> Dataset:
    """A data set of arrays that is split already."""
    count = len(images)
    return Dataset(
        name="made up",
        kind="npz",
        source="made-up.npz",
        classes=tuple(f"class {number}" for number in range(int(labels.max()) + 1)),
        paths=tuple(f"train/{row:06d}" for row in range(count)),
        labels=labels,
        given=("",) * count,
        groups=("",) * count,
        images=ArrayImages(array=images),
        set_aside=("",) * count,
        splits=tuple(splits),
    )


def coloured(labels: NDArray[np.int64], seed: int = 0) -> NDArray[np.uint8]:
    """Speckled images without any shape: class 0 is reddish, class 1 bluish."""
    rng = np.random.default_rng(seed)
    images = rng.integers(40, 120, (len(labels), SIDE, SIDE, 3))
    images[labels == 0, ..., 0] += 100
    images[labels == 1, ..., 2] += 100
    return images.astype(np.uint8)


def halves(count: int) -> list[str]:
    return ["train" if row < count // 2 else "test" for row in range(count)]


def test_colour_alone_decides_where_the_classes_differ_in_colour() -> None:
    labels = np.arange(60) % 2
    found = baselines(dataset(coloured(labels), labels, halves(60)), SPEC)
    assert found == {"majority": 0.5, "colour": 1.0}


def test_colour_alone_is_lost_where_the_classes_differ_in_shape() -> None:
    """Class 1 is class 0 upside down, so that the histograms of both are the same."""
    images = coloured(np.zeros(80, np.int64))
    images[:, : SIDE // 2] //= 3
    labels = np.arange(80) % 2
    images[1::2] = images[::2, ::-1]
    shuffled = np.random.default_rng(1).permutation(80)
    found = baselines(dataset(images[shuffled], labels[shuffled], halves(80)), SPEC)
    assert 0.2 < found["colour"] < 0.8


def test_digits_are_hardly_known_by_their_gray(cache: Path) -> None:
    digits = mindle.data.split(mindle.data.check(mindle.data.read("digits")))
    spec = InputSpec(height=8, width=8, colour="gray", mean=(0.0,), std=(1.0,))
    found = baselines(digits, spec)
    test = digits.labels[digits.rows("test")]
    train = digits.labels[digits.rows("train")]
    assert found["majority"] == np.mean(test == np.bincount(train).argmax())
    assert found["majority"] < 0.12
    assert found["majority"] + 0.1 < found["colour"] < 0.6


def test_the_majority_class_is_that_of_the_train_split() -> None:
    """Class 0 leads in train and class 1 in test, so that the majority is right a quarter of the time."""
    labels = np.array([0] * 30 + [1] * 10 + [0] * 10 + [1] * 30)
    found = baselines(dataset(coloured(labels), labels, halves(80)), SPEC)
    assert found == {"majority": 0.25, "colour": 1.0}


def test_one_dominant_class_makes_the_majority_hard_to_beat() -> None:
    """Two images of the rare class are too few for cross-validation; colour still answers."""
    labels = np.array([0] * 38 + [1] * 2 + [0] * 38 + [1] * 2)
    images = coloured(np.zeros(80, np.int64))
    found = baselines(dataset(images, labels, halves(80)), SPEC)
    assert found == {"majority": 0.95, "colour": 0.95}


def test_val_and_what_is_set_aside_take_no_part() -> None:
    """Rows that would mislead the baselines, if they were learned from or evaluated, change nothing."""
    labels = np.arange(60) % 2
    plain = dataset(coloured(labels), labels, halves(60))
    wrong = np.arange(40) % 2
    images = np.concatenate([coloured(labels), coloured(1 - wrong)])
    more = dataset(images, np.concatenate([labels, wrong]), halves(60) + ["val"] * 20 + ["train"] * 20)
    more = replace(more, set_aside=("",) * 80 + ("duplicate",) * 20)
    assert baselines(more, SPEC) == baselines(plain, SPEC)


def test_many_images_are_thinned_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise is learned by heart, so that which images are drawn shows in the answers."""
    monkeypatch.setattr(module, "MOST_TRAIN", 40)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (400, SIDE, SIDE, 3), np.uint8)
    noise = dataset(images, rng.integers(0, 2, 400), halves(400))
    found = [baselines(noise, SPEC, seed=seed)["colour"] for seed in (0, 0, 1, 2, 3)]
    assert found[0] == found[1]
    assert len(set(found)) > 1


def test_thinning_keeps_a_class_of_a_single_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TRAIN", 20)
    images = np.full((400, SIDE, SIDE, 3), 30, np.uint8)
    labels = np.zeros(400, np.int64)
    splits = halves(400)
    rare = splits.index("train"), splits.index("test")
    labels[list(rare)] = 1
    images[list(rare)] = 230
    for seed in range(3):
        found = baselines(dataset(images, labels, splits), SPEC, seed=seed)
        assert found["colour"] >= found["majority"] == 0.995


def test_squares_of_a_histogram_add_up_to_1() -> None:
    for channels, boxes in ((3, 216), (1, 32)):
        images = np.random.default_rng(0).integers(0, 256, (9, 5, 7, channels), np.uint8)
        found = colour_histograms(Pixels.of(images))
        assert found.shape == (9, boxes)
        np.testing.assert_allclose(np.square(found).sum(axis=1), 1)


def test_each_colour_has_a_box_of_its_own() -> None:
    corners = np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8)
    images = np.broadcast_to(corners[:, None, None], (8, SIDE, SIDE, 3)).copy()
    found = colour_histograms(Pixels.of(images))
    np.testing.assert_array_equal(found @ found.T, np.eye(8))


def test_a_histogram_says_how_large_a_share_each_colour_has() -> None:
    image = np.zeros((1, 4, 4, 3), np.uint8)
    image[0, 0] = [255, 0, 0]  # a quarter is red, and the rest black
    found = np.square(colour_histograms(Pixels.of(image)))[0]
    assert (found[0], found[5 * 36]) == pytest.approx((0.75, 0.25))


@pytest.mark.parametrize("count", [1, 3, 4, 8, 9])
def test_batches_change_no_histogram(count: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 3, 3), np.uint8)
    alone = np.concatenate([colour_histograms(Pixels.of(images[row : row + 1])) for row in range(count)])
    np.testing.assert_array_equal(colour_histograms(Pixels.of(images), batch=4), alone)


def test_numbers_are_guessed_by_the_mean_and_by_colours(cache: Path) -> None:
    rng = np.random.default_rng(0)
    shades = rng.integers(0, 256, 80)
    images = np.repeat(shades, SIDE * SIDE * 3).reshape(80, SIDE, SIDE, 3).astype(np.uint8)
    splits = ["train"] * 60 + ["test"] * 20
    made = dataset(images, np.zeros(80, np.int64), splits)
    targets = 10.0 + shades
    made = replace(made, classes=(), labels=np.full(80, -1), targets=targets, target="shade")
    found = number_baselines(made, SPEC)
    mean = np.abs(targets[60:] - targets[:60].mean()).mean()
    assert found["mean"] == pytest.approx(mean)
    assert found["colour"] < 0.5 * found["mean"]  # the number is the colour
