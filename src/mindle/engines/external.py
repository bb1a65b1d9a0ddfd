"""Graphs of strangers: all their numbers must lie in the file itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mindle.artifacts.reading import GRAPH_LIMIT, read_regular


def refuse_external_data(path: Path) -> None:
    """Refuse a graph whose tensors lie in other files: it could name any file of this machine.

    Raises:
        ValueError: If one does, or the file is no graph.
        OSError: If the file cannot be read.
    """
    data = read_regular(path, GRAPH_LIMIT)
    if b"location" not in data:  # the key that every tensor in another file has; onnx takes 0.1 s to import
        return
    import onnx

    try:
        graph = onnx.load_model_from_string(data)
    except MemoryError:
        raise
    except Exception as error:  # protobuf's own
        raise ValueError("it is no ONNX graph") from error
    if any(
        tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data
        for tensor in _tensors(graph)
    ):
        raise ValueError("it must hold all its numbers, and names another file that holds some")


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor of a graph, wherever it stands: initializers, attributes, inner graphs, functions."""
    waiting = [message]
    while waiting:
        each = waiting.pop()
        if each.DESCRIPTOR.name == "TensorProto":
            yield each
            continue
        for field, value in each.ListFields():
            if field.message_type is not None:
                waiting += [value] if hasattr(value, "ListFields") else list(value)
