"""A table's model on disk: its arrays as safetensors, everything else as JSON. No pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.files import read_json, write_bytes, write_json
from mindle.errors import ArtifactError
from mindle.models.tables.encoder import TableEncoder
from mindle.models.tables.model import Member, TableModel
from mindle.models.tables.scorers import DenseNets, Exponential, KernelMachine, Linear
from mindle.models.tables.trees import Trees

SCHEMA = 1
KINDS = {
    kind.__name__: kind
    for kind in (DenseNets, Exponential, KernelMachine, Linear, Member, TableEncoder, TableModel, Trees)
}
Arrays = dict[str, NDArray[Any]]


def pack(value: Any, arrays: Arrays, path: str = "model") -> Any:
    """A record as a JSON document; its arrays are put into `arrays` under their path.

    Example:
        >>> arrays = {}
        >>> pack(Linear(weights=np.ones((2, 1)), offset=np.zeros(1)), arrays)
        {'kind': 'Linear', 'weights': {'array': 'model.weights'}, 'offset': {'array': 'model.offset'}}
    """
    if is_dataclass(value):
        inside = {f.name: pack(getattr(value, f.name), arrays, f"{path}.{f.name}") for f in fields(value)}
        return {"kind": type(value).__name__, **inside}
    if isinstance(value, tuple):
        return [pack(item, arrays, f"{path}.{place}") for place, item in enumerate(value)]
    if isinstance(value, np.ndarray):
        arrays[path] = np.ascontiguousarray(value)
        return {"array": path}
    return value


def unpack(document: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """The record that `pack` made a document of."""
    if isinstance(document, list):
        return tuple(unpack(item, arrays) for item in document)
    if isinstance(document, dict) and set(document) == {"array"}:
        return arrays[document["array"]]
    if isinstance(document, dict):
        inside = {name: unpack(value, arrays) for name, value in document.items() if name != "kind"}
        return KINDS[document["kind"]](**inside)
    return document


def save_table_model(model: TableModel, folder: Path) -> None:
    """Write model.safetensors and model.json.

    Raises:
        DeviceError: If the disk is full or may not be written.
    """
    from safetensors.numpy import save

    arrays: Arrays = {}
    document = pack(model, arrays)
    write_bytes(folder / "model.safetensors", save(arrays))
    write_json(folder / "model.json", {"schema": SCHEMA, "kind": "table", "model": document})


def load_table_model(folder: Path) -> TableModel:
    """Read what `save_table_model` wrote.

    Raises:
        ArtifactError: If a file is missing, damaged, or of a newer schema.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    document = read_json(folder / "model.json", schema=SCHEMA, what="model")
    try:
        model = unpack(document["model"], load_file(folder / "model.safetensors"))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder} must hold a whole model of a table; {error!r}. Copy the whole folder again, or "
            "train again."
        ) from error
    if not isinstance(model, TableModel):
        raise ArtifactError(f"{folder / 'model.json'} must hold the model of a table. Train again.")
    return model
