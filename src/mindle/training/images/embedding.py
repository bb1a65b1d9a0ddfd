"""Embedding with PyTorch: on a CUDA card, and on the processor where a graph disagrees with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mindle.models.classifier import Normalise, to_floats
from mindle.models.pretrained.backbone import build_backbone
from mindle.models.pretrained.cards import WeightCard
from mindle.training.device import fetch, place

# Batches of images to their features, in order.
Run = Callable[[Iterator[NDArray[np.uint8]]], Iterator[NDArray[np.float32]]]

# Images of a forward pass on a card: of 224 px, in bfloat16, they fill it and take some 2 GB.
CARD_BATCH = 256
# Batches that a card has been given and not answered yet: it works while the next is fetched.
AHEAD = 2


class Embedding(nn.Module):
    """A backbone with its normalisation: uint8 (image, height, width, channel) -> (image, feature)."""

    def __init__(self, card: WeightCard, pooling: str) -> None:
        super().__init__()
        self.normalise = Normalise(card.spec.mean, card.spec.std)
        self.backbone = build_backbone(card, pooling=pooling)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed a batch."""
        features: Tensor = self.backbone(self.normalise(to_floats(pixels)))
        return features


def torch_run(model: nn.Module, device: torch.device, *, batch: int, precision: str = "float32") -> Run:
    """What embeds with a model on a device; a card's features come a few batches late, and in order.

    The rows are cut into batches and the last one is filled up, so that what a row gets depends on its image
    alone.

    Args:
        model: As `Embedding`; it moves to the device, its kernels with the channels last.
        device: Where it runs.
        batch: Rows of a forward pass.
        precision: "float32"; "tf32", which lets a card round the factors of products to ten bits; or
            "bfloat16", which is far from float32.

    Example:
        >>> run = torch_run(nn.Flatten(), torch.device("cpu"), batch=4)
        >>> [features.shape for features in run(iter([np.zeros((3, 2, 2, 1), np.uint8)]))]
        [(3, 4)]
    """
    # torch's stub lacks the memory format.
    model.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    @torch.inference_mode()
    def begin(images: NDArray[np.uint8]) -> Callable[[], NDArray[np.float32]]:
        if missing := -len(images) % batch:
            images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.uint8)])
        with numerics(device, precision):
            features = [model(part).float() for part in torch.split(place(images, device), batch)]
        return fetch(torch.cat(features)[: len(images) - missing])

    def run(batches: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        ahead = AHEAD if device.type == "cuda" else 0
        waiting: deque[Callable[[], NDArray[np.float32]]] = deque()
        for images in batches:
            waiting.append(begin(images))
            if len(waiting) > ahead:
                yield waiting.popleft()()
        while waiting:
            yield waiting.popleft()()

    return run


def card_run(model: nn.Module, device: torch.device, shape: tuple[int, ...], tolerance: float) -> Run:
    """What embeds on a card: with the processor's float32 features, within a share of the largest.

    TF32, which is several times as fast, is kept where some images show that it is near enough.

    Args:
        model: As `Embedding`, on the processor.
        device: The card.
        shape: Of an image (height, width, channel).
        tolerance: The largest difference, as a share of the largest feature.
    """
    images = np.random.default_rng(0).integers(0, 256, (4, *shape), np.uint8)

    def features(run: Run) -> NDArray[np.float32]:
        return next(run(iter([images])))

    expected = features(torch_run(model, torch.device("cpu"), batch=len(images)))
    fast = torch_run(model, device, batch=CARD_BATCH, precision="tf32")
    near = np.abs(features(fast) - expected).max() <= tolerance * np.abs(expected).max()
    return fast if near else torch_run(model, device, batch=CARD_BATCH)


@contextmanager
def numerics(device: torch.device, precision: str) -> Iterator[None]:
    """Inside the `with` block products are counted with this precision; see `torch_run`."""
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = precision == "tf32"  # convolutions; the other is for matrix products
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = before[0]
        torch.set_float32_matmul_precision(before[1])
