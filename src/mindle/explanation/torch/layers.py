"""Feature maps and filters, layer by layer: what a convolutional network sees, as the course shows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mindle.explanation.fading import Pixels
from mindle.models.classifier import Classifier, to_floats

LAYERS, CHANNELS, FILTERS = 8, 16, 32
"""Shown at most: layers of a model, channels of a layer, filters of a convolution."""


def feature_maps(model: Classifier, pixels: Pixels) -> dict[str, NDArray[np.float32]]:
    """The first channels (channel, height, width) after some layers on the way to the answer, by name."""
    kept: dict[str, NDArray[np.float32]] = {}

    def keep(name: str, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2:].numel() > 1:
            kept[name] = output[0, :CHANNELS].detach().numpy().astype(np.float32)

    handles = [
        module.register_forward_hook(lambda _, __, output, name=name: keep(name, output))
        for name, module in _convolutions(model)
    ]
    try:
        with torch.no_grad():
            model.features_from_floats(to_floats(torch.from_numpy(pixels[None])))
    finally:
        for handle in handles:
            handle.remove()
    return {name: kept[name] for name in spaced(list(kept), LAYERS)}


def filters(model: Classifier) -> dict[str, NDArray[np.float32]]:
    """Filters (filter, height, width[, 3]) of the first convolutions of more than one pixel, by name.

    Those of the first layer are in colour where the images are; of others the first channel is shown.
    """
    wide = [(name, conv) for name, conv in _convolutions(model) if min(conv.kernel_size) > 1]
    found = {}
    for name, conv in wide[: LAYERS // 2]:
        weights = (
            conv.weight[:FILTERS].detach().numpy().astype(np.float32)
        )  # (filter, channel, height, width)
        found[name] = weights.transpose(0, 2, 3, 1) if weights.shape[1] == 3 else weights[:, 0]
    return found


def spaced(names: list[str], most: int) -> list[str]:
    """So many of some names at even distances, the first and the last among them.

    Example:
        >>> spaced(["a", "b", "c", "d", "e"], 3)
        ['a', 'c', 'e']
    """
    places = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int))
    return [names[at] for at in places.tolist()]


def _convolutions(model: Classifier) -> list[tuple[str, nn.Conv2d]]:
    return [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Conv2d)]
