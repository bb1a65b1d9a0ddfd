"""Any sum of decision trees, of whatever library."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.models.tables.tracing import TREES, Tensor

Floats = NDArray[np.float64]
_CELLS = 4_000_000  # rows times trees at a time: a few dozen megabytes


@dataclass(frozen=True, kw_only=True)
class Trees:
    """A sum of trees over float32 columns: a row goes left where its value is at most the threshold.

    Attributes:
        roots: (tree,) node where each tree begins.
        feature: (node,) column that is compared; 0 in leaves.
        threshold: (node,) float32.
        left, right: (node,) next node; a leaf leads to itself.
        leaf: (node,) row of `values` for leaves, -1 elsewhere.
        values: (leaf, output) what each leaf adds.
        base: (output,) what is added once.
        floor: Where the sum is a probability, the least one that is believed; its logarithm is the score.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    leaf: NDArray[np.int32]
    values: Floats
    base: Floats
    floor: float | None = None
    parameters = None

    def scores(self, x: Floats) -> Floats:
        """Sums over all trees, (row, output), summed in float64."""
        sums: Floats = _sums(x, self) + self.base
        if self.floor is not None:
            sums = np.log(np.maximum(sums, self.floor))
        return sums

    def operator(self) -> dict[str, Any]:
        """The attributes of ONNX's operator: every node by its tree and its number within it."""
        sizes = np.diff(np.append(self.roots, len(self.feature)))
        tree = np.repeat(np.arange(len(self.roots)), sizes)
        first = np.repeat(self.roots, sizes)
        leaves = np.flatnonzero(self.leaf >= 0)
        inner = self.leaf < 0
        outputs = self.values.shape[1]
        values = self.values[self.leaf[leaves]].astype(np.float32)  # (leaf, output)
        used = values != 0
        used[:, 0] |= ~used.any(axis=1)  # a leaf must say something
        leaf, output = np.nonzero(used)
        return {
            "n_targets": outputs,
            "nodes_treeids": tree.tolist(),
            "nodes_nodeids": (np.arange(len(tree)) - first).tolist(),
            "nodes_featureids": self.feature.tolist(),
            "nodes_values": np.where(inner, self.threshold, np.float32(0)).tolist(),
            "nodes_modes": np.where(inner, "BRANCH_LEQ", "LEAF").tolist(),
            "nodes_truenodeids": np.where(inner, self.left - first, 0).tolist(),
            "nodes_falsenodeids": np.where(inner, self.right - first, 0).tolist(),
            "nodes_missing_value_tracks_true": [0] * len(tree),
            "target_treeids": tree[leaves][leaf].tolist(),
            "target_nodeids": (leaves - first[leaves])[leaf].tolist(),
            "target_ids": output.tolist(),
            "target_weights": values[leaf, output].tolist(),
        }


@singledispatch
def _sums(x: Any, trees: Trees) -> Any:
    """What the trees add up to for each row, (row, output)."""
    step = max(1, _CELLS // max(len(trees.roots), 1))
    sums = [_walked(x[start : start + step], trees) for start in range(0, len(x), step)]
    return np.concatenate(sums) if sums else np.zeros((0, len(trees.base)))


@_sums.register
def _(x: Tensor, trees: Trees) -> Any:
    add = x.graph.add
    sums = add("TreeEnsembleRegressor", x.astype(np.float32), domain=TREES, **trees.operator())
    return add("Reshape", sums.astype(np.float64), np.array([-1, len(trees.base)]))


def _walked(x: Floats, trees: Trees) -> Floats:
    """All rows step down all trees together, until each stands in a leaf."""
    x32 = np.asarray(x, np.float32)
    at = np.broadcast_to(trees.roots, (len(x), len(trees.roots))).copy()  # (row, tree)
    rows = np.arange(len(x))[:, None]
    while True:
        goes_left = x32[rows, trees.feature[at]] <= trees.threshold[at]
        following = np.where(goes_left, trees.left[at], trees.right[at])
        if np.array_equal(following, at):
            return np.asarray(trees.values[trees.leaf[at]].sum(axis=1))  # (row, output)
        at = following


def float32_floor(thresholds: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """The largest float32 that is not above each threshold.

    A float32 is at most t exactly where it is at most the largest float32 not above t, so comparing in
    float32 decides as the original did in float64.

    Example:
        >>> bool(float32_floor(np.array([0.1]))[0] <= 0.1)
        True
    """
    with np.errstate(over="ignore"):
        near = np.asarray(thresholds, np.float64).astype(np.float32)
    above = near.astype(np.float64) > thresholds
    return np.where(above, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float32)
