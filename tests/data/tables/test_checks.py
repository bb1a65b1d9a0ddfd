"""Checks of tables: what rows and columns have to do with each other and with the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mindle.data.tables.checks import check_table, row_hashes
from mindle.data.tables.reader import read_table
from mindle.records import SILENT, Table
from tests.data.tables.rows import houses, kinds, noise, table_of, the


def shuffled(columns: Mapping[str, list[Any]], seed: int = 3) -> dict[str, list[Any]]:
    count = len(next(iter(columns.values())))
    order = np.random.default_rng(seed).permutation(count).tolist()
    return {name: [cells[row] for row in order] for name, cells in columns.items()}


def test_a_sound_table_has_no_findings() -> None:
    checked = check_table(table_of(houses()))
    assert checked.findings == ()
    assert set(checked.set_aside) == {""}
    assert set(checked.groups) == {""}
    assert all(len(content) == 64 for content in checked.sha256)


# ---------------------------------------------------------------------------------------------- rows


def test_rows_without_a_target_are_set_aside() -> None:
    data = houses(100)
    data["price"][3] = data["price"][7] = None
    checked = check_table(table_of(data))
    assert the(checked, "no-target").files == ("row 4", "row 8")
    assert not the(checked, "no-target").decision
    assert [checked.set_aside[row] for row in (3, 4, 7)] == ["no-target", "", "no-target"]
    assert len(checked.rows()) == 98


def test_many_rows_without_a_target_need_a_decision() -> None:
    data = {"size": noise(100), "sold": ["yes", "no"] * 45 + ["None"] * 10}
    finding = the(check_table(table_of(data)), "no-target")
    assert finding.decision
    assert "10 cells are 'None'" in finding.message


def test_copies_stay_together() -> None:
    data = houses(100)
    for cells in data.values():
        cells[40] = cells[20] = cells[10]
    checked = check_table(table_of(data))
    assert the(checked, "duplicate").files == ("row 11", "row 21", "row 41")
    assert checked.groups[10] == checked.groups[20] == checked.groups[40] != ""
    assert sum(group != "" for group in checked.groups) == 3
    assert checked.sha256[10] == checked.sha256[20]
    assert len(set(checked.sha256)) == 98


def test_copies_with_another_target_are_a_contradiction_and_stay_together() -> None:
    data = houses(100)
    data["size"][20], data["town"][20] = data["size"][10], data["town"][10]
    checked = check_table(table_of(data))
    assert the(checked, "contradiction").files == ("row 11", "row 21")
    assert f"row 11 ({data['price'][10]:.6g})" in the(checked, "contradiction").message
    assert "duplicate" not in kinds(checked)
    assert checked.groups[10] == checked.groups[20] != ""
    assert checked.sha256[10] != checked.sha256[20]


def test_missing_cells_are_alike_and_ids_do_not_count() -> None:
    data = {"no": list(range(100)), "size": noise(100), "town": ["Bonn", "Rome"] * 50, "sold": [0, 1] * 50}
    data["size"][10] = data["size"][20] = None
    checked = check_table(table_of(data, ids=["no"]))
    assert the(checked, "duplicate").files == ("row 11", "row 21")


def test_rows_of_a_few_categories_are_no_copies() -> None:
    data = {
        "a": ["x", "y"] * 200,
        "b": [0, 0, 1, 1] * 100,
        "size": noise(4) * 100,
        "sold": noise(400, seed=1),
    }
    checked = check_table(table_of(data))
    assert "happen to be equal" in the(checked, "large-group").message
    assert set(checked.groups) == {""}


def test_the_hash_of_a_row_is_that_of_its_features() -> None:
    table = table_of(
        {"size": [0.0, -0.0, 1.0, None, None], "town": ["a", "a", "a", None, None], "y": noise(5)}
    )
    hashes = row_hashes(table)
    assert hashes[0] == hashes[1]
    assert hashes[3] == hashes[4]
    assert len(set(hashes)) == 3


def test_copies_across_a_given_split_are_a_leak() -> None:
    data = {"split": ["train"] * 80 + ["test"] * 20, **houses(100)}
    for name in ("size", "town", "price"):
        data[name][90] = data[name][10]
    checked = check_table(table_of(data))
    assert the(checked, "leak").files == ("row 11", "row 91")
    assert the(checked, "leak").decision


def test_groups_that_a_given_split_cuts() -> None:
    data = {
        "split": ["train"] * 80 + ["test"] * 20,
        "who": [f"p{row % 50}" for row in range(100)],
        **houses(100),
    }
    checked = check_table(table_of(data, group="who"))
    assert len(the(checked, "group-cut").files) == 40
    assert the(checked, "group-cut").decision
    whole = {**data, "who": [f"p{row // 4}" for row in range(100)]}
    assert "group-cut" not in kinds(check_table(table_of(whole, group="who")))


def test_groups_that_came_with_the_data_are_joined_with_copies() -> None:
    data = {"who": ["a", "a", "b", "b", *map(str, range(96))], **houses(100)}
    for name in ("size", "town", "price"):
        data[name][2] = data[name][1]
    checked = check_table(table_of(data, group="who"))
    assert len(set(checked.groups[:4])) == 1


# ------------------------------------------------------------------------------------------- columns


def test_odd_columns() -> None:
    data = houses(100)
    checked = check_table(
        table_of(
            {
                "garden": ["yes", "no", *[None] * 98],
                "Size": noise(100),
                "copy": data["size"],
                "street": [f"street {row // 2}" if row < 80 else f"lane {row}" for row in range(100)],
                "heating": ["gas", "Gas", "oil", "oil"] * 25,
                **data,
            }
        )
    )
    assert the(checked, "mostly-missing").files == ("garden",)
    assert "98%" in the(checked, "mostly-missing").message
    assert the(checked, "same-column").files == ("copy", "size")
    assert the(checked, "rare-categories").files == ("garden", "street")
    assert "street (20 of 60)" in the(checked, "rare-categories").message
    collisions = [finding.files for finding in checked.findings if finding.kind == "name-collision"]
    assert collisions == [("Size", "size"), ("heating",)]


def test_classes_that_are_few_uneven_or_look_alike() -> None:
    checked = check_table(table_of({"x": noise(100), "y": ["a"] * 80 + ["b"] * 11 + ["A"] * 9}))
    assert the(checked, "few").files == ("A", "b")
    assert the(checked, "imbalance").files == ("a", "A")
    assert the(checked, "name-collision").files == ("A", "a")
    assert "rows" in the(checked, "few").message


# ----------------------------------------------------------------------------------- leaking targets


def leaks(table: Table) -> list[str]:
    return [name for one in check_table(table).findings if one.kind == "target-leak" for name in one.files]


def test_a_copy_of_a_number_is_a_leak_in_any_unit() -> None:
    price = np.array(houses()["price"])
    data = {
        "dollars": (price * 1.08).round(2).tolist(),
        "log": np.log(price - price.min() + 1).tolist(),
        "nearly": (price + np.random.default_rng(1).normal(0, price.std() / 5, 300)).tolist(),
        **houses(),
    }
    checked = check_table(table_of(data))
    assert leaks(table_of(data)) == ["dollars", "log"]
    first = next(finding for finding in checked.findings if finding.kind == "target-leak")
    assert first.decision
    assert "known before" in first.message


def test_what_gives_a_class_away() -> None:
    sold = ["yes", "no", "no"] * 100
    random = np.random.default_rng(0)
    data = {
        "code": [{"yes": "Y", "no": "N"}[one] for one in sold],
        "date paid": ["2024-01-02" if one == "yes" else None for one in sold],
        "paid": [random.uniform(5, 9) if one == "yes" else 0 for one in sold],
        "usually": [one if row % 10 else "no" for row, one in enumerate(sold)],
        "size": noise(300),
        "sold": sold,
    }
    assert leaks(table_of(shuffled(data))) == ["code", "date paid", "paid"]
    numbers = {**data, "sold": [int(one == "yes") for one in sold]}
    assert leaks(table_of(shuffled(numbers))) == ["code", "date paid", "paid"]


def test_a_rare_class_is_no_leak() -> None:
    """Nearly all answers are right where nearly all rows are of one class; that is no merit of a column."""
    assert leaks(table_of({"x": noise(1000), "c": ["a", "b"] * 500, "y": ["no"] * 995 + ["yes"] * 5})) == []


def test_names_of_rows_predict_nothing() -> None:
    data = {"x": noise(300), "who": [f"p{row // 2}" for row in range(300)], "y": noise(300, seed=2)}
    assert leaks(table_of(shuffled(data))) == []


def test_a_file_sorted_by_its_target_leaks_through_row_numbers() -> None:
    data = {"place": [row * 2 for row in range(200)], "x": noise(200), "y": ["a"] * 100 + ["b"] * 100}
    assert leaks(table_of(data)) == ["place"]


@pytest.mark.parametrize("name", ["breast-cancer", "wine", "iris", "diabetes"])
def test_honest_columns_are_no_leaks(name: str) -> None:
    assert leaks(read_table(name)) == []


def test_small_and_featureless_tables_pass() -> None:
    assert check_table(table_of({"x": [1.5, 2.5, 3.5], "y": ["a", "b", "a"]})).sha256
    alone = check_table(table_of({"y": ["a", "b"] * 20}))
    assert kinds(alone) == set()


def test_findings_that_need_a_decision_come_first_and_rows_set_aside_stay_so() -> None:
    data = {"copy": houses()["price"], "one": [1] * 300, **houses()}
    table = table_of(data)
    table = replace(table, set_aside=("ragged", *("",) * 299))
    checked = check_table(table, SILENT)
    assert checked.set_aside[0] == "ragged"
    decisions = [finding.decision for finding in checked.findings]
    assert decisions == sorted(decisions, reverse=True)
    assert {"constant-column", "target-leak"} <= kinds(checked)


def test_an_id_called_like_a_column_of_answers_is_renamed_and_said() -> None:
    columns = {"row": [f"R{n}" for n in range(40)], "p_a": [f"P{n}" for n in range(40)], "x": noise(40)}
    found = check_table(table_of({**columns, "y": ["a", "b"] * 20}, ids=["row", "p_a"]))
    message = the(found, "renamed-id").message
    assert "row ('row (id)' there), p_a ('p_a (id)' there)" in message


def test_few_numbers_are_told() -> None:
    few = check_table(table_of({"x": noise(20), "y": noise(20, 1)}))
    assert "fewer than 100 usable rows (20)" in the(few, "few-numbers").message
    assert "few-numbers" not in kinds(check_table(table_of(houses(100))))
