"""A model with what it learned destroyed: its own graph, with the numbers of its tensors shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.engines import Forward, open_graph

M = TypeVar("M")

LEAST = 16  # numbers of a tensor that is shuffled: smaller ones hold shapes, limits and colours
# Of the tensors, counted from the answer: all, and fewer where a network without them answers the same to
# everything.
SHARES = (1.0, 0.5, 0.25, 0.1, 0.03)
_ALIVE = 0.01  # of the deviation of the model's own answers


def forgotten(make: Callable[[float], M], deviation: Callable[[M], float], trained: float) -> tuple[M, float]:
    """The model with as many of its tensors shuffled as leave its answers depending on the picture.

    A network that is shuffled from its first layer on often answers the same to everything. Its maps are then
    empty, which says nothing about how maps are drawn.

    Args:
        make: A model with a share of its tensors shuffled, counted from the answer.
        deviation: Of its answers to some pictures.
        trained: That of the model itself.

    Returns:
        The model and the share; of the last share where nothing leaves it alive.

    Source:
        Adebayo et al. 2018, Sanity checks for saliency maps, https://arxiv.org/abs/1810.03292, section
        3.1, where layers are randomised from the top on.
    """
    for share in SHARES:
        made = make(share)
        if deviation(made) >= _ALIVE * trained:
            break
    return made, share


def shuffled_graph(model: Path, share: float = 1.0, *, seed: int = 0) -> Forward:
    """Open an ONNX graph with its weights shuffled, tensor by tensor, so that each keeps its distribution."""
    import onnx
    from onnx import numpy_helper

    graph, rng = onnx.load(str(model)), np.random.default_rng(seed)
    for tensor in last_of(list(_weights(graph.graph)), share):
        values = numpy_helper.to_array(tensor)
        changed = rng.permutation(values.ravel()).reshape(values.shape)
        tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "shuffled.onnx"
        onnx.save(graph, str(path))
        return open_graph(path)


def last_of(tensors: list[Any], share: float) -> list[Any]:
    """The last of some tensors, one at least.

    Example:
        >>> last_of([1, 2, 3, 4], 0.5), last_of([1, 2], 0.1)
        ([3, 4], [2])
    """
    return tensors[-max(1, round(share * len(tensors))) :]


def _weights(graph: Any) -> Iterator[Any]:
    """What a graph holds as numbers, in the order in which its nodes use them."""
    held = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            for each in node.attribute:
                if each.HasField("t"):
                    held[node.output[0]] = each.t
        for name in node.input:
            if (tensor := held.pop(name, None)) is not None and _is_weight(tensor):
                yield tensor


def _is_weight(tensor: Any) -> bool:
    from onnx import TensorProto

    return tensor.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE) and int(np.prod(tensor.dims)) >= LEAST


def spread(answers: NDArray[np.float64]) -> float:
    """How much scores (image, target) differ from image to image, over the target where they do most."""
    return float(answers.std(axis=0).max())
