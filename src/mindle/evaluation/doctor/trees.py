"""Decision trees on binned values, all folds at once: what a few columns say about a truth, out of fold.

They are as good as scikit-learn's on so few columns, and importing that takes longer than growing them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.doctor.truths import Truth
from mindle.evaluation.intervals import Floats, Ints

BINS = 128
DEPTH = 7
LEAF_SHARE, LEAF_LEAST = 0.01, 5
_NOT_ONE = -1


def binned(values: Floats) -> NDArray[np.uint8]:
    """Each column in up to `BINS` bins in the order of its values, as many in each; 0 where it is unknown.

    Columns of few values keep them all.

    Example:
        >>> binned(np.array([[0.5], [np.nan], [7.0], [0.5]])).ravel().tolist()
        [1, 0, 2, 1]
    """
    found = np.zeros(values.shape, np.uint8)
    for at, column in enumerate(values.T):
        known = ~np.isnan(column)
        edges = np.unique(column[known])
        if len(edges) > BINS - 1:
            shares = np.arange(BINS - 1) / (BINS - 1)
            edges = np.unique(np.quantile(column[known], shares, method="lower"))
        found[known, at] = np.searchsorted(edges, column[known], side="right")
    return found


def out_of_fold(bins: NDArray[np.uint8], truth: Truth, folds: Ints) -> tuple[Floats, int]:
    """What trees say of the rows that they did not learn from, and which column says most.

    Args:
        bins: (row, column), what `binned` gives.
        truth: What the trees learn; its mean in a leaf is their answer.
        folds: (row,), from 0.

    Returns:
        (row, value), and the column of the first split of a tree of all rows; -1 where it has none.

    Source:
        Breiman et al. 1984. The split with the least sum of squares of one-hot classes is that of Gini.
    """
    trees = int(folds.max()) + 2  # the last one learns from all rows
    node, rows = np.nonzero(np.arange(trees)[:, None] != folds)
    at, count, first = folds.copy(), trees, _NOT_ONE
    leaf = max(LEAF_LEAST, round(LEAF_SHARE * len(folds)))
    active = np.arange(trees)
    for _ in range(DEPTH):
        column, cut = _best_splits(bins, truth, rows, node, active, leaf)
        if first == _NOT_ONE and len(column):
            first = int(column[-1])
        split = column >= 0
        if not split.any():
            break
        column, cut, parents = column[split], cut[split], active[split]
        children = np.full((count, 2), _NOT_ONE)
        children[parents] = count + np.arange(2 * len(parents)).reshape(-1, 2)
        place = np.zeros(count, np.int64)
        place[parents] = np.arange(len(parents))
        for where, which in ((node, rows), (at, np.arange(len(at)))):
            moved = np.flatnonzero(children[where, 0] >= 0)
            here = place[where[moved]]
            right = bins[which[moved], column[here]] > cut[here]
            where[moved] = children[where[moved], right.astype(np.int64)]
        active = count + np.arange(2 * len(parents))
        count += len(active)
    sizes, sums = truth.sums(rows, node, count)
    return sums[at] / np.maximum(sizes[at], 1)[:, None], first


def _best_splits(
    bins: NDArray[np.uint8], truth: Truth, rows: Ints, node: Ints, active: Ints, leaf: int
) -> tuple[Ints, Ints]:
    """Of each active node the column and the last bin that goes left; -1 where nothing is gained."""
    columns = bins.shape[1]
    number = np.full(int(max(node.max(), active.max())) + 1, _NOT_ONE)
    number[active] = np.arange(len(active))
    here = np.flatnonzero(number[node] >= 0)
    rows, cells = rows[here], number[node[here]]
    best = np.full(len(active), 1e-9)
    column, cut = np.full(len(active), _NOT_ONE), np.zeros(len(active), np.int64)
    for each in range(columns):
        sizes, sums = truth.sums(rows, cells * BINS + bins[rows, each], len(active) * BINS)
        left_n = sizes.reshape(-1, BINS).cumsum(axis=1)
        left = sums.reshape(len(active), BINS, -1).cumsum(axis=1)  # (node, bin, value)
        all_n, all_sums = left_n[:, -1:], left[:, -1:]
        right_n = all_n - left_n
        allowed = (left_n >= leaf) & (right_n >= leaf)
        gained = _squared(left, left_n) + _squared(all_sums - left, right_n) - _squared(all_sums, all_n)
        gained = np.where(allowed, gained, 0.0)
        where = gained.argmax(axis=1)
        gain = gained[np.arange(len(active)), where]
        better = gain > best
        best[better], column[better], cut[better] = gain[better], each, where[better]
    return column, cut


def _squared(sums: Floats, sizes: Floats) -> Floats:
    """What means explain of a sum of squares."""
    found: Floats = np.einsum("nbv,nbv->nb", sums, sums) / np.maximum(sizes, 1)
    return found
