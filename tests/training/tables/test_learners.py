"""Every learner: better than the baseline, equal as a record, sure of classes it did not see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mindle.training.tables.learners import Learner, TrainSet, frozen, learners
from mindle.training.tables.passes import prepare
from tests.formats.test_tables import CATEGORIES, NUMBERS, problem

LEARNERS = {learner.name: learner for learner in learners()}


def prepared(outputs: int) -> tuple[TrainSet, dict[str, np.ndarray], Any]:
    own = problem(outputs)
    one = prepare(own, np.arange(100), 0)
    held_out = np.arange(100, 160)
    truth = (own.truth[held_out] - one.centre) / one.scale if outputs == 1 else own.truth[held_out]
    return one, one.views_of(*own.cells(held_out)), truth


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_every_learner_is_no_worse_than_the_baseline_and_freezes(learner: Learner, outputs: int) -> None:
    if learner.positive and outputs > 1:
        pytest.skip("is for numbers")
    train, views, truth = prepared(outputs)
    model = next(learner.fit([train], 0, 1))
    scores = model.scores(views[learner.view])
    assert scores.shape == (60, outputs)
    assert frozen(model).scores(views[learner.view]) == pytest.approx(scores, abs=1e-9)
    if learner.name == "baseline":
        return
    if outputs == 1:
        assert ((scores[:, 0] - truth) ** 2).mean() < truth.var()
    else:
        assert (scores.argmax(axis=1) == truth).mean() > 0.4


@pytest.mark.parametrize(
    "learner", [one for one in LEARNERS.values() if not one.positive], ids=lambda one: one.name
)
def test_a_class_without_rows_gets_a_low_score(learner: Learner) -> None:
    own = problem(3)
    rows = np.flatnonzero(own.truth != 1)
    train = prepare(own, rows, 0)
    view = train.views[learner.view]
    scores = next(learner.fit([train], 0, 1)).scores(view)
    assert scores.shape == (len(rows), 3)
    assert np.isfinite(scores).all()
    assert (scores.argmax(axis=1) != 1).all()


def test_sets_are_fitted_one_at_a_time_and_alike() -> None:
    train, views, _ = prepared(1)
    forest = LEARNERS["extra trees"]
    fits = forest.fit([train, train], 3, 1)
    first, second = next(fits).scores(views["trees"]), next(fits).scores(views["trees"])
    assert np.array_equal(first, second)
    assert next(fits, None) is None


def test_packages_that_are_not_installed_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    names = {learner.name for learner in learners()}
    assert "LightGBM" not in names
    assert "CatBoost" not in names
    assert {"baseline", "linear", "random forest", "nets"} <= names
    assert len(CATEGORIES) == len(NUMBERS)
