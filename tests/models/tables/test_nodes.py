"""Graphs under construction."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from mindle.models.tables.nodes import OPSET, Nodes


def test_nodes_run_in_the_order_in_which_they_were_added() -> None:
    nodes = Nodes()
    twice = nodes.add("Mul", "x", nodes.number(2.0))
    total = nodes.total([twice, "x", nodes.constant(np.array([10.0, 20.0]))])
    nodes.nodes.append(helper.make_node("Identity", [nodes.cast(total, np.float32)], ["y"]))
    graph = helper.make_graph(
        nodes.nodes,
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["row", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["row", 2])],
        nodes.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answer = session.run(None, {"x": np.array([[1.0, 2.0]])})[0]
    assert answer.tolist() == [[13.0, 26.0]]
    assert answer.dtype == np.float32


def test_names_are_the_nodes_own() -> None:
    nodes = Nodes()
    names = [nodes.add("Neg", "x") for _ in range(3)] + [nodes.number(1.0) for _ in range(3)]
    assert len(set(names)) == 6
    assert nodes.constants[0].dims == []
