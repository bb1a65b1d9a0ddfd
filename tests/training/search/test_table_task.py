"""A search over a table as a task: what is sealed, what is varied, and what other processes are told."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindle.data.tables.reader import read_table
from mindle.training.budget import Deadline
from mindle.training.recipe import Recipe, TableSettings, as_dict
from mindle.training.search.space import read_space
from mindle.training.search.study import best_of, over, run_trials
from mindle.training.search.table_task import TableTask, open_rows, seal, table_entries
from mindle.training.search.workers import workers

BASE = Recipe(strategy="table", table=TableSettings(folds=3))
ENTRIES: dict[str, Any] = {
    "table.models": {"choices": [["linear"], ["SVM"]]},
    "table.svm_gamma": {"low": 0.1, "high": 10, "log": True, "when": {"table.models": "SVM"}},
}


def task(folder: Path, **changes: Any) -> TableTask:
    found = TableTask(
        source="wine",
        reading={"ids": ["hue"]},
        split_seed=0,
        storage=f"sqlite:///{folder / 'search.db'}",
        name="wine",
        entries=ENTRIES,
        base=as_dict(BASE),
        sampler="random",
        trials=6,
        seed=1,
    )
    return replace(found, **changes)


def test_small_tables_are_sealed_too() -> None:
    table = seal(read_table("wine"), seed=0)
    test, rows = table.rows("test"), open_rows(table)
    assert len(test) == 36
    assert len(rows) == 142
    assert not set(test.tolist()) & set(rows.tolist())
    assert np.bincount(table.labels[test]).tolist() == [12, 14, 10]
    assert seal(read_table("wine"), seed=1).rows("test").tolist() != test.tolist()


def test_models_is_spelt_out_for_the_table() -> None:
    table, entries = seal(read_table("wine"), seed=0), read_space(None, "table")
    found = table_entries(entries, table, ("SVM", "linear"))
    assert found["table.models"]["choices"] == [["linear", "SVM"], ["linear"], ["SVM"]]
    assert set(found) == {"table.models", "table.svm_C", "table.svm_gamma"}
    every = table_entries(entries, table)
    assert every["table.models"]["choices"][0] == [names[0] for names in every["table.models"]["choices"][1:]]
    assert "table.learning_rate" in every
    own = {"table.svm_gamma": {"low": 0.1, "high": 1.0}}
    assert table_entries(own, table) == own


def test_the_first_trial_is_what_train_does(tmp_path: Path) -> None:
    table = seal(read_table("wine"), seed=0)
    entries = table_entries(read_space(None, "table"), table)
    space = task(tmp_path, entries=entries).space()
    first = space.recipe(space.first()).table
    assert replace(first, models=()) == BASE.table
    assert {"linear", "nets"} <= set(first.models)


def test_a_task_survives_json_and_gives_the_same_trials_anywhere(tmp_path: Path, cache: Path) -> None:
    one = task(tmp_path)
    again = TableTask(**json.loads(json.dumps(asdict(one))))
    assert again == one
    table = one.table()
    assert len(table.features) == 12  # hue names rows
    values = []
    for own in (one, replace(again, storage=f"sqlite:///{tmp_path / 'other.db'}")):
        search = own.search()
        run_trials(search, own.bench(own.table(), Deadline(None)), trials=own.trials)
        values.append([(trial.value, trial.point) for trial in over(search)])
        best = best_of(over(search))
        search.close()
    assert values[0] == values[1]
    assert best is not None
    assert best.accuracy is not None
    assert best.accuracy > 0.93


@pytest.mark.slow
def test_other_processes_take_part(tmp_path: Path, cache: Path) -> None:
    one = task(tmp_path)
    search = one.search()
    with workers(replace(one, session=search.session), 2, remaining_seconds=None, threads=1) as alive:
        while alive():
            time.sleep(0.2)
    assert [trial.number for trial in over(search)] == list(range(6))
    search.close()
