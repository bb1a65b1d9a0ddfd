"""Class activation maps: the last map of channels before pooling, weighted by what the answer rests on.

Works for nets and for any head on frozen backbones, kernel heads too: all that is asked of the rest of the
model is its slope. Several backbones give one map each, which are added in units of the score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mindle.explanation.fading import Map, Pixels
from mindle.models.classifier import Classifier, to_floats
from mindle.models.heads import Standardise
from mindle.models.pretrained.backbone import Backbone

# Modules that keep a map but see nothing of their own; the map before them is finer.
_PASSED = (
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
)

_ALONG = (torch.arange(8) + 0.5) / 8  # of the way from a head's origin to a picture

Weigh = Callable[
    [Tensor, Tensor], Tensor
]  # activations and slopes (channel, height, width) -> map (height, width)


@dataclass(frozen=True)
class Layer:
    """The last part of a body that has a map of channels.

    Attributes:
        module: The part.
        channels_last: Whether its map is (image, height, width, channel).
    """

    module: nn.Module
    channels_last: bool = False


def grad_cam(model: Classifier, pixels: Pixels, target: int) -> Map:
    """Each channel weighted by the mean slope of the score over it.

    Source:
        Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391, eqs. 1 and 2, without the rectifier around
        the
        sum: heads that standardise their features move all places of the map by one number, which may well
        leave none above 0.
    """
    return _activation_map(
        model, pixels, target, lambda a, slope: (slope.mean((1, 2), keepdim=True) * a).sum(0)
    )


def layer_cam(model: Classifier, pixels: Pixels, target: int) -> Map:
    """Each place of each channel weighted by the slope there, where that is positive: sharper than Grad-CAM.

    Source:
        Jiang et al. 2021, https://doi.org/10.1109/TIP.2021.3089943, eqs. 4 and 5.
    """
    return _activation_map(model, pixels, target, lambda a, slope: torch.relu((slope.relu() * a).sum(0)))


def has_map(model: Classifier) -> bool:
    """Whether every body has a map of channels somewhere; transformers of patches have none."""
    return all(layer is not None for layer in map_layers(model))


def map_layers(model: Classifier) -> list[Layer | None]:
    """Of each body the last part whose output is a map of more than one place; None where there is none."""
    black = np.zeros(model.spec.shape, np.uint8)
    found: list[Layer | None] = []
    for body in model.bodies:
        last: list[Layer] = []
        with (
            _seen(body, lambda module, _, output, last=last, body=body: _note(last, body, module, output)),
            torch.no_grad(),
        ):
            model(torch.from_numpy(black[None]))
        found.append(last[-1] if last else None)
    return found


def _note(last: list[Layer], body: nn.Module, module: nn.Module, output: object) -> None:
    if isinstance(module, _PASSED) or not isinstance(output, Tensor) or output.ndim != 4:
        return
    last_axis = isinstance(body, Backbone) and getattr(body.net, "output_fmt", "NCHW") == "NHWC"
    sides = output.shape[1:3] if last_axis else output.shape[2:]
    if sides.numel() > 1:
        last.append(Layer(module, last_axis))


@contextmanager
def _seen(body: nn.Module, hook: Callable[..., None]) -> Iterator[None]:
    """Call a hook after each innermost part of a body."""
    parts = [part for part in body.modules() if not list(part.children())]
    handles = [part.register_forward_hook(hook) for part in parts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _activation_map(model: Classifier, pixels: Pixels, target: int, weigh: Weigh) -> Map:
    """The maps of all bodies, added, and of the mirror image too where the model looks at it."""
    images = to_floats(torch.from_numpy(pixels[None]))
    views = [images, images.flip(3)] if model.description.get("test_time_flip") else [images]
    layers = [layer for layer in map_layers(model) if layer is not None]
    total = np.zeros(pixels.shape[:2], np.float32)
    for number, view in enumerate(views):
        for a, slope in zip(*_slopes(model, view, target, layers), strict=True):
            # A mean slope is one place's part of the score's: times the places, maps of all sizes are in
            # its unit.
            found = weigh(a, slope * a[0].numel()) / len(views)
            enlarged = _enlarged(found, pixels.shape[:2])
            total += enlarged[:, ::-1] if number else enlarged
    return total


def _slopes(
    model: Classifier, images: Tensor, target: int, layers: list[Layer]
) -> tuple[list[Tensor], list[Tensor]]:
    """Activations of some layers, (channel, height, width) each, and the slopes of the score by them."""
    kept: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, _: object, output: Tensor) -> Tensor:
        # Frozen weights give no slope: the map itself must be what it is taken by. Where a part acts in
        # place, the next one would change what was kept, so a copy goes on.
        kept[module] = output.detach().requires_grad_() if not output.requires_grad else output
        return kept[module].clone()

    handles = [layer.module.register_forward_hook(keep) for layer in layers]
    try:
        with torch.enable_grad():
            features = model.features_from_floats(images)
            by = _head_slope(model, features.detach(), target)
            slopes = torch.autograd.grad(features, [kept[layer.module] for layer in layers], by)
    finally:
        for handle in handles:
            handle.remove()
    first = [(kept[layer.module][0], slope[0], layer) for layer, slope in zip(layers, slopes, strict=True)]
    turned = [
        [each.permute(2, 0, 1) if layer.channels_last else each for each in pair] for *pair, layer in first
    ]
    return [a.detach() for a, _ in turned], [slope for _, slope in turned]


def _head_slope(model: Classifier, features: Tensor, target: int) -> Tensor:
    """(1, feature) slope of the score by the features; of a fitted head the mean on the way from its origin.

    A kernel head is curved: at a picture far from what it learned from, its slope there may even point
    away from the class. Along the way from the mean of what it learned from to the picture, slopes add
    up to the
    difference in score.

    Source:
        Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365, eq. 1, of the head alone.
    """
    origin = _origin(model.head, features.shape[1])
    points = features if origin is None else origin + (features - origin) * _ALONG[:, None]
    points.requires_grad_()
    score = centred(model.logits_from_features(points))[:, target].mean()
    slope: Tensor = torch.autograd.grad(score, points)[0].sum(0, keepdim=True)
    return slope


def _origin(head: nn.Module, features: int) -> Tensor | None:
    """The features that a fitted head standardises to zeros; None of other heads."""
    standardise = next((part for part in head.modules() if isinstance(part, Standardise)), None)
    if standardise is None or standardise.features != features:
        return None
    mean = standardise.mean
    return mean * mean.abs() if standardise.root else mean


def centred(logits: Tensor) -> Tensor:
    """Scores of classes less their mean: what raises all classes alike speaks for none of them.

    Example:
        >>> centred(torch.tensor([[1.0, 3.0], [5.0, 5.0]])).tolist()
        [[-1.0, 1.0], [0.0, 0.0]]
    """
    return logits - logits.mean(dim=1, keepdim=True) if logits.shape[1] > 1 else logits


def _enlarged(found: Tensor, shape: tuple[int, ...]) -> Map:
    large = nn.functional.interpolate(found[None, None], shape, mode="bilinear", align_corners=False)
    return large[0, 0].numpy().astype(np.float32)
