"""Training is given the rows of train and val alone: no test row, and no test truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mindle.data
from mindle.data.tables.splits import folds, take
from mindle.records import Table
from mindle.training.tables import selection
from mindle.training.tables.passes import TableProblem
from tests.reachable import reachable


def dated(folder: Path) -> Table:
    """Groups, categories, a copied row and a column of time."""
    rng = np.random.default_rng(0)
    lines = ["day,group,colour,size,price"]
    for row in range(120):
        day = f"2024-{1 + row // 28:02d}-{1 + row % 28:02d}"
        lines.append(f"{day},g{row // 3},{'red' if row % 4 else 'blue'},{rng.normal():.6f},{row + 0.5}")
    (folder / "rows.csv").write_text("\n".join([*lines, lines[-1]]) + "\n")
    return mindle.data.read_table(folder / "rows.csv", target="price", time="day", group="group")


def split(name: str, folder: Path) -> Table:
    table = dated(folder) if name == "dated" else mindle.data.read_table(name)
    return mindle.data.split_table(mindle.data.check_table(table))


def learnable(table: Table) -> np.ndarray:
    return np.sort(np.concatenate([table.rows("train"), table.rows("val")]))


@pytest.mark.parametrize("name", ["wine", "diabetes", "dated"])
def test_no_test_row_and_no_test_truth_can_be_reached(name: str, tmp_path: Path) -> None:
    table = split(name, tmp_path)
    rows, names = learnable(table), {table.sha256[row] for row in table.rows("test").tolist()}
    objects = reachable(TableProblem.of(table, rows))
    arrays = [found for found in objects if isinstance(found, np.ndarray)]
    assert arrays
    assert all(len(array) <= len(rows) for array in arrays if array.ndim)
    assert all(len(found) <= len(rows) for found in objects if isinstance(found, (tuple, list)))
    assert not any(found is table for found in objects)
    assert names.isdisjoint(found for found in objects if isinstance(found, str))


@pytest.mark.parametrize("name", ["wine", "diabetes", "dated"])
def test_rows_keep_their_truth_cells_and_folds(name: str, tmp_path: Path) -> None:
    table = split(name, tmp_path)
    rows = learnable(table)
    whole, problem = TableProblem.of(table), TableProblem.of(table, rows)
    np.testing.assert_array_equal(problem.truth, whole.truth[rows])
    np.testing.assert_array_equal(problem.features.numbers, whole.features.numbers[rows])
    np.testing.assert_array_equal(problem.features.categories, whole.features.categories[rows])
    some = np.arange(0, len(rows), 2)
    for seed in range(3):
        np.testing.assert_array_equal(
            problem.assign_folds(some, 5, seed), folds(table, rows[some], folds=5, seed=seed)
        )


def test_a_run_gives_training_nothing_of_its_test_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every price of a test row is one of its kind: none of them is in what `fit_table` is given."""
    met: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    original = selection.fit_table

    def watched(*args: Any, **settings: Any) -> Any:
        met.append((args, settings))
        return original(*args, **settings)

    monkeypatch.setattr(selection, "fit_table", watched)
    rng = np.random.default_rng(0)
    lines = ["split,size,price"]
    for row in range(90):
        lines.append(f"{('train', 'val', 'test')[row % 3]},{rng.normal():.6f},{row + 0.25}")
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    mindle.train(tmp_path / "rows.csv", target="price", model="linear", out=tmp_path / "run")
    sealed = {row + 0.25 for row in range(2, 90, 3)}
    objects = reachable(met)
    numbers = {found for found in objects if isinstance(found, float)}
    for array in (found for found in objects if isinstance(found, np.ndarray)):
        values = array.ravel().tolist()
        numbers |= {value for value in values if isinstance(value, float)}
    assert sealed.isdisjoint(numbers)
    assert {row + 0.25 for row in range(0, 90, 3)} <= numbers


def test_taken_rows_are_a_table_of_their_own() -> None:
    table = mindle.data.check_table(mindle.data.read_table("wine"))
    some = take(replace(table, groups=("",) * len(table)), np.array([7, 2]))
    assert some.row_names == ("row 8", "row 3")
    assert some.sha256 == (table.sha256[7], table.sha256[2])
    assert some.findings == ()
