"""Splits and folds of tables: shares, whole groups, time, and the same whatever the order of rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mindle.data.common.tasks import of
from mindle.data.tables.checks import check_table
from mindle.data.tables.reader import read_table
from mindle.data.tables.splits import folds, split_table, time_column
from mindle.errors import DataError
from mindle.records import SPLITS, Table
from tests.data.tables.rows import houses, kinds, noise, table_of, the


def checked(columns: dict[str, Any], **options: Any) -> Table:
    return check_table(table_of(columns, **options))


def test_each_class_has_its_share() -> None:
    table = split_table(checked({"x": noise(200), "y": ["a"] * 120 + ["b"] * 60 + ["c"] * 20}))
    counts = Counter(zip(table.labels.tolist(), table.splits, strict=True))
    for label, size in enumerate((120, 60, 20)):
        assert [counts[label, part] for part in SPLITS] == [
            size * 7 // 10,
            size * 15 // 100,
            size * 15 // 100,
        ]


def test_each_band_of_a_number_has_its_share() -> None:
    table = split_table(checked(houses(400)))
    bands = of(table.task).strata(table, table.rows())
    assert np.bincount(bands).tolist() == [40] * 10
    for part in SPLITS:
        inside = bands[[here == part for here in table.splits]]
        assert np.ptp(np.bincount(inside, minlength=10)) <= 1
    assert Counter(table.splits) == {"train": 280, "val": 60, "test": 60}


def test_targets_of_one_value_and_few_rows_are_parted_too() -> None:
    assert set(split_table(table_of({"x": noise(12), "y": noise(12, seed=1)})).splits) == set(SPLITS)
    table = split_table(table_of({"x": noise(60), "y": [0.5] * 50 + noise(10)}, task="regression"))
    assert Counter(table.splits)["test"] == 9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(seed: int, random: Any) -> None:
    frame = pd.DataFrame(houses(60)).assign(no=range(60), who=[f"p{row // 3}" for row in range(60)])
    order = random.sample(range(60), 60)

    def parts_and_folds(rows: pd.DataFrame) -> list[dict[int, Any]]:
        table = split_table(check_table(read_table(rows, target="price", ids=["no"], group="who")), seed=seed)
        numbers = folds(table, table.rows(), folds=4, seed=seed)
        named = [int(cell) for cell in table.cells["no"]]
        return [dict(zip(named, values, strict=True)) for values in (table.splits, numbers.tolist())]

    assert parts_and_folds(frame) == parts_and_folds(frame.iloc[order])


def test_copies_and_groups_are_whole() -> None:
    data = {"who": [f"p{row // 4}" for row in range(400)], **houses(400)}
    for name in ("size", "town", "price"):
        data[name][100:120] = data[name][200:220]
    table = split_table(checked(data, group="who"))
    numbers = folds(table, table.rows(), folds=5)
    for values in (table.splits, numbers.tolist()):
        places = {group: set() for group in table.groups}
        for group, value in zip(table.groups, values, strict=True):
            places[group].add(value)
        assert all(len(found) == 1 for found in places.values())
    assert table.groups[100] == table.groups[200]
    assert Counter(table.splits)["test"] == pytest.approx(60, abs=8)


def test_a_given_split_is_kept() -> None:
    data = {"split": ["train"] * 200 + ["val"] * 50 + ["test"] * 50, **houses(300)}
    table = split_table(checked(data))
    assert table.splits == table.given
    one = split_table(checked({**data, "split": ["train"] * 200 + ["test"] * 100}))
    assert set(one.splits[200:]) == {"test"}
    assert one.splits[:200].count("val") == pytest.approx(30, abs=2)


def test_the_latest_rows_are_judged() -> None:
    day = np.random.default_rng(0).permutation(300)
    stamps = (pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D")).strftime("%Y-%m-%d").tolist()
    table = split_table(checked({"sold": stamps, **houses(300)}, time="sold"), seed=5)
    parts = np.array(table.splits)
    assert Counter(table.splits) == {"train": 210, "val": 45, "test": 45}
    assert day[parts == "train"].max() < day[parts == "val"].min()
    assert day[parts == "val"].max() < day[parts == "test"].min()
    column = time_column(table)
    assert column is not None
    assert column.name == "sold"
    assert "from 2024-09-12 on" in the(table, "by-time").message  # day 255 of a leap year
    numbers = folds(table, table.rows(), folds=3, repeat=1)
    assert [set(day[numbers == fold] // 100) for fold in range(3)] == [{0}, {1}, {2}]
    np.testing.assert_array_equal(numbers, folds(table, table.rows(), folds=3, seed=9))


def test_groups_stand_in_time_where_their_latest_row_does() -> None:
    time = list(range(100))
    who = ["late" if row in (0, 99) else f"p{row}" for row in range(100)]
    table = split_table(checked({"t": time, "who": who, **houses(100)}, time="t", group="who"))
    assert table.splits[0] == table.splits[99] == "test"
    assert table.splits[1] == "train"


def test_rows_without_a_time_come_first() -> None:
    time = [None if row % 10 == 0 else row for row in range(100)]
    table = split_table(checked({"t": time, **houses(100)}, time="t"))
    assert {table.splits[row] for row in range(0, 100, 10)} == {"train"}
    assert "10 rows have no time" in the(table, "by-time").message


def test_a_few_times_still_fill_every_part() -> None:
    data = {
        "t": [row // 20 for row in range(60)],
        "who": [f"y{row // 20}" for row in range(60)],
        **houses(60),
    }
    table = split_table(checked(data, time="t", group="who"))
    assert [table.splits[row] for row in (0, 20, 40)] == ["train", "val", "test"]


def test_a_given_split_comes_before_time() -> None:
    data = {"split": ["test"] * 50 + ["train"] * 250, "t": list(range(300)), **houses(300)}
    table = split_table(checked(data, time="t"))
    assert set(table.splits[:50]) == {"test"}
    assert "by-time" not in kinds(table)
    assert set(table.splits[-37:]) == {"val"}  # the latest of train


def test_rows_set_aside_or_without_a_target_have_no_part() -> None:
    data = houses(100)
    data["price"][4] = None
    table = split_table(table_of(data))
    assert table.splits[4] == ""
    assert table.splits.count("") == 1
    aside = split_table(replace(table_of(houses(100)), set_aside=("ragged", *("",) * 99)))
    assert aside.splits[0] == ""


def test_a_class_that_a_part_lacks_is_told() -> None:
    table = split_table(checked({"x": noise(102), "y": ["a", "b"] * 50 + ["c"] * 2}))
    assert the(table, "class-missing").files == ("c",)
    assert "rows" in the(table, "class-missing").message


def test_folds_are_even_and_differ_by_repeat_and_seed() -> None:
    table = checked({"x": noise(203), "y": ["a"] * 103 + ["b"] * 60 + ["c"] * 40})
    rows = table.rows()
    numbers = folds(table, rows, folds=5)
    assert np.ptp(np.bincount(numbers)) <= 1
    for label in range(3):
        assert np.ptp(np.bincount(numbers[table.labels == label], minlength=5)) <= 1
    np.testing.assert_array_equal(numbers, folds(table, rows, folds=5))
    assert not np.array_equal(numbers, folds(table, rows, folds=5, repeat=1))
    assert not np.array_equal(numbers, folds(table, rows, folds=5, seed=1))


def test_folds_of_some_rows() -> None:
    table = split_table(checked(houses(200)))
    rows = table.rows("train")
    numbers = folds(table, rows, folds=10)
    assert len(numbers) == len(rows) == 140
    assert np.bincount(numbers).tolist() == [14] * 10
    bands = of(table.task).strata(table, rows)
    for fold in range(10):  # bands of 14 rows dealt to ten folds: one or two of each
        assert set(np.bincount(bands[numbers == fold], minlength=10)) <= {1, 2}


def test_more_folds_than_groups_are_refused() -> None:
    table = checked({"who": ["a", "b", "c"] * 20, **houses(60)}, group="who")
    assert set(folds(table, table.rows(), folds=3).tolist()) == {0, 1, 2}
    for number in (1, 4):
        with pytest.raises(ValueError, match="2 to 3"):
            folds(table, table.rows(), folds=number)


def test_what_cannot_be_parted() -> None:
    table = table_of(houses(20))
    with pytest.raises(DataError, match="needs usable rows"):
        split_table(replace(table, set_aside=("ragged",) * 20))
    with pytest.raises(ValueError, match="adding up to 1"):
        split_table(table, fractions=(0.5, 0.1, 0.1))
    with pytest.raises(DataError, match="usable training rows"):
        split_table(replace(table, given=("val", "test") * 10))


@pytest.mark.slow
def test_large_tables_are_parted_and_folded() -> None:
    table = split_table(checked(houses(30_000)))
    assert Counter(table.splits)["test"] == pytest.approx(4500, abs=10)
    assert np.ptp(np.bincount(folds(table, table.rows(), folds=5))) <= 10
