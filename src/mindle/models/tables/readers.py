"""What scikit-learn, LightGBM and CatBoost grew, as `Trees`.

Each reader is proven equal to its library's own prediction in the tests.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.models.tables.trees import Trees, float32_floor

Floats = NDArray[np.float64]


@dataclass
class _Grove:
    """Trees that are being joined, as arrays of each."""

    roots: list[int] = field(default_factory=list)
    feature: list[NDArray[Any]] = field(default_factory=list)
    threshold: list[NDArray[Any]] = field(default_factory=list)
    left: list[NDArray[Any]] = field(default_factory=list)
    right: list[NDArray[Any]] = field(default_factory=list)
    leaf: list[NDArray[Any]] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)
    size: int = 0
    leaves: int = 0

    def plant(
        self,
        feature: NDArray[Any],
        threshold: NDArray[Any],
        left: NDArray[Any],
        right: NDArray[Any],
        is_leaf: NDArray[np.bool_],
        values: Floats,
    ) -> None:
        """Add a tree; `values` (node, output) counts in leaves only."""
        own = np.arange(len(feature)) + self.size
        number = np.full(len(feature), -1)
        number[is_leaf] = self.leaves + np.arange(is_leaf.sum())
        self.roots.append(self.size)
        self.feature.append(np.where(is_leaf, 0, feature))
        self.threshold.append(
            np.where(is_leaf, np.float32(0), float32_floor(np.asarray(threshold, np.float64)))
        )
        self.left.append(np.where(is_leaf, own, left + self.size))
        self.right.append(np.where(is_leaf, own, right + self.size))
        self.leaf.append(number)
        self.values.append(values[is_leaf])
        self.size += len(feature)
        self.leaves += int(is_leaf.sum())

    def trees(self, base: Floats, *, link: str = "identity", floor: float = 0.0) -> Trees:
        """All that was planted."""

        def joined(parts: Sequence[NDArray[Any]]) -> NDArray[np.int32]:
            return np.concatenate(parts).astype(np.int32)

        return Trees(
            roots=np.array(self.roots, np.int32),
            feature=joined(self.feature),
            threshold=np.concatenate(self.threshold).astype(np.float32),
            left=joined(self.left),
            right=joined(self.right),
            leaf=joined(self.leaf),
            values=np.concatenate(self.values).astype(np.float64),
            base=np.asarray(base, np.float64),
            link=link,
            floor=floor,
        )


def read_forest(forest: Any, *, outputs: int) -> Trees:
    """A random forest or extra trees of scikit-learn; of classes it gives logarithms of probabilities.

    Args:
        forest: Fitted.
        outputs: How many classes there are, or 1 for a regression. A class that it did not see has
            probability 0 before the floor.
    """
    grove, count = _Grove(), len(forest.estimators_)
    seen = np.asarray(getattr(forest, "classes_", [0]), np.int64)
    for estimator in forest.estimators_:
        tree = estimator.tree_
        values = np.zeros((tree.node_count, outputs))
        own = tree.value[:, 0, :]  # (node, class seen)
        if outputs > 1:
            own = own / own.sum(axis=1, keepdims=True)
        values[:, seen] = own / count
        grove.plant(
            tree.feature,
            tree.threshold,
            tree.children_left,
            tree.children_right,
            tree.children_left < 0,
            values,
        )
    if outputs == 1:
        return grove.trees(np.zeros(1))
    return grove.trees(np.zeros(outputs), link="log", floor=forest_floor(count))


def forest_floor(trees: int) -> float:
    """The least probability that a forest is believed: a class that none of its trees voted for."""
    return 0.5 / trees


def read_histogram(model: Any, *, outputs: int) -> Trees:
    """Histogram gradient boosting of scikit-learn; two classes have scores (0, log odds)."""
    grove = _Grove()
    base = np.asarray(model._baseline_prediction, np.float64).ravel()
    shift = outputs - len(base)  # 1 for two classes: its only score is that of the second
    for group in model._predictors:
        for place, predictor in enumerate(group):
            nodes = predictor.nodes
            is_leaf = nodes["is_leaf"].astype(bool)
            values = np.zeros((len(nodes), outputs))
            values[:, place + shift] = nodes["value"]
            grove.plant(
                nodes["feature_idx"],
                np.where(is_leaf, 0, nodes["num_threshold"]),
                nodes["left"].astype(np.int64),
                nodes["right"].astype(np.int64),
                is_leaf,
                values,
            )
    return grove.trees(np.append(np.zeros(shift), base))


def read_lightgbm(booster: Any, *, outputs: int) -> Trees:
    """A LightGBM booster that was trained without missing cells; two classes have scores (0, log odds)."""
    document = booster.dump_model()
    each = int(document["num_tree_per_iteration"])
    grove, shift = _Grove(), outputs - each
    for number, info in enumerate(document["tree_info"]):
        flat = _flattened(info["tree_structure"])
        values = np.zeros((len(flat), outputs))
        values[:, number % each + shift] = [value for *_, value in flat]
        feature, threshold, left, right = (np.array([node[i] for node in flat]) for i in range(4))
        grove.plant(feature, threshold, left, right, left < 0, values)
    return grove.trees(np.zeros(outputs))


def _flattened(root: Mapping[str, Any]) -> list[tuple[int, float, int, int, float]]:
    """Nodes of a nested tree as (feature, threshold, left, right, value); leaves have left -1."""
    found: list[tuple[int, float, int, int, float]] = [(0, 0.0, -1, -1, 0.0)]
    waiting = [(0, root)]
    while waiting:
        place, node = waiting.pop()
        if "split_feature" not in node:
            found[place] = (0, 0.0, -1, -1, float(node["leaf_value"]))
            continue
        if node["decision_type"] != "<=" or node["missing_type"] not in ("None", None):
            raise ValueError(
                "`booster` must compare numbers by <= and know no missing cells. Received a node with "
                f"{node['decision_type']!r}, missing {node['missing_type']!r}."
            )
        left, right = len(found), len(found) + 1
        found += [(0, 0.0, -1, -1, 0.0)] * 2
        found[place] = (int(node["split_feature"]), float(node["threshold"]), left, right, 0.0)
        waiting += [(left, node["left_child"]), (right, node["right_child"])]
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
    grove, each = _Grove(), len(bias)
    shift = outputs - each
    for tree in document["oblivious_trees"]:
        splits = tree.get("splits") or []
        leaves = np.asarray(tree["leaf_values"], np.float64).reshape(-1, each) * scale  # (leaf, output)
        depth = len(splits)
        inner = 2**depth - 1
        # Node i of level l stands at 2**l - 1 + i. The first split is the lowest bit of a leaf's number: the
        # levels of the written tree go from the last split to the first, so that leaves stand in order.
        feature, threshold = np.zeros(inner + 2**depth, np.int64), np.zeros(inner + 2**depth)
        for level, split in enumerate(reversed(splits)):
            here = slice(2**level - 1, 2 ** (level + 1) - 1)
            feature[here] = columns[split["float_feature_index"]]
            threshold[here] = split["border"]
        place = np.arange(inner + 2**depth)
        values = np.zeros((len(place), outputs))
        values[inner:, shift:] = leaves
        grove.plant(feature, threshold, 2 * place + 1, 2 * place + 2, place >= inner, values)
    return grove.trees(np.append(np.zeros(shift), bias))
