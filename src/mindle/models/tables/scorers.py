"""Models of the linear view: a product, a kernel, a few nets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mindle.models.tables.nodes import Nodes

Floats = NDArray[np.float64]
KERNELS = ("rbf", "matern32", "matern52")
LARGEST_LOG = 300.0  # no estimate is infinite, however far a row lies from all others


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Scores that are sums of columns: weights (column, output), offset (output,)."""

    weights: Floats
    offset: Floats

    def scores(self, x: Floats) -> Floats:
        """(row, output)."""
        return np.asarray(x @ self.weights + self.offset)

    def write(self, nodes: Nodes, view: str) -> str:
        """Add the nodes that give the scores of a view."""
        product = nodes.add("MatMul", view, nodes.constant(self.weights))
        return nodes.add("Add", product, nodes.constant(self.offset))


@dataclass(frozen=True, kw_only=True)
class KernelMachine:
    """Scores that are sums over remembered rows: support vectors, or the mean of a Gaussian process.

    Attributes:
        points: (point, column) remembered rows, already divided by `lengths`.
        lengths: (column,) how far along each column a row is still like another.
        coefficients: (point, output).
        offset: (output,).
        kernel: "rbf", exp(-d²); "matern32" or "matern52", of the scaled distance d.

    Source:
        Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, eq. 2.25 and 4.17.
    """

    points: Floats
    lengths: Floats
    coefficients: Floats
    offset: Floats
    kernel: str

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise ValueError(f"`kernel` must be one of {', '.join(KERNELS)}. Received {self.kernel!r}.")

    def scores(self, x: Floats) -> Floats:
        """(row, output)."""
        return np.asarray(
            kernel_of(x / self.lengths, self.points, self.kernel) @ self.coefficients + self.offset
        )

    def write(self, nodes: Nodes, view: str) -> str:
        """Add the nodes that give the scores of a view."""
        x = nodes.add("Div", view, nodes.constant(self.lengths))
        own = nodes.add(
            "ReduceSum", nodes.add("Mul", x, x), nodes.constant(np.array([1])), keepdims=1
        )  # (row, 1)
        theirs = nodes.constant((self.points**2).sum(axis=1))  # (point,)
        crossed = nodes.add("MatMul", x, nodes.constant(-2 * self.points.T))
        squared = nodes.add("Max", nodes.total([crossed, own, theirs]), nodes.number(0.0))
        similar = self._write_kernel(nodes, squared)
        total = nodes.add("MatMul", similar, nodes.constant(self.coefficients))
        return nodes.add("Add", total, nodes.constant(self.offset))

    def _write_kernel(self, nodes: Nodes, squared: str) -> str:
        if self.kernel == "rbf":
            return nodes.add("Exp", nodes.add("Neg", squared))
        root = 3.0 if self.kernel == "matern32" else 5.0
        d = nodes.add("Sqrt", nodes.add("Mul", squared, nodes.number(root)))
        factor = nodes.add("Add", d, nodes.number(1.0))
        if self.kernel == "matern52":
            factor = nodes.add("Add", factor, nodes.add("Mul", squared, nodes.number(5 / 3)))
        return nodes.add("Mul", factor, nodes.add("Exp", nodes.add("Neg", d)))


def kernel_of(x: Floats, points: Floats, kernel: str) -> Floats:
    """How alike scaled rows are, (row, point); 1 where they are the same.

    Example:
        >>> kernel_of(np.zeros((1, 2)), np.zeros((1, 2)), "matern52").tolist()
        [[1.0]]
    """
    squared = (x**2).sum(axis=1)[:, None] + (points**2).sum(axis=1) - 2 * x @ points.T
    squared = np.maximum(squared, 0.0)
    if kernel == "rbf":
        return np.asarray(np.exp(-squared))
    if kernel == "matern32":
        d = np.sqrt(3 * squared)
        return np.asarray((1 + d) * np.exp(-d))
    d = np.sqrt(5 * squared)
    return np.asarray((1 + d + 5 / 3 * squared) * np.exp(-d))


@dataclass(frozen=True, kw_only=True)
class DenseNets:
    """The mean of several nets of dense layers with rectifiers between.

    Embeddings of categories are the first layer's, multiplied out: an embedded one-hot word and the layer
    after it are one product.

    Attributes:
        weights: For each layer, (net, in, out).
        offsets: For each layer, (net, out).
    """

    weights: tuple[Floats, ...]
    offsets: tuple[Floats, ...]

    def scores(self, x: Floats) -> Floats:
        """(row, output)."""
        h = x[None]  # (1 or net, row, column)
        last = len(self.weights) - 1
        for layer, (weight, offset) in enumerate(zip(self.weights, self.offsets, strict=True)):
            h = h @ weight + offset[:, None]
            if layer < last:
                h = np.maximum(h, 0.0)
        return np.asarray(h.mean(axis=0))

    def write(self, nodes: Nodes, view: str) -> str:
        """Add the nodes that give the scores of a view."""
        h = nodes.add("Unsqueeze", view, nodes.constant(np.array([0])))
        last = len(self.weights) - 1
        for layer, (weight, offset) in enumerate(zip(self.weights, self.offsets, strict=True)):
            product = nodes.add("MatMul", h, nodes.constant(weight))
            h = nodes.add("Add", product, nodes.constant(offset[:, None]))
            if layer < last:
                h = nodes.add("Max", h, nodes.number(0.0))
        return nodes.add("ReduceMean", h, axes=[0], keepdims=0)


@dataclass(frozen=True, kw_only=True)
class Exponential:
    """A model of logarithms that answers with numbers: (exp(factor · inner + shift) - centre) / scale.

    Attributes:
        inner: Gives standardised logarithms.
        factor, shift: Standard deviation and mean of the logarithms.
        centre, scale: Of the numbers, where the answer is to be standardised.
    """

    inner: KernelMachine
    factor: float
    shift: float
    centre: float = 0.0
    scale: float = 1.0

    def scores(self, x: Floats) -> Floats:
        """(row, 1)."""
        logs = np.minimum(self.inner.scores(x) * self.factor + self.shift, LARGEST_LOG)
        return np.asarray((np.exp(logs) - self.centre) / self.scale)

    def write(self, nodes: Nodes, view: str) -> str:
        """Add the nodes that give the scores of a view."""
        spread = nodes.add("Mul", self.inner.write(nodes, view), nodes.number(self.factor))
        shifted = nodes.add("Add", spread, nodes.number(self.shift))
        numbers = nodes.add("Exp", nodes.add("Min", shifted, nodes.number(LARGEST_LOG)))
        away = nodes.add("Sub", numbers, nodes.number(self.centre))
        return nodes.add("Div", away, nodes.number(self.scale))
