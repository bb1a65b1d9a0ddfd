"""Class activation maps against Captum, and what they are sums of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mindle.explanation.torch.cam import centred, grad_cam, has_map, layer_cam, map_layers
from mindle.models.classifier import Classifier, ClassScores, backbone_model, to_floats
from mindle.models.heads import KernelHead, LinearHead, Standardise
from mindle.models.pretrained.weights import random_card
from tests.explanation.nets import SPEC, patches, small_net


def picture(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def test_the_layer_is_the_activation_of_the_last_convolution() -> None:
    net = small_net()
    (layer,) = map_layers(net)
    assert layer is not None
    assert layer.module is net.bodies[0][2].activation
    assert has_map(net)


def test_grad_cam_agrees_with_captum() -> None:
    captum = pytest.importorskip("captum.attr")
    net, pixels = small_net(), picture(SPEC.shape)
    images = to_floats(torch.from_numpy(pixels[None]))

    class Logits(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return centred(net.logits_from_floats(x))

    layer = net.bodies[0][2].activation
    theirs = captum.LayerGradCam(Logits(), layer).attribute(images, target=1)
    large = nn.functional.interpolate(theirs * theirs[0, 0].numel(), SPEC.shape[:2], mode="bilinear")
    np.testing.assert_allclose(grad_cam(net, pixels, 1), large[0, 0].detach().numpy(), rtol=1e-3, atol=1e-5)


def test_the_map_of_a_pooled_linear_head_adds_up_to_the_score() -> None:
    """Such a score is a sum over the places of the map, of which Grad-CAM names each one's part."""
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(3, 512)) / 20, rng.normal(size=3)
    head = LinearHead(Standardise.identity(512), weight, bias)
    net = backbone_model([random_card("resnet18")], head, ClassScores(("a", "b", "c"))).eval()
    pixels = picture(net.spec.shape)
    found = grad_cam(net, pixels, 2)
    with torch.no_grad():
        logits = net(torch.from_numpy(pixels[None]))[0].numpy()
    expected = (logits - bias) - (logits - bias).mean()
    # Enlarging by interpolation moves what lies at the border a little.
    assert found.mean() == pytest.approx(expected[2], rel=0.2, abs=0.05)


def kernel_net() -> Classifier:
    rng = np.random.default_rng(1)
    head = KernelHead(
        Standardise(rng.random(512), np.ones(512)),
        rng.normal(size=(5, 512)),
        1e-3,
        rng.normal(size=(5, 3)),
        np.zeros(3),
        np.eye(3),
        np.zeros(3),
    )
    return backbone_model([random_card("resnet18")], head, ClassScores(("a", "b", "c"))).eval()


def test_a_kernel_head_on_a_frozen_backbone_has_maps() -> None:
    net = kernel_net()
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    pixels = picture(net.spec.shape)
    for draw in (grad_cam, layer_cam):
        found = draw(net, pixels, 0)
        assert found.shape == net.spec.shape[:2]
        assert np.ptp(found) > 0
        assert not np.allclose(found, draw(net, pixels, 1))
    assert (layer_cam(net, pixels, 0) >= 0).all()


def test_a_model_that_looks_at_the_mirror_image_too_has_mirrored_maps() -> None:
    net, pixels = small_net(), picture(SPEC.shape)
    net.average_mirrored()
    np.testing.assert_allclose(
        grad_cam(net, pixels[:, ::-1].copy(), 0), grad_cam(net, pixels, 0)[:, ::-1], atol=1e-5
    )


def test_several_backbones_give_one_map() -> None:
    cards = [random_card("resnet18"), random_card("resnet18")]
    net = backbone_model(
        cards, [{"kind": "dense", "units": "classes"}], ClassScores(("a", "b")), seed=0
    ).eval()
    assert len(map_layers(net)) == 2
    assert grad_cam(net, picture(net.spec.shape), 0).shape == net.spec.shape[:2]


@pytest.mark.slow
def test_a_transformer_of_patches_has_no_map_of_channels() -> None:
    assert isinstance(has_map(patches()), bool)
