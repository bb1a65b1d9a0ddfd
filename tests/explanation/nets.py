"""Small convolutional nets with fresh weights, and one of patches."""

from __future__ import annotations

import torch

from mindle.models.classifier import Classifier, ClassScores, backbone_model, layers_model
from mindle.models.pretrained.weights import random_card
from mindle.records import InputSpec

SPEC = InputSpec(height=24, width=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
LAYERS = [
    {"kind": "conv", "channels": 8, "activation": "relu"},
    {"kind": "max_pool"},
    {"kind": "conv", "channels": 6, "activation": "relu"},
    {"kind": "max_pool"},
    {"kind": "global_pool"},
    {"kind": "dense", "units": "classes"},
]


def small_net() -> Classifier:
    """Two convolutions and a dense layer."""
    return layers_model(LAYERS, ClassScores(("a", "b", "c")), spec=SPEC, seed=0).eval()


def patches() -> Classifier:
    """A transformer of patches with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [{"kind": "dense", "units": "classes"}]
        return backbone_model(
            [random_card("vit_tiny_patch16_224")], layers, ClassScores(("a", "b")), seed=0
        ).eval()
