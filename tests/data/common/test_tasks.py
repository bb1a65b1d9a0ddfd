"""What the data room asks of a task: every family answers, and another from outside may."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mindle.data
from mindle.data.common import tasks
from mindle.data.common.summary import describe, split_counts
from mindle.records import FAMILIES, Task
from tests.discs import write_discs


def test_every_family_has_its_entry() -> None:
    assert set(FAMILIES.values()) == set(tasks.TASKS)
    assert tasks.of(Task("binary")) is tasks.of(Task("multiclass"))


def test_a_task_from_outside_is_split_and_described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(FAMILIES, "count", "count")
    monkeypatch.setitem(tasks.TASKS, "count", tasks.TASKS["regression"])
    dataset = mindle.data.read(write_discs(tmp_path, 40))
    object.__setattr__(dataset, "task", Task("count"))
    assert np.bincount(tasks.strata(dataset)).tolist() == [10, 10, 10, 10]
    assert len(split_counts(dataset)) == 4
    assert describe(dataset)[0] == "discs: 40 images, to estimate target"
