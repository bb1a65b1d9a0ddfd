"""Trees on binned values: those of scikit-learn where they do the same, and never what they learned from."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.evaluation.doctor import trees, truths


def values(rows: int, seed: int = 0) -> np.ndarray:
    """A column of few values, one of many, one with gaps."""
    generator = np.random.default_rng(seed)
    found = np.stack(
        [generator.integers(0, 9, rows), generator.normal(size=rows), generator.normal(size=rows)], 1
    )
    found[::7, 2] = np.nan
    return found


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_trees_answer_as_those_of_scikit_learn(task: str) -> None:
    sklearn_tree = pytest.importorskip("sklearn.tree")
    found = values(600)
    known = np.nan_to_num(found, nan=-9.0)
    score = known[:, 0] + 2 * known[:, 1] + 0.3 * np.random.default_rng(1).normal(size=600)
    truth = score if task == "regression" else np.digitize(score, [0.0, 6.0])
    folds = np.arange(600) % 5
    bins = trees.binned(found)
    ours, first = trees.out_of_fold(bins, truths.of(task, truth, ("a", "b", "c")), folds)
    leaf = max(trees.LEAF_LEAST, round(trees.LEAF_SHARE * 600))
    kind = {"regression": "DecisionTreeRegressor", "multiclass": "DecisionTreeClassifier"}[task]
    for fold in range(5):
        tree = getattr(sklearn_tree, kind)(max_depth=trees.DEPTH, min_samples_leaf=leaf, random_state=0)
        tree.fit(bins[folds != fold], truth[folds != fold])
        if task == "regression":
            expected = (tree.predict(bins[folds == fold])[:, None] - truth.mean()) / truth.std()
        else:
            expected = tree.predict_proba(bins[folds == fold])
        # Equally good splits are broken differently in a few leaves; the others are the same.
        same = np.abs(ours[folds == fold] - expected).max(axis=1) < 1e-6
        assert same.mean() > 0.9
    assert first == 0  # its deviation is 2.6, that of the second 2


def test_a_row_does_not_answer_itself() -> None:
    labels = np.random.default_rng(0).integers(0, 2, 400)
    bins = trees.binned(np.random.default_rng(1).normal(size=(400, 3)))
    answers, _ = trees.out_of_fold(bins, truths.of("binary", labels, ("a", "b")), np.arange(400) % 5)
    assert 0.4 < (answers.argmax(axis=1) == labels).mean() < 0.6


def test_unknown_values_are_a_value() -> None:
    labels = np.arange(200) % 2
    column = np.where(labels == 1, np.nan, np.random.default_rng(0).normal(size=200))[:, None]
    bins = trees.binned(column)
    answers, _ = trees.out_of_fold(bins, truths.of("binary", labels, ("a", "b")), np.arange(200) // 2 % 5)
    assert bins.max() < trees.BINS
    assert (answers.argmax(axis=1) == labels).all()
