"""Any sum of decision trees, whoever grew them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.models.tables.nodes import TREES, Nodes

Floats = NDArray[np.float64]
LINKS = ("identity", "log")
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
        link: "identity", or "log" where the sum is a probability.
        floor: The least probability before the logarithm.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    leaf: NDArray[np.int32]
    values: Floats
    base: Floats
    link: str = "identity"
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.link not in LINKS:
            raise ValueError(f"`link` must be one of {', '.join(LINKS)}. Received link={self.link!r}.")

    def scores(self, x: Floats) -> Floats:
        """Sums over all trees, (row, output), summed in float64."""
        x32 = np.asarray(x, np.float32)
        step = max(1, _CELLS // max(len(self.roots), 1))
        parts = [self._some(x32[start : start + step]) for start in range(0, len(x32), step)]
        sums = np.concatenate(parts) if parts else np.zeros((0, len(self.base)))
        sums = sums + self.base
        return np.log(np.maximum(sums, self.floor)) if self.link == "log" else sums

    def _some(self, x: NDArray[np.float32]) -> Floats:
        at = np.broadcast_to(self.roots, (len(x), len(self.roots))).copy()  # (row, tree)
        rows = np.arange(len(x))[:, None]
        while True:
            goes_left = x[rows, self.feature[at]] <= self.threshold[at]
            following = np.where(goes_left, self.left[at], self.right[at])
            if np.array_equal(following, at):
                break
            at = following
        return np.asarray(self.values[self.leaf[at]].sum(axis=1))  # (row, output)

    def write(self, nodes: Nodes, view: str) -> str:
        """Add the nodes that give the scores of a view, double (row, output)."""
        outputs = self.values.shape[1]
        x = nodes.cast(view, np.float32)
        sums = nodes.add("TreeEnsembleRegressor", x, domain=TREES, **self._attributes())
        total = nodes.add("Add", nodes.cast(sums, np.float64), nodes.constant(self.base))
        total = nodes.add("Reshape", total, nodes.constant(np.array([-1, outputs])))
        if self.link == "log":
            total = nodes.add("Log", nodes.add("Max", total, nodes.number(self.floor)))
        return total

    def _attributes(self) -> dict[str, Any]:
        """As the operator wants it: every node by its tree and its number within it."""
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
