"""Callbacks watch a training run; the only thing they can change is when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mindle.training.loop.batches import Batch
from mindle.training.loop.checkpoint import Progress


@dataclass(kw_only=True)
class FitState:
    """What a callback is shown.

    Attributes:
        model: The model in training. Look, do not touch.
        progress: The run's counters.
        steps_per_epoch: Steps of each epoch.
        rate: Learning rate of the last step.
        loss: Mean training loss of the open epoch so far.
        batch: What the last step saw, augmented.
        batch_loss: Its loss, still on the device; reading it makes an accelerator wait.
    """

    model: nn.Module
    progress: Progress
    steps_per_epoch: int
    rate: float = 0.0
    loss: float = 0.0
    batch: Batch | None = None
    batch_loss: Tensor | None = None

    @property
    def epochs(self) -> int:
        """Epochs that are planned."""
        return self.progress.epochs

    @property
    def epoch(self) -> int:
        """The open epoch, from 1; after an epoch was evaluated, that one."""
        return max(self.progress.epoch + 1 if self.progress.step else 0, len(self.progress.history))

    @property
    def step(self) -> int:
        """Steps done in the open epoch."""
        return self.progress.step

    @property
    def history(self) -> list[dict[str, Any]]:
        """One row for each finished epoch."""
        return self.progress.history

    def stop(self, reason: str) -> None:
        """End the run after the current step; the first reason given stands."""
        self.progress.stopped = self.progress.stopped or reason


class Callback:
    """Does nothing at each event; override those that matter."""

    def on_start(self, state: FitState) -> None:
        """Before the first step; `state.history` has rows where a run goes on."""

    def on_gradients(self, state: FitState) -> None:
        """Once a step's gradients are there, before they are clipped and the weights move."""

    def on_step(self, state: FitState) -> None:
        """After each step."""

    def on_epoch(self, state: FitState) -> None:
        """After each epoch was evaluated; `state.history[-1]` is its row."""

    def on_end(self, state: FitState) -> None:
        """After the last epoch, with the best weights in the model."""
