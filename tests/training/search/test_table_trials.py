"""One trial of a search over tables: what it is worth, and when it is given up."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_wine

from mindle.data.tables.parsing.columns import Features
from mindle.records import Task
from mindle.training.budget import Deadline, TimeUp
from mindle.training.recipe import Recipe, TableSettings
from mindle.training.search.judge import Pruned
from mindle.training.search.table_trials import TableBench, candidates, require_models
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


def bench(**settings: object) -> TableBench:
    return TableBench(problem=problem(), rows=np.arange(0, 178, 2), folds=4, **settings)  # type: ignore[arg-type]


def recipe(*models: str, **settings: object) -> Recipe:
    return Recipe(strategy="table", table=TableSettings(models=models, **settings))  # type: ignore[arg-type]


def test_the_value_after_each_fold_is_told_and_the_last_is_the_trials() -> None:
    told: list[tuple[int, float]] = []
    score = bench().judge(recipe("SVM"), report=lambda fold, value: told.append((fold, value)) is None)
    assert [fold for fold, _ in told] == [1, 2, 3]
    assert all(0 < value < 0.6 for _, value in told)
    assert 0 < score.value < 0.3
    assert score.accuracy is not None
    assert score.accuracy > 0.93
    assert (score.images, score.note) == (89, "SVM")


def test_settings_make_a_difference_and_the_same_ones_are_judged_once() -> None:
    own = bench()
    usual = own.judge(recipe("SVM"))
    blunt = own.judge(recipe("SVM", svm_gamma=1e-4))
    assert blunt.value > usual.value + 0.02
    assert own.judge(recipe("SVM"), report=lambda fold, value: False) is usual
    assert bench().judge(recipe("SVM")) == usual
    assert bench(seed=1).judge(recipe("SVM")).value != usual.value


def test_several_models_answer_together_and_never_worse_than_the_best_of_them() -> None:
    own = bench()
    together = own.judge(recipe("linear", "SVM"))
    assert together.value <= min(own.judge(recipe(name)).value for name in ("linear", "SVM")) + 1e-9
    assert "%" in together.note


def test_what_does_worse_than_others_is_given_up() -> None:
    with pytest.raises(Pruned, match="given up after fold 2 of 4"):
        bench().judge(recipe("linear"), report=lambda fold, value: fold < 2)
    with pytest.raises(TimeUp, match="the time was up after fold 1 of 4"):
        bench(deadline=Deadline(1e-9)).judge(recipe("linear"))


def test_numbers_are_judged_by_their_root_mean_squared_error() -> None:
    own = TableBench(problem=problem(ROWS[:, 0], ()), rows=np.arange(178), folds=3)
    guess, score = own.judge(recipe("baseline")), own.judge(recipe("extra trees", forest_min_samples_leaf=2))
    assert guess.value == pytest.approx(ROWS[:, 0].std(), rel=0.05)
    assert score.value < 0.2 * guess.value  # the column itself is among the features
    assert score.accuracy is None


def test_models_stands_for_what_suits_the_table() -> None:
    every, *alone = candidates(problem(), np.arange(178))
    assert tuple(name for (name,) in alone) == every
    assert {"linear", "SVM", "nets"} <= set(every)
    assert not {"baseline", "log-target Gaussian process"} & set(every)
    assert candidates(problem(), np.arange(178), ("SVM",)) == (("SVM",),)
    assert candidates(problem(), np.arange(178), ("SVM", "linear")) == (
        ("linear", "SVM"),
        ("linear",),
        ("SVM",),
    )
    with pytest.raises(ValueError, match=r"`table.models` must be among baseline, linear.*Received magic"):
        require_models(["linear", "magic"])
    with pytest.raises(ValueError, match="must name a model that suits the table"):
        candidates(problem(), np.arange(178), ("log-target Gaussian process",))
    with pytest.raises(ValueError, match="is for targets that are numbers above zero"):
        bench().judge(recipe("log-target Gaussian process"))


def test_what_nets_are_given_can_be_searched() -> None:
    own = bench()
    values = {
        scale: own.judge(
            recipe("nets", scale=scale, hidden_layer_sizes=(16,), epochs=5, ensemble_size=1)
        ).value
        for scale in ("columns", "rows", "none")
    }
    assert min(values, key=values.__getitem__) == "columns"  # wine's columns are of unlike units
    assert len(set(values.values())) == 3
