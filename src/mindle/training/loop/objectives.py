"""What a net is trained for: how labels become targets, the loss, and the measure beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mindle.training.settings import TrainSettings

# Class numbers (int64), or standardised numbers to estimate (float64).
Labels = NDArray[Any]


class Classification:
    """Cross-entropy with label smoothing and class weights, or the focal loss; measured by accuracy.

    Attributes:
        measure: What the history holds beside the loss.
        unit: What the sum of `tally`, divided by the images, is multiplied with.
        sign: 1 where a smaller measure is better, -1 where a larger one is.

    Example:
        >>> targets = CLASSIFICATION.targets(np.array([1]), 2)
        >>> targets.tolist(), CLASSIFICATION.tally(torch.tensor([[1.0, 2.0]]), targets).item()
        ([[0.0, 1.0]], 1)
    """

    measure, unit, sign = "accuracy", 1.0, -1

    def labels(self, labels: Any) -> Labels:
        """Class numbers."""
        return np.asarray(labels, np.int64)

    def targets(self, labels: Labels, outputs: int) -> Tensor:
        """1 for the class and 0 elsewhere."""
        return F.one_hot(torch.from_numpy(labels), outputs).float()

    def loss(
        self, logits: Tensor, targets: Tensor, settings: TrainSettings, class_weights: Tensor | None
    ) -> Tensor:
        """Cross-entropy or focal loss; rows of targets sum to 1."""
        smoothing = settings.label_smoothing
        if settings.focal_gamma:
            soft = torch.lerp(targets, targets.new_full((), 1 / targets.shape[1]), smoothing)
            return focal_loss(logits.float(), soft, settings.focal_gamma, class_weights)
        return F.cross_entropy(logits.float(), targets, class_weights, label_smoothing=smoothing)

    def plain_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(logits, targets.argmax(1), reduction="sum")

    def tally(self, logits: Tensor, targets: Tensor) -> Tensor:
        """How many are answered right."""
        return (logits.argmax(1) == targets.argmax(1)).sum()


@dataclass(frozen=True)
class Regression:
    """The Huber loss of standardised numbers; measured by the mean absolute error.

    Its squares become lines beyond one standard deviation of the target: a few outliers then pull no harder
    than others.

    Attributes:
        unit: What an error of 1 is in the unit of the target.

    Example:
        >>> regression = Regression(unit=10.0)
        >>> targets = regression.targets(np.array([0.0, 2.5]), 1)
        >>> regression.tally(torch.tensor([[1.0], [2.0]]), targets).item()
        1.5
    """

    unit: float = 1.0
    measure = "mae"
    sign = 1

    def labels(self, labels: Any) -> Labels:
        """Numbers."""
        return np.asarray(labels, np.float64)

    def targets(self, labels: Labels, outputs: int) -> Tensor:
        """The number itself."""
        return torch.from_numpy(labels).float()[:, None]

    def loss(
        self, logits: Tensor, targets: Tensor, settings: TrainSettings, class_weights: Tensor | None
    ) -> Tensor:
        """The Huber loss; settings about classes do not apply."""
        return F.huber_loss(logits.float(), targets)

    def plain_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The Huber loss."""
        return F.huber_loss(logits, targets, reduction="sum")

    def tally(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Sum of the absolute errors."""
        return (logits - targets).abs().sum()


# What the loop asks of a task; another one has the same attributes and methods.
Objective = Classification | Regression
CLASSIFICATION = Classification()


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
