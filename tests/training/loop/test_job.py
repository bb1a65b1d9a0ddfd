"""A job checks what `fit` was given, and says what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mindle.training.loop.job import Job, TrainingContext
from mindle.training.recipe import Recipe
from tests.training.nets import CONV, NORMED, SIZE, data, net, recipe, stripes

TRAIN, VAL = stripes(50), stripes(9, seed=1)


def job(chosen: Recipe | None = None, **parts: Any) -> Job:
    """A job of 50 stripes; parts may be set."""
    model, seed = parts.pop("model", None) or net(), parts.pop("seed", 0)
    images = replace(data(TRAIN, VAL), **parts)
    return Job(model=model, data=images, recipe=chosen or recipe(), context=TrainingContext(seed=seed))


@pytest.mark.parametrize("part", ["train", "val"])
def test_every_image_must_have_a_label(part: str) -> None:
    labels: dict[str, Any] = (
        {"train_labels": TRAIN[1][:-1]} if part == "train" else {"val_labels": VAL[1][:-1]}
    )
    counts = "49 labels for 50 images" if part == "train" else "8 labels for 9 images"
    with pytest.raises(
        ValueError, match=rf"`{part}_labels` must have one label an image\. Received {counts}"
    ):
        job(**labels)


def test_there_must_be_something_to_learn_from() -> None:
    with pytest.raises(ValueError, match=r"`train` must hold at least one image\. Received none"):
        job(train=TRAIN[0][:0], train_labels=TRAIN[1][:0])


def test_a_val_part_may_be_empty() -> None:
    assert len(job(val=VAL[0][:0], val_labels=VAL[1][:0]).data.val) == 0


@pytest.mark.parametrize(("batch", "steps"), [(16, 4), (25, 2), (50, 1), (1000, 1), (1, 50)])
def test_an_epoch_has_as_many_steps_as_its_images_fill(batch: int, steps: int) -> None:
    assert job(recipe(batch_size=batch)).steps_per_epoch == steps


@pytest.mark.parametrize("training", [True, False])
def test_classes_are_counted_by_asking_the_model_which_stays_as_it_was(training: bool) -> None:
    model = net(NORMED, classes=7)
    model.train(training)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert job(model=model).outputs == 7
    assert model.training is training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_pixels_are_picked_in_the_order_of_the_rows() -> None:
    rows = np.array([3, 0, 3])
    picked = job().pixels(TRAIN[0], rows)
    assert picked.dtype == torch.uint8
    assert picked.shape == (3, SIZE, SIZE, 1)
    np.testing.assert_array_equal(picked.numpy(), TRAIN[0][rows])


def test_maps_lie_with_their_channels_last_only_where_there_are_maps() -> None:
    flat: list[dict[str, Any]] = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
    assert job(model=net(CONV)).layout == torch.channels_last
    assert job(model=net(flat)).layout == torch.contiguous_format
    assert job(recipe(memory_format="contiguous"), model=net(CONV)).layout == torch.contiguous_format
    assert job(recipe(memory_format="channels-last"), model=net(flat)).layout == torch.channels_last


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)],
)
def test_a_cpu_computes_in_half_precision_only_when_told(precision: str, dtype: torch.dtype) -> None:
    linear, x = nn.Linear(2, 2), torch.ones(1, 2)
    with job(recipe(precision=precision)).precision():
        assert linear(x).dtype == dtype
    assert linear(x).dtype == torch.float32


def test_the_first_epochs_see_small_images() -> None:
    small = job(recipe(progressive_fraction=0.5, progressive_scale=0.4))
    assert [small.scale(epoch, 5) for epoch in range(5)] == [0.4, 0.4, 0.4, 1, 1]
    assert {job(recipe()).scale(epoch, 5) for epoch in range(5)} == {1.0}


def test_the_same_job_has_the_same_identity() -> None:
    assert job().identity == job().identity
    assert job(train=255 - TRAIN[0]).identity == job().identity  # pixels are not looked at


def test_whatever_makes_another_run_has_another_identity() -> None:
    last_other = TRAIN[1].copy()
    last_other[-1] = (last_other[-1] + 1) % 3
    thawed, frozen = net(), net()
    next(frozen.parameters()).requires_grad_(False)
    jobs = [
        job(model=thawed),
        job(model=frozen),
        job(model=net(NORMED)),
        job(model=net(classes=4)),
        job(seed=1),
        job(recipe(epochs=5)),
        job(replace(recipe(), augment=replace(recipe().augment, shift=0.2))),
        job(train_labels=last_other),
        job(val_labels=(VAL[1] + 1) % 3),
    ]
    assert len({each.identity for each in jobs}) == len(jobs)


def test_the_weights_are_no_part_of_the_identity() -> None:
    """A run that goes on must be recognised whatever its model has learned since."""
    model = net()
    before = job(model=model).identity
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert job(model=model).identity == before
