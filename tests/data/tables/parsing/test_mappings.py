"""Rows in memory: one mapping, several, whole columns, what other libraries hold."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mindle.data.tables.parsing.mappings import mappings_of, row_of
from mindle.errors import DataError

ROWS = [{"age": 36, "town": "Bonn"}, {"age": 25, "town": "Rome"}]
FRAME = pd.DataFrame(ROWS)


@pytest.mark.parametrize(
    "source",
    [
        ROWS,
        tuple(ROWS),
        iter(ROWS),
        {"age": [36, 25], "town": ("Bonn", "Rome")},
        {"age": np.array([36, 25]), "town": FRAME["town"]},
        FRAME.to_dict(),
        [FRAME.iloc[0], FRAME.iloc[1]],
        np.array([(36, "Bonn"), (25, "Rome")], [("age", "i8"), ("town", "U9")]),
    ],
)
def test_every_form_gives_the_same_rows(source: Any) -> None:
    assert [dict(row) for row in mappings_of(source)] == ROWS


def test_tables_of_pyarrow_are_rows() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    assert list(mappings_of(pyarrow.table({"age": [36, 25], "town": ["Bonn", "Rome"]}))) == ROWS


def test_one_row_is_a_mapping_of_cells_or_a_series() -> None:
    assert row_of(ROWS[0]) == ROWS[0]
    assert row_of(FRAME.iloc[1]) == ROWS[1]
    assert row_of(FRAME) is row_of({"age": []}) is row_of("row") is None


def test_columns_of_unequal_length_are_named_with_their_lengths() -> None:
    with pytest.raises(DataError, match="of one length. Received 'age' 2, 'town' 1"):
        mappings_of({"age": [36, 25], "town": ["Bonn"]})
    with pytest.raises(DataError, match="'age' 3, 'town' 1"):
        mappings_of({"age": range(3), "town": "Bonn"})


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (5, "int"),
        (None, "NoneType"),
        (b"age,town\n36,Bonn\n", "bytes"),
        (io.BytesIO(b"age,town\n"), "BytesIO"),
        (io.StringIO("age,town\n"), "StringIO"),
        (np.zeros((2, 2)), "ndarray"),
        ([1, 2], "2 values, the first of them int"),
        ([[36, "Bonn"]], "1 value, the first of them list"),
        ({36, 25}, "set"),
    ],
)
def test_what_holds_no_rows_is_refused_by_its_type(source: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"mappings by column name. Received {name}"):
        mappings_of(source)
