"""The trees of scikit-learn, LightGBM and CatBoost as `Trees`.

Each reader is proven equal to its library's own prediction in the tests.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mindle.models.tables.trees import Trees, float32_floor

Floats = NDArray[np.float64]


class _Tree(NamedTuple):
    """For each node what it compares and where it leads; `values` (node, output) count in leaves."""

    feature: NDArray[Any]
    threshold: NDArray[Any]
    left: NDArray[Any]
    right: NDArray[Any]
    is_leaf: NDArray[np.bool_]
    values: Floats


def _joined(trees: Sequence[_Tree], base: Floats, floor: float | None = None) -> Trees:
    """Several trees as arrays of all their nodes."""
    whole = _Tree(*(np.concatenate(arrays) for arrays in zip(*trees, strict=True)))
    sizes = np.array([len(tree.feature) for tree in trees])
    roots = np.cumsum(sizes) - sizes
    first, node = np.repeat(roots, sizes), np.arange(sizes.sum())
    return Trees(
        roots=roots.astype(np.int32),
        feature=np.where(whole.is_leaf, 0, whole.feature).astype(np.int32),
        threshold=np.where(whole.is_leaf, np.float32(0), float32_floor(whole.threshold)),
        left=np.where(whole.is_leaf, node, whole.left + first).astype(np.int32),
        right=np.where(whole.is_leaf, node, whole.right + first).astype(np.int32),
        leaf=np.where(whole.is_leaf, np.cumsum(whole.is_leaf) - 1, -1).astype(np.int32),
        values=whole.values[whole.is_leaf].astype(np.float64),
        base=np.asarray(base, np.float64),
        floor=floor,
    )


def _in_column(values: NDArray[Any], column: int, outputs: int) -> Floats:
    """(node, output) with the values of one output, and nothing for the others."""
    found = np.zeros((len(values), outputs))
    found[:, column] = values
    return found


def read_forest(forest: Any, *, outputs: int) -> Trees:
    """A random forest or extra trees of scikit-learn; of classes it gives logarithms of probabilities.

    Args:
        forest: Fitted.
        outputs: How many classes there are, or 1 for a regression. A class that it did not see has
            probability 0 before the floor.
    """
    trees, count = [], len(forest.estimators_)
    seen = np.asarray(getattr(forest, "classes_", [0]), np.int64)
    for tree in (estimator.tree_ for estimator in forest.estimators_):
        shares = tree.value[:, 0, :]  # (node, class seen)
        if outputs > 1:
            shares = shares / shares.sum(axis=1, keepdims=True)
        values, left = np.zeros((tree.node_count, outputs)), tree.children_left
        values[:, seen] = shares / count
        trees.append(_Tree(tree.feature, tree.threshold, left, tree.children_right, left < 0, values))
    return _joined(trees, np.zeros(outputs), forest_floor(count) if outputs > 1 else None)


def forest_floor(trees: int) -> float:
    """The least probability that a forest is believed: a class that none of its trees voted for."""
    return 0.5 / trees


def read_histogram(model: Any, *, outputs: int) -> Trees:
    """Histogram gradient boosting of scikit-learn; two classes have scores (0, log odds)."""
    base = np.asarray(model._baseline_prediction, np.float64).ravel()
    shift = outputs - len(base)  # 1 for two classes: its only score is that of the second
    trees = []
    for group in model._predictors:
        for column, nodes in enumerate(predictor.nodes for predictor in group):
            threshold = np.where(nodes["is_leaf"], 0, nodes["num_threshold"])
            left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
            values = _in_column(nodes["value"], column + shift, outputs)
            trees.append(
                _Tree(nodes["feature_idx"], threshold, left, right, nodes["is_leaf"].astype(bool), values)
            )
    return _joined(trees, np.append(np.zeros(shift), base))


def read_lightgbm(booster: Any, *, outputs: int) -> Trees:
    """A LightGBM booster that was trained without missing cells; two classes have scores (0, log odds)."""
    document = booster.dump_model()
    each = int(document["num_tree_per_iteration"])
    trees = []
    for number, info in enumerate(document["tree_info"]):
        flat = _flattened(info["tree_structure"])
        feature, threshold, left, right, value = (np.array(column) for column in zip(*flat, strict=True))
        values = _in_column(value, number % each + outputs - each, outputs)
        trees.append(_Tree(feature, threshold, left, right, left < 0, values))
    return _joined(trees, np.zeros(outputs))


def _flattened(root: Mapping[str, Any]) -> list[tuple[int, float, int, int, float]]:
    """Nodes of a nested tree as (feature, threshold, left, right, value); leaves have left -1."""
    found: list[tuple[int, float, int, int, float]] = []
    nodes = [root]
    for node in nodes:  # grows on the way
        if "split_feature" not in node:
            found.append((0, 0.0, -1, -1, float(node["leaf_value"])))
            continue
        if node["decision_type"] != "<=" or node["missing_type"] not in ("None", None):
            raise ValueError(
                "`booster` must compare numbers by <= and know no missing cells. Received a node with "
                f"{node['decision_type']!r}, missing {node['missing_type']!r}."
            )
        left = len(nodes)
        found.append((int(node["split_feature"]), float(node["threshold"]), left, left + 1, 0.0))
        nodes += [node["left_child"], node["right_child"]]
    return found


def read_catboost(model: Any, *, outputs: int) -> Trees:
    """A CatBoost model of symmetric trees over numbers; two classes have scores (0, log odds)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        document = json.loads(path.read_text(encoding="utf-8"))
    columns = {
        info["feature_index"]: info["flat_feature_index"]
        for info in document["features_info"]["float_features"]
    }
    scale, bias = document["scale_and_bias"]
    bias = np.atleast_1d(np.asarray(bias, np.float64))
    each, shift, trees = len(bias), outputs - len(bias), []
    for tree in document["oblivious_trees"]:
        splits = tree.get("splits") or []
        leaves = np.asarray(tree["leaf_values"], np.float64).reshape(-1, each) * scale  # (leaf, output)
        inner, node = 2 ** len(splits) - 1, np.arange(2 ** (len(splits) + 1) - 1)
        # Node i of level l is number 2**l - 1 + i. The first split is the lowest bit of a leaf's number: the
        # levels of the written tree go from the last split to the first, so that leaves are in order.
        feature, threshold = np.zeros(len(node), np.int64), np.zeros(len(node))
        for level, split in enumerate(reversed(splits)):
            here = slice(2**level - 1, 2 ** (level + 1) - 1)
            feature[here] = columns[split["float_feature_index"]]
            threshold[here] = split["border"]
        values = np.zeros((len(node), outputs))
        values[inner:, shift:] = leaves
        trees.append(_Tree(feature, threshold, 2 * node + 1, 2 * node + 2, node >= inner, values))
    return _joined(trees, np.append(np.zeros(shift), bias))
