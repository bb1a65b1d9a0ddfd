"""A table's model to a bundle: one ONNX graph from raw numbers and words to the answer, proven equal.

The graph is our own, written node by node: filling, standardising and looking up words stand in it as
arithmetic in double precision, trees as the operator that ONNX has for them. Nothing of the library that
trained is needed to answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from mindle.artifacts.bundle import MODEL, REFERENCE
from mindle.artifacts.files import replacing, write_arrays
from mindle.errors import ArtifactError
from mindle.formats.parity import Parity
from mindle.models.graph import session
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


def write_table_graph(
    model: TableModel, folder: Path, *, numbers: Floats, categories: NDArray[Any]
) -> Parity:
    """Write model.onnx and reference.npz, and prove that the graph answers like the model.

    Args:
        model: The trained model.
        folder: The bundle's folder; made if it is missing.
        numbers: Some rows to compare on, none of the test part: float64 (row, n), NaN where missing.
        categories: object (row, m), None where missing.

    Returns:
        The comparison; for a regression the largest difference is relative.

    Raises:
        ArtifactError: If the graph answers differently.

    Example:
        >>> from mindle.formats.table_onnx import write_table_graph
        >>> write_table_graph(model, Path("bundle"), numbers=numbers, categories=words)  # doctest: +SKIP
        Parity(images=40, same_top1=40, largest_difference=3.1e-07)
    """
    folder.mkdir(parents=True, exist_ok=True)
    invented = reference_rows(model)
    numbers = np.concatenate([invented[0], numbers])
    categories = np.concatenate([invented[1], categories])
    _write(table_graph(model), folder / MODEL)
    runtime = session(folder / MODEL)
    names = [node.name for node in runtime.get_outputs()]
    inputs = graph_inputs(model, numbers, categories)
    exported = dict(zip(names, runtime.run(names, inputs), strict=True))
    own = own_answers(model, numbers, categories)
    parity = _compare(model, own, exported)
    if not parity.largest_difference <= TOLERANCE or parity.same_top1 != parity.images:
        raise ArtifactError(
            f"The bundle must answer like the model it was made from within {TOLERANCE:g}. Received a "
            f"largest difference of {parity.largest_difference:.2g}, {parity.same_top1} of {parity.images} "
            "first answers the same. Train again with another --seed, or with other models (--model)."
        )
    kept = len(invented[0])
    stored = {
        name: rows[:kept].astype(str) if name == "categories" else rows[:kept]
        for name, rows in {**inputs, **exported}.items()
    }
    write_arrays(folder / REFERENCE, stored)
    return parity


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


def _compare(model: TableModel, own: dict[str, Floats], exported: dict[str, NDArray[Any]]) -> Parity:
    """The largest difference, and for classes how many first answers are the same."""
    differences = [np.abs(exported[name] - own[name]) for name in own]
    rows = len(differences[0])
    if model.classes:
        answer, other = own["probabilities"], exported["probabilities"]
        best = answer[np.arange(rows), answer.argmax(axis=1)]
        theirs = answer[np.arange(rows), other.argmax(axis=1)]
        same = int((best - theirs <= 2 * TOLERANCE).sum())  # ties are no property of the model
        return Parity(images=rows, same_top1=same, largest_difference=float(differences[0].max()))
    # Relative to the estimate; near zero, to how far targets spread.
    sizes = [np.maximum(np.abs(own[name]), model.scale) for name in own]
    largest = max(float((d / s).max()) for d, s in zip(differences, sizes, strict=True))
    return Parity(images=rows, same_top1=rows, largest_difference=largest)
