"""Attention roll-out: how much of each patch reaches the answer through all layers of attention.

It is the same for every class: it says where a transformer looked, not why it answered what it did.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mindle.explanation.fading import Map, Pixels
from mindle.models.classifier import Classifier, to_floats
from mindle.models.pretrained.backbone import Backbone


def attends(model: Classifier) -> bool:
    """Whether the attention of every body can be followed: timm's VisionTransformer."""
    return all(isinstance(body, Backbone) and _blocks(body) for body in model.bodies)


def rollout(model: Classifier, pixels: Pixels, target: int = 0) -> Map:
    """Attention followed through all layers, half of it past each layer as the residual branch does.

    Args:
        model: One that `attends`.
        pixels: uint8 (height, width, channel).
        target: Of no consequence; maps are called alike.

    Source:
        Abnar & Zuidema 2020, https://arxiv.org/abs/2005.00928, section 3.
    """
    images = to_floats(torch.from_numpy(pixels[None]))
    total = np.zeros(pixels.shape[:2], np.float32)
    for body, normalise in zip(model.bodies, model.normalisers, strict=True):
        with _attention(body) as kept, torch.no_grad():
            body(normalise(images))
        total += _as_map(_rolled(kept), body, pixels.shape[:2])
    return total


def _blocks(body: Backbone) -> list[Any]:
    blocks = list(getattr(body.net, "blocks", ()))
    return blocks if all(hasattr(getattr(block, "attn", None), "attn_drop") for block in blocks) else []


@contextmanager
def _attention(body: Any) -> Iterator[list[Tensor]]:
    """Attention (token, token) of each layer, the mean over its heads, while the body runs."""
    kept: list[Tensor] = []
    parts = [block.attn for block in _blocks(body)]
    fused = [getattr(part, "fused_attn", False) for part in parts]
    handles = [
        part.attn_drop.register_forward_pre_hook(lambda _, given: kept.append(given[0][0].mean(0)))
        for part in parts
    ]
    try:
        for part in parts:
            part.fused_attn = False  # the fused kernel never shows its weights
        yield kept
    finally:
        for part, before, handle in zip(parts, fused, handles, strict=True):
            part.fused_attn = before
            handle.remove()


def _rolled(layers: list[Tensor]) -> Tensor:
    """(token, token): how much of each token at the beginning is in each at the end."""
    whole = torch.eye(len(layers[0]))
    for attention in layers:
        mixed = attention + torch.eye(len(attention))
        whole = mixed / mixed.sum(-1, keepdim=True) @ whole
    return whole


def _as_map(rolled: Tensor, body: Any, shape: tuple[int, ...]) -> Map:
    """What the class token, or the mean of all, holds of each patch, as a map (height, width)."""
    first = getattr(body.net, "num_prefix_tokens", 0)
    pooled = (
        rolled[0] if getattr(body.net, "global_pool", "") == "token" and first else rolled[first:].mean(0)
    )
    height, width = body._grid(len(pooled) - first)
    patches = pooled[first:].reshape(1, 1, height, width)
    return nn.functional.interpolate(patches, shape, mode="bilinear", align_corners=False)[0, 0].numpy()
