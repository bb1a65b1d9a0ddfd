"""Corruptions of rows: which ones a table can have, how much of each, and that chance follows the row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.data.tables.corruptions import IRRELEVANT, UNSEEN, SomeRows, corrupted, corruptions_of
from mindle.records import Column

COLUMNS = (
    Column(name="age", kind="number"),
    Column(name="height", kind="number"),
    Column(name="colour", kind="category"),
    Column(name="day", kind="date"),
    Column(name="who", kind="category", role="id"),
)
N = 400
CELLS: dict[str, NDArray[Any]] = {
    "age": np.arange(N, dtype=float),
    "height": np.linspace(1.0, 2.0, N),
    "colour": np.array(["red", "blue"] * (N // 2), object),
    "day": np.arange(N, dtype=float) + 19000,
    "who": np.array(["?"] * N, object),
}
ROWS = SomeRows.of(COLUMNS, CELLS)
CONTENTS = [str(row) for row in range(N)]
BY_NAME = {one.name: one for one in (*corruptions_of(COLUMNS), *IRRELEVANT)}


def at(name: str, severity: int) -> dict[str, NDArray[Any]]:
    return dict(corrupted(ROWS, BY_NAME[name], severity, CONTENTS, 0))


def changed(name: str, severity: int) -> NDArray[np.bool_]:
    """Which cells of the features differ, (row, column)."""
    found = at(name, severity)
    return np.stack([found[column.name] != CELLS[column.name] for column in ROWS.columns], axis=1)


def test_only_what_can_happen_to_the_columns() -> None:
    assert list(BY_NAME) == ["missing-cells", "shifted-column", "scaled-column", "unseen-words", "unrelated"]
    numbers = corruptions_of([Column(name="age", kind="number")])
    assert [one.name for one in numbers] == ["missing-cells", "shifted-column", "scaled-column"]
    dates = corruptions_of([Column(name="day", kind="date")])
    assert [one.name for one in dates] == ["missing-cells", "shifted-column"]


def test_the_stated_share_of_cells_is_missing() -> None:
    found = at("missing-cells", 4)
    assert np.isnan(found["age"]).mean() == pytest.approx(0.35, abs=0.08)
    assert (found["colour"] == None).mean() == pytest.approx(0.35, abs=0.08)  # noqa: E711  # elementwise
    assert found["who"] is CELLS["who"]  # what is no feature stays


def test_more_cells_are_lost_with_each_severity_and_none_comes_back() -> None:
    lost = [changed("missing-cells", severity) for severity in range(1, 6)]
    assert all((before <= after).all() for before, after in zip(lost, lost[1:], strict=False))


@pytest.mark.parametrize(("name", "kinds"), [("shifted-column", 3), ("scaled-column", 2)])
def test_one_column_of_each_row_changes_and_every_column_is_tried(name: str, kinds: int) -> None:
    cells = changed(name, 3)[1:]  # of row 0 the age is 0, which no factor changes
    assert cells.sum(axis=1).max() == 1
    assert (cells.sum(axis=0) > 0).sum() == kinds


def test_amounts_are_deviations_and_factors() -> None:
    shift = at("shifted-column", 4)["age"] - CELLS["age"]
    assert set(np.round(shift / CELLS["age"].std(), 6)) == {0.0, 2.0}
    factor = at("scaled-column", 5)["height"] / CELLS["height"]
    assert set(np.round(factor, 6)) == {1.0, 100.0}


def test_every_word_is_unseen_at_the_end() -> None:
    assert (at("unseen-words", 5)["colour"] == UNSEEN).all()
    assert 0 < (at("unseen-words", 1)["colour"] == UNSEEN).mean() < 0.2


def test_no_word_appears_in_an_empty_cell() -> None:
    cells = {"colour": np.array(["red", None], object)}
    rows = SomeRows.of([Column(name="colour", kind="category")], cells)
    found = corrupted(rows, BY_NAME["unseen-words"], 5, ["a", "b"], 0)
    assert found["colour"].tolist() == [UNSEEN, None]


def test_unrelated_rows_lie_far_outside() -> None:
    found = at("unrelated", 1)
    assert (np.abs(found["age"] - CELLS["age"].mean()) > 50 * CELLS["age"].std()).all()
    assert (found["colour"] == UNSEEN).all()


def test_chance_follows_the_row_and_not_its_place() -> None:
    turned = SomeRows.of(COLUMNS, {name: cells[::-1] for name, cells in CELLS.items()})
    found = corrupted(turned, BY_NAME["missing-cells"], 3, CONTENTS[::-1], 0)
    assert np.array_equal(found["age"][::-1], at("missing-cells", 3)["age"], equal_nan=True)


def test_columns_without_values_can_be_changed_too() -> None:
    empty = SomeRows.of([Column(name="age", kind="number")], {"age": np.full(3, np.nan)})
    for corruption in (*corruptions_of(empty.columns), *IRRELEVANT):
        assert len(corrupted(empty, corruption, 1, ["a", "b", "c"], 0)["age"]) == 3
