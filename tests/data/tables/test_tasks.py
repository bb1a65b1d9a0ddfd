"""What checks and summaries of tables ask of a task."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.data.common import tasks as common
from mindle.data.tables import tasks
from mindle.data.tables.checks import check_table
from mindle.data.tables.reader import read_table
from mindle.data.tables.splits import split_table
from mindle.data.tables.summary import describe_table
from mindle.records import Task
from mindle.tasks import register


def test_the_best_constant_of_each_place() -> None:
    place = np.array([0, 0, 0, 1, 1])
    classes = tasks.of(Task("multiclass"))
    assert classes.constants(np.array([2, 1, 2, 0, 0]), place, 2).tolist() == [2, 0]
    assert classes.errors(np.array([2.0, 0.0]), np.array([2, 1])) == 1
    numbers = tasks.of(Task("regression"))
    assert numbers.constants(np.array([1.0, 2.0, 3.0, 5.0, 7.0]), place, 2).tolist() == [2, 6]
    assert numbers.errors(np.array([1.0, 3.0]), np.array([1.0, 1.0])) == pytest.approx(4.0)


def test_few_numbers_are_a_finding() -> None:
    table = read_table("diabetes")
    numbers = common.of(table.task)
    assert [finding.kind for finding in numbers.findings(table, np.arange(99))] == ["few-numbers"]
    assert numbers.findings(table, np.arange(100)) == []


def test_a_table_is_described_by_its_targets() -> None:
    iris, diabetes = read_table("iris"), read_table("diabetes")
    assert tasks.of(iris.task).headline(iris) == "iris: 150 rows, 4 features, to predict target (3 classes)"
    assert list(common.of(iris.task).rows(iris, 1)) == [("class", "rows", "set aside"), ("setosa", "50", "0")]
    assert tasks.of(diabetes.task).headline(diabetes).endswith("to estimate target")
    assert next(iter(common.of(diabetes.task).rows(diabetes, 1)))[0] == "split"


@pytest.mark.parametrize(("like", "labels"), [("classification", 3), ("regression", 0)])
def test_a_task_from_outside_is_read_checked_and_split(like: str, labels: int) -> None:
    columns = {"x": [n / 7 for n in range(120)], "y": [n % 3 for n in range(120)]}
    with register("grades", like=like):
        table = split_table(check_table(read_table(columns, target="y", task="grades")))
        assert table.task == table.task.family == "grades"
        assert len(table.classes) == labels
        assert {table.splits.count(split) for split in ("train", "val", "test")} == {84, 18}
        assert describe_table(table)
    with pytest.raises(ValueError, match="`task` must be one of"):
        read_table(columns, target="y", task="grades")


def test_a_class_is_spelled_as_it_is_most_often() -> None:
    columns = {"x": [1, 2, 3, 4], "y": ["1.0", "1", "1", "2"]}
    table = read_table(columns, target="y", task="classification")
    assert table.classes == ("1", "2")
    assert table.labels.tolist() == [0, 0, 0, 1]
