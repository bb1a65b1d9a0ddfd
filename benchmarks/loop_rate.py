"""Images a second of the training loop, augmentation on, against a bare PyTorch loop on tensors in memory.

The two take turns step by step in one process, so that a noisy machine disturbs both alike; the medians are
compared. Ours draws batches from the pixel store's array type, augments as the recipe of that name says,
averages weights and keeps its history; the bare loop does nothing but its steps, in whichever memory layout
is faster. The watch that diagnoses a training runs too, and its share of a step is measured.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from mindle.models.classifier import ClassScores, layers_model
from mindle.models.nets.zoo import ZOO
from mindle.records import InputSpec
from mindle.training.loop.callbacks import Callback, FitState
from mindle.training.loop.fit import fit
from mindle.training.loop.job import TrainingData
from mindle.training.loop.monitor import FIRST_LOOKS, LOOK_EVERY, TrainingMonitor
from mindle.training.recipe import read_recipe, with_settings

LAYOUTS = {"channels-last": torch.channels_last, "contiguous": torch.contiguous_format}
WARM_UP_STEPS = 5


def bare_loop(
    net: str, spec: InputSpec, pixels: np.ndarray, labels: np.ndarray, batch: int, layout: torch.memory_format
) -> Callable[[], None]:
    """One step of the plainest loop that trains this net."""
    classes = [str(label) for label in range(int(labels.max()) + 1)]
    model = layers_model(
        ZOO[net].layers(spec.height, spec.width), ClassScores(tuple(classes)), spec=spec, seed=0
    ).bodies[0]
    model = model.to(memory_format=layout).train()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    truth = torch.from_numpy(labels)

    def step() -> None:
        rows = torch.randint(0, len(images), (batch,))
        optimizer.zero_grad(set_to_none=True)
        scores = model(images[rows].float().div(255))
        if scores.shape[1] == 1:
            loss = F.binary_cross_entropy_with_logits(scores[:, 0], truth[rows].float())
        else:
            loss = F.cross_entropy(scores, truth[rows])
        loss.backward()
        optimizer.step()

    return step


class Turns(Callback):
    """After each of our steps, one bare step in each layout; the times of all."""

    def __init__(self, bare: dict[str, Callable[[], None]]) -> None:
        self.bare = bare
        self.ours: list[float] = []
        self.theirs: dict[str, list[float]] = {name: [] for name in bare}
        self._began = 0.0

    def on_step(self, state: FitState) -> None:
        """Stop our clock, run theirs, start ours again."""
        warm = state.step > WARM_UP_STEPS
        if warm:
            self.ours.append(time.perf_counter() - self._began)
        for name, step in self.bare.items():
            began = time.perf_counter()
            step()
            if warm:
                self.theirs[name].append(time.perf_counter() - began)
        self._began = time.perf_counter()


class TimedWatch(TrainingMonitor):
    """The watch of every training, and what its looks cost."""

    seconds: list[float]

    def on_start(self, state: FitState) -> None:
        """Begin to count."""
        self.seconds = []
        super().on_start(state)

    def on_gradients(self, state: FitState) -> None:
        """Time one look."""
        began = time.perf_counter()
        super().on_gradients(state)
        self.seconds.append(time.perf_counter() - began)

    def share(self, step: float) -> float:
        """Of a long run: one step in LOOK_EVERY looks at the gradients, the others hardly do anything."""
        looks = statistics.median(self.seconds[:FIRST_LOOKS])
        others = statistics.median(self.seconds[FIRST_LOOKS:])
        return (looks + (LOOK_EVERY - 1) * others) / LOOK_EVERY / step


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("net", nargs="?", default="catsdogs-cnn", choices=["catsdogs-cnn", "fashion-cnn"])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, help="images a step; the recipe's unless set")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="NAME=VALUE")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Images a second of both loops."""
    if arguments.smoke:
        arguments.net, arguments.steps, arguments.batch = "fashion-cnn", FIRST_LOOKS + 8, 8
    torch.set_flush_denormal(True)
    card = ZOO[arguments.net]
    channels, height, width = card.shape
    settings = {"train.epochs": 1, "train.progressive_fraction": 0.0}  # every step at full size, as theirs
    settings |= {"train.batch_size": arguments.batch} if arguments.batch else {}
    settings |= dict(setting.split("=", 1) for setting in arguments.settings)
    recipe = with_settings(read_recipe(arguments.net), settings)
    batch = recipe.train.batch_size
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (batch * arguments.steps, height, width, channels), np.uint8)
    labels = rng.integers(0, card.classes, len(pixels))
    spec = InputSpec(
        height=height,
        width=width,
        colour="gray" if channels == 1 else "rgb",
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )
    bare = {
        name: bare_loop(arguments.net, spec, pixels, labels, batch, layout)
        for name, layout in LAYOUTS.items()
    }
    classes = [str(label) for label in range(card.classes)]
    model = layers_model(card.layers(height, width), ClassScores(tuple(classes)), spec=spec, seed=0)
    turns = Turns(bare)
    watch = TimedWatch(recipe.train, classes=card.classes)
    data = TrainingData(train=pixels, train_labels=labels, val=pixels[:0], val_labels=labels[:0])
    fit(model, data, recipe, callbacks=[watch, turns])
    medians = {name: statistics.median(times) for name, times in turns.theirs.items()}
    best = min(medians, key=lambda name: medians[name])
    ours = statistics.median(turns.ours)
    return {
        "net": arguments.net,
        "batch": batch,
        "steps": len(turns.ours),
        "bare_layout": best,
        "images_per_second": round(batch / ours, 1),
        "bare_images_per_second": round(batch / medians[best], 1),
        "ratio": round(medians[best] / ours, 3),
        "watch_share": round(watch.share(ours), 5),
    }
