"""The ONNX format: a graph is written, proven, and kept with answers; other formats are entries beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mindle import formats
from mindle.artifacts.bundle import MODEL, REFERENCE
from mindle.errors import ArtifactError
from mindle.formats.exportable import Exportable


def doubling(path: Path) -> None:
    """Write a graph that doubles."""
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["row"]) for name in ("x", "estimate")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["estimate"])], "g", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))


def exportable(factor: float) -> Exportable:
    return Exportable(
        model=factor,
        example={"x": np.array([1.0, 2.0])},
        sample={"x": np.array([7.0])},
        answers=lambda inputs: {"estimate": factor * inputs["x"]},
        write_graph=doubling,
    )


def test_a_graph_is_kept_with_answers_to_the_example(tmp_path: Path) -> None:
    assert formats.write("onnx", exportable(2.0), tmp_path / "bundle").images == 3
    assert (tmp_path / "bundle" / MODEL).is_file()
    with np.load(tmp_path / "bundle" / REFERENCE) as arrays:
        assert {name: arrays[name].tolist() for name in arrays} == {"x": [1, 2], "estimate": [2, 4]}


def test_a_graph_that_answers_differently_gets_no_reference(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="must answer like the model"):
        formats.write("onnx", exportable(2.1), tmp_path)
    assert not (tmp_path / REFERENCE).exists()


def test_an_unknown_format_is_refused_by_the_names_of_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be one of onnx"):
        formats.write("tflite", exportable(2.0), tmp_path)
