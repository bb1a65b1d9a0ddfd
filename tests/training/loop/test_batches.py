"""Order, preparation, and batches made ahead of time."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from mindle.training.loop.batches import Batch, ahead, draw, order, prepare
from mindle.training.loop.job import Job
from mindle.training.recipe import Recipe
from mindle.training.settings import AugmentSettings, TrainSettings
from tests.training.nets import data, net, stripes


def test_every_image_is_drawn_once_in_an_order_of_its_own_each_epoch() -> None:
    labels = np.zeros(100, np.int64)
    first, second = (np.concatenate(order(labels, Recipe(), seed=0, epoch=epoch)) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(100))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, np.concatenate(order(labels, Recipe(), seed=0, epoch=0)))


def test_balanced_sampling_draws_minority_classes_as_often_as_others() -> None:
    labels = np.repeat([0, 1], [900, 100])
    recipe = Recipe(train=TrainSettings(balance="sampling"))
    rows = np.concatenate(order(labels, recipe, seed=0, epoch=0))
    assert len(rows) == 1000
    assert abs(labels[rows].mean() - 0.5) < 0.05


def test_places_draw_different_numbers() -> None:
    drawn = {draw(seed, epoch, step) for seed in range(5) for epoch in range(5) for step in range(5)}
    assert len(drawn) == 125
    assert all(0 <= number < 2**63 for number in drawn)


def one(step: int, scale: float = 1.0) -> Batch:
    recipe = Recipe(augment=AugmentSettings(brightness=0.1))
    job = Job(model=net(), data=data(stripes(30), stripes(3)), recipe=recipe)
    return prepare(job, np.arange(5), (0, step), scale)


def test_a_batch_depends_on_its_place_alone() -> None:
    assert torch.equal(one(3).images, one(3).images)
    assert not torch.equal(one(3).images, one(4).images)


def test_a_batch_holds_floats_and_label_rows_and_may_be_smaller() -> None:
    batch = one(0)
    assert batch.images.shape == (5, 1, 12, 12)
    assert batch.images.dtype == torch.float32
    assert batch.targets.tolist() == torch.eye(3)[torch.arange(5) % 3].tolist()
    assert one(0, scale=0.5).images.shape == (5, 1, 6, 6)


def test_batches_made_ahead_are_the_same_ones() -> None:
    expected = [one(step) for step in range(4)]
    for got, wanted in zip(ahead(one(step) for step in range(4)), expected, strict=True):
        assert torch.equal(got.images, wanted.images)


def test_what_goes_wrong_ahead_reaches_the_caller_and_leaves_no_thread() -> None:
    def broken() -> Iterator[Batch]:
        yield one(0)
        raise OSError("the disk is gone")

    batches = ahead(broken())
    next(batches)
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)
    early = ahead(one(step) for step in range(100))
    next(early)
    early.close()  # type: ignore[attr-defined]
    assert "mindle-batches" not in {thread.name for thread in threading.enumerate()}


def test_minority_classes_are_drawn_more_often_by_degrees() -> None:
    labels = np.repeat([0, 1], [900, 100])
    shares = [
        labels[
            np.concatenate(order(labels, Recipe(train=TrainSettings(oversample=by)), seed=0, epoch=0))
        ].mean()
        for by in (0.0, 0.5, 1.0)
    ]
    assert shares[0] == 0.1
    assert abs(shares[1] - 0.25) < 0.05  # 100 ** 0.5 against 900 ** 0.5
    assert abs(shares[2] - 0.5) < 0.05


def test_only_minority_classes_are_changed_more() -> None:
    images = np.random.default_rng(0).integers(0, 256, (100, 12, 12, 1), np.uint8)
    labels = np.repeat([0, 1], [90, 10]).astype(np.int64)

    def made(oversample: float) -> torch.Tensor:
        recipe = Recipe(train=TrainSettings(oversample=oversample))
        job = Job(model=net(classes=2), data=data((images, labels), stripes(3)), recipe=recipe)
        return prepare(job, np.arange(100), (0, 0)).images

    changed = (made(1.0) != made(0.0)).flatten(1).any(1).numpy()
    assert not changed[labels == 0].any()
    assert changed[labels == 1].mean() > 0.5
    assert torch.equal(made(1.0), made(1.0))


def test_mirror_images_alternate_from_epoch_to_epoch() -> None:
    recipe = Recipe(augment=AugmentSettings(flip="horizontal", flip_alternates=True))
    images = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 1), np.uint8)
    job = Job(model=net(), data=data((images, np.arange(40) % 3), stripes(3)), recipe=recipe)
    plain = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    seen = [prepare(job, np.arange(40), (epoch, 0)).images for epoch in range(3)]
    turned = [(each != plain).flatten(1).any(1) for each in seen]
    assert torch.equal(turned[0], ~turned[1])
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[0].flip(3))
    assert 10 < turned[0].sum() < 30


def test_without_shuffling_the_order_is_that_of_the_data() -> None:
    recipe = Recipe(train=TrainSettings(batch_size=4, shuffle=False))
    labels = np.repeat([0, 1], 6)
    for epoch in (0, 1):
        steps = order(labels, recipe, seed=0, epoch=epoch)
        assert np.concatenate(steps).tolist() == list(range(12))
