"""NumPy's functions as a graph: they compute there what they compute here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest

from mindle.models.tables.tracing import Graph

X = np.array([[0.5, -2.0, 3.0], [np.nan, 4.0, -0.25]])


def computed(function: Callable[[Any], Any], shape: tuple[int, ...]) -> np.ndarray:
    """What ONNX Runtime makes of the graph that a function of (row, 3) leaves behind."""
    graph = Graph()
    graph.output("y", function(graph.input("x", np.float64, 3)), shape)
    session = onnxruntime.InferenceSession(
        graph.model().SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": X})[0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 2 * x + 1 - x / 4,
        lambda x: x @ np.arange(12.0).reshape(3, 4),
        lambda x: np.maximum(np.minimum(np.abs(x), 3), 1),
        lambda x: np.sign(x) * np.log1p(np.abs(x)),
        lambda x: -np.sqrt(np.exp(x)),
        lambda x: np.log(np.exp(x)),
        lambda x: np.where(np.isnan(x), np.zeros(3), x),
        lambda x: np.isnan(x).astype(np.float64),
        lambda x: np.take(x, np.array([2, 0]), axis=1),
        lambda x: np.concatenate([x, x], axis=1),
        lambda x: np.max(np.where(np.isnan(x), np.zeros(3), x), axis=1, keepdims=True),
        lambda x: x / np.sum(x, axis=1, keepdims=True),
        lambda x: np.mean(np.expand_dims(x, 0) @ np.ones((2, 3, 4)), axis=0),
        lambda x: np.squeeze(x @ np.ones((3, 1)), axis=1),
    ],
)
def test_a_graph_computes_what_numpy_does(function: Callable[[Any], Any]) -> None:
    expected = function(X)
    assert computed(function, expected.shape[1:]) == pytest.approx(expected, nan_ok=True, rel=1e-14)


def test_equal_operations_and_equal_constants_are_there_once() -> None:
    graph = Graph()
    x = graph.input("x", np.float64, 3)
    total = (x + np.ones(3)) * (x + np.ones(3))
    assert [node.op_type for node in graph.nodes] == ["Add", "Mul"]
    assert len(graph.constants) == 1
    assert total.name == graph.nodes[1].output[0]


def test_an_input_without_columns_is_none() -> None:
    graph = Graph()
    assert graph.input("x", np.float64, 0).shape == ("row", 0)
    assert graph.inputs == []


def test_what_has_no_operator_is_refused() -> None:
    x = Graph().input("x", np.float64, 3)
    with pytest.raises(TypeError):
        np.sin(x)
    with pytest.raises(TypeError):
        np.median(x, axis=1)
