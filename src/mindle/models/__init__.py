"""Models: nets as lists of layers, pretrained backbones, heads, and the classifier these make.

Nothing is imported before it is asked for: listing weights needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mindle.models.classifier import Classifier as Classifier
    from mindle.models.classifier import ProbabilityGraph as ProbabilityGraph
    from mindle.models.classifier import backbone_classifier as backbone_classifier
    from mindle.models.classifier import describe as describe
    from mindle.models.classifier import imagenet_classifier as imagenet_classifier
    from mindle.models.classifier import layers_classifier as layers_classifier
    from mindle.models.classifier import load_model as load_model
    from mindle.models.classifier import save_model as save_model
    from mindle.models.graph import export_onnx as export_onnx
    from mindle.models.nets.layers import build_layers as build_layers
    from mindle.models.nets.layers import count_parameters as count_parameters
    from mindle.models.nets.zoo import ZOO as ZOO
    from mindle.models.pretrained.backbone import Backbone as Backbone
    from mindle.models.pretrained.backbone import build_backbone as build_backbone
    from mindle.models.pretrained.cards import WeightCard as WeightCard
    from mindle.models.pretrained.weights import find_weights as find_weights
    from mindle.models.pretrained.weights import random_card as random_card
    from mindle.models.pretrained.weights import resolve as resolve

_HOMES = {
    "Backbone": "pretrained.backbone",
    "Classifier": "classifier",
    "ProbabilityGraph": "classifier",
    "WeightCard": "pretrained.cards",
    "ZOO": "nets.zoo",
    "backbone_classifier": "classifier",
    "build_backbone": "pretrained.backbone",
    "build_layers": "nets.layers",
    "count_parameters": "nets.layers",
    "describe": "classifier",
    "export_onnx": "graph",
    "find_weights": "pretrained.weights",
    "imagenet_classifier": "classifier",
    "layers_classifier": "classifier",
    "load_model": "classifier",
    "random_card": "pretrained.weights",
    "resolve": "pretrained.weights",
    "save_model": "classifier",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
