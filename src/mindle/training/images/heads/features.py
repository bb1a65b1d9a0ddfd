"""The features of images, ready for a head.

    features -> signed root -> centred, one scale a backbone -> head -> scores

The root matters most: the features of a ReLU net are long-tailed, and a scale for each feature (the usual
standardisation) blows up the rare ones. Cross-validated on 1,500 photos of flowers, EfficientNet-Lite0:
88.5 % with a scale a feature, 90.8 % with the root and one scale for all, at the best settings of either.

Source:
    Signed roots: Perronnin et al. 2010, "Improving the Fisher kernel", section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.models.heads import ROOT_FLOOR, Standardise
from mindle.training.loop.batches import draw

Made = TypeVar("Made")

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

# Up to this many rows every one is a support vector; 4,000 take a matrix of 128 MB and some seconds.
MOST_VECTORS, LANDMARKS = 4000, 2000
# Linear heads work in as many directions as there are rows or features, but in no more than these.
MOST_DIRECTIONS = 2500


@dataclass(frozen=True, kw_only=True)
class BackboneFeatures:
    """The features of one backbone, ready for a head.

    Attributes:
        x: float32 (row, feature): rooted, centred, with a mean squared length of 1.
        mean: What was subtracted, (feature,).
        scale: What was divided by.
    """

    x: Singles
    mean: Floats
    scale: float

    def with_rows(self, features: Singles) -> BackboneFeatures:
        """This block with further rows below, from raw features (row, feature), made as the others."""
        further = ((signed_root(features) - self.mean) / self.scale).astype(np.float32)
        return BackboneFeatures(x=np.concatenate([self.x, further]), mean=self.mean, scale=self.scale)

    @cached_property
    def squares(self) -> Singles:
        """Squared length of each row."""
        return np.asarray(np.einsum("ij,ij->i", self.x, self.x), np.float32)


def block_of(features: Singles) -> BackboneFeatures:
    """Root, centre and scale raw features (view, image, feature); the plain view says how.

    Example:
        >>> block = block_of(np.array([[[0.0, 4.0], [4.0, 0.0]]], np.float32))
        >>> block.x.astype(float).round(3).tolist()
        [[-0.707, 0.707], [0.707, -0.707]]
    """
    rooted = signed_root(features)
    mean: Floats = rooted[0].mean(axis=0, dtype=np.float64)
    spread = float(np.square(rooted[0] - mean).sum(axis=1).mean())
    scale = spread**0.5 if spread > 0 else 1.0
    x = (rooted.reshape(-1, rooted.shape[-1]) - mean) / scale
    return BackboneFeatures(x=x.astype(np.float32), mean=mean, scale=scale)


def signed_root(features: Singles) -> Singles:
    """As `mindle.models.heads.signed_root`, for arrays."""
    return np.asarray(features / np.sqrt(np.abs(features) + np.float32(ROOT_FLOOR)), np.float32)


class ConcatFeatures:
    """The blocks of one backbone or several, side by side, each of the same weight.

    What several heads need of them is made once: squared distances, directions, and what `once` keeps.

    Args:
        blocks: One a backbone.
        seed: Draws support vectors and directions where there are many rows.

    Shapes: x (row, feature).
    """

    def __init__(self, blocks: Sequence[BackboneFeatures], seed: int = 0) -> None:
        self.blocks = tuple(blocks)
        self.seed = seed
        self._share = len(self.blocks) ** 0.5
        self._made: dict[int, tuple[object, Any]] = {}

    def __len__(self) -> int:
        return len(self.blocks[0].x)

    @cached_property
    def x(self) -> Singles:
        """Standardised features, (row, feature)."""
        x = np.concatenate([block.x for block in self.blocks], axis=1)
        return np.asarray(x / self._share, np.float32)

    def standardise(self) -> Standardise:
        """What makes `x` of raw features, as the first module of a head."""
        scales = [np.full(len(block.mean), block.scale * self._share) for block in self.blocks]
        mean = np.concatenate([block.mean for block in self.blocks])
        return Standardise(mean, np.concatenate(scales), root=True)

    def distances(self, vectors: NDArray[np.int64]) -> Singles:
        """Squared distances of all rows to some of them, (row, vector)."""
        total = np.zeros((len(self.blocks[0].x), len(vectors)), np.float32)
        for block in self.blocks:
            total += (
                block.squares[:, None] + block.squares[vectors] - 2 * product(block.x, block.x[vectors].T)
            )
        return np.asarray(np.maximum(total, 0) / len(self.blocks), np.float32)

    @cached_property
    def measured(self) -> Distances:
        """Squared distances to the support vectors."""
        return Distances(self)

    @cached_property
    def directions(self) -> Directions:
        """The same, turned into uncorrelated directions."""
        return Directions(self.x, self.seed)

    def once(self, data: object, make: Callable[[], Made]) -> Made:
        """What is made of these features for some data, for which it is made once."""
        if id(data) not in self._made:
            self._made[id(data)] = data, make()  # the data are kept, so that no other gets their number
        made: Made = self._made[id(data)][1]
        return made


def vectors_for(rows: int, seed: int = 0) -> Ints:
    """Rows that become support vectors: all of them, or where there are many, 2,000 drawn at random.

    Example:
        >>> len(vectors_for(6)), len(vectors_for(9000))
        (6, 2000)
    """
    return np.arange(rows) if rows <= MOST_VECTORS else sample_of(rows, LANDMARKS, seed)


def sample_of(rows: int, count: int, seed: int) -> Ints:
    """So many of the rows, drawn at random without replacement, in order."""
    return np.sort(np.random.default_rng(draw(seed, rows)).choice(rows, count, replace=False))


class Distances:
    """Squared distances of all rows to the support vectors, and their usual size.

    Attributes:
        vectors: Rows that are support vectors.
        squares: float32 (row, vector).
        unit: Median of what is not 0; gamma is counted in it.
    """

    def __init__(self, features: ConcatFeatures) -> None:
        self.vectors = vectors_for(len(features), features.seed)
        self.squares = features.distances(self.vectors)
        some = self.squares[:: max(1, len(features) // 1000)]
        self.unit = float(np.median(some[some > 0])) if np.any(some > 0) else 1.0

    def kernel(self, gamma: float) -> Floats:
        """The Gaussian kernel (row, vector), made in one piece of memory."""
        kernel = self.squares.astype(np.float64)
        kernel *= -gamma / self.unit
        return np.exp(kernel, out=kernel)


class Directions:
    """The features turned so that their directions are uncorrelated, the strongest first.

    Args:
        x: Standardised features, (row, feature).
        seed: Draws the rows that span the directions where there are many.

    Attributes:
        with_bias: (row, direction + 1): `z` and a column of ones.
        turn: (feature, direction): z = x @ turn.
        strengths: Sum of squares of each direction.
    """

    def __init__(self, x: Singles, seed: int = 0) -> None:
        from scipy.linalg import eigh

        rows, features = x.shape
        if features <= min(rows, MOST_DIRECTIONS):
            strengths, turn = eigh(product(x.T, x), driver="evd", check_finite=False)
        else:
            # As many directions as rows; of many rows a sample spans what matters. What a division by small
            # strengths blows up is computed in float64.
            some = x if rows <= MOST_DIRECTIONS else x[sample_of(rows, MOST_DIRECTIONS, seed)]
            some = some.astype(np.float64)
            strengths, sides = eigh(product(some, some.T), driver="evd", check_finite=False)
            turn = product(some.T, sides) / np.sqrt(np.maximum(strengths, 1e-12))
        keep = np.flatnonzero(strengths >= 1e-9 * strengths[-1])[::-1]  # all where all are 0
        self.turn = np.ascontiguousarray(turn[:, keep], np.float32)
        z: Singles = product(x, self.turn)
        self.strengths = np.einsum("ij,ij->j", z, z)
        self.with_bias: Singles = np.concatenate([z, np.ones((rows, 1), np.float32)], axis=1)

    @property
    def z(self) -> Singles:
        """The rows in these directions, (row, direction)."""
        return self.with_bias[:, :-1]


def product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """The product a @ b by the library that SciPy's solvers call.

    NumPy and SciPy each bring a BLAS with threads of its own, which keep their cores busy for a while after
    every call, in wait of the next. Where calls to the two alternate each waits for the other's: on two cores
    a fit took 1.5 (kernel) to 2.5 (logistic) times as long.

    Example:
        >>> product(np.eye(2), np.array([[1.0], [2.0]])).tolist()
        [[1.0], [2.0]]
    """
    from scipy.linalg import get_blas_funcs

    # BLAS keeps columns together: (a @ b).T = b.T @ a.T, whose operands are there without a copy.
    left, turned_left = (b.T, False) if b.flags.c_contiguous else (b, True)
    right, turned_right = (a.T, False) if a.flags.c_contiguous else (a, True)
    gemm = get_blas_funcs("gemm", (left, right))
    return np.asarray(gemm(1.0, left, right, trans_a=turned_left, trans_b=turned_right).T)
