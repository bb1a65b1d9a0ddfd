"""Tables in words, and what is refused before anything is learned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mindle.data.tables.checks import check_table
from mindle.data.tables.reader import read_table
from mindle.data.tables.splits import split_table
from mindle.data.tables.summary import describe_table, ready_table, require_learnable_table
from mindle.errors import DataError
from tests.data.tables.rows import houses, noise, table_of


def test_a_regression_in_words() -> None:
    data = houses(100)
    data["price"][0] = None
    lines = describe_table(split_table(check_table(table_of({"no": list(range(100)), **data}))))
    text = "\n".join(lines)
    assert lines[0] == "table: 99 rows, 2 features, to estimate price"
    assert "counts the rows" in text
    assert "train" in text
    assert "median" in text
    assert lines[-1] == "  set aside: 1 no-target"


def test_classes_by_part() -> None:
    lines = describe_table(split_table(read_table("wine")))
    counts = [line.split() for line in lines if line.startswith("  class_")]
    assert [name for name, *_ in counts] == ["class_0", "class_1", "class_2"]
    assert [sum(map(int, numbers)) for _, *numbers in counts] == [59, 71, 48]


def test_long_values_are_cut_and_long_lists_too() -> None:
    data = {f"column {number}": noise(60, seed=number) for number in range(50)}
    table = table_of({**data, "text": [f"{'long ' * 20}{row % 7}" for row in range(60)], "y": [0, 1] * 30})
    lines = describe_table(table, most_columns=60)
    assert max(map(len, lines)) < 160
    assert any("… and 12 more columns" in line for line in describe_table(table))
    assert any("… and 1 more class" in line for line in describe_table(table, most_classes=1))


@pytest.mark.parametrize(
    ("target", "options", "sentence"),
    [
        ([f"name {row}" for row in range(40)], {}, "classes that come again"),
        (["?"] * 40, {}, "numbers or classes.*without any"),
        ([f"2024-01-{row % 28 + 1:02d}" for row in range(40)], {}, "holds dates"),
        (["a", "b"] * 20, {"task": "regression"}, "'y' without any .*40 cells such as"),
        (["a", "b"] * 3, {}, "at least 10 rows"),
        (["a"] * 40, {}, "two classes must have"),
        ([2.5] * 40, {"task": "regression"}, "two different targets must have"),
    ],
)
def test_targets_that_cannot_be_learned(target: list[Any], options: dict[str, Any], sentence: str) -> None:
    table = check_table(table_of({"x": noise(len(target)), "y": target}, **options))
    describe_table(table)
    with pytest.raises(DataError, match=sentence):
        ready_table(table)


def test_groups_must_be_enough_for_the_folds() -> None:
    columns = {"x": noise(60), "who": [f"p{row % 6}" for row in range(60)], "y": ["a", "b"] * 30}
    with pytest.raises(DataError, match="must have 7 groups of rows"):
        ready_table(check_table(table_of(columns, group="who")))
    ready_table(check_table(table_of(columns, group="who")), folds=3)


def test_small_tables_are_not_split() -> None:
    table = check_table(table_of({"x": noise(40), "y": ["a", "b"] * 20}))
    assert not any(ready_table(table).splits)
    given = replace(table, given=("train", "train", "test", "train") * 10)
    assert ready_table(given).splits.count("test") == 10


def test_what_can_be_learned_passes() -> None:
    require_learnable_table(split_table(read_table("diabetes")))


def test_what_cannot_be_learned_is_refused() -> None:
    table = split_table(table_of({"x": noise(40), "y": ["a", "b"] * 20}))
    with pytest.raises(DataError, match="two classes must have usable training rows"):
        require_learnable_table(replace(table, labels=table.labels * 0))
    with pytest.raises(DataError, match=r"test set must hold at least one of the rows"):
        require_learnable_table(replace(table, splits=("train",) * 40))
    with pytest.raises(DataError, match=r"column to learn from.*one \(always '1'\)"):
        require_learnable_table(split_table(table_of({"one": [1] * 40, "y": ["a", "b"] * 20})))
    with pytest.raises(DataError, match="different targets"):
        require_learnable_table(split_table(table_of({"x": noise(40), "y": [0.5] * 40}, task="regression")))
