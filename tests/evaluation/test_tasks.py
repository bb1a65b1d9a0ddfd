"""What evaluation does for every family of tasks."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.evaluation import tasks
from mindle.records import FAMILIES, Answers, Estimates, Predictions

ANSWERS: dict[str, Answers] = {
    "classification": Predictions(
        classes=("cat", "dog"),
        paths=("a", "b", "c") * 2,
        probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]] * 2),
        labels=np.array([0, 1, 1] * 2),
        repeats=2,
    ),
    "regression": Estimates(
        paths=("a", "b", "c") * 2,
        values=np.array([1.0, 2.0, 5.0, 1.0, 2.0, 7.0]),
        targets=np.array([1.0, 2.5, 3.0] * 2),
        repeats=2,
    ),
}


@pytest.mark.parametrize("family", tasks.TASKS)
def test_answers_are_scored_listed_and_compared(family: str) -> None:
    answers = ANSWERS[family]
    task = tasks.of(answers.task)
    assert task is tasks.TASKS[family]
    scores = task.score(answers)
    assert scores["n"] == 3
    assert str(task.headline(scores)).endswith("n = 3)")
    assert task.number.format(scores[task.main]["value"]) in task.headline(scores)
    pooled = task.pooled(answers)
    assert (len(pooled), pooled.repeats) == (3, 1)
    assert task.worst(pooled)[0] == 2
    assert task.errors(pooled)["path"][0] == "c"
    assert task.matched(answers, answers).paths == answers.paths
    first, *_ = task.measure(answers, answers)(np.arange(6)[None]).values()
    assert first[0] == pytest.approx(scores[task.main]["value"])


def test_every_task_has_its_evaluation() -> None:
    assert {tasks.of(name).main for name in FAMILIES} == {"accuracy", "mae"}
    with pytest.raises(ValueError, match="`task` must be one of"):
        tasks.of("ranking")


def test_a_single_row_has_no_interval() -> None:
    task, row = tasks.of("regression"), Estimates(paths=("a",), values=np.ones(1), targets=np.zeros(1))
    assert task.headline(task.score(row)) == "mean absolute error 1 (n = 1)"
    assert task.headline(task.score(row)).in_language("ko") == "평균절대오차 1 (n = 1)"


def test_mistakes_need_the_truth() -> None:
    for answers in (
        Predictions(classes=("a", "b"), paths=("x",), probabilities=np.eye(2)[:1]),
        Estimates(paths=("x",), values=np.ones(1)),
    ):
        with pytest.raises(ValueError, match="to find"):
            tasks.of(answers.task).worst(answers)
