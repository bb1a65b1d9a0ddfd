"""Augmentation of a batch of 32 images at 180 px: flipped, turned by up to a tenth, zoomed by up to a tenth.

Every image is changed in its own way on all sides, from floats in memory to floats in memory. Keras runs its
layers as one compiled function, torchvision its v2 transforms image by image: on a batch they would draw
once.
A rival starts anew in each round, and times itself once it is warm.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

from benchmarks import _turns
from benchmarks._turns import Side, in_turn, rival
from mindle.training.loop.augment import Augment
from mindle.training.settings import AugmentSettings

IMAGES, SIDE, TIMES = 32, 180, 60


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    _turns.options(parser)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a batch on each side."""
    times, side, rounds = (1, 32, 1) if arguments.smoke else (TIMES, SIDE, arguments.rounds)
    augment = Augment(AugmentSettings(flip="horizontal", rotate=0.1, zoom=0.1))
    images, generator = torch.rand(IMAGES, 3, side, side), torch.Generator().manual_seed(0)

    def ours() -> dict[str, float]:
        return {"seconds": statistics.median(_seconds(augment, images, generator) for _ in range(times))}

    sides = [
        Side("mindle", ours),
        rival(arguments, "keras", "keras_augment", name="Keras layers"),
        rival(arguments, "torch", "torchvision_augment", name="torchvision v2"),
    ]
    return in_turn(sides, rounds=rounds)


def _seconds(augment: Augment, images: torch.Tensor, generator: torch.Generator) -> float:
    began = time.perf_counter()
    augment(images, generator)
    return time.perf_counter() - began
