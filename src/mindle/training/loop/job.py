"""One training run as it was asked for: what `fit` is given, checked, and what follows from it."""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mindle.records import SILENT, Listener
from mindle.training.budget import Deadline
from mindle.training.decisions import DecisionLog
from mindle.training.device import PixelRows as PixelRows
from mindle.training.device import free_bytes, place, resident
from mindle.training.loop.average import changing_tensors
from mindle.training.loop.objectives import CLASSIFICATION, Labels, Objective
from mindle.training.recipe import Recipe, as_dict
from mindle.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """What a training runs in: everything that does not say what is learned.

    Attributes:
        seed: Governs whatever is drawn.
        device: Where nets are trained; if it is CUDA, images are embedded there too.
        folder: The run folder: a checkpoint lies in `checkpoint/` below it.
        resume: Go on from that checkpoint where there is one; it must be of the same run.
        deadline: When it must be over.
        decisions: Repeats the decisions of the interrupted run, and records new ones.
        listener: Hears steps, epochs, and what was tried.
        threads: Of ONNX Runtime; as many as there are cores unless set.
    """

    seed: int = 0
    device: torch.device = torch.device("cpu")
    folder: Path | None = None
    resume: bool = False
    deadline: Deadline = field(default_factory=lambda: Deadline(None))
    decisions: DecisionLog = field(default_factory=DecisionLog)
    listener: Listener = SILENT
    threads: int | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Images, uint8 (image, height, width, channel), with their classes or standardised numbers.

    Attributes:
        train, train_labels: What is learned from.
        val, val_labels: What says which epoch is best and when to stop; may be empty.
    """

    train: PixelRows
    train_labels: Labels
    val: PixelRows
    val_labels: Labels

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


def steps_in(images: int, batch: int) -> int:
    """Steps of one epoch.

    Example:
        >>> steps_in(10, 4)
        3
    """
    return max(1, -(-images // batch))


@dataclass(frozen=True, kw_only=True)
class Job:
    """The arguments of `fit`; see there."""

    model: nn.Module
    data: TrainingData
    recipe: Recipe
    context: TrainingContext = field(default_factory=TrainingContext)
    objective: Objective = CLASSIFICATION
    later: int = 0

    @property
    def path(self) -> Path | None:
        """Where the checkpoint lies."""
        folder = self.context.folder
        return None if folder is None else Path(folder) / "checkpoint" / "fit.safetensors"

    @property
    def settings(self) -> TrainSettings:
        """The loop's part of the recipe."""
        return self.recipe.train

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        return steps_in(len(self.data.train), self.settings.batch_size)

    @cached_property
    def outputs(self) -> int:
        """How many logits the model gives."""
        training = self.model.training
        self.model.eval()
        with torch.inference_mode():
            logits = self.model(self.pixels(self.data.train, np.zeros(1, np.int64)))
        self.model.train(training)
        return int(logits.shape[1])

    def pixels(self, images: PixelRows, rows: NDArray[np.int64]) -> Tensor:
        """uint8 (image, height, width, channel) on the device."""
        held = self.held.get(id(images))
        if held is not None:
            return held[place(rows, self.context.device)]
        return place(np.ascontiguousarray(images[rows]), self.context.device)

    @cached_property
    def held(self) -> dict[int, Tensor]:
        """Images that lie on a CUDA card as a whole, by the id of what they were read from."""
        device = self.context.device
        found = {
            id(images): resident(images, device, free_bytes(device))
            for images in (self.data.train, self.data.val)
        }
        return {name: held for name, held in found.items() if held is not None}

    @cached_property
    def coins(self) -> Tensor:
        """(training image, 2): where mirroring alternates, whether even epochs mirror it along x, along y."""
        generator = torch.Generator().manual_seed(self.context.seed)
        return torch.rand(len(self.data.train), 2, generator=generator) < 0.5

    @cached_property
    def layout(self) -> torch.memory_format:
        """Memory order of maps.

        A step with the channels last takes 0.96 (28 px, one channel) to 0.88 (180 px) of the time on a CPU.
        """
        asked = self.settings.memory_format
        convolutional = any(isinstance(module, nn.Conv2d) for module in self.model.modules())
        last = asked == "channels-last" or (asked == "auto" and convolutional)
        return torch.channels_last if last else torch.contiguous_format

    def precision(self) -> AbstractContextManager[Any]:
        """Autocast to bfloat16 where the recipe wants it, or leaves it open and the card has it."""
        asked, kind = self.settings.precision, self.context.device.type
        able = kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        if asked == "bfloat16" or (asked == "auto" and able):
            return torch.autocast(kind, dtype=torch.bfloat16)
        return nullcontext()

    def scale(self, epoch: int, epochs: int) -> float:
        """Side of an epoch's images as a share of the full side.

        Source:
            Small images first: Howard 2018, https://www.fast.ai/posts/2018-08-10-fastai-diu-imagenet.html.
        """
        return self.settings.progressive_scale if epoch < self.settings.progressive_fraction * epochs else 1.0

    @cached_property
    def identity(self) -> str:
        """A hash of what makes a run what it is: recipe, seed, labels, and the model's names and shapes."""
        parts = (self.data.train_labels, self.data.val_labels)
        labels = [hashlib.sha256(part.tobytes()).hexdigest() for part in parts]
        shapes = {name: list(tensor.shape) for name, tensor in changing_tensors(self.model).items()}
        facts = {
            "recipe": as_dict(self.recipe),
            "seed": self.context.seed,
            "labels": labels,
            "shapes": shapes,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
