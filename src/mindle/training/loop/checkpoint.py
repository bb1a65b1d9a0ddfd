"""A training run between two steps, in one file: tensors as safetensors, counters as JSON in its header.

One file, written under another name and renamed, is either the old state or the new one, whatever
happens meanwhile.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mindle.artifacts.files import replacing
from mindle.errors import ArtifactError
from mindle.messages import sentences_of, with_sentences
from mindle.training.loop.average import Average, changing_tensors, put
from mindle.training.loop.job import Job
from mindle.training.loop.optimizer import Optimizer

SCHEMA = 1
# The longest time between two checkpoints; one also follows an epoch when the last is this old.
CHECKPOINT_SECONDS, EPOCH_CHECKPOINT_SECONDS = 60.0, 1.0


@dataclass(kw_only=True)
class Progress:
    """The counters of a run: with the tensors they are all that a checkpoint needs.

    Attributes:
        epochs: Epochs that are planned; fewer than the recipe's where a deadline is near.
        epoch, step: Finished epochs, and finished steps of the open one.
        drops: How often the plateau rule lowered the rate.
        stale_epochs: Epochs since the last progress or drop.
        best: What is watched, at its best, and what decides between equals; smaller is better.
        best_epoch: Its epoch, from 1, whose weights the model ends with.
        averaged_epochs: Epochs in the mean of the last ones.
        epoch_seconds: Time spent in the open epoch.
        seconds: Time spent in all, interrupted runs included.
        stopped: Why the run ended before its epochs were over, or "".
        history: One row an epoch: epoch, train_loss, train_accuracy, val_loss, val_accuracy, rate, seconds,
            images_per_second; of numbers, train_mae and val_mae instead of accuracies. The train columns
            are measured while training, on augmented images and with dropout; train_loss is what was
            minimised, smoothing included, penalties not.
    """

    epochs: int
    epoch: int = 0
    step: int = 0
    drops: int = 0
    stale_epochs: int = 0
    best: list[float] = field(default_factory=lambda: [math.inf, math.inf])
    best_epoch: int = 0
    averaged_epochs: int = 0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    stopped: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class Saver:
    """Writes the state of a run to its checkpoint, and puts it back.

    Attributes:
        totals: Sums over the open epoch: loss, right answers, images.
        progress: The counters.
        best: The best epoch's tensors.
        saved_at: When the last checkpoint was written, on the deadline's clock.
    """

    job: Job
    optimizer: Optimizer
    average: Average
    totals: Tensor
    progress: Progress
    best: dict[str, Tensor] = field(default_factory=dict)
    saved_at: float = 0.0

    def due(self, *, after: float) -> bool:
        """Whether the last checkpoint is older than `after` seconds."""
        return self.job.path is not None and self.job.context.deadline.spent() - self.saved_at >= after

    def save(self) -> None:
        """Write everything.

        Raises:
            DeviceError: If the disk is full or may not be written.
        """
        self.saved_at = self.job.context.deadline.spent()
        if self.job.path is None:
            return
        self.progress.averaged_epochs = self.average.epochs_in
        tensors = {"totals": self.totals}
        parts = {
            "model": changing_tensors(self.job.model),
            "average": self.average.tensors,
            "best": self.best,
        }
        for part, named in parts.items():
            tensors |= {f"{part}/{name}": tensor for name, tensor in named.items()}
        for index, values in self.optimizer.state.items():
            tensors |= {f"optimizer/{index}/{key}": value for key, value in values.items()}
        counters = asdict(self.progress)
        state = {"run": self.job.identity, "progress": counters, "sentences": sentences_of(counters)}
        write_checkpoint(self.job.path, tensors, state)

    def restore(self) -> bool:
        """Read everything back; whether there is a checkpoint.

        Raises:
            ArtifactError: If it is damaged, or of another run.
        """
        if self.job.path is None or not self.job.path.exists():
            return False
        tensors, state = read_checkpoint(self.job.path)
        if state["run"] != self.job.identity:
            raise ArtifactError(
                f"The checkpoint {self.job.path} must be of this run. It is of another recipe, seed, model "
                "or data. Go on with the settings it was begun with, or start anew without --resume."
            )
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "best": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            parts.setdefault(part, {})[rest] = tensor
        # 1. counters, 2. weights, 3. average, 4. best weights, 5. optimizer, 6. the open epoch's sums
        counters = with_sentences(state["progress"], state.get("sentences", {}))
        for name, value in counters.items():
            setattr(self.progress, name, value)
        live = changing_tensors(self.job.model)
        put(live, parts["model"])
        self.average.tensors = {n: torch.empty_like(live[n]).copy_(t) for n, t in parts["average"].items()}
        self.average.epochs_in = self.progress.averaged_epochs
        self.best |= {name: tensor.to(self.job.context.device) for name, tensor in parts["best"].items()}
        for name, tensor in parts["optimizer"].items():
            index, _, key = name.partition("/")
            self.optimizer.put(int(index), key, tensor)
        self.totals.copy_(tensors["totals"])
        return True


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Replace the checkpoint at `path` by this state.

    Raises:
        DeviceError: If the disk is full or may not be written; the old checkpoint is still there then.
    """
    header = {"mindle": json.dumps({"schema": SCHEMA, **state})}
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    with replacing(path) as draft:
        try:
            save_file(whole, draft, metadata=header)
        except SafetensorError as error:  # its way of telling of a full disk
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else 0, str(error)) from error


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and counters of the checkpoint at `path`.

    Raises:
        ArtifactError: If the file is damaged or of another schema.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            state: dict[str, Any] = json.loads(file.metadata()["mindle"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"The checkpoint {path} must be readable. Received: {error}. Delete it to train from the start."
        ) from error
    if state.pop("schema", None) != SCHEMA:
        raise ArtifactError(
            f"The checkpoint {path} must have schema {SCHEMA}. "
            "Go on with the version of mindle that wrote it, or delete it to train from the start."
        )
    return tensors, state
