"""A search over a table: what is sealed, what is varied, how a trial scores, and when it is pruned."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine

from mindle.data.tables.parsing.columns import Features
from mindle.data.tables.reader import read_table
from mindle.data.tables.splits import rows_to_learn
from mindle.records import Task
from mindle.training.budget import Deadline, TimeUp
from mindle.training.recipe import Recipe
from mindle.training.search.space import Space, make_space, read_space
from mindle.training.search.study import (
    Search,
    StudyOptions,
    best_of,
    finished_trials,
    open_search,
    run_trials,
)
from mindle.training.search.tables import (
    TableOrigin,
    TableTask,
    seal,
    suited_learners,
    table_space,
)
from mindle.training.search.task import Pruned, Score, TrialMonitor
from mindle.training.search.workers import worker_processes
from mindle.training.settings import TableSettings
from mindle.training.tables.passes import TableProblem

ROWS, LABELS = load_wine(return_X_y=True)


def problem(truth: np.ndarray = LABELS, classes: tuple[str, ...] = ("a", "b", "c")) -> TableProblem:
    return TableProblem(
        features=Features(
            numbers=ROWS.astype(np.float32).astype(np.float64),
            number_names=tuple(f"n{i}" for i in range(13)),
            categories=np.empty((len(ROWS), 0), object),
            category_names=(),
        ),
        truth=truth,
        task=Task("multiclass" if len(classes) > 2 else "binary" if classes else "regression"),
        classes=classes,
        assign_folds=lambda rows, folds, seed: np.random.default_rng(seed).permutation(len(rows)) % folds,
        threads=1,
    )


SPACE = make_space(
    {"table.svm_gamma": {"low": 0.1, "high": 10}}, {"table": Recipe(strategy="table")}, "table"
)


def bench(**settings: object) -> TableTask:
    return TableTask(problem=problem(), rows=np.arange(0, 178, 2), space=SPACE, folds=4, **settings)  # type: ignore[arg-type]


def evaluated(task: TableTask, one: Recipe, report: Any = lambda *_: True, **monitor: Any) -> Score:
    return task.evaluate(one, TrialMonitor(report=report, **monitor))


def recipe(*models: str, **settings: object) -> Recipe:
    return Recipe(strategy="table", table=TableSettings(models=models, **settings))  # type: ignore[arg-type]


def test_the_value_after_each_fold_is_reported_and_the_last_is_the_trials() -> None:
    heard: list[tuple[int, float]] = []
    score = evaluated(bench(), recipe("SVM"), lambda fold, value: heard.append((fold, value)) is None)
    assert [fold for fold, _ in heard] == [1, 2, 3]
    assert all(0 < value < 0.6 for _, value in heard)
    assert 0 < score.value < 0.3
    assert score.accuracy is not None
    assert score.accuracy > 0.93
    assert score.note == "SVM"


def test_settings_make_a_difference_and_the_same_ones_are_evaluated_once() -> None:
    task = bench()
    usual = evaluated(task, recipe("SVM"))
    blunt = evaluated(task, recipe("SVM", svm_gamma=1e-4))
    assert blunt.value > usual.value + 0.02
    assert evaluated(task, recipe("SVM"), lambda fold, value: False) is usual
    assert evaluated(bench(), recipe("SVM")) == usual
    assert evaluated(bench(seed=1), recipe("SVM")).value != usual.value


def test_several_models_answer_together_and_never_worse_than_the_best_of_them() -> None:
    task = bench()
    together = evaluated(task, recipe("linear", "SVM"))
    assert together.value <= min(evaluated(task, recipe(name)).value for name in ("linear", "SVM")) + 1e-9
    assert "%" in together.note


def test_what_does_worse_than_others_is_pruned() -> None:
    with pytest.raises(Pruned, match="pruned after fold 2 of 4"):
        evaluated(bench(), recipe("linear"), lambda fold, value: fold < 2)
    with pytest.raises(TimeUp, match="the time was up after fold 1 of 4"):
        evaluated(bench(), recipe("linear"), deadline=Deadline(1e-9))


def test_numbers_are_scored_by_their_root_mean_squared_error() -> None:
    task = TableTask(problem=problem(ROWS[:, 0], ()), rows=np.arange(178), space=SPACE, folds=3)
    assert task.score == "rmse"
    guess, score = (
        evaluated(task, recipe("baseline")),
        evaluated(task, recipe("extra trees", forest_min_samples_leaf=2)),
    )
    assert guess.value == pytest.approx(ROWS[:, 0].std(), rel=0.05)
    assert score.value < 0.2 * guess.value  # the column itself is among the features
    assert score.accuracy is None


def test_models_stands_for_what_suits_the_table() -> None:
    def suited(*names: str) -> list[str]:
        return [one.name for one in suited_learners(problem(), np.arange(178), names)]

    assert {"linear", "SVM", "nets"} <= set(suited())
    assert not {"baseline", "log-target Gaussian process"} & set(suited())
    assert suited("SVM") == ["SVM"]
    assert suited("SVM", "linear") == ["linear", "SVM"]
    choices = usual_space().dimensions[0].choices
    assert [tuple(names) for names in choices[1:]] == [(name,) for name in choices[0]]
    with pytest.raises(ValueError, match=r"`table.models` must be among baseline, linear.*Received magic"):
        suited("linear", "magic")
    with pytest.raises(ValueError, match="must name a model that suits the table"):
        suited("log-target Gaussian process")
    with pytest.raises(ValueError, match="is for targets that are numbers above zero"):
        evaluated(bench(), recipe("log-target Gaussian process"))


def test_what_nets_are_given_can_be_searched() -> None:
    task = bench()
    values = {
        scale: evaluated(
            task, recipe("nets", scale=scale, hidden_layer_sizes=(16,), epochs=5, ensemble_size=1)
        ).value
        for scale in ("columns", "rows", "none")
    }
    assert min(values, key=values.__getitem__) == "columns"  # wine's columns are of unlike units
    assert len(set(values.values())) == 3


# ── what is sealed and varied ────────────────────────────────────────────────────────────────────

BASE = Recipe(strategy="table", table=TableSettings(folds=3))
ENTRIES: dict[str, Any] = {
    "table.models": {"choices": [["linear"], ["SVM"]]},
    "table.svm_gamma": {"low": 0.1, "high": 10, "log": True, "when": {"table.models": "SVM"}},
}


def usual_space(*models: str) -> Space:
    return table_space(read_space(None, "table"), BASE, seal(read_table("wine"), seed=0), models)


def test_small_tables_are_sealed_too() -> None:
    table = seal(read_table("wine"), seed=0)
    test, rows = table.rows("test"), rows_to_learn(table)
    assert len(test) == 36
    assert len(rows) == 142
    assert not set(test.tolist()) & set(rows.tolist())
    assert np.bincount(table.labels[test]).tolist() == [12, 14, 10]
    assert seal(read_table("wine"), seed=1).rows("test").tolist() != test.tolist()


def test_models_stands_for_those_that_suit_the_table() -> None:
    found = usual_space("SVM", "linear").entries
    assert found["table.models"]["choices"] == [["linear", "SVM"], ["linear"], ["SVM"]]
    assert set(found) == {"table.models", "table.svm_C", "table.svm_gamma"}
    every = usual_space().entries
    assert every["table.models"]["choices"][0] == [names[0] for names in every["table.models"]["choices"][1:]]
    assert len(every) == len(read_space(None, "table"))


def test_the_first_trial_is_what_train_does() -> None:
    space = usual_space()
    first = space.recipe(space.first()).table
    assert replace(first, models=()) == BASE.table
    assert {"linear", "nets"} <= set(first.models)


# ── the same trials anywhere ─────────────────────────────────────────────────────────────────────


def search(folder: Path) -> Search:
    origin = TableOrigin(source="wine", reading={"ids": ["hue"]}, split_seed=0)
    table = origin.table()
    assert len(table.features) == 12  # hue names rows
    task = TableTask.of(table, table_space(ENTRIES, BASE, table), seed=1, origin=origin)
    storage = f"sqlite:///{folder / 'search.db'}"
    return open_search(task, StudyOptions(storage=storage, name="wine", sampler="random", trials=6, seed=1))


def test_a_task_survives_json_and_gives_the_same_trials_anywhere(tmp_path: Path, cache: Path) -> None:
    one = search(tmp_path)
    again = TableTask.from_dict(json.loads(json.dumps(one.task.as_dict())))
    options = replace(one.options, storage=f"sqlite:///{tmp_path / 'other.db'}")
    found = []
    for each in (one, open_search(again, options)):
        run_trials(each, Deadline(None))
        found.append([(trial.value, trial.point) for trial in finished_trials(each)])
        best = best_of(finished_trials(each))
        each.close()
    assert found[0] == found[1]
    assert best is not None
    assert best.accuracy is not None
    assert best.accuracy > 0.93


@pytest.mark.slow
def test_other_processes_take_part(tmp_path: Path, cache: Path) -> None:
    one = search(tmp_path)
    with worker_processes(one, 2, Deadline(None)) as running:
        while running():
            time.sleep(0.2)
    assert [trial.number for trial in finished_trials(one)] == list(range(6))
    one.close()
