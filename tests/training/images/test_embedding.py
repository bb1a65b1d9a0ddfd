"""Embedding with PyTorch: order, filling up, precision, and what a card would do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from mindle.models.classifier import to_floats
from mindle.models.pretrained.weights import random_card
from mindle.training.images.embedding import Embedding, card_run, numerics, torch_run

CPU = torch.device("cpu")
CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
SHAPE = (32, 32, 3)


class Small(nn.Module):
    """Pixels to features, as an Embedding."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed."""
        features: torch.Tensor = self.net(to_floats(pixels))
        return features


def images(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, *SHAPE), np.uint8)


def cut(pixels: NDArray[np.uint8], size: int) -> Iterator[NDArray[np.uint8]]:
    return (pixels[start : start + size] for start in range(0, len(pixels), size))


def features(pixels: NDArray[np.uint8], device: torch.device, precision: str = "float32") -> np.ndarray:
    run = torch_run(Small(), device, batch=4, precision=precision)
    return np.concatenate(list(run(cut(pixels, 8))))


def test_features_come_in_order_and_depend_on_their_image_alone() -> None:
    pixels = images(21)
    found = features(pixels, CPU)
    assert found.shape == (21, 32)
    assert found.dtype == np.float32
    with torch.inference_mode():
        expected = Small()(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.array_equal(features(pixels[5:6], CPU), found[5:6])


def test_bfloat16_is_near_and_float32_stays_exact_beside_it() -> None:
    pixels = images(8)
    exact, rough = features(pixels, CPU), features(pixels, CPU, "bfloat16")
    assert rough.dtype == np.float32
    assert not np.array_equal(rough, exact)
    np.testing.assert_allclose(rough, exact, atol=0.02)


def test_what_is_set_for_a_forward_pass_is_set_back() -> None:
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    for precision, rounded in (("tf32", True), ("float32", False), ("bfloat16", False)):
        with numerics(CPU, precision):
            assert torch.backends.cudnn.allow_tf32 == rounded
            assert torch.is_autocast_enabled("cpu") == (precision == "bfloat16")
    assert (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()) == before


def test_what_is_near_the_processors_features_is_kept() -> None:
    """A device that counts as the processor does is near enough under any tolerance."""
    run = card_run(Small(), CPU, SHAPE, tolerance=1e-6)
    pixels = images(5)
    np.testing.assert_allclose(next(run(iter([pixels]))), features(pixels, CPU), atol=1e-6)


@CARD
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_a_card_gives_what_the_processor_gives(precision: str) -> None:
    pixels = images(21)
    found, expected = features(pixels, torch.device("cuda"), precision), features(pixels, CPU)
    np.testing.assert_allclose(
        found, expected, atol={"float32": 1e-5, "tf32": 1e-2, "bfloat16": 5e-2}[precision]
    )


@CARD
def test_a_backbone_on_a_card_is_within_the_tolerance() -> None:
    card = random_card("resnet18")
    model = Embedding(card, "avg")
    pixels = np.random.default_rng(0).integers(0, 256, (3, *card.spec.shape), np.uint8)
    expected = next(torch_run(model, CPU, batch=3)(iter([pixels])))
    found = next(card_run(model, torch.device("cuda"), card.spec.shape, 1e-3)(iter([pixels])))
    assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()
