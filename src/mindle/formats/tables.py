"""A model of rows as formats write it: raw numbers and words to the answer.

The graph is our own, written node by node: filling, standardising and looking up words stand in it as
arithmetic in double precision, trees as the operator that ONNX has for them. Nothing of the library that
trained is needed to answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from mindle.artifacts.files import replacing
from mindle.formats.exportable import Exportable
from mindle.models.tables.encoder import text_of
from mindle.models.tables.model import TableModel
from mindle.models.tables.nodes import OPSET, TREE_OPSET, TREES, Nodes

Floats = NDArray[np.float64]

TOLERANCE = 1e-5
REFERENCE_ROWS = 8
_IR = 8  # goes with opset 17: every ONNX Runtime that knows the opset reads it


def table_graph(model: TableModel) -> onnx.ModelProto:
    """The model as a graph.

    Inputs are `numbers`, double (row, n), NaN where missing, and `categories`, string (row, m), empty where
    missing; an input without columns is left out. Outputs are `probabilities` (row, class), or `estimate`
    (row,) and `fold_estimates` (row, fold), all double.
    """
    nodes, inputs, outputs = Nodes(), [], []
    shape: list[str | int | None]
    if model.number_names:
        shape = ["row", len(model.number_names)]
        inputs.append(helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, shape))
    if model.category_names:
        shape = ["row", len(model.category_names)]
        inputs.append(helper.make_tensor_value_info("categories", TensorProto.STRING, shape))
    answer = model.write(nodes, "numbers", "categories")
    if model.classes:
        _name(nodes, answer, "probabilities")
        shape = ["row", len(model.classes)]
        outputs.append(helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, shape))
    else:
        column = nodes.constant(np.array([1], np.int64))
        _name(nodes, nodes.add("Squeeze", answer, column), "estimate")
        outputs.append(helper.make_tensor_value_info("estimate", TensorProto.DOUBLE, ["row"]))
        if model.folds:
            folds = [fold.write(nodes, "numbers", "categories") for fold in model.folds]
            _name(nodes, nodes.add("Concat", *folds, axis=1), "fold_estimates")
            shape = ["row", len(folds)]
            outputs.append(helper.make_tensor_value_info("fold_estimates", TensorProto.DOUBLE, shape))
    graph = helper.make_graph(nodes.nodes, "table", inputs, outputs, nodes.constants)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(TREES, TREE_OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR, producer_name="mindle")


def _name(nodes: Nodes, result: str, name: str) -> None:
    nodes.nodes.append(helper.make_node("Identity", [result], [name]))


def graph_inputs(model: TableModel, numbers: Floats, categories: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Rows as the graph takes them: missing words are empty, inputs without columns are left out.

    Args:
        model: Says which inputs there are.
        numbers: (row, n), NaN where missing.
        categories: object (row, m), None where missing.
    """
    inputs: dict[str, NDArray[Any]] = {}
    if model.number_names:
        inputs["numbers"] = np.asarray(numbers, np.float64)
    if model.category_names:
        words = [[text_of(cell) for cell in row] for row in categories]
        inputs["categories"] = np.array(words, object).reshape(categories.shape)
    return inputs


def own_answers(model: TableModel, numbers: Floats, categories: NDArray[Any]) -> dict[str, Floats]:
    """What the model answers, under the names of the graph's outputs."""
    if model.classes:
        return {"probabilities": model.probabilities(numbers, categories)}
    found = {"estimate": model.estimates(numbers, categories)}
    return found | ({"fold_estimates": model.fold_estimates(numbers, categories)} if model.folds else {})


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
        answers=lambda inputs: own_answers(model, *_rows(inputs)),
        write_graph=lambda path: _write(table_graph(model), path),
        advice="Train again with another --seed, or with other models (--model).",
        tolerance=TOLERANCE,
        scale=model.scale,
    )


def _rows(inputs: Mapping[str, NDArray[Any]]) -> tuple[Floats, NDArray[Any]]:
    """Numbers and categories, of no columns where the graph takes none; the inverse of `graph_inputs`."""
    empty = np.empty((len(next(iter(inputs.values()))), 0), object)
    categories = inputs.get("categories", empty).copy()
    categories[categories == ""] = None
    return inputs.get("numbers", empty.astype(float)), categories


def reference_rows(model: TableModel, count: int = REFERENCE_ROWS) -> tuple[Floats, NDArray[Any]]:
    """Invented rows like those learned from, nobody's: with missing cells and words that nobody knows."""
    rng, encoder = np.random.default_rng(0), model.encoder
    spread = np.where(encoder.bent, encoder.units, encoder.scales)
    numbers = encoder.medians + spread * rng.normal(size=(count, len(encoder.medians)))
    numbers = numbers.astype(np.float32).astype(np.float64)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    categories = np.empty((count, len(encoder.words)), object)
    for column, words in enumerate(encoder.words):
        known = [*words, None, "a word that no row had"]
        for row in range(count):
            categories[row, column] = known[rng.integers(len(known))]
    return numbers, categories


def _write(graph: onnx.ModelProto, path: Path) -> None:
    """Write the graph whole or not at all, once it has been checked."""
    with replacing(path) as draft:
        onnx.save(graph, str(draft))
        onnx.checker.check_model(str(draft))
