"""One pass: nothing of the held-out rows is used, answers are kept, and the model is what answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from mindle.data.tables.parsing.columns import Features
from mindle.messages import current_language, speaking
from mindle.models.tables.readers import forest_floor, read_forest
from mindle.training.tables.learners import Fitted, FittedTrees, Learner, TrainSet, learners
from mindle.training.tables.passes import BudgetCheck, Pass, PassCheckpoint, TableProblem, blend
from tests.formats.test_tables import problem


def _few_trees(sets: Sequence[TrainSet], seed: int, threads: int) -> Iterator[Fitted]:
    for one in sets:
        kind = ExtraTreesRegressor if one.regression else ExtraTreesClassifier
        forest = kind(n_estimators=5, random_state=seed % 2**31).fit(one.views["trees"], one.truth)

        def scores(x: np.ndarray, one: TrainSet = one, forest: ExtraTreesRegressor = forest) -> np.ndarray:
            if one.regression:
                return forest.predict(x)[:, None]
            return np.log(np.maximum(forest.predict_proba(x), forest_floor(5)))

        yield FittedTrees(scores, partial(read_forest, forest, outputs=one.outputs))


SOME = (
    *(one for one in learners() if one.name in ("baseline", "linear", "SVM")),
    Learner(name="few trees", view="trees", fit=_few_trees),
)
ROWS, HELD_OUT = np.arange(0, 120), np.arange(120, 160)


def one_pass(
    own: TableProblem,
    checkpoint: PassCheckpoint | None = None,
    rows: np.ndarray = ROWS,
    learners: Sequence[Learner] = SOME,
    gate: BudgetCheck | None = None,
) -> Pass:
    this = Pass(problem=own, name="pass", rows=rows, held_out=HELD_OUT, folds=3, seed=1)
    return this.run(learners, gate=gate, checkpoint=checkpoint)


def test_learners_side_by_side_are_named_in_the_language_of_the_call() -> None:
    heard = []
    this = Pass(problem=problem(3), name="pass", rows=ROWS, held_out=HELD_OUT, folds=3, seed=1)
    with speaking("ko"):
        this.run(SOME[:2], starting=lambda name: heard.append((name, current_language())))
    assert heard == [("baseline", "ko"), ("linear", "ko")]


def poisoned(own: TableProblem) -> TableProblem:
    """The same learning rows; the held-out rows' cells and truth are something else altogether."""
    numbers, categories = own.features.numbers.copy(), own.features.categories.copy()
    numbers[HELD_OUT] = 1e6
    categories[HELD_OUT] = "poison"
    truth = own.truth.copy()
    truth[HELD_OUT] = truth[HELD_OUT][::-1]
    features = Features(
        numbers=numbers,
        number_names=own.features.number_names,
        categories=categories,
        category_names=own.features.category_names,
    )
    return replace(own, features=features, truth=truth)


@pytest.mark.parametrize("outputs", [1, 3])
def test_held_out_rows_change_nothing_that_is_learned(outputs: int) -> None:
    own = problem(outputs)
    one, other = one_pass(own), one_pass(poisoned(own))
    for name, answers in one.answers.items():
        assert np.array_equal(answers.out_of_fold, other.answers[name].out_of_fold)
    blended, poisoned_blended = blend(one), blend(other)
    assert blended.stack.weights == poisoned_blended.stack.weights
    assert blended.temperature == poisoned_blended.temperature
    cells = own.cells(HELD_OUT)
    models = blended.freeze(), poisoned_blended.freeze()
    answers = [model.answers(*cells) for model in models]
    assert np.array_equal(*answers)


def test_a_leak_would_be_noticed() -> None:
    """The guard above works: were the held-out rows learned from, poisoning them would show."""
    own = problem(1)
    every = np.arange(160)
    leaky = [one_pass(table, rows=every).answers["linear"].out_of_fold for table in (own, poisoned(own))]
    assert not np.array_equal(*leaky)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_the_frozen_model_gives_the_answers_that_were_evaluated(outputs: int) -> None:
    own = problem(outputs)
    this = one_pass(own)
    blended = blend(this)
    model = blended.freeze()
    cells = own.cells(HELD_OUT)
    if outputs == 1:
        assert model.answers(*cells)[:, 0] == pytest.approx(blended.held_out[-1, :, 0], rel=1e-9)
        assert model.outputs(*cells)["fold_estimates"] == pytest.approx(
            blended.held_out[:-1, :, 0].T, rel=1e-9
        )
        fold = model.folds[1].answers(*own.cells(ROWS[this.fold_of == 1]))[:, 0]
        assert fold == pytest.approx(blended.out_of_fold[this.fold_of == 1, 0], rel=1e-9)
    else:
        assert model.answers(*cells) == pytest.approx(blended.held_out[-1], abs=1e-9)
        assert blended.out_of_fold.sum(axis=1) == pytest.approx(np.ones(len(ROWS)))


def test_the_stack_is_no_worse_than_its_best_member() -> None:
    this = one_pass(problem(1))
    blended = blend(this)
    mixed = ((blended.out_of_fold[:, 0] - this.truth) ** 2).mean()
    assert mixed <= min(loss.mean() for loss in blended.losses.values()) + 1e-9


def test_kept_answers_are_used_again_and_models_fitted_to_the_same(tmp_path: Path) -> None:
    own = problem(1)
    first = one_pass(own, PassCheckpoint(tmp_path, resume=False))
    again = one_pass(own, PassCheckpoint(tmp_path, resume=True))
    assert not any(answers.fitted for answers in again.answers.values())
    for name, answers in first.answers.items():
        assert np.array_equal(answers.out_of_fold, again.answers[name].out_of_fold)
    cells = own.cells(HELD_OUT)
    one, other = (blend(this).freeze().answers(*cells)[:, 0] for this in (first, again))
    assert np.array_equal(one, other)


def test_a_damaged_checkpoint_costs_time_only(tmp_path: Path) -> None:
    own = problem(1)
    first = one_pass(own, PassCheckpoint(tmp_path, resume=False))
    (tmp_path / "pass-linear.safetensors").write_bytes(b"half of")
    again = one_pass(own, PassCheckpoint(tmp_path, resume=True))
    assert np.array_equal(first.answers["linear"].out_of_fold, again.answers["linear"].out_of_fold)


def test_a_gate_stops_a_learner_after_its_first_fit() -> None:
    asked: list[tuple[str, int]] = []

    def gate(name: str, seconds: float, fits: int) -> str:
        asked.append((name, fits))
        return "too slow" if name == "SVM" else ""

    this = one_pass(problem(1), gate=gate)
    assert this.skipped == {"SVM": "too slow"}
    assert "SVM" not in this.answers
    assert asked == [(one.name, 4) for one in SOME]


def test_learners_of_small_tables_leave_large_ones_alone() -> None:
    only = tuple(replace(one, most_rows=50) if one.name == "SVM" else one for one in SOME)
    this = one_pass(problem(1), learners=only)
    assert "at most 50 rows, and there are 120" in this.skipped["SVM"]


def test_a_learner_of_all_folds_at_once_is_stopped_before_it_begins() -> None:
    """The gate hears what the whole fit would take, and a refusal costs no fit."""

    def never(sets: Sequence[TrainSet], seed: int, threads: int) -> Iterator[Fitted]:
        raise AssertionError("fitted all the same")
        yield

    slow = Learner(name="slow", view="linear", fit=never, foresee=lambda sets: 100.0 * len(sets))
    heard: dict[str, tuple[float, int]] = {}

    def gate(name: str, seconds: float, fits: int) -> str:
        heard[name] = (seconds, fits)
        return "too slow" if seconds > 50 else ""

    done = one_pass(problem(1), learners=(*SOME, slow), gate=gate)
    assert heard["slow"] == (400.0, 1)  # three folds and all rows, in one fit
    assert heard["linear"][1] == 4
    assert done.skipped == {"slow": "too slow"}
