"""Tables in memory: what columns are told for, and how cells are read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mindle.data import check_table, features
from mindle.data.tables.frames import cells_in_memory, columns_in_memory, table_in_memory

FRAME = pd.DataFrame(
    {
        "age": [31, None, 54, 20] * 6,
        "town": pd.Categorical(["Bonn", "Seoul", None, "Bonn"] * 6),
        "since": pd.to_datetime(["2020-01-01", "2021-05-02", None, "1999-12-31"] * 6),
        "member": [f"M{n:03d}" for n in range(24)],
        "code": ["1", "2", "3", "1"] * 6,
        "unit": ["kg"] * 24,
    }
)


def test_columns_of_a_frame_are_told_apart_as_those_of_a_file() -> None:
    columns, findings = columns_in_memory(FRAME)
    assert [(c.name, c.kind, c.role) for c in columns] == [
        ("age", "number", "feature"),
        ("town", "category", "feature"),
        ("since", "date", "feature"),
        ("member", "category", "ignored"),
        ("code", "number", "feature"),
        ("unit", "category", "ignored"),
    ]
    told = {finding.kind: finding.files for finding in findings}
    assert told == {"constant-column": ("unit",), "id-like": ("member",), "missing-words": ("since",)}


def test_kinds_overrule_the_guess() -> None:
    columns, findings = columns_in_memory(FRAME, {"code": "category", "member": "category", "age": "ignored"})
    kinds = {column.name: (column.kind, column.role) for column in columns}
    assert kinds["code"] == kinds["member"] == ("category", "feature")
    assert kinds["age"][1] == "ignored"
    assert "id-like" not in {finding.kind for finding in findings}
    with pytest.raises(ValueError, match="`kinds` must be number, category, date or ignored"):
        columns_in_memory(FRAME, {"age": "text"})
    with pytest.raises(ValueError, match="Did you mean 'town'"):
        columns_in_memory(FRAME, {"twon": "category"})


def test_numbers_in_an_array_are_taken_as_they_are() -> None:
    rows = np.array([[1.0, np.nan], [2.0, 1e300], [3.0, -4.0]])
    columns, findings = columns_in_memory(rows)
    assert [(c.name, c.kind, c.role) for c in columns] == [
        ("c1", "number", "feature"),  # it counts the rows, but nobody named it an identifier
        ("c2", "number", "feature"),
    ]
    assert findings == ()
    cells = cells_in_memory(rows, columns)
    np.testing.assert_array_equal(cells["c2"], [np.nan, np.nan, -4.0])
    assert columns_in_memory(rows, {"c1": "ignored"})[0][0].role == "ignored"
    assert columns_in_memory(rows, {"c1": "category"})[0][0].kind == "category"


def test_new_cells_are_read_by_the_columns_that_were_learned_from() -> None:
    columns, _ = columns_in_memory(FRAME)
    new = FRAME.head(2).assign(town=["Rome", "Bonn"], code=["many", "2"])
    cells = cells_in_memory(new, columns)
    assert cells["town"].tolist() == ["Rome", "Bonn"]
    np.testing.assert_array_equal(cells["code"], [np.nan, 2.0])
    assert cells["since"][0] == 18262.0
    # The same as plain values, without names.
    plain = cells_in_memory(new.astype(object).to_numpy(), columns)
    assert all(list(map(str, plain[name])) == list(map(str, cells[name])) for name in cells)


def test_rows_and_their_target_make_a_table() -> None:
    frame = FRAME.drop(columns="member").rename(columns={"code": "target"}).head(8)
    columns, findings = columns_in_memory(frame)
    cells = cells_in_memory(frame, columns)
    labels = np.arange(8) // 4
    table = table_in_memory(columns, cells, labels, classes=("no", "yes"), findings=findings)
    assert table.task == "binary"
    assert table.columns[-1].name == "target (2)"
    checked = check_table(table)
    # Every row comes again under the other class: the two stay together.
    assert checked.groups[:4] == checked.groups[4:]
    assert len(set(checked.groups)) == 4
    assert features(checked.cells, checked.columns).numbers.shape == (8, 6)
    number = table_in_memory(columns, cells, labels / 3, groups=tuple("abababab"))
    assert (number.task, number.classes, number.groups[:2]) == ("regression", (), ("a", "b"))
