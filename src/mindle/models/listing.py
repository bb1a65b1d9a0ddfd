"""What can be trained now: backbones with weights on this machine, and nets from scratch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mindle.engines import openvino
from mindle.messages import Message, message
from mindle.models.pretrained.weights import find_weights


def engine_note() -> Message:
    """Whether OpenVINO is here, and what it may gain where it is not.

    Example:
        >>> "OpenVINO" in engine_note()
        True
    """
    there = openvino.is_installed()
    return message("commands.models.engine.there") if there else message("commands.models.engine.missing")


def list_models(where: Path | None = None) -> list[dict[str, Any]]:
    """Rows with name, kind, input, size, licence and where the weights come from.

    Args:
        where: What `--weights` named; looked at first.

    Example:
        >>> [row["name"] for row in list_models() if row["kind"] == "backbone"][0]
        'tf_efficientnet_lite0'
    """
    from mindle.models.nets.zoo import ZOO

    backbones = [
        {
            "name": card.model,
            "kind": "backbone",
            "input": f"{card.spec.height}x{card.spec.width}",
            "size": f"{card.size_bytes / 1e6:.1f} MB",
            "licence": card.licence,
            "from": message("commands.models.file", origin=card.origin, name=card.path.name)
            if card.path
            else card.origin,
            "use": card.source,
        }
        for card in find_weights(where)
    ]
    nets = [
        {
            "name": card.name,
            "kind": "net",
            "input": f"{card.shape[1]}x{card.shape[2]}",
            "size": message("commands.models.parameters", n=card.parameters),
            "licence": "Apache-2.0",
            "from": card.source,
            "use": card.use,
        }
        for card in ZOO.values()
    ]
    return backbones + nets
