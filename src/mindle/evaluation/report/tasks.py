"""What a report shows of each family of tasks; another package adds an entry."""

from __future__ import annotations

from mindle.evaluation.report import classification, regression
from mindle.evaluation.report.sections import ReportTask
from mindle.records import Task

TASKS: dict[str, ReportTask] = {"classification": classification.TASK, "regression": regression.TASK}


def of(task: Task) -> ReportTask:
    """The sections, figures and headline of a task."""
    return TASKS[task.family]
