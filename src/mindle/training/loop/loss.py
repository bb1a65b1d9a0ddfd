"""What training minimises, and how an epoch is evaluated."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mindle.training.device import place
from mindle.training.loop.imbalance import balanced_weights
from mindle.training.loop.job import Job
from mindle.training.loop.objectives import Objective
from mindle.training.settings import TrainSettings


class Loss:
    """The objective's loss, and the penalties on the weights.

    Example:
        >>> from mindle.training.loop.objectives import CLASSIFICATION
        >>> loss = Loss(CLASSIFICATION, TrainSettings())
        >>> round(loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item(), 4)
        0.6931
    """

    def __init__(
        self,
        objective: Objective,
        settings: TrainSettings,
        parameters: Sequence[nn.Parameter] = (),
        class_weights: Tensor | None = None,
    ) -> None:
        self.objective = objective
        self.settings = settings
        self.weights = [p for p in parameters if p.ndim > 1]
        self.class_weights = class_weights

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over the batch; logits and targets are (image, output)."""
        return self.objective.loss(logits, targets, self.settings, self.class_weights)

    def penalty(self) -> Tensor | float:
        """L1 and L2 of the weights; biases and norms are spared."""
        total: Tensor | float = 0.0
        if self.settings.l1:
            total = total + self.settings.l1 * torch.stack([w.abs().sum() for w in self.weights]).sum()
        if self.settings.l2:
            total = total + self.settings.l2 * torch.stack([w.square().sum() for w in self.weights]).sum()
        return total


def class_weights(job: Job) -> Tensor | None:
    """Weights of the loss that make each class count the same in all; their mean over the images is 1."""
    if job.settings.balance != "weights":
        return None
    weights = balanced_weights(job.data.train_labels, job.outputs)
    return torch.tensor(weights, dtype=torch.float32, device=job.context.device)


@torch.inference_mode()
def evaluate(job: Job) -> tuple[float, float]:
    """Mean loss and measure of the model on the validation images; (nan, nan) where there are none."""
    if not len(job.data.val):
        return math.nan, math.nan
    job.model.eval()
    height, width = job.data.val[np.zeros(1, np.int64)].shape[1:3]
    # About two million pixels at a time: 61 images at 180 px, whose first maps take 250 MB; and no more
    # than 512 images, because 900 at once take 0.3 GB more at 32 px.
    size = max(1, min(512, 2_000_000 // (height * width)))
    sums: list[Tensor] = []  # (loss, measure) of each batch, on the device until the last one was begun
    for start in range(0, len(job.data.val), size):
        rows = np.arange(start, min(start + size, len(job.data.val)))
        with job.precision():
            logits = job.model(job.pixels(job.data.val, rows)).float()  # (image, output)
        targets = place(job.objective.targets(job.data.val_labels[rows], job.outputs), job.context.device)
        tally = job.objective.tally(logits, targets).float()
        sums.append(torch.stack([job.objective.plain_loss(logits, targets), tally]))
    loss, measured = map(sum, zip(*torch.stack(sums).tolist(), strict=True))
    return loss / len(job.data.val), measured * job.objective.unit / len(job.data.val)
