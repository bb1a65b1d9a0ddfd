"""What evaluation does for each family of tasks, and where a new one is registered."""

from __future__ import annotations

from typing import Any

from mindle.evaluation.classification import Classification
from mindle.evaluation.family import Evaluation
from mindle.evaluation.regression import Regression
from mindle.records import Task

TASKS: dict[str, Evaluation[Any]] = {"classification": Classification(), "regression": Regression()}


def of(task: str) -> Evaluation[Any]:
    """What evaluation does for a task.

    Example:
        >>> of("multiclass").main, of("regression").main
        ('accuracy', 'mae')
    """
    return TASKS[Task(task).family]
