from __future__ import annotations

from collections.abc import Callable

from mindle.evaluation.report import ReportContent, report_html, tasks
from mindle.records import FAMILIES, Task


def test_every_family_has_its_sections() -> None:
    assert {FAMILIES[name] for name in FAMILIES} <= set(tasks.TASKS)
    assert tasks.of(Task("binary")) is tasks.of(Task("multiclass"))
    assert tasks.of(Task("regression")).main == "mae"


def test_a_task_from_outside_is_reported_on(
    estimated: Callable[..., ReportContent], monkeypatch: object
) -> None:
    import pytest

    assert isinstance(monkeypatch, pytest.MonkeyPatch)
    monkeypatch.setitem(FAMILIES, "count", "count")
    monkeypatch.setitem(tasks.TASKS, "count", tasks.TASKS["regression"])
    made = estimated()
    counted = estimated(metrics={**made.metrics, "task": "count"})
    assert "off on average" in report_html(counted)
