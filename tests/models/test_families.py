"""Every family that the course names: it builds, has the published number of parameters, and runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mindle.models.classifier import ClassScores, backbone_model
from mindle.models.nets.layers import count_parameters
from mindle.models.pretrained.backbone import build_backbone
from mindle.models.pretrained.weights import random_card
from mindle.records import InputSpec
from mindle.training.experiment import read_experiment

# Published numbers. torchvision: the `num_params` of its weights, https://pytorch.org/vision/stable/models.
# Keras: trainable parameters of keras.applications, https://keras.io/api/applications (its totals count the
# running statistics too); the two Inceptions leave out batch norm scales there, 17,216 and 30,272 of them.
# DINOv2: 22,056,576 of https://huggingface.co/facebook/dinov2-small less the mask token of 384.
FAMILIES = {
    "vgg16": 138_357_544,  # torchvision, Keras
    "vgg19": 143_667_240,  # torchvision, Keras
    "resnet50": 25_557_032,  # torchvision
    "resnet101": 44_549_160,  # torchvision
    "resnet152": 60_192_808,  # torchvision
    "inception_v3": 23_817_352 + 17_216,  # Keras
    "inception_resnet_v2": 55_813_192 + 30_272,  # Keras
    "legacy_xception": 22_855_952,  # Keras
    "mobilenetv1_100": 4_231_976,  # Keras
    "mobilenetv2_100": 3_504_872,  # torchvision, Keras
    "mobilenetv3_large_100": 5_483_032,  # torchvision
    "densenet121": 7_978_856,  # torchvision, Keras
    "nasnetalarge": 88_753_150,  # Keras
    "efficientnet_b0": 5_288_548,  # torchvision, Keras
    "convnext_tiny": 28_589_128,  # torchvision, Keras
    "vit_base_patch16_224": 86_567_656,  # torchvision
    "vit_small_patch14_dinov2": 22_056_576 - 384,
}


@pytest.mark.slow
@pytest.mark.parametrize("model", FAMILIES)
def test_family(model: str) -> None:
    card = random_card(model)
    net = build_backbone(card, head=True)
    assert count_parameters(net) == FAMILIES[model]
    with torch.no_grad():
        scores = net(torch.zeros(1, 3, card.spec.height, card.spec.width))
    assert torch.isfinite(scores).all()
    assert scores.shape == (1, 384 if "dinov2" in model else 1000)


@pytest.mark.slow
def test_published_counts_are_torchvisions_own() -> None:
    from mindle.models.pretrained.torchvision_shim import import_torchvision

    names = {
        "vgg16": "VGG16_Weights",
        "vgg19": "VGG19_Weights",
        "resnet50": "ResNet50_Weights",
        "resnet101": "ResNet101_Weights",
        "resnet152": "ResNet152_Weights",
        "mobilenetv2_100": "MobileNet_V2_Weights",
        "mobilenetv3_large_100": "MobileNet_V3_Large_Weights",
        "densenet121": "DenseNet121_Weights",
        "efficientnet_b0": "EfficientNet_B0_Weights",
        "convnext_tiny": "ConvNeXt_Tiny_Weights",
        "vit_base_patch16_224": "ViT_B_16_Weights",
    }
    models = import_torchvision().models
    for model, weights in names.items():
        assert getattr(models, weights).DEFAULT.meta["num_params"] == FAMILIES[model], model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "classes", "total"), [("catsdogs-vgg19", 2, 23_342_657), ("flowers-vgg19", 5, 23_342_661)]
)
def test_the_courses_vgg19_with_its_head(experiment: str, classes: int, total: int) -> None:
    head = read_experiment(experiment).variants["as_written"].model.layers
    card = replace(random_card("vgg19"), spec=InputSpec(height=180, width=180))
    names = [f"class {i}" for i in range(classes)]
    net = backbone_model([card], head, ClassScores(tuple(names)), pooling="none")
    assert count_parameters(net) == total
    assert count_parameters(net.backbones[0]) == 20_024_384
    net.backbones[0].set_trainable(0)
    assert count_parameters(net, trainable=True) == total - 20_024_384
