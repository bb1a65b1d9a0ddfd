from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest

from mindle.evaluation.report import ReportContent, content
from mindle.evaluation.report.formatting import Score


def test_a_report_needs_a_task_and_a_test_split(full: Callable[..., ReportContent]) -> None:
    with pytest.raises(ValueError, match="`task` binary or multiclass or regression. Received task='guess'"):
        full(metrics={"task": "guess", "test": {}})
    with pytest.raises(ValueError, match="the test split in `metrics` and in `answers`"):
        full(metrics={"task": "regression"})
    with pytest.raises(ValueError, match="needs the test split"):
        full(answers={})


def test_training_images_are_counted(full: Callable[..., ReportContent]) -> None:
    assert full().data.total("train") == 300
    assert full(counts={}).data.total("train") == 0


def test_scores_have_their_intervals(full: Callable[..., ReportContent]) -> None:
    made = full()
    assert made.test_score("accuracy") == Score(**made.test["accuracy"])
    assert made.test_score("no-such-score") == Score(None)
    assert made.train_score("accuracy") == (1.0, False)
    assert made.train_score("mae") is None


def test_no_record_is_wide() -> None:
    records = [
        each
        for each in vars(content).values()
        if isinstance(each, type) and each.__module__ == content.__name__
    ]
    assert max(len(fields(record)) for record in records) <= 8
