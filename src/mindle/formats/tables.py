"""A model of rows as formats write it: raw numbers and categories to the answer.

The graph is what the model itself does with its inputs, node by node: filling, standardising and looking up
categories stand in it as arithmetic in double precision, trees as the operator that ONNX has for them.
Nothing of the library that trained is needed to answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from mindle.artifacts.files import replacing
from mindle.formats.exportable import Exportable
from mindle.models.tables.encoder import text_of
from mindle.models.tables.model import TableModel
from mindle.models.tables.tracing import Graph

Floats = NDArray[np.float64]

TOLERANCE = 1e-5
REFERENCE_ROWS = 8


def table_graph(model: TableModel) -> onnx.ModelProto:
    """The model as a graph.

    Inputs are `numbers`, double (row, n), NaN where missing, and `categories`, string (row, m), empty where
    missing; one without columns is no input. Outputs are those of the model, all double.
    """
    graph, example = Graph(), model.outputs(*reference_rows(model, 1))
    numbers = graph.input("numbers", np.float64, len(model.number_names))
    categories = graph.input("categories", object, len(model.category_names))
    for name, tensor in model.outputs(numbers, categories).items():
        graph.output(name, tensor, example[name].shape[1:])
    return graph.model()


def graph_inputs(model: TableModel, numbers: Floats, categories: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Rows as the graph takes them: missing categories are empty, inputs without columns are not there.

    Args:
        model: Says which inputs there are.
        numbers: (row, n), NaN where missing.
        categories: object (row, m), None where missing.
    """
    inputs: dict[str, NDArray[Any]] = {}
    if model.number_names:
        inputs["numbers"] = np.asarray(numbers, np.float64)
    if model.category_names:
        texts = [[text_of(cell) for cell in row] for row in categories]
        inputs["categories"] = np.array(texts, object).reshape(categories.shape)
    return inputs


def _rows(inputs: Mapping[str, NDArray[Any]]) -> tuple[Floats, NDArray[Any]]:
    """Numbers and categories, of no columns where the graph takes none; the inverse of `graph_inputs`."""
    empty = np.empty((len(next(iter(inputs.values()))), 0), object)
    categories = inputs.get("categories", empty).copy()
    categories[categories == ""] = None
    return inputs.get("numbers", empty.astype(float)), categories


def exportable(model: TableModel, numbers: Floats, categories: NDArray[Any]) -> Exportable:
    """A model of rows as a format writes it.

    Args:
        model: The trained model.
        numbers: Some rows to compare on, none of the test split: float64 (row, n), NaN where missing.
        categories: object (row, m), None where missing.
    """
    return Exportable(
        model=model,
        example=graph_inputs(model, *reference_rows(model)),
        sample=graph_inputs(model, numbers, categories),
        answers=lambda inputs: model.outputs(*_rows(inputs)),
        write_graph=lambda path: _write(table_graph(model), path),
        advice="Train again with another --seed, or with other models (--model).",
        tolerance=TOLERANCE,
        scale=model.scale,
    )


def reference_rows(model: TableModel, count: int = REFERENCE_ROWS) -> tuple[Floats, NDArray[Any]]:
    """Synthetic rows like those learned from, with missing cells and with categories that nobody knows."""
    rng, encoder = np.random.default_rng(0), model.encoder
    spread = np.where(encoder.bent, encoder.units, encoder.scales)
    numbers = encoder.medians + spread * rng.normal(size=(count, len(encoder.medians)))
    numbers = numbers.astype(np.float32).astype(np.float64)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    categories = np.empty((count, len(encoder.known)), object)
    for column, known in enumerate(encoder.known):
        choices = [*known, None, "a category that no row had"]
        categories[:, column] = [choices[rng.integers(len(choices))] for _ in range(count)]
    return numbers, categories


def _write(graph: onnx.ModelProto, path: Path) -> None:
    """Write the graph whole or not at all, once it has been checked."""
    with replacing(path) as draft:
        onnx.save(graph, str(draft))
        onnx.checker.check_model(str(draft))
