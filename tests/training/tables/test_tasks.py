"""Each family of tasks has an entry, and what it answers fits together."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.data.tables.parsing.columns import Features
from mindle.records import FAMILIES, Task
from mindle.training.tables import tasks
from mindle.training.tables.passes import TableProblem, prepare

LABELS, NUMBERS = np.array([0, 1, 2, 1]), np.array([1.0, 2.0, 4.0, 9.0])


def test_every_family_has_an_entry() -> None:
    assert set(tasks.TASKS) == set(FAMILIES.values())


def test_a_registered_task_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "count", "count")
    monkeypatch.setitem(tasks.TASKS, "count", tasks.TableRegression())
    assert tasks.of("count").loss_name == "root mean squared error"


def test_a_number_is_standardised_and_classes_are_one_hot() -> None:
    number = tasks.of("regression").target(NUMBERS, 1)
    assert number.truth * number.scale + number.centre == pytest.approx(NUMBERS)
    assert tasks.of("multiclass").target(LABELS, 3).columns.tolist()[2] == [0.0, 0.0, 1.0]
    assert tasks.of("binary").target(LABELS[:2], 2).columns.tolist() == [[0.0], [1.0]]


def test_scores_have_an_interval_around_them() -> None:
    logits = np.eye(3)[LABELS] * 4.0
    found = tasks.of("multiclass").score(logits, LABELS)
    assert found["low"] < found["value"] == 1.0 == found["high"]
    found = tasks.of("regression").score(NUMBERS[:, None] + [[1.0], [1.0], [3.0], [3.0]], NUMBERS)
    assert found["low"] < found["value"] == 2.0 < found["high"]


@pytest.mark.parametrize(("task", "truth"), [("multiclass", LABELS), ("regression", NUMBERS)])
def test_weighting_looks_at_the_rows_it_is_given(task: str, truth: np.ndarray) -> None:
    answers = np.full((4, 3), 1 / 3) if task == "multiclass" else np.zeros((4, 1))
    loss_of, rows = tasks.of(task).weighting_loss(truth, {"one": answers}), np.array([0, 3])
    every = loss_of(np.arange(4))(answers)
    assert loss_of(rows)(answers[rows]) == pytest.approx(every[rows])


def test_a_training_set_takes_its_target_from_the_task() -> None:
    problem = TableProblem(
        features=Features(
            numbers=NUMBERS[:, None],
            number_names=("n",),
            categories=np.empty((4, 0), object),
            category_names=(),
        ),
        truth=NUMBERS,
        task=Task("regression"),
        classes=(),
        assign_folds=lambda rows, folds, seed: rows % folds,
        threads=1,
    )
    made = prepare(problem, np.arange(4), 0)
    assert (made.centre, made.scale) == (4.0, pytest.approx(NUMBERS.std()))
