"""Cells that cannot be read: counted, told with the first of them, refused where there are no others."""

from __future__ import annotations

import pytest

from mindle.data.tables.parsing.unreadable import CellReport, read_cells, require_readable
from mindle.errors import DataError, DataWarning
from mindle.records import Column

COLUMNS = (
    Column(name="age", kind="number"),
    Column(name="since", kind="date", date_format="%d.%m.%Y"),
    Column(name="town", kind="category"),
)
CELLS = {
    "age": ["36", "?", "many", "inf", "1e99", "7 EUR"],
    "since": ["31.01.2024", "", "31.02.2024", "2024-01-31", "n/a", "-"],
    "town": ["Bonn", "42", "", "inf", "?", "soon"],
}


def test_unreadable_cells_are_counted_and_missing_ones_are_not() -> None:
    values, found = read_cells(CELLS, COLUMNS, range(11, 17))
    assert [(odd.column, odd.count, odd.row, odd.cell, odd.filled) for odd in found] == [
        ("age", 4, 13, "many", 5),
        ("since", 1, 13, "31.02.2024", 3),
    ]
    assert values["town"].tolist() == ["Bonn", "42", None, "inf", None, "soon"]


def test_a_column_without_any_cell_to_read_is_refused() -> None:
    _, found = read_cells({**CELLS, "age": ["many", "", "inf", "", "", ""]}, COLUMNS, range(1, 7))
    with pytest.raises(DataError, match="none of 2 cells of 'age' is a number; first in row 1: 'many'"):
        require_readable(found, COLUMNS, "rows")
    require_readable(read_cells(CELLS, COLUMNS, range(6))[1], COLUMNS, "rows")
    empty = {"age": ["", "?"], "since": ["", ""], "town": ["", ""]}
    assert read_cells(empty, COLUMNS, range(2))[1] == ()


def test_a_report_adds_up_what_chunks_tell() -> None:
    report = CellReport()
    for start in (1, 7):
        report.add("new.csv", (), read_cells(CELLS, COLUMNS, range(start, start + 6))[1])
    report.add("", ("a decimal comma in age (training: decimal point)",), ())
    assert report.sentences() == [
        "The rows are read as they are written: a decimal comma in age (training: decimal point)",
        "8 cells of 'age' in 'new.csv' are not numbers and are read as missing; first in row 3: 'many'",
        "2 cells of 'since' in 'new.csv' are not dates and are read as missing; first in row 3: '31.02.2024'",
    ]
    document = report.document()
    assert document["written"] == {"": ["a decimal comma in age (training: decimal point)"]}
    assert document["unreadable"][0] == {
        "path": "new.csv",
        "column": "age",
        "kind": "number",
        "count": 8,
        "row": 3,
        "cell": "many",
        "filled": 10,
    }
    with pytest.warns(DataWarning) as caught:
        report.warn()
    assert [str(warning.message) for warning in caught] == report.sentences()
