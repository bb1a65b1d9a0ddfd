"""NumPy's functions as an ONNX graph: called on a tensor of the graph, they add nodes instead of computing.

So the mathematics of a model is written once. Given arrays it answers; given tensors it becomes a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

# Both run in every ONNX Runtime since 1.14 (February 2023); all that know the opset read version 8 of the IR.
OPSET, TREE_OPSET, IR_VERSION = 17, 3, 8
TREES = "ai.onnx.ml"


class Graph:
    """A graph under construction: equal constants, and equal operations on the same inputs, stand in it once.

    Example:
        >>> graph = Graph()
        >>> x = graph.input("x", np.float64, 3)
        >>> graph.output("y", 2.0 * x + 2.0 * x, (3,))
        >>> [node.op_type for node in graph.model().graph.node]
        ['Mul', 'Add', 'Identity']
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._names: dict[bytes, str] = {}

    def input(self, name: str, dtype: type[Any], columns: int) -> Any:
        """A tensor (row, column) that the graph is given; without columns it is no input."""
        if columns:
            self.inputs.append(_value_info(name, dtype, [columns]))
        return Tensor(self, name, ("row", columns))

    def output(self, name: str, tensor: Any, shape: Sequence[int]) -> None:
        """Name a tensor of doubles (row, *shape) that the graph answers with."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [tensor.name], [name]))
        self.outputs.append(_value_info(name, np.float64, shape))

    def add(self, kind: str, *inputs: Any, domain: str = "", **attributes: Any) -> Any:
        """The output of a node; inputs that are no tensors are constants."""
        from onnx import helper

        names = [each.name if isinstance(each, Tensor) else self._array(each) for each in inputs]
        node = helper.make_node(kind, names, [], domain=domain, **attributes)
        name, new = self._name(node, f"{kind.lower()}_{len(self.nodes)}")
        if new:
            node.output.append(name)
            self.nodes.append(node)
        return Tensor(self, name)

    def constant(self, tensor: onnx.TensorProto) -> str:
        """Add a constant unless an equal one is there, and give the name of that one."""
        wished = tensor.name
        tensor.ClearField("name")
        name, new = self._name(tensor, wished)
        if new:
            tensor.name = name
            self.constants.append(tensor)
        return name

    def inlined(self, member: onnx.ModelProto, prefix: str, feed: Mapping[str, str]) -> list[Tensor]:
        """Add all of another graph, and give its outputs.

        Args:
            member: The other graph.
            prefix: What its names begin with from now on.
            feed: The tensor that each of its inputs becomes.
        """
        from onnx import compose

        graph = compose.add_prefix(member, prefix).graph
        names = {prefix + name: tensor for name, tensor in feed.items()}
        _rename(graph, names | {tensor.name: self.constant(tensor) for tensor in graph.initializer})
        self.nodes += graph.node
        return [Tensor(self, output.name) for output in graph.output]

    def model(self, opsets: Sequence[Any] = (), ir_version: int = IR_VERSION) -> onnx.ModelProto:
        """The graph as it is, in versions of the operators; those above unless given."""
        from onnx import helper

        graph = helper.make_graph(self.nodes, "mindle", self.inputs, self.outputs, self.constants)
        opsets = opsets or [helper.make_opsetid("", OPSET), helper.make_opsetid(TREES, TREE_OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, producer_name="mindle")

    def _array(self, value: Any) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        return self.constant(numpy_helper.from_array(np.asarray(value, order="C"), name))

    def _name(self, proto: Any, name: str) -> tuple[str, bool]:
        """What an equal node or constant is called, or this name; whether it is a new one."""
        digest = sha256(proto.SerializeToString(deterministic=True)).digest()
        known = self._names.setdefault(digest, name)
        return known, known == name


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Let the nodes of a graph, and of those inside them, take other tensors."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for attribute in node.attribute:
            _rename(attribute.g, names)


class Tensor(NDArrayOperatorsMixin):
    """A tensor of a graph; NumPy hands what it is asked to do with one to the two methods below.

    Source:
        https://numpy.org/neps/nep-0013-ufunc-overrides.html and nep-0018-array-function-protocol.html.
    """

    def __init__(self, graph: Graph, name: str, shape: tuple[Any, ...] = ()) -> None:
        self.graph, self.name, self.shape = graph, name, shape

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc is np.log1p:
            return np.log(inputs[0] + 1.0)
        if method != "__call__" or options or ufunc not in OPERATORS:
            return NotImplemented
        doubles = [each if isinstance(each, Tensor) else np.asarray(each, np.float64) for each in inputs]
        return self.graph.add(OPERATORS[ufunc], *doubles)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Mapping[str, Any]) -> Any:
        return FUNCTIONS[function](self.graph, *args, **options) if function in FUNCTIONS else NotImplemented

    def astype(self, dtype: type[Any]) -> Any:
        """The tensor in another type."""
        from onnx import helper

        return self.graph.add("Cast", self, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


# What a function of NumPy is called in ONNX.
OPERATORS: dict[np.ufunc, str] = {
    np.absolute: "Abs",
    np.add: "Add",
    np.divide: "Div",
    np.exp: "Exp",
    np.isnan: "IsNaN",
    np.log: "Log",
    np.matmul: "MatMul",
    np.maximum: "Max",
    np.minimum: "Min",
    np.multiply: "Mul",
    np.negative: "Neg",
    np.sign: "Sign",
    np.sqrt: "Sqrt",
    np.subtract: "Sub",
}


def _axes(axis: int) -> NDArray[np.int64]:
    return np.array([axis], np.int64)


# What else is asked of NumPy, as nodes: the graph, and the arguments of the function.
FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.concatenate: lambda graph, tensors, axis: graph.add("Concat", *tensors, axis=axis),
    np.expand_dims: lambda graph, tensor, axis: graph.add("Unsqueeze", tensor, _axes(axis)),
    np.max: lambda graph, tensor, axis, keepdims: graph.add(
        "ReduceMax", tensor, axes=[axis], keepdims=int(keepdims)
    ),
    np.mean: lambda graph, tensor, axis: graph.add("ReduceMean", tensor, axes=[axis], keepdims=0),
    np.squeeze: lambda graph, tensor, axis: graph.add("Squeeze", tensor, _axes(axis)),
    np.sum: lambda graph, tensor, axis, keepdims: graph.add(
        "ReduceSum", tensor, _axes(axis), keepdims=int(keepdims)
    ),
    np.take: lambda graph, tensor, indices, axis: graph.add("Gather", tensor, indices, axis=axis),
    np.where: lambda graph, condition, here, there: graph.add("Where", condition, here, there),
}


def _value_info(name: str, dtype: type[Any], shape: Sequence[int]) -> onnx.ValueInfoProto:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, ["row", *shape])
