"""Graphs are opened by one function, and hold all their numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mindle.engines import open_graph
from mindle.engines.external import refuse_external_data
from tests.processes import python


def graph(path: Path, *, outside: str = "") -> Path:
    """y = x + 1, where the 1 perhaps lies in another file."""
    one = numpy_helper.from_array(np.array([1], np.float32), "one")
    if outside:
        one.ClearField("raw_data")
        one.data_location = TensorProto.EXTERNAL
        one.external_data.add(key="location", value=outside)
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        [helper.make_node("Add", ["x", "one"], ["y"], name="location")],
        "add",
        [value("x", TensorProto.FLOAT, [1])],
        [value("y", TensorProto.FLOAT, [1])],
        [one],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_graph_answers(tmp_path: Path) -> None:
    forward = open_graph(graph(tmp_path / "model.onnx"))
    assert forward({"x": np.array([2], np.float32)})["y"].tolist() == [3]


@pytest.mark.parametrize("outside", ["numbers.bin", "../numbers.bin", "/etc/passwd", "/dev/zero"])
def test_numbers_in_other_files_are_refused(tmp_path: Path, outside: str) -> None:
    with pytest.raises(ValueError, match="must hold all its numbers"):
        open_graph(graph(tmp_path / "model.onnx", outside=outside))


def test_numbers_of_attributes_and_inner_graphs_count_too(tmp_path: Path) -> None:
    inner = onnx.load_model_from_string(graph(tmp_path / "inner.onnx", outside="a").read_bytes()).graph
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)]
    outer = helper.make_graph(nodes, "outer", [], [])
    (tmp_path / "model.onnx").write_bytes(helper.make_model(outer).SerializeToString())
    with pytest.raises(ValueError, match="must hold all its numbers"):
        refuse_external_data(tmp_path / "model.onnx")


def test_answering_leaves_nothing_behind(tmp_path: Path) -> None:
    """ONNX Runtime would write a device id and a queue of events below the home folder."""
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import pathlib; from mindle.engines import open_graph\n"
        f"open_graph(pathlib.Path({str(graph(tmp_path / 'model.onnx'))!r}))"
    )
    variables = {"HOME": str(home), "PATH": "", "USERPROFILE": str(home)}
    python(code, env=variables)
    assert list(home.rglob("*")) == []
