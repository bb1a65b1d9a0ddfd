"""A small learnable problem and small nets for the tests of the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.models.classifier import Classifier, ClassScores, layers_model
from mindle.records import InputSpec
from mindle.training.loop.job import TrainingData
from mindle.training.recipe import Recipe
from mindle.training.settings import AugmentSettings, TrainSettings

SIZE = 12
CONV: list[dict[str, Any]] = [
    {"kind": "conv", "channels": 6, "activation": "relu"},
    {"kind": "max_pool"},
    {"kind": "flatten"},
    {"kind": "dropout", "rate": 0.3},
    {"kind": "dense", "units": "classes"},
]
NORMED: list[dict[str, Any]] = [
    {"kind": "conv", "channels": 6, "bias": False},
    {"kind": "batch_norm", "activation": "relu"},
    {"kind": "global_pool"},
    {"kind": "dense", "units": "classes"},
]


def dense(
    units: Sequence[int], dropout: float = 0.0, *, outputs: int | str = "classes"
) -> list[dict[str, Any]]:
    """A dense net, with dropout after its first layer."""
    hidden = [{"kind": "dense", "units": width, "activation": "relu"} for width in units]
    dropped = [{"kind": "dropout", "rate": dropout}] if dropout else []
    return [{"kind": "flatten"}, *hidden[:1], *dropped, *hidden[1:], {"kind": "dense", "units": outputs}]


def stripes(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noisy images whose class says which way their stripes run: along, across or not at all."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    wave = (np.arange(SIZE) // 2 % 2) * 110.0
    patterns = np.stack([wave[:, None] + 0 * wave, wave + 0 * wave[:, None], np.full((SIZE, SIZE), 55.0)])
    images = patterns[labels] + rng.uniform(20, 120, (count, SIZE, SIZE))
    return images.astype(np.uint8)[..., None], labels.astype(np.int64)


def net(layers: list[dict[str, Any]] = CONV, classes: int = 3) -> Classifier:
    spec = InputSpec(height=SIZE, width=SIZE, colour="gray", mean=(0.4,), std=(0.2,))
    return layers_model(layers, ClassScores(tuple([f"class {i}" for i in range(classes)])), spec=spec, seed=0)


def recipe(**settings: Any) -> Recipe:
    """A recipe in which everything that is random or averaged takes part."""
    everything: dict[str, Any] = {
        "epochs": 4,
        "batch_size": 16,
        "learning_rate": 0.01,
        "weight_decay": 0.01,
        "clip_grad_norm": 5.0,
        "schedule": "one-cycle",
        "weight_averaging": "ema",
        "ema_decay": 0.9,
        "label_smoothing": 0.05,
    }
    augment = AugmentSettings(shift=0.1, brightness=0.1, random_erasing=0.2, mixup=0.1)
    return Recipe(strategy="scratch", train=TrainSettings(**{**everything, **settings}), augment=augment)


def data(
    train: tuple[NDArray[np.uint8], NDArray[Any]], val: tuple[NDArray[np.uint8], NDArray[Any]]
) -> TrainingData:
    """Images with labels, as the loop takes them."""
    return TrainingData(train=train[0], train_labels=train[1], val=val[0], val_labels=val[1])
