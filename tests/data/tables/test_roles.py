"""What each column is for: left out and why, words and codes for "missing", ids that come again, splits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mindle.data.tables.reader import read_table
from mindle.data.tables.roles import Asked, missing_code, missing_words, row_names_in, settle_columns
from mindle.errors import DataError
from mindle.records import Column, Table
from tests.data.tables.rows import kinds, noise, table_of, the

Y = ["a", "b"] * 60


def with_column(name: str, cells: Sequence[object], **options: object) -> Table:
    """A table of one column beside noise, in front."""
    return table_of({name: cells, "x": noise(120), "y": Y}, **options)


def test_words_for_missing_are_counted_by_word() -> None:
    assert missing_words(["NA", "na", "", "?", "NA"], ()) == (
        "2 cells are 'NA', 1 cell is 'na', 1 cell is '?'"
    )
    table = with_column("deck", ["NA", "C", "B", "None"] * 30)
    assert "deck (30 cells are 'NA', 30 cells are 'None')" in the(table, "missing-words").message
    assert table.cells["deck"][:4].tolist() == [None, "C", "B", None]


def test_a_class_called_none_can_be_kept() -> None:
    columns = {"x": noise(120), "sleep": ["None", "Apnea", "Insomnia"] * 40}
    usual = table_of(columns)
    assert usual.classes == ("Apnea", "Insomnia")
    assert "--missing" in the(usual, "missing-words").message
    kept = table_of(columns, missing="?,NA")
    assert kept.classes == ("Apnea", "Insomnia", "None")
    assert kept.labels[:3].tolist() == [2, 0, 1]
    assert "missing-words" not in kinds(kept)
    assert kept.target.missing == ("?", "NA")


def test_a_number_can_stand_for_missing() -> None:
    cells = ["-200", "1.5", "-200.0", "2.5"] * 30
    table = with_column("co", cells, missing=["-200", "?"])
    assert np.isnan(table.cells["co"][[0, 2]]).tolist() == [True, True]
    assert table.cells["co"][[1, 3]].tolist() == [1.5, 2.5]
    assert "mixed-cells" not in kinds(table)


@pytest.mark.parametrize(
    ("code", "others", "found"),
    [
        (-200, np.linspace(0.1, 11.9, 40), "-200 in 3 cells"),
        (-200, np.linspace(2, 1479, 40), "-200 in 3 cells"),
        (-999, np.linspace(-30, 40, 40), "-999 in 3 cells"),
        (9999, np.linspace(900, 1100, 40), "9999 in 3 cells"),
        (99999, np.linspace(0, 41310, 40), "99999 in 3 cells"),
        (99, np.linspace(0, 95, 40), ""),  # among the others
        (-200, np.linspace(-400, 300, 40), ""),
        (-1, np.linspace(0, 9, 40), ""),
        (9999, np.arange(5.0), ""),  # few others: a category
        (731, np.linspace(0, 9, 40), ""),  # no code
    ],
)
def test_codes_of_sensors(code: float, others: np.ndarray, found: str) -> None:
    values = np.concatenate([others, [code] * 3])
    assert missing_code(Column(name="t", kind="number"), values) == found


def test_two_codes_are_told_with_the_option_that_reads_them() -> None:
    cells = [str(value) for value in [*range(10, 124), -200, -200, -200, 9999, 9999, 9999]]
    finding = the(with_column("t", cells), "missing-code")
    assert "t (-200 in 3 cells, 9999 in 3 cells)" in finding.message
    assert "`--missing=-200,9999`" in finding.message
    read = with_column("t", cells, missing="-200,9999")
    assert np.isnan(read.cells["t"]).sum() == 6
    assert "missing-code" not in kinds(read)


def test_an_id_that_comes_again_is_told() -> None:
    ids = [100000 + 37 * (row // 2) for row in range(120)]
    assert "id (60 in 120 rows)" in the(with_column("id", ids), "returning-id").message
    assert "--group" in the(with_column("customer_id", [f"C{v}" for v in ids]), "returning-id").message
    most = [1000025 + 37 * min(row, 110) for row in range(120)]
    assert "c1 (111 in 120 rows)" in the(with_column("c1", most), "returning-id").message
    assert "returning-id" not in kinds(with_column("town", [f"t{row % 9}" for row in range(120)]))
    assert "returning-id" not in kinds(with_column("id", ids, group="id"))


@pytest.mark.parametrize("name", ["split", "Set", "fold", "part"])
def test_a_column_of_parts_is_the_split_and_said(name: str) -> None:
    table = with_column(name, ["train", "test", "train"] * 40)
    assert table.given.count("test") == 40
    assert "the split that is used" in the(table, "split-column").message
    kept = with_column(name, ["train", "test", "train"] * 40, kinds={name: "category"})
    assert not any(kept.given)
    assert name in [column.name for column in kept.features]


def test_a_column_of_that_name_with_other_words_is_a_feature_and_said() -> None:
    table = with_column("split", ["left", "right"] * 60)
    assert not any(table.given)
    assert "a feature as any other" in the(table, "split-column").message
    assert table.features[0].name == "split"


def test_rows_without_a_target_say_nothing_about_columns() -> None:
    columns = {"unit": ["kg"] * 60 + ["g"] * 60, "x": noise(120), "y": ["a", "b"] * 30 + [None] * 60}
    assert the(table_of(columns), "constant-column").files == ("unit",)


def test_cells_that_are_none_are_counted_with_the_first_and_its_row() -> None:
    texts = {"x": ["1", "2", "", "many", "3", "few"] * 5}
    found = settle_columns(texts, np.arange(30), Asked(wanted={"x": "number"}))
    assert found.noted["mixed-cells"] == {"x": "10 cells such as 'many', first in row 4"}


def test_lists_by_column_name_are_a_table() -> None:
    table = read_table({"x": [1.5, None, 3], "town": ("A", "B", "A"), "y": np.array([0, 1, 0])}, target="y")
    assert (len(table), table.kind, table.task) == (3, "frame", "binary")
    assert np.isnan(table.cells["x"][1])
    rows = read_table([{"x": 1, "y": "a"}, {"x": 2}, {"y": "b"}], target="y")
    assert rows.labels.tolist() == [0, -1, 1]
    with pytest.raises(DataError, match="of one length. Received 'a' 1, 'b' 2"):
        read_table({"a": [1], "b": [1, 2]}, target="a")
    with pytest.raises(TypeError, match="a list of cells for each column. Received str for 'a'"):
        read_table({"a": "text"}, target="a")


@pytest.mark.parametrize(
    ("written", "is_told"),
    [
        ("{} kg", True),
        ("{}.5 kg", True),
        ("EUR {}.5", True),
        ("'{}'", True),
        ("<{}.1", True),
        ("C{}", False),  # codes
        ("Room {}", False),
        ("{} to {}", False),
        ("{}", False),
    ],
)
@pytest.mark.parametrize("different", [20, 120])  # learned from, or left out because nearly all differ
def test_numbers_with_other_text_are_told(written: str, is_told: bool, different: int) -> None:
    table = with_column("mass", [written.format(row % different, row % different) for row in range(120)])
    assert ("number-texts" in kinds(table)) is is_told


@pytest.mark.parametrize(
    ("names", "cells", "found"),
    [
        (["", "a"], ["7", "3", "5"], 1),
        (["Unnamed: 0", "a"], ["7", "3", "5"], 1),
        (["Unnamed: 0.1", "Unnamed: 0"], ["7", "3", "5"], 2),
        (["", "a"], ["7", "3", "3"], 0),
        (["", "a"], ["7", "3", ""], 0),
        (["", "a"], ["7", "3", "1.5"], 0),
        (["n", "a"], ["7", "3", "5"], 0),
        (["Unnamed", "a"], ["7", "3", "5"], 0),
    ],
)
def test_columns_that_only_name_rows(names: list[str], cells: list[str], found: int) -> None:
    assert row_names_in(names, {"c1": cells, "c2": cells}) == ("c1", "c2")[:found]
