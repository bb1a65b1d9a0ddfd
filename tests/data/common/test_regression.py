"""Data whose truth is a number."""

from __future__ import annotations

import numpy as np

import mindle.data
from mindle.data.common.regression import RegressionData
from mindle.data.tables.reader import read_table


def test_rows_without_a_number_are_unknown_and_spread_ignores_them() -> None:
    table, task = read_table("diabetes"), RegressionData()
    table.targets[0] = np.nan
    assert task.known(table).sum() == len(table) - 1
    assert 70 < task.spread(table) < 90
    assert sum(sum(row.values()) for row in task.counts(mindle.data.split_table(table)).values()) == 441
