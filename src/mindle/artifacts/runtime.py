"""ONNX Runtime: the one place where graphs are opened to answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mindle.artifacts.reading import read_regular

GRAPH_LIMIT = (2 << 30) - 1
"""Bytes of a graph that are read: protocol buffers hold no more."""


def open_session(path: Path, threads: int | None = None) -> Any:
    """Open a graph in ONNX Runtime on the CPU.

    Its memory grows to what the largest batch needs and is kept for the next: MobileNetV2 in batches of 16
    answers 78 images a second so, and 50 where memory is given back after each run.

    Args:
        path: An ONNX file.
        threads: How many threads one run may use; as many as there are cores unless given.

    Raises:
        ValueError: If the graph names other files to read its numbers from.
        OSError: If the file cannot be read.
        Exception: Of ONNX Runtime's own, which derive from nothing narrower, where it is no graph.
    """
    import onnxruntime

    refuse_external_data(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    # Threads that wait busily for each other get slow beside other programs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


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
