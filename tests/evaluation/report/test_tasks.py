from __future__ import annotations

from collections.abc import Callable

import pytest

from mindle.evaluation import tasks as evaluation_tasks
from mindle.evaluation.report import ReportContent, report_html, tasks
from mindle.records import FAMILIES, Task


def test_every_family_has_its_sections() -> None:
    assert {FAMILIES[name] for name in FAMILIES} <= set(tasks.TASKS)
    assert tasks.of(Task("binary")) is tasks.of(Task("multiclass"))
    assert tasks.of(Task("regression")).scores[0] == "mae"


def test_a_task_from_outside_is_reported_on(
    estimated: Callable[..., ReportContent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, "count", "count")
    monkeypatch.setitem(evaluation_tasks.TASKS, "count", evaluation_tasks.TASKS["regression"])
    monkeypatch.setitem(tasks.TASKS, "count", tasks.TASKS["regression"])
    made = estimated()
    counted = estimated(metrics={**made.metrics, "task": "count"})
    assert "mean absolute error" in report_html(counted)
