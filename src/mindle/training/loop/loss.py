"""What training makes small, and how an epoch is judged."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mindle.training.loop.batches import target_rows
from mindle.training.loop.imbalance import balanced_weights
from mindle.training.loop.job import Job
from mindle.training.recipe import TrainSettings


class Loss:
    """Cross-entropy with label smoothing and class weights, and the penalties on the weights.

    Numbers to estimate, which come as one column, have the Huber loss instead, whose squares become lines
    beyond one standard deviation of the target: a few wild targets then pull no harder than others.

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
        if targets.shape[1] == 1:
            return F.huber_loss(logits.float(), targets)
        smoothing, gamma = self.settings.label_smoothing, self.settings.focal
        if gamma:
            soft = torch.lerp(targets, targets.new_full((), 1 / targets.shape[1]), smoothing)
            return focal_loss(logits.float(), soft, gamma, self.class_weights)
        return F.cross_entropy(logits.float(), targets, self.class_weights, label_smoothing=smoothing)

    def penalty(self) -> Tensor | float:
        """L1 and L2 of the weights; biases and norms are spared."""
        total: Tensor | float = 0.0
        if self.settings.l1:
            total = total + self.settings.l1 * torch.stack([w.abs().sum() for w in self.weights]).sum()
        if self.settings.l2:
            total = total + self.settings.l2 * torch.stack([w.square().sum() for w in self.weights]).sum()
        return total


def focal_loss(logits: Tensor, targets: Tensor, gamma: float, class_weights: Tensor | None = None) -> Tensor:
    """Cross-entropy in which each class's share counts (1 - p) ** gamma: less where it is right already.

    Shapes: logits and targets (image, class), rows of targets summing to 1; class_weights (class,).

    Source:
        Lin et al. 2017, https://arxiv.org/abs/1708.02002, eq. 4 and 5, with soft labels as a weighted sum.

    Example:
        >>> sure = focal_loss(torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]]), 2.0)
        >>> round(sure.item() / F.cross_entropy(torch.tensor([[2.0, 0.0]]), torch.tensor([0])).item(), 4)
        0.0142
    """
    log_p = F.log_softmax(logits, dim=1)
    # The power's slope at 0 is infinite for a gamma below 1.
    loss = -targets * (1 - log_p.exp()).clamp_min(1e-6) ** gamma * log_p
    return (loss if class_weights is None else loss * class_weights).sum(dim=1).mean()


def class_weights(job: Job) -> Tensor | None:
    """Weights of the loss that make each class count the same in all; their mean over the images is 1."""
    if job.settings.balance != "weights":
        return None
    weights = balanced_weights(job.train_labels, job.classes)
    return torch.tensor(weights, dtype=torch.float32, device=job.device)


@torch.inference_mode()
def judge(job: Job) -> tuple[float, float]:
    """Loss and accuracy of the model on the validation images; (nan, nan) where there are none.

    Where numbers are estimated, their mean absolute error stands in for the accuracy.
    """
    if not len(job.val):
        return math.nan, math.nan
    job.model.eval()
    height, width = job.val[np.zeros(1, np.int64)].shape[1:3]
    # About two million pixels at a time: 61 images at 180 px, whose first maps take 250 MB.
    size = max(1, min(1024, 2_000_000 // (height * width)))
    loss, right = 0.0, 0.0
    for start in range(0, len(job.val), size):
        rows = np.arange(start, min(start + size, len(job.val)))
        with job.precision():
            logits = job.model(job.pixels(job.val, rows)).float()  # (image, class)
        if job.numbers:
            targets = target_rows(job.val_labels[rows], 1).to(job.device)
            loss += float(F.huber_loss(logits, targets, reduction="sum"))
            right += float(tally(logits, targets)) * job.unit
            continue
        truth = torch.from_numpy(job.val_labels[rows]).to(job.device)
        loss += float(F.cross_entropy(logits, truth, reduction="sum"))
        right += int((logits.argmax(1) == truth).sum())
    return loss / len(job.val), right / len(job.val)


def tally(logits: Tensor, targets: Tensor) -> Tensor:
    """How many of a batch are right; of numbers, which come as one column, the sum of absolute errors.

    Example:
        >>> tally(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 1.0]])).item()
        1
        >>> tally(torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [2.5]])).item()
        1.5
    """
    if targets.shape[1] == 1:
        return (logits - targets).abs().sum()
    return (logits.argmax(1) == targets.argmax(1)).sum()
