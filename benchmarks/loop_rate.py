"""The training loop, augmentation and all, against a bare PyTorch loop on tensors in memory.

Every turn is a process of its own, so that nothing one side changes in it, such as what the C library does
with freed memory, helps the other; a turn's time is the median of its steps. Ours draws batches from the
pixel store's array type, augments as the recipe of that name says, averages weights and keeps its history;
the bare loop does nothing but its steps, in either memory layout. The watch that diagnoses a training runs
too, and its share of a step is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks import _turns
from benchmarks._turns import Figures, Side, in_turn
from mindle.models.classifier import ClassScores, layers_model
from mindle.models.nets.zoo import ZOO
from mindle.records import InputSpec
from mindle.training.loop.callbacks import Callback, FitState
from mindle.training.loop.fit import fit
from mindle.training.loop.job import TrainingData
from mindle.training.loop.monitor import FIRST_LOOKS, LOOK_EVERY, TrainingMonitor
from mindle.training.recipe import read_recipe, with_settings

# Each net with the steps of a turn.
NETS = {"catsdogs-cnn": 16, "fashion-cnn": 150}
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


class Steps(Callback):
    """When each step was over."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step(self, state: FitState) -> None:
        """Look at the clock."""
        self.ends.append(time.perf_counter())


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
    parser.add_argument("--nets", nargs="+", choices=NETS, default=[*NETS])
    parser.add_argument("--steps", type=int, help="of a turn, whose median counts")
    parser.add_argument("--batch", type=int, help="images a step; the recipe's unless set")
    _turns.options(parser, rounds=3)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The sides of each net."""
    if arguments.smoke:
        arguments.nets, arguments.batch, arguments.rounds = ["fashion-cnn"], 8, 1
        arguments.steps = FIRST_LOOKS + 8
    found = {}
    for net in arguments.nets:
        batch, steps = arguments.batch or read_recipe(net).train.batch_size, arguments.steps or NETS[net]
        command = [sys.executable, "-m", "benchmarks.loop_rate", net, str(batch), str(steps)]
        sides = [Side("mindle", [*command, "mindle"], batch)]
        sides += [Side(f"bare PyTorch, {layout}", [*command, layout], batch) for layout in LAYOUTS]
        found[f"{net}, {batch} images a step"] = in_turn(sides, rounds=arguments.rounds, warm_up=0)
    return found


def turn(net: str, batch: int, steps: int, side: str) -> Figures:
    """Median seconds of the steps of one side, once it is warm."""
    card = ZOO[net]
    channels, height, width = card.shape
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (batch * steps, height, width, channels), np.uint8)
    labels = rng.integers(0, card.classes, len(pixels))
    spec = InputSpec(
        height=height,
        width=width,
        colour="gray" if channels == 1 else "rgb",
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )
    if side == "mindle":
        return _ours(net, spec, pixels, labels, batch)
    torch.set_flush_denormal(True)
    step = bare_loop(net, spec, pixels, labels, batch, LAYOUTS[side])
    ends = []
    for _ in range(steps):
        step()
        ends.append(time.perf_counter())
    return {"seconds": _median(ends)}


def _ours(net: str, spec: InputSpec, pixels: np.ndarray, labels: np.ndarray, batch: int) -> Figures:
    # Every step at full size, as theirs.
    settings = {"train.epochs": 1, "train.progressive_fraction": 0.0, "train.batch_size": batch}
    recipe, card = with_settings(read_recipe(net), settings), ZOO[net]
    names = ClassScores(tuple(map(str, range(card.classes))))
    model = layers_model(card.layers(spec.height, spec.width), names, spec=spec, seed=0)
    steps, watch = Steps(), TimedWatch(recipe.train, classes=card.classes)
    data = TrainingData(train=pixels, train_labels=labels, val=pixels[:0], val_labels=labels[:0])
    fit(model, data, recipe, callbacks=[watch, steps])
    seconds = _median(steps.ends)
    return {"seconds": seconds, "watch_share": round(watch.share(seconds), 5)}


def _median(ends: list[float]) -> float:
    return float(np.median(np.diff(ends)[WARM_UP_STEPS:]))


if __name__ == "__main__":
    print(json.dumps(turn(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
