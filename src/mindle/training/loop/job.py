"""One training run as it was asked for: what `fit` was given, checked, and what follows from it."""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mindle.records import Listener
from mindle.training.budget import Deadline
from mindle.training.loop.average import changing_tensors
from mindle.training.loop.batches import Labels, PixelRows, steps_in
from mindle.training.recipe import Recipe, TrainSettings, as_dict


@dataclass(frozen=True, kw_only=True)
class Job:
    """The arguments of `fit`; see there.

    Attributes:
        path: Where the checkpoint is kept, or None.
        unit: What an error of 1 is in the unit of the target, where labels are numbers.
        later: How many images must be answered after the training, before the deadline.
    """

    model: nn.Module
    train: PixelRows
    train_labels: Labels
    val: PixelRows
    val_labels: Labels
    recipe: Recipe
    seed: int
    device: torch.device
    path: Path | None
    deadline: Deadline
    listener: Listener
    unit: float = 1.0
    later: int = 0

    def __post_init__(self) -> None:
        for name, images, labels in (
            ("train", self.train, self.train_labels),
            ("val", self.val, self.val_labels),
        ):
            if len(images) != len(labels):
                raise ValueError(
                    f"`{name}_labels` must have one label an image. "
                    f"Received {len(labels)} labels for {len(images)} images."
                )
        if not len(self.train):
            raise ValueError("`train` must hold at least one image. Received none.")

    @property
    def numbers(self) -> bool:
        """Whether the labels are numbers to estimate, not classes."""
        return bool(np.issubdtype(self.train_labels.dtype, np.floating))

    @property
    def measure(self) -> str:
        """What the history tells beside the loss: "accuracy", or "mae" of numbers."""
        return "mae" if self.numbers else "accuracy"

    @property
    def settings(self) -> TrainSettings:
        """The loop's part of the recipe."""
        return self.recipe.train

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        return steps_in(len(self.train), self.settings.batch)

    @cached_property
    def classes(self) -> int:
        """How many logits the model gives."""
        training = self.model.training
        self.model.eval()
        with torch.inference_mode():
            classes = int(self.model(self.pixels(self.train, np.zeros(1, np.int64))).shape[1])
        self.model.train(training)
        return classes

    def pixels(self, images: PixelRows, rows: NDArray[np.int64]) -> Tensor:
        """uint8 (image, height, width, channel) on the device."""
        return torch.from_numpy(np.ascontiguousarray(images[rows])).to(self.device)

    @cached_property
    def layout(self) -> torch.memory_format:
        """Memory order of maps.

        A step with the channels last takes 0.96 (28 px, one channel) to 0.88 (180 px) of the time on a CPU.
        """
        wish = self.settings.layout
        if wish == "auto":
            convolutional = any(isinstance(module, nn.Conv2d) for module in self.model.modules())
            wish = "channels-last" if convolutional else "contiguous"
        return torch.channels_last if wish == "channels-last" else torch.contiguous_format

    def precision(self) -> AbstractContextManager[Any]:
        """Autocast to bfloat16 where the recipe wants it, or leaves it open and the card has it."""
        wish = self.settings.precision
        if wish == "auto":
            able = self.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
            wish = "bfloat16" if able else "float32"
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if wish == "bfloat16" else nullcontext()

    def scale(self, epoch: int, epochs: int) -> float:
        """Side of an epoch's images as a share of the full side.

        Source:
            Small images first: Howard 2018, https://www.fast.ai/posts/2018-08-10-fastai-diu-imagenet.html.
        """
        return self.settings.small_scale if epoch < self.settings.small_fraction * epochs else 1.0

    @cached_property
    def identity(self) -> str:
        """A hash of what makes a run what it is: recipe, seed, labels, and the model's names and shapes."""
        labels = [hashlib.sha256(part.tobytes()).hexdigest() for part in (self.train_labels, self.val_labels)]
        shapes = {name: list(tensor.shape) for name, tensor in changing_tensors(self.model).items()}
        facts = {"recipe": as_dict(self.recipe), "seed": self.seed, "labels": labels, "shapes": shapes}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
