"""What training makes small, and how an epoch is judged."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mindle.training.job import Job
from mindle.training.recipe import TrainSettings


class Loss:
    """Cross-entropy with label smoothing and class weights, and the penalties on the weights.

    Example:
        >>> loss = Loss(TrainSettings(), [], None)
        >>> round(loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item(), 4)
        0.6931
    """

    def __init__(
        self, settings: TrainSettings, parameters: Sequence[nn.Parameter], class_weights: Tensor | None
    ) -> None:
        self.settings = settings
        self.weights = [p for p in parameters if p.ndim > 1]
        self.class_weights = class_weights

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean over the batch; logits and targets are (image, class), and rows of targets sum to 1."""
        smoothing = self.settings.label_smoothing
        return F.cross_entropy(logits.float(), targets, self.class_weights, label_smoothing=smoothing)

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
    counts = np.bincount(job.train_labels, minlength=job.classes)
    present = max(1, int((counts > 0).sum()))
    weights = np.where(counts > 0, len(job.train_labels) / np.maximum(counts, 1) / present, 0.0)
    return torch.tensor(weights, dtype=torch.float32, device=job.device)


@torch.inference_mode()
def judge(job: Job) -> tuple[float, float]:
    """Loss and accuracy of the model on the validation images; (nan, nan) where there are none."""
    if not len(job.val):
        return math.nan, math.nan
    job.model.eval()
    height, width = job.val[np.zeros(1, np.int64)].shape[1:3]
    # About two million pixels at a time: 61 images at 180 px, whose first maps take 250 MB.
    size = max(1, min(1024, 2_000_000 // (height * width)))
    loss, right = 0.0, 0
    for start in range(0, len(job.val), size):
        rows = np.arange(start, min(start + size, len(job.val)))
        with job.precision():
            logits = job.model(job.pixels(job.val, rows)).float()  # (image, class)
        truth = torch.from_numpy(job.val_labels[rows]).to(job.device)
        loss += float(F.cross_entropy(logits, truth, reduction="sum"))
        right += int((logits.argmax(1) == truth).sum())
    return loss / len(job.val), right / len(job.val)
