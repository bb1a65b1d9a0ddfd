"""Averaging weights over steps or epochs, which is steadier than any single step's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mindle.training.settings import TrainSettings


def changing_tensors(model: nn.Module) -> dict[str, Tensor]:
    """What training may change, by name: parameters that are not frozen, and every buffer.

    Example:
        >>> sorted(changing_tensors(nn.BatchNorm1d(2)))
        ['bias', 'num_batches_tracked', 'running_mean', 'running_var', 'weight']
    """
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


class Average:
    """The mean of a model's changing tensors, as the recipe asks.

    "ema" follows every step: average = decay x average + (1 - decay) x weights, with a decay that begins
    low, so that the random start is soon forgotten. "last" is the plain mean over the last epochs.

    Source:
        Averages of late weights: Izmailov et al. 2018, https://arxiv.org/abs/1803.05407. The growing decay,
        (1 + step) / (10 + step), is TensorFlow's `ExponentialMovingAverage(num_updates=…)`.
    """

    def __init__(self, model: nn.Module, settings: TrainSettings) -> None:
        self.settings = settings
        self.epochs_in = 0
        self._live = changing_tensors(model)  # the model's tensors themselves, which training writes to
        self.tensors: dict[str, Tensor] = self._copy() if settings.weight_averaging == "ema" else {}

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Follow one step of the optimizer; `step` counts all steps from 0."""
        if self.settings.weight_averaging == "ema":
            self._blend(1 - min(self.settings.ema_decay, (1 + step) / (10 + step)))

    @torch.no_grad()
    def after_epoch(self, epoch: int, epochs: int) -> None:
        """Take in the weights at the end of an epoch, counted from 0."""
        if self.settings.weight_averaging != "last" or epoch < epochs - self.settings.average_epochs:
            return
        if not self.epochs_in:
            self.tensors = self._copy()
        else:
            self._blend(1 / (self.epochs_in + 1))
        self.epochs_in += 1

    def _copy(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self._live.items()}

    def _blend(self, share: float) -> None:
        """Move the average towards the model by a share; whole numbers (counters) are copied."""
        floats = [name for name, tensor in self._live.items() if tensor.is_floating_point()]
        torch._foreach_lerp_(
            [self.tensors[name] for name in floats], [self._live[name] for name in floats], share
        )
        for name, tensor in self._live.items():
            if not tensor.is_floating_point():
                self.tensors[name].copy_(tensor)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model holds the average inside the `with` block, and its weights again after it."""
        if not self.tensors:
            yield
            return
        weights = self._copy()
        put(self._live, self.tensors)
        try:
            yield
        finally:
            put(self._live, weights)


@torch.no_grad()
def put(live: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
    """Copy tensors into those of the same names."""
    for name, tensor in tensors.items():
        live[name].copy_(tensor)
