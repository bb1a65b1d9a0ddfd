"""Pretrained weights: what is usable on this machine, and from where.

A card says everything that a weight file needs to be used right: who builds the network, with which
arguments, what goes in. Cards are found, in this order: the file or folder of `--weights`, the paths of
`MINDLE_WEIGHTS`, installed weight packages (EfficientNet-Lite0 comes with mindle), the local Hugging
Face cache; and for a model that the user named, the hub. Listing loads no torch.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.artifacts.files import cache_dir
from mindle.errors import ModelError
from mindle.models.pretrained.cards import (
    WeightCard,
    check_hash,
    hash_file,
    load_tensors,
    read_card,
    tensor_shapes,
)
from mindle.models.pretrained.hub import cached_cards, from_hub, hub_card, published, timm_card, timm_config
from mindle.models.pretrained.packages import PACKAGES, package_cards, read_package

if TYPE_CHECKING:
    from torch import Tensor

# ---- listing ----------------------------------------------------------------------------------------------


def find_weights(where: Path | str | None = None) -> list[WeightCard]:
    """Cards of everything usable now, without network and without torch.

    Where several sources have the same model, the first one counts.

    Args:
        where: What `--weights` named: a weight file with a card, a card, or a folder of them.

    Raises:
        ModelError: If a named path is missing or holds nothing usable, or a card is wrong.

    Example:
        >>> "tf_efficientnet_lite0" in [card.model for card in find_weights()]
        True
    """
    listed = os.environ.get("MINDLE_WEIGHTS", "").split(os.pathsep)
    sources = [_cards_at(Path(where), "--weights")] if where is not None else []
    sources += [_cards_at(Path(path), "MINDLE_WEIGHTS") for path in listed if path]
    sources += [package_cards(), cached_cards()]
    cards: list[WeightCard] = []
    for found in sources:
        known = {card.model for card in cards}
        cards += [card for card in found if card.model not in known]
    return cards


def resolve(model: str, where: Path | str | None = None, *, hub: bool = True) -> WeightCard:
    """The card of a model by its name, or by its model's name, downloaded if need be.

    Args:
        model: "mobilenetv2_100", "resnet50.a1_in1k" or a card's full name.
        where: What `--weights` named; a bare weight file of this model needs no card.
        hub: Whether the Hugging Face hub may be asked.

    Raises:
        ModelError: If no such model exists, or its weights are neither here nor to be had.

    Example:
        >>> resolve("tf_efficientnet_lite0").spec.height
        224
    """
    if where is not None:
        bare = _bare_file(model, Path(where))
        if bare is not None:
            return _bare_card(model, bare)
    cards = find_weights(where)
    named = [card for card in cards if card.name == model] + [card for card in cards if card.model == model]
    if named:
        return named[0]
    return from_hub(published(model, cards), hub)


def random_card(model: str) -> WeightCard:
    """A card without weights: an architecture of timm alone, to be trained from scratch.

    Raises:
        ModelError: If timm does not know the model.

    Example:
        >>> random_card("resnet18").spec.mean
        (0.485, 0.456, 0.406)
    """
    config = timm_config(model)
    return timm_card(model, config, outputs=0, model=model.split(".", 1)[0], origin="random weights")


def _cards_at(path: Path, origin: str) -> list[WeightCard]:
    if not path.exists():
        raise ModelError(
            f"{origin} must name a weight file or a folder of them. Received {path}, which does not exist."
        )
    if path.is_file():
        return [_card_of_file(path, origin)]
    if (path / "config.json").is_file() and (path / "model.safetensors").is_file():
        return [hub_card(path, path.name, origin)]
    cards = [
        read_card(card, origin)
        for card in sorted(path.glob("*.json"))
        if card.with_suffix(".safetensors").is_file()
    ]
    if not cards and not list(path.glob("*.safetensors")):
        raise ModelError(
            f"{origin} must name a folder with weight files (.safetensors) and their cards (.json). "
            f"Received {path}, which holds neither."
        )
    return cards


def _card_of_file(path: Path, origin: str) -> WeightCard:
    if path.suffix == ".json":
        return read_card(path, origin)
    if path.suffix != ".safetensors":
        raise ModelError(
            f"{origin} takes safetensors files; other formats can run code when they are read. "
            f"Received {path}. Convert it with `safetensors.torch.save_file(state_dict, path)`."
        )
    card = path.with_suffix(".json")
    if not card.is_file():
        raise ModelError(
            f"{path} needs a card beside it ({card.name}), or name its architecture with --model; "
            "docs/models.md shows a card."
        )
    return read_card(card, origin)


# ---- a bare weight file of a named model ------------------------------------------------------------------


def _bare_file(model: str, where: Path) -> Path | None:
    """The file that `--weights` names for this model, if it is one without a card."""
    if where.is_dir():
        files = [
            path
            for path in sorted(where.glob("*.safetensors"))
            if model in (path.stem, path.stem.split(".")[0])
        ]
    else:
        files = [where] if where.suffix == ".safetensors" and where.is_file() else []
    bare = [path for path in files if not path.with_suffix(".json").is_file()]
    return bare[0] if bare and len(bare) == len(files) else None


def _bare_card(model: str, path: Path) -> WeightCard:
    config = timm_config(model)
    shapes = tensor_shapes(path)
    arguments: dict[str, Any] = {}
    outputs = 0
    heads = config.get("classifier") or ()
    for name in (heads,) if isinstance(heads, str) else heads:
        if f"{name}.weight" in shapes:
            outputs = shapes[f"{name}.weight"][0]
            arguments["num_classes"] = outputs
    return timm_card(
        path.stem,
        config,
        outputs=outputs,
        model=model.split(".", 1)[0],
        arguments=arguments,
        sha256=hash_file(path),
        source=str(path),
        path=path,
        origin="--weights",
    )


# ---- reading ----------------------------------------------------------------------------------------------


def read_weights(card: WeightCard) -> dict[str, Tensor]:
    """The tensors of a card, checked against its sha256.

    A weight package's .pth is read once (`weights_only=True`, so that no code in it could run) and stored as
    safetensors in the cache folder's `weights`, with a card.

    Args:
        card: A card with a path.

    Raises:
        ModelError: If the file is missing, is not what the card says, or cannot be read.
    """
    if card.path is None:
        raise ValueError(f"`card` must have a weight file. Received {card.name}, which has none.")
    for package in PACKAGES:
        if card.sha256 == package.card.sha256:
            return read_package(card, package, cache_dir() / "weights")
    check_hash(card.path, card.sha256)
    return load_tensors(card.path)
