"""What an engine makes of a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Call = Callable[[Arrays], list[NDArray[Any]]]  # inputs by name -> outputs in order


class Node(NamedTuple):
    """An input or output of a graph: name, type as ONNX spells it, and shape; a free axis is no number."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class OpenedGraph:
    """A graph as an engine opened it.

    Attributes:
        calls: Functions that may run at the same time, at least one a stream.
        inputs: What they take.
        outputs: What they give.
    """

    calls: Sequence[Call]
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
