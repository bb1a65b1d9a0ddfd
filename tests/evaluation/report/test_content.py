from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mindle.evaluation.report import ReportContent, most_confident_mistakes
from mindle.records import Predictions


def test_mistakes_come_surest_first_and_no_more_than_asked(full: Callable[..., ReportContent]) -> None:
    test = full(n=200).predictions["test"]
    rows = most_confident_mistakes(test, 5)
    sure = test.probabilities[rows].max(axis=1)
    assert len(rows) == 5
    assert (np.diff(sure) <= 0).all()
    assert test.labels is not None
    assert (test.probabilities[rows].argmax(axis=1) != test.labels[rows]).all()


def test_mistakes_need_the_truth() -> None:
    unknown = Predictions(classes=("a", "b"), paths=("x",), probabilities=np.array([[0.5, 0.5]]))
    with pytest.raises(ValueError, match="must carry `labels`"):
        most_confident_mistakes(unknown)


def test_a_report_needs_a_task_and_a_test_part(full: Callable[..., ReportContent]) -> None:
    with pytest.raises(ValueError, match="`task` binary or multiclass or regression. Received task='guess'"):
        full(metrics={"task": "guess", "test": {}})
    with pytest.raises(ValueError, match="the test part in `metrics` and in `estimates`"):
        full(metrics={"task": "regression", "test": {}})
    with pytest.raises(ValueError, match="needs the test part"):
        full(predictions={})


def test_training_images_are_counted(full: Callable[..., ReportContent]) -> None:
    assert full().train_images() == 300
    assert full(parts={}).train_images() == 0
