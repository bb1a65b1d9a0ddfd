"""Fits of small arrays as tables, for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common import splits
from mindle.data.tables.parsing.columns import Features
from mindle.records import Task
from mindle.training.decisions import DecisionLog
from mindle.training.loop.job import TrainingContext
from mindle.training.settings import TableSettings
from mindle.training.tables.passes import TableProblem
from mindle.training.tables.selection import TableOutcome, diagnosed, fit_table


def problem_of(
    features: Features,
    truth: NDArray[Any],
    *,
    classes: Sequence[str] = (),
    groups: NDArray[np.int64] | None = None,
) -> TableProblem:
    """Rows in folds by class, whole groups at a time."""

    def assign_folds(rows: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
        labels = truth[rows].astype(np.int64) if classes else np.zeros(len(rows), np.int64)
        units = np.arange(len(rows)) if groups is None else groups[rows]
        return splits.assign_folds(labels, units, folds=folds, seed=seed)

    task = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
    return TableProblem(
        features=features,
        truth=truth,
        task=Task(task),
        classes=tuple(classes),
        assign_folds=assign_folds,
        threads=1,
    )


def fit(
    features: Features,
    truth: NDArray[Any],
    *,
    classes: Sequence[str] = (),
    groups: NDArray[np.int64] | None = None,
    test: NDArray[np.int64] | None = None,
    settings: TableSettings,
    replay: Sequence[Any] = (),
    record: Callable[[Any], None] = lambda decision: None,
    **context: Any,
) -> TableOutcome:
    """What comes of these rows, with its diagnoses."""
    problem = problem_of(features, truth, classes=classes, groups=groups)
    surroundings = TrainingContext(decisions=DecisionLog(replay, record), **context)
    return diagnosed(fit_table(problem, test, settings=settings, context=surroundings), problem, settings)
