"""Models of the linear view: a product, a kernel, a few nets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
KERNELS = ("rbf", "matern32")
LARGEST_LOG = 300.0  # no estimate is infinite, however far a row lies from all others


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Scores that are sums of columns: weights (column, output), offset (output,)."""

    weights: Floats
    offset: Floats

    def scores(self, x: Floats) -> Floats:
        """(row, output)."""
        return x @ self.weights + self.offset

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return self.weights.size + self.offset.size


@dataclass(frozen=True, kw_only=True)
class KernelMachine:
    """Scores that are sums over remembered rows: support vectors, or the mean of a Gaussian process.

    Attributes:
        points: (point, column) remembered rows, already divided by `lengths`.
        lengths: (column,) how far along each column a row is still like another.
        coefficients: (point, output).
        offset: (output,).
        kernel: "rbf", exp(-d²), or "matern32", of the scaled distance d.

    Source:
        Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, eq. 2.25 and 4.17.
    """

    points: Floats
    lengths: Floats
    coefficients: Floats
    offset: Floats
    kernel: str
    parameters = None

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise ValueError(f"`kernel` must be one of {', '.join(KERNELS)}. Received {self.kernel!r}.")

    def scores(self, x: Floats) -> Floats:
        """(row, output)."""
        return kernel_of(x / self.lengths, self.points, self.kernel) @ self.coefficients + self.offset


def kernel_of(x: Floats, points: Floats, kernel: str) -> Floats:
    """How alike scaled rows are, (row, point); 1 where they are the same.

    Example:
        >>> kernel_of(np.zeros((1, 2)), np.zeros((1, 2)), "matern32").tolist()
        [[1.0]]
    """
    norms = np.sum(x * x, axis=1, keepdims=True)  # (row, 1)
    squared = np.maximum(norms + (points**2).sum(axis=1) - 2 * x @ points.T, 0.0)  # (row, point)
    d = squared if kernel == "rbf" else np.sqrt(3 * squared)
    decay: Floats = np.exp(-d)
    return decay if kernel == "rbf" else (1 + d) * decay


@dataclass(frozen=True, kw_only=True)
class DenseNets:
    """The mean of several nets of dense layers with rectifiers between.

    Embeddings of categories are multiplied out: an embedded one-hot category and the layer after it are one
    product.

    Attributes:
        weights: For each layer, (net, in, out).
        offsets: For each layer, (net, out).
    """

    weights: tuple[Floats, ...]
    offsets: tuple[Floats, ...]

    def scores(self, x: Floats) -> Floats:
        """(row, output)."""
        h = np.expand_dims(x, 0)  # (1 or net, row, column)
        last = len(self.weights) - 1
        for layer, (weight, offset) in enumerate(zip(self.weights, self.offsets, strict=True)):
            h = h @ weight + offset[:, None]
            if layer < last:
                h = np.maximum(h, 0.0)
        mean: Floats = np.mean(h, axis=0)
        return mean

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(array.size for array in (*self.weights, *self.offsets))


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
    parameters = None

    def scores(self, x: Floats) -> Floats:
        """(row, 1)."""
        logs = np.minimum(self.inner.scores(x) * self.factor + self.shift, LARGEST_LOG)
        scores: Floats = (np.exp(logs) - self.centre) / self.scale
        return scores
