"""Strategies that train by epochs, on small real data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mindle.data
from mindle.models.classifier import StandardisedNumber
from mindle.models.pretrained.backbone import build_backbone
from mindle.models.pretrained.weights import resolve
from mindle.records import InputSpec
from mindle.training.images.nets import channel_statistics, evenly, net_layers, train_net, untrained
from mindle.training.images.options import net_spec, resolve_options
from mindle.training.images.problem import Problem
from tests.discs import discs
from tests.pictures import photo_folder


def digits(count: int) -> Problem:
    """The built-in digits, fewer of them."""
    dataset = mindle.data.split(mindle.data.check(mindle.data.read("digits")))
    problem = Problem.of(dataset, typical_size=(8, 8))
    few = problem.train[:: max(1, len(problem.train) // count)]
    return replace(problem, train=few, val=problem.val[:60])


def test_from_scratch_a_net_learns_and_says_how_well(cache: Path) -> None:
    recipe = resolve_options(
        model="cifar-dnn",
        settings={"train.epochs": 12, "train.batch_size": 16, "augment.crop": 1.0, "augment.rotate": 0},
    ).recipe
    outcome = train_net(digits(600), recipe)
    assert outcome.strategy == "scratch"
    assert outcome.model.spec.colour == "gray"
    assert len(outcome.history) == 12
    assert outcome.val_answers.shape == (60, 10)
    np.testing.assert_allclose(outcome.val_answers.sum(axis=1), 1)
    assert outcome.tried[0]["value"] > 0.5  # ten classes: chance is 0.1
    assert outcome.temperature > 0
    found = outcome.out_of_fold  # of val alone
    assert not found.learned_from.any()
    assert np.array_equal(found.outputs["probabilities"], outcome.val_answers)


@pytest.mark.parametrize("strategy", ["inline", "finetune"])
def test_a_backbone_is_trained_as_its_strategy_says(strategy: str, tmp_path: Path, cache: Path) -> None:
    photos = mindle.data.read(photo_folder(tmp_path / "photos", 8))
    dataset = mindle.data.split(mindle.data.check(photos))
    problem = Problem.of(dataset, typical_size=(48, 48))
    card = resolve("tf_efficientnet_lite0")
    settings = {"train.epochs": 1, "train.batch_size": 8, "input.height": 64, "input.width": 64}
    before = {}
    for epochs in (1,):
        recipe = resolve_options(strategy=strategy, settings={**settings, "train.epochs": epochs}).recipe
        outcome = train_net(problem, recipe, card=card)
        before = {name: p.requires_grad for name, p in outcome.model.bodies[0].named_parameters()}
    assert any(before.values()) == (strategy == "finetune")
    assert outcome.model.spec.shape == (64, 64, 3)
    assert outcome.licences[0]["licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("strategy", "settings", "closer"),
    [
        ("inline", {"train.epochs": 3, "train.learning_rate": 1e-2}, 0.6),
        pytest.param(
            "finetune",
            {"train.epochs": 5, "train.learning_rate": 1e-3, "train.weight_averaging": "none"},
            0.9,
            marks=pytest.mark.slow,  # 8 s
        ),
    ],
)
def test_a_backbone_learns_numbers(
    strategy: str, settings: dict[str, Any], closer: float, tmp_path: Path, cache: Path
) -> None:
    images, diameters = discs(80, side=32)
    np.savez(tmp_path / "discs.npz", data=images, targets=diameters)
    dataset = mindle.data.split(mindle.data.check(mindle.data.read(tmp_path / "discs.npz")))
    problem = Problem.of(dataset, typical_size=(32, 32))
    small = {"train.batch_size": 8, "input.height": 32, "input.width": 32, "model.dropout": 0.0}
    card = resolve("tf_efficientnet_lite0")
    outcome = train_net(
        problem, resolve_options(strategy=strategy, settings=small | settings).recipe, card=card
    )
    assert isinstance(outcome.model.outputs, StandardisedNumber)
    assert outcome.model.spec.shape == (32, 32, 3)
    # Frozen weights stay to the bit; fine-tuned ones move, in every stage.
    fresh = dict(build_backbone(card).named_parameters())
    moved = [
        not torch.equal(weight, fresh[name]) for name, weight in outcome.model.bodies[0].named_parameters()
    ]
    assert moved
    assert all(moved) if strategy == "finetune" else not any(moved)
    # Closer to the diameters than their mean is, in training and where the epoch was chosen.
    truths = problem.truth[problem.train]
    mean = float(np.abs(truths - truths.mean()).mean())
    assert outcome.train_scores["mae"] < closer * mean
    assert float(np.abs(outcome.val_answers[:, 0] - problem.truth[problem.val]).mean()) < closer * mean
    assert outcome.calibration is not None
    assert outcome.licences[0]["licence"] == "Apache-2.0"


def test_cifar_fast_runs_a_few_steps_on_the_processor(tmp_path: Path, cache: Path) -> None:
    """Whitened to the images, trained with its own settings, and asked about mirror images at the end."""
    photos = mindle.data.read(photo_folder(tmp_path / "photos", 12))
    problem = Problem.of(mindle.data.split(mindle.data.check(photos)), typical_size=(16, 16))
    settings = {"train.epochs": 2, "train.batch_size": 6, "train.learning_rate": 0.01}
    recipe = resolve_options(recipe="cifar-fast", settings=settings).recipe
    outcome = train_net(problem, recipe)
    assert outcome.images["fit"] == 2 * len(problem.train)
    assert all(np.isfinite(row["train_loss"]) for row in outcome.history)
    fresh = untrained(problem, recipe).get_parameter("bodies.0.0.conv.weight")
    kernel = outcome.model.get_parameter("bodies.0.0.conv.weight")
    assert not kernel.requires_grad
    assert not torch.equal(kernel, fresh)
    torch.testing.assert_close(kernel[:12], -kernel[12:])
    image = torch.randint(0, 256, (1, *outcome.model.spec.shape), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(outcome.model(image), outcome.model(image.flip(2)))


def test_sizes_follow_the_images_or_the_recipe() -> None:
    recipe = resolve_options(strategy="scratch").recipe
    assert net_spec(recipe, (28, 30), gray=True).shape == (28, 30, 1)
    assert net_spec(recipe, (500, 375), gray=False).shape == (160, 160, 3)
    fixed = resolve_options(strategy="scratch", settings={"input.height": 180, "input.width": 120}).recipe
    assert net_spec(fixed, (28, 28), gray=False).shape == (180, 120, 3)
    small, large = (InputSpec(height=side, width=side) for side in (32, 160))
    assert net_layers(recipe, small) != net_layers(recipe, large)


def test_channel_statistics_are_those_of_the_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 6, 5, 3), np.uint8)
    mean, std = channel_statistics(mindle.data.Pixels.of(pixels))
    np.testing.assert_allclose(mean, (pixels / 255).mean(axis=(0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(std, (pixels / 255).std(axis=(0, 1, 2)), atol=1e-4)
    flat = np.zeros((3, 2, 2, 1), np.uint8)
    assert min(channel_statistics(mindle.data.Pixels.of(flat))[1]) > 0


def test_a_spread_keeps_within_bounds() -> None:
    assert evenly(0, 5).tolist() == []
    assert evenly(5, 5).tolist() == [0, 1, 2, 3, 4]
    assert evenly(1000, 3).tolist() == [0, 333, 666]


@pytest.mark.parametrize(("scale", "deviation"), [("unit", 1.0), ("bytes", 1 / 255), ("twice", 255.0)])
def test_what_is_not_standardised_is_scaled_as_asked(scale: str, deviation: float, cache: Path) -> None:
    settings = {"train.epochs": 1, "input.standardise": "false", "input.scale": scale}
    recipe = resolve_options(model="cifar-dnn", settings=settings).recipe
    outcome = train_net(digits(60), recipe)
    assert outcome.model.spec.std == (deviation,)
    assert outcome.seen is not None
    assert outcome.seen.steps > 0
