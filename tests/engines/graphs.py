"""Small graphs of images, drawn in code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mindle.engines import openvino

SHAPE = (8, 8, 3)
FACTORS = np.arange(1, 9, dtype=np.float32)


def pixels(rows: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (rows, *SHAPE), np.uint8)


def require_bfloat16() -> None:
    """Skip a test where nothing computes in bfloat16."""
    if reason := openvino.why_not("bfloat16"):
        pytest.skip(reason)


def image_graph(path: Path, *, scale: float = 1.0, head: bool = False, both: bool = False) -> Path:
    """Eight features of an image: the mean of each map of a convolution of its centred pixels.

    With a head, their products with 1 to 8 are what it answers, and where both are asked for the features.
    """
    rng = np.random.default_rng(1)
    weights = numpy_helper.from_array((scale * rng.normal(size=(8, 3, 3, 3))).astype(np.float32), "weights")
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["floats", "middle"], ["centred"]),
        helper.make_node("Transpose", ["centred"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weights"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["means"]),
        helper.make_node("Flatten", ["means"], ["features"]),
    ]
    value, answer = helper.make_tensor_value_info, "answers" if head else "features"
    if head:
        nodes.append(helper.make_node("Mul", ["features", "factors"], ["answers"]))
    graph = helper.make_graph(
        nodes,
        "images",
        [value("pixels", TensorProto.UINT8, ["image", *SHAPE])],
        [value(each, TensorProto.FLOAT, ["image", 8]) for each in [answer, *["features"] * both]],
        [
            weights,
            numpy_helper.from_array(np.array(127.5, np.float32), "middle"),
            *[numpy_helper.from_array(FACTORS, "factors")] * head,
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path
