"""A graph under construction: nodes and constants that records add, one call a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

# Both run in every ONNX Runtime since 1.14 (February 2023).
OPSET, TREE_OPSET = 17, 3
TREES = "ai.onnx.ml"


class Nodes:
    """Nodes and constants in the order in which they were added.

    Example:
        >>> nodes = Nodes()
        >>> total = nodes.add("Add", "x", nodes.constant(np.ones(3)))
        >>> [node.op_type for node in nodes.nodes], total == nodes.nodes[0].output[0]
        (['Add'], True)
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output, and give that output's name."""
        from onnx import helper

        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], domain=domain, **attributes))
        return output

    def constant(self, array: NDArray[Any]) -> str:
        """Add an array that is part of the model, and give its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def number(self, value: float) -> str:
        """Add one double."""
        return self.constant(np.array(value, np.float64))

    def total(self, terms: list[str]) -> str:
        """Add up tensors of one shape."""
        found = terms[0]
        for term in terms[1:]:
            found = self.add("Add", found, term)
        return found

    def cast(self, name: str, dtype: type[np.generic]) -> str:
        """Change the type of a tensor."""
        from onnx import helper

        return self.add("Cast", name, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
