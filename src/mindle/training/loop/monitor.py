"""Watches a training run closely enough to say afterwards what was wrong with it, and cheaply enough for all.

The labels and losses of the first steps cost next to nothing. Gradients are looked at in the first few steps
and then in every fortieth: a look reads each gradient once, 3 to 30 % of a step, so under 1 % of the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mindle.training.loop.callbacks import Callback, FitState
from mindle.training.settings import TrainSettings

# Sixty-four batches show whether labels come sorted, and the steps in which too high a rate shows itself.
FIRST_STEPS = 64
# Looks at the gradients: these first steps, then one in so many.
FIRST_LOOKS, LOOK_EVERY = 4, 40
# So many numbers of each weight stand for it when its movement is measured.
SAMPLE = 4096


@dataclass(frozen=True, kw_only=True)
class TrainingStats:
    """What was seen of a training run.

    Attributes:
        from_start: Whether the first steps were among it; a resumed run is seen from where it went on.
        steps: Steps that were made.
        counts: Images by class in each of the first batches, (step, class).
        losses: Loss of each of the first steps.
        looked: The steps whose gradients were looked at, from 0.
        norms: Norm of all gradients of weights at each look.
        gradients: Root mean square of each weight's gradient, (look, weight), from the input to the output.
        input_mean, input_std: Of what the net is given, normalised; NaN where a backbone's card rules that.
        pixel_std: Of the same images in [0, 1], before they are normalised.
        moved: How far the weight that moved most has gone from its start, in shares of its norm.
        balanced: Whether the loss or the drawing of images made every class count the same.
        clipped: Whether gradients were clipped after they were looked at.
    """

    from_start: bool
    steps: int
    counts: NDArray[np.int64]
    losses: NDArray[np.float64]
    looked: tuple[int, ...]
    norms: NDArray[np.float64]
    gradients: NDArray[np.float64]
    input_mean: float
    input_std: float
    pixel_std: float
    moved: float
    balanced: bool = False
    clipped: bool = False


class TrainingMonitor(Callback):
    """Keeps what a diagnosis needs; `seen` gives it.

    Example:
        >>> TrainingMonitor(TrainSettings(), classes=3).seen().steps
        0
    """

    def __init__(self, settings: TrainSettings, *, classes: int) -> None:
        self.settings = settings
        self.classes = classes
        self.from_start = True
        self.steps = 0
        self._counts: list[Tensor] = []
        self._losses: list[Tensor] = []
        self._looked: list[int] = []
        self._squares: list[Tensor] = []  # (weight,) each: sum of squares of each weight's gradient
        self._inputs: list[Tensor] = []  # (mean, deviation, deviation of the pixels)
        self._weights: list[nn.Parameter] = []
        self._starts: list[Tensor] = []
        self._moved = 0.0

    def on_start(self, state: FitState) -> None:
        """Remember where the weights begin."""
        self.from_start = state.step == 0 and not state.history
        self._weights = [p for p in state.model.parameters() if p.requires_grad and p.ndim > 1]
        self._starts = [_some(weight) for weight in self._weights]

    def on_gradients(self, state: FitState) -> None:
        """Look at the first batches, and now and then at the gradients."""
        if state.batch is None or state.batch_loss is None:
            return
        if self.steps < FIRST_STEPS:
            labels = state.batch.targets.argmax(1)
            self._counts.append(torch.bincount(labels, minlength=self.classes))
            self._losses.append(state.batch_loss)
        if self.steps < FIRST_LOOKS:
            self._inputs.append(_input_statistics(state.model, state.batch.images))
        if self.steps < FIRST_LOOKS or self.steps % LOOK_EVERY == 0:
            gradients = [w.grad if w.grad is not None else torch.zeros_like(w[:1]) for w in self._weights]
            if gradients:
                self._looked.append(self.steps)
                self._squares.append(torch.stack([g.float().square().sum() for g in gradients]))
        self.steps += 1

    def on_epoch(self, state: FitState) -> None:
        """Measure how far the weights have gone."""
        for weight, start in zip(self._weights, self._starts, strict=True):
            norm = float(start.norm())
            if norm > 0:
                self._moved = max(self._moved, float((_some(weight) - start).norm()) / norm)

    def seen(self) -> TrainingStats:
        """What was seen so far."""
        sizes = np.array([weight.numel() for weight in self._weights], np.float64)
        squares = _stacked(self._squares, len(sizes))  # (look, weight)
        mean, std, pixel_std = (
            _stacked(self._inputs, 3).mean(axis=0).tolist() if self._inputs else [float("nan")] * 3
        )
        return TrainingStats(
            from_start=self.from_start,
            steps=self.steps,
            counts=_stacked(self._counts, self.classes).astype(np.int64),
            losses=np.array([float(loss) for loss in self._losses], np.float64),
            looked=tuple(self._looked),
            norms=np.sqrt(squares.sum(axis=1)),
            gradients=np.sqrt(squares / sizes),
            input_mean=mean,
            input_std=std,
            pixel_std=pixel_std,
            moved=self._moved,
            balanced=self.settings.balance != "none",
            clipped=self.settings.clip_grad_norm > 0,
        )


def _some(weight: nn.Parameter) -> Tensor:
    """A copy of up to SAMPLE numbers of a weight, evenly spaced."""
    flat = weight.detach().flatten()
    return flat[:: max(1, len(flat) // SAMPLE)].float().clone()


@torch.no_grad()
def _input_statistics(model: nn.Module, images: Tensor) -> Tensor:
    """Mean and deviation of what the net is given, and the deviation of the pixels in [0, 1]."""
    normalisers: Any = getattr(model, "normalisers", ())
    backbones: Any = getattr(model, "backbones", ())
    if len(normalisers) != 1 or backbones:
        return images.new_full((3,), float("nan"))
    given = normalisers[0](images)
    return torch.stack([given.mean(), given.std(), images.std()])


def _stacked(rows: list[Tensor], width: int) -> NDArray[np.float64]:
    """Rows of equal length as an array; (0, width) where there are none."""
    if not rows:
        return np.zeros((0, width))
    return torch.stack(rows).double().cpu().numpy()
