"""What cells say of a row: how many are missing."""

from __future__ import annotations

import numpy as np

from mindle.data.tables.quality import STATISTICS, measure


def test_missing_cells_of_either_kind_count() -> None:
    numbers = np.array([[1.0, np.nan], [np.nan, np.nan], [1.0, 2.0]])
    categories = np.array([["a", None], ["", None], ["a", "b"]], object)
    found = measure(numbers, categories)
    assert found.shape == (3, len(STATISTICS))
    assert found[:, 0].tolist() == [0.5, 1.0, 0.0]


def test_columns_of_one_kind_will_do() -> None:
    assert measure(np.zeros((2, 3)), np.empty((2, 0), object)).tolist() == [[0.0], [0.0]]
    assert measure(np.empty((1, 0)), np.array([[None]], object)).tolist() == [[1.0]]
    assert measure(np.empty((2, 0)), np.empty((2, 0), object)).tolist() == [[0.0], [0.0]]
