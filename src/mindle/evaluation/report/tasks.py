"""What a report shows of each family of tasks; another package adds an entry."""

from __future__ import annotations

from typing import Any

from mindle.evaluation.report.classification import ClassificationPage
from mindle.evaluation.report.regression import RegressionPage
from mindle.evaluation.report.sections import Page
from mindle.records import Task

TASKS: dict[str, type[Page[Any]]] = {"classification": ClassificationPage, "regression": RegressionPage}


def of(task: Task) -> type[Page[Any]]:
    """The page of a task: its sections, figures and headline."""
    return TASKS[task.family]
