"""Dense nets on flattened pixels, as lists of layers."""

from __future__ import annotations

from typing import Any


def mlp(
    units: tuple[int, ...], dropout: tuple[float, ...] = (), *, outputs: int | str
) -> list[dict[str, Any]]:
    """Flatten, then dense ReLU layers, each followed by its dropout where one is given, then the scores.

    Args:
        units: Width of each hidden layer.
        dropout: Share dropped after each hidden layer; shorter than `units` means none after the rest.
        outputs: Width of the last layer: a number, or "classes".

    Example:
        >>> [layer["kind"] for layer in mlp((8,), (0.5,), outputs="classes")]
        ['flatten', 'dense', 'dropout', 'dense']
    """
    layers: list[dict[str, Any]] = [{"kind": "flatten"}]
    for place, width in enumerate(units):
        layers.append({"kind": "dense", "units": width, "activation": "relu"})
        if place < len(dropout) and dropout[place]:
            layers.append({"kind": "dropout", "rate": dropout[place]})
    return [*layers, {"kind": "dense", "units": outputs}]


# The notes give one dropout of 0.5 for daisy-mlp and do not say where; after the first layer is our reading.
DAISY_MLP = mlp((128, 64, 32), (0.5,), outputs=1)
CIFAR_DNN = mlp((128, 128), outputs="classes")
TRASH_MLP = mlp((512, 256, 128, 64), (0.3, 0.3, 0.2, 0.2), outputs="classes")
