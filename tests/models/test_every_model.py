"""What every net of the zoo must do; a new card is covered on arrival."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mindle.models.classifier import Classifier, ClassScores, layers_model, load_model, save_model
from mindle.models.graph import export_onnx, session
from mindle.models.nets.layers import count_parameters
from mindle.models.nets.zoo import ZOO, NetCard
from mindle.records import InputSpec

CARDS = [pytest.param(card, id=card.name) for card in ZOO.values()]
# Larger nets cost seconds each, and are made of the same layers.
QUICK = [p for p in CARDS if p.values[0].shape[1] <= 32]  # type: ignore[union-attr]
COSTLY = [pytest.param(*p.values, id=p.id, marks=pytest.mark.slow) for p in CARDS if p not in QUICK]


def spec_of(card: NetCard) -> InputSpec:
    channels, height, width = card.shape
    colour = "gray" if channels == 1 else "rgb"
    return InputSpec(height=height, width=width, colour=colour, mean=(0.0,) * channels, std=(1.0,) * channels)


def build(card: NetCard) -> Classifier:
    spec = spec_of(card)
    classes = [f"class {i}" for i in range(card.classes)]
    return layers_model(card.layers(spec.height, spec.width), ClassScores(tuple(classes)), spec=spec, seed=0)


def pixels(card: NetCard, count: int) -> torch.Tensor:
    channels, height, width = card.shape
    shape = (count, height, width, channels)
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def blots(card: NetCard, count: int) -> torch.Tensor:
    """Images of 4 x 4 flat patches, which differ more than noise does."""
    channels, height, width = card.shape
    patches = np.random.default_rng(0).integers(0, 256, (count, 4, 4, channels), dtype=np.uint8)
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return torch.from_numpy(patches[:, rows][:, :, columns])


@pytest.mark.parametrize("card", CARDS)
def test_parameter_count(card: NetCard) -> None:
    assert count_parameters(build(card)) == card.parameters


@pytest.mark.parametrize("card", [*QUICK, *COSTLY])
def test_shapes_gradients_and_answers(card: NetCard, tmp_path: Path) -> None:
    net = build(card)
    images = pixels(card, 4)

    logits = net.train()(images)
    assert logits.shape == (4, card.classes)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 0, 1])).backward()
    learning = {name: p for name, p in net.named_parameters() if p.requires_grad}
    for name, parameter in learning.items():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name

    net.eval()
    with torch.no_grad():
        answer = net(images)
        assert torch.equal(net(images), answer)
        torch.testing.assert_close(net(images[:1]), answer[:1], rtol=1e-4, atol=1e-5)

        save_model(net, tmp_path)
        assert torch.equal(load_model(tmp_path)(images), answer)

    export_onnx(net, images[:1], tmp_path / "net.onnx", output_name="logits")
    served = session(tmp_path / "net.onnx")({"pixels": images.numpy()})["logits"]
    np.testing.assert_allclose(served, answer.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("card", [*QUICK, *COSTLY])
def test_learns_sixteen_images(card: NetCard) -> None:
    torch.manual_seed(0)  # dropout draws from the global generator
    channels, height, width = card.shape
    small = replace(card, shape=(channels, min(height, 24), min(width, 24)))
    net = build(small)
    images = blots(small, 16)
    labels = torch.arange(16) % card.classes
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for step in range(120):
        net.train()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
        if step % 10 == 9 and accuracy(net, images, labels) >= 0.9:
            return
    pytest.fail(f"learned only {accuracy(net, images, labels):.0%} of 16 images")


def accuracy(net: Classifier, images: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.no_grad():
        return float((net.eval()(images).argmax(1) == labels).float().mean())
