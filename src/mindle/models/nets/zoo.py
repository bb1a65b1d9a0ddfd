"""The nets that mindle knows by name, each on a card: `ZOO["fashion-cnn"]`.

A new net is an entry with its list of layers in `zoo.toml`; listing, manual and tests follow from it.
Pretrained backbones are in `mindle.models.pretrained.weights`: they are files, not definitions.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from mindle.messages import with_translations
from mindle.models.nets.resnets import Layers, photo_resnet, small_resnet

# What builds the layers for the size of the images, where they differ by it.
BUILDERS = {"small-resnet": small_resnet, "photo-resnet": photo_resnet}


@dataclass(frozen=True, kw_only=True)
class NetCard:
    """A named list of layers; `zoo.toml` says what the fields mean."""

    name: str
    shape: tuple[int, int, int]
    classes: int
    parameters: int
    use: str
    source: str
    fixed: tuple[Mapping[str, Any], ...] = ()

    def layers(self, height: int, width: int) -> Layers:
        """The layers for images of this size."""
        if self.name in BUILDERS:
            return BUILDERS[self.name](height, width)
        return [dict(layer) for layer in self.fixed]


def _cards() -> dict[str, NetCard]:
    text = files("mindle.models.nets").joinpath("zoo.toml").read_text("utf-8")
    entries = with_translations(tomllib.loads(text))
    return {
        name: NetCard(
            name=name, shape=tuple(entry.pop("shape")), fixed=tuple(entry.pop("layers", ())), **entry
        )
        for name, entry in entries.items()
    }


ZOO: dict[str, NetCard] = _cards()
