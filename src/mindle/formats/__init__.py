"""A trained model in other forms, and the proof that its answers stayed the same.

A format is one module with `write` and `prove` and one entry in `FORMATS`. What a format writes is an
`Exportable`: `images`, `tables` and `ensemble` make one of a model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mindle.formats import onnx
from mindle.formats.exportable import Exportable
from mindle.formats.parity import Parity

__all__ = ["DEFAULT", "FORMATS", "Exportable", "Format", "Parity", "write"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A form that a model can be written in.

    Attributes:
        write: Write the model into a folder that exists.
        prove: Compare what was written with the model; raises ArtifactError where the answers differ.
    """

    write: Callable[[Exportable, Path], None]
    prove: Callable[[Exportable, Path], Parity]


DEFAULT = "onnx"
"""The format that bundles are served from."""

FORMATS: dict[str, Format] = {"onnx": Format(write=onnx.write, prove=onnx.prove)}
"""Formats by name. Another package adds an entry."""


def write(name: str, exportable: Exportable, folder: Path) -> Parity:
    """Write a model in a format, and prove that it answers like the model.

    Args:
        name: One of `FORMATS`.
        exportable: The model.
        folder: Where to write; made if it is missing.

    Returns:
        The comparison.

    Raises:
        ValueError: If there is no such format.
        ArtifactError: If what was written answers differently.

    Example:
        >>> from mindle import formats
        >>> formats.write("onnx", images.exportable(model, pixels), Path("bundle"))  # doctest: +SKIP
        Parity(images=20, same_top1=20, largest_difference=3.1e-07)
    """
    if name not in FORMATS:
        raise ValueError(f"`name` must be one of {', '.join(FORMATS)}. Received name={name!r}.")
    folder.mkdir(parents=True, exist_ok=True)
    FORMATS[name].write(exportable, folder)
    return FORMATS[name].prove(exportable, folder)
