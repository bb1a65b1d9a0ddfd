"""Weight files of random numbers, with their card: for times that do not depend on what a network knows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from mindle.models.pretrained.backbone import build_backbone
from mindle.models.pretrained.cards import WeightCard, card_as_dict
from mindle.models.pretrained.weights import random_card, resolve


def random_weights(folder: Path, model: str, size: int) -> Path:
    """The folder, with a network of timm in it: random weights, and a card for images of this size."""
    torch.manual_seed(0)
    card = random_card(model)
    net = build_backbone(card).net
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in net.state_dict().items()},
        folder / f"{model}.safetensors",
    )
    known = card_as_dict(replace(card, spec=replace(card.spec, height=size, width=size), head=False))
    left_out = ("name", "sha256", "origin")
    document = {name: value for name, value in known.items() if name not in left_out}
    (folder / f"{model}.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def card_of(model: str, weights: str | Path | None, folder: Path, size: int = 224) -> WeightCard:
    """The card of a model among these weights; without weights, of random ones written to the folder."""
    return resolve(model, weights or random_weights(folder, model, size))
