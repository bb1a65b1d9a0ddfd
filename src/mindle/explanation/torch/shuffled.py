"""A PyTorch model that has forgotten what it learned; see `mindle.explanation.shuffled`."""

from __future__ import annotations

from copy import deepcopy

import torch

from mindle.explanation.shuffled import LEAST, last_of
from mindle.models.classifier import Classifier


def shuffled_model(model: Classifier, share: float = 1.0, *, seed: int = 0) -> Classifier:
    """A copy of a model with the last share of its tensors shuffled, those of its head last."""
    copy, generator = deepcopy(model), torch.Generator().manual_seed(seed)
    tensors = [
        each for each in copy.state_dict().values() if each.is_floating_point() and each.numel() >= LEAST
    ]
    with torch.no_grad():
        for tensor in last_of(tensors, share):
            order = torch.randperm(tensor.numel(), generator=generator)
            tensor.copy_(tensor.flatten()[order].view_as(tensor))
    return copy.eval()
