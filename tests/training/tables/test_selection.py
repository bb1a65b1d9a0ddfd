"""Model selection on tables: honest protocols, budgets that hold, runs that go on where they were."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine

from mindle.data.tables.parsing.columns import Features
from mindle.errors import DeviceError
from mindle.records import Silent
from mindle.training.budget import Deadline
from mindle.training.recipe import Recipe
from mindle.training.settings import TableSettings
from mindle.training.tables import passes, selection
from mindle.training.tables.learners import learners as every_learner
from mindle.training.tables.selection import TableOutcome, settle_table
from tests.table_fits import fit

QUICK = ("baseline", "linear", "SVM")


def features(x: np.ndarray) -> Features:
    return Features(
        numbers=x.astype(np.float32).astype(np.float64),
        number_names=tuple(f"n{i}" for i in range(x.shape[1])),
        categories=np.empty((len(x), 0), object),
        category_names=(),
    )


DIABETES, WINE = load_diabetes(), load_wine()
NUMBER = features(DIABETES.data), DIABETES.target
CLASSES = features(WINE.data), WINE.target.astype(np.int64)
NAMES = ("a", "b", "c")


def quick(folds: int = 3, repeats: int = 2) -> TableSettings:
    return TableSettings(folds=folds, repeats=repeats, models=QUICK)


def same(one: TableOutcome, other: TableOutcome, rows: np.ndarray) -> bool:
    """Whether two runs came to the same answers, to the bit."""
    cells = NUMBER[0].numbers[rows], NUMBER[0].categories[rows]
    return (
        np.array_equal(one.test.rows, other.test.rows)
        and np.array_equal(one.test.answers, other.test.answers)
        and np.array_equal(one.model.answers(*cells)[:, 0], other.model.answers(*cells)[:, 0])
    )


def test_nested_judges_every_row_once_a_repeat() -> None:
    outcome = fit(*NUMBER, settings=quick())
    assert outcome.protocol == {"kind": "nested", "folds": 3, "repeats": 2}
    assert outcome.test.repeats == 2
    for repeat in outcome.test.rows.reshape(2, -1):
        assert np.array_equal(np.sort(repeat), np.arange(442))
    errors = outcome.test.answers - NUMBER[1][outcome.test.rows]
    assert np.abs(errors).mean() < 0.75 * np.abs(NUMBER[1] - NUMBER[1].mean()).mean()
    assert len(outcome.model.folds) == len(outcome.fold_models) == 3
    assert outcome.calibration is not None
    assert outcome.calibration.counts.sum() == 442


def test_intervals_hold_what_they_promise() -> None:
    test = fit(*NUMBER, settings=quick(repeats=1)).test
    assert test.low is not None
    assert test.high is not None
    truth = NUMBER[1][test.rows]
    assert 0.85 <= ((test.low <= truth) & (truth <= test.high)).mean() <= 0.95


def test_classes_are_calibrated_and_better_than_the_commonest() -> None:
    outcome = fit(*CLASSES, classes=NAMES, settings=quick(repeats=1))
    assert (outcome.test.answers.argmax(axis=1) == CLASSES[1][outcome.test.rows]).mean() > 0.94
    assert outcome.test.answers.sum(axis=1) == pytest.approx(np.ones(178))
    assert outcome.model.folds == ()
    names = [attempt["name"] for attempt in outcome.tried]
    assert names[:3] == list(QUICK)
    assert all(attempt["milliseconds"] > 0 for attempt in outcome.tried if attempt["value"] is not None)
    chosen = [attempt for attempt in outcome.tried if attempt["chosen"]]
    assert chosen
    assert all(attempt["low"] <= attempt["value"] <= attempt["high"] for attempt in chosen)
    assert outcome.stopped.startswith("Selected: ")


def test_rows_are_told_with_what_the_models_said_that_had_not_seen_them() -> None:
    known, test = np.arange(0, 178, 2), np.arange(1, 178, 2)
    found = fit(*CLASSES, classes=NAMES, test=test, settings=quick(repeats=1)).out_of_fold
    assert np.array_equal(found.rows, known)  # nothing of the test part
    assert np.array_equal(found.truth, CLASSES[1][known])
    assert (found.outputs["probabilities"].argmax(axis=1) == found.truth).mean() > 0.9
    assert found.features is not None
    assert np.allclose(found.features.mean(axis=0), 0, atol=1e-9)  # standardised by the encoder of the model
    assert found.blocks == ()
    assert found.relearn is not None
    some = np.arange(0, 89, 2)
    assert (found.relearn(found.truth, some).argmax(axis=1) == found.truth[some]).mean() > 0.8
    moved = fit(*NUMBER, settings=quick(repeats=1)).of_table(np.arange(442) + 5).out_of_fold
    assert moved.outputs["estimate"].shape == (442,)
    assert int(moved.rows.min()) == 5


def test_a_given_test_part_is_answered_by_models_without_it() -> None:
    """The test rows' truth and cells are replaced: nothing but their own answers may change."""
    data, truth = NUMBER
    test = np.arange(0, 442, 4)
    one = fit(data, truth, test=test, settings=quick())
    poison, numbers = truth.copy(), data.numbers.copy()
    poison[test], numbers[test] = 1e6, -1e6
    other = fit(features(numbers), poison, test=test, settings=quick())
    assert one.protocol == {"kind": "split"}
    assert np.array_equal(one.test.rows, test)
    known = np.setdiff1d(np.arange(442), test)
    cells = data.numbers[known], data.categories[known]
    assert np.array_equal(one.model.answers(*cells)[:, 0], other.model.answers(*cells)[:, 0])
    assert np.array_equal(one.val.answers, other.val.answers)


def test_the_final_model_answers_its_test_split_as_evaluated() -> None:
    test = np.arange(0, 442, 4)
    outcome = fit(*NUMBER, test=test, settings=quick())
    cells = NUMBER[0].numbers[test], NUMBER[0].categories[test]
    assert outcome.model.answers(*cells)[:, 0] == pytest.approx(outcome.test.answers, rel=1e-9)


def test_no_row_is_answered_by_a_model_that_learned_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted detector: it writes down which rows each pass learned from, and which it was to answer."""
    met: list[tuple[set[int], set[int]]] = []
    original, run = passes.prepare, passes.Pass.run

    def watched(problem: Any, rows: np.ndarray, seed: int, views: Any) -> Any:
        seen.update(rows.tolist())
        return original(problem, rows, seed, views)

    def finished(this: passes.Pass, *args: Any, **settings: Any) -> passes.Pass:
        seen.clear()
        run(this, *args, **settings)
        met.append((set(seen), set(this.held_out.tolist())))
        return this

    seen: set[int] = set()
    monkeypatch.setattr(passes, "prepare", watched)
    monkeypatch.setattr(passes.Pass, "run", finished)
    fit(*NUMBER, settings=quick())
    assert len(met) == 7
    assert all(learned and not learned & held_out for learned, held_out in met)
    assert met[-1] == (set(range(442)), set())


def test_groups_stay_on_one_side() -> None:
    groups = np.arange(442) // 2
    outcome = fit(*NUMBER, groups=groups, settings=quick(repeats=1))
    fold_of = np.empty(442, np.int64)
    sizes = np.bincount(outcome.test.rows, minlength=442)
    assert (sizes == 1).all()
    place, fold = 0, 0
    for row in outcome.test.rows.tolist():  # rows of one fold follow each other in order
        fold += row < place
        fold_of[row], place = fold, row
    assert (fold_of[::2] == fold_of[1::2]).all()


def test_a_killed_run_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    class Killer(Silent):
        def progress(self, stage: str, done: int, total: int) -> None:
            if done == 4:
                raise Killed

    whole = fit(*NUMBER, settings=quick(), seed=5)
    decisions: list[Any] = []
    budget = Deadline(1000)
    with pytest.raises(Killed):
        fit(
            *NUMBER,
            settings=quick(),
            seed=5,
            folder=tmp_path,
            deadline=budget,
            record=decisions.append,
            listener=Killer(),
        )
    kept = {path.name for path in (tmp_path / "checkpoint").iterdir()}
    assert "repeat-2-fold-1-svm.safetensors" in kept
    again: list[Any] = []
    resumed = fit(
        *NUMBER,
        settings=quick(),
        seed=5,
        folder=tmp_path,
        deadline=Deadline(100),
        resume=True,
        replay=decisions,
        record=again.append,
    )
    assert [decision["step"] for decision in decisions][:2] == ["protocol", "after repeat-1-fold-1"]
    assert [decision["step"] for decision in again] == ["after repeat-2-fold-2"]
    assert same(whole, resumed, np.arange(442))


def test_decisions_are_repeated_whatever_the_clock_says() -> None:
    """A run without time for its second repeat is repeated with all the time there is: the same comes out."""
    ticks = iter(range(100_000))
    slow = Deadline(60, clock=lambda: float(next(ticks)))
    decisions: list[Any] = []
    first = fit(*NUMBER, settings=quick(), deadline=slow, record=decisions.append)
    again = fit(*NUMBER, settings=quick(), deadline=Deadline(1e6), replay=decisions)
    assert same(first, again, np.arange(442))
    assert decisions[0]["step"] == "protocol"


def test_models_that_were_named_are_never_skipped() -> None:
    """A budget that is spent already is refused before training; a short one shortens the protocol."""
    with pytest.raises(DeviceError, match=r"Give --budget \d+s"):
        fit(*NUMBER, settings=quick(), deadline=Deadline(10, spent_seconds=11))
    calls = iter(range(100_000))
    short = Deadline(30, clock=lambda: 4.0 * next(calls))  # four seconds pass whenever somebody looks
    outcome = fit(*NUMBER, settings=quick(), deadline=short)
    assert outcome.protocol["kind"] == "split"
    assert "For time: the model is evaluated on one held-out fold only" in outcome.stopped
    assert [attempt["name"] for attempt in outcome.tried][:3] == list(QUICK)
    assert len(outcome.test.rows) < len(NUMBER[1]) / 2


def planned(seconds: float, costs: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The protocol where fits of these costs are to end in so many seconds."""
    monkeypatch.setattr(selection, "seconds_of_fits", lambda *_, **__: costs)
    found: list[Any] = []
    kinds = TableSettings(folds=5, repeats=3)
    monkeypatch.setattr(
        selection, "learners", lambda settings: [one for one in every_learner(settings) if one.name in costs]
    )
    with contextlib.suppress(Stop):
        fit(
            *CLASSES,
            classes=NAMES,
            settings=kinds,
            deadline=Deadline(seconds, clock=lambda: 0.0),
            record=lambda decision: found.append(decision) or stop(),
        )
    return dict(found[0])


class Stop(Exception):
    """Enough was seen."""


def stop() -> None:
    raise Stop


def test_repeats_then_folds_then_nesting_give_way_before_kinds_do(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = {"baseline": 0.0, "linear": 0.1, "LightGBM": 1.0, "SVM": 0.4, "nets": 2.5}
    met = []
    for seconds in (1000, 300, 200, 100, 40, 25, 12, 3):
        plan = planned(seconds, costs, monkeypatch)
        met.append((plan["outer"], plan["repeats"], plan["inner"], list(plan["skipped"])))
    assert met[0] == (5, 3, 5, [])
    assert [len(names) for *_, names in met] == sorted(len(names) for *_, names in met)
    assert not any(names for _, repeats, _, names in met if repeats)
    assert met[-2][3] == ["nets"]  # boosting comes before what is slower


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="`folds` must lie in 2 to 100"):
        TableSettings(folds=1)
    with pytest.raises(ValueError, match="`repeats` must lie in 1 to 100"):
        TableSettings(repeats=0)
    with pytest.raises(ValueError, match="`models` must be among baseline, linear"):
        fit(*NUMBER, settings=TableSettings(models=("oracle",)))


@pytest.mark.slow
def test_every_model_together_beats_the_linear_one() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(300, 4))
    y = np.sin(2 * x[:, 0]) + x[:, 1] * (x[:, 2] > 0) + rng.normal(0, 0.1, size=300)
    outcome = fit(features(x), y, settings=TableSettings(folds=3, repeats=1))
    values = {attempt["name"]: attempt["value"] for attempt in outcome.tried}
    assert values["stack"] < 0.7 * values["linear"]
    error = np.abs(outcome.test.answers - y[outcome.test.rows]).mean()
    assert error < 0.7 * values["linear"]


# ---- settings of the nets ---------------------------------------------------------------------------------

NETS = TableSettings(
    folds=2, repeats=1, models=("nets",), hidden_layer_sizes=(16,), ensemble_size=1, epochs=20
)


@pytest.mark.parametrize(
    ("changed", "view"),
    [
        ({}, "linear"),
        ({"scale": "rows"}, "rows"),
        ({"scale": "none"}, "plain"),
        ({"scale_target": False}, "linear"),
    ],
)
def test_how_nets_are_fed_travels_with_the_model(changed: dict[str, Any], view: str) -> None:
    outcome = fit(*NUMBER, settings=replace(NETS, **changed))
    assert [(member.name, member.view) for member in outcome.model.members] == [("nets", view)]
    answers = outcome.model.answers(NUMBER[0].numbers, NUMBER[0].categories)[:, 0]
    # Diabetes' columns are so small that they say nothing unscaled; the target's size is learned even then.
    assert 50 < np.median(answers) < 250


def test_a_target_in_its_own_unit_is_learned_as_such() -> None:
    """Half of the target's unit is another task for a huber loss, and the same one for standardised nets."""
    small = NUMBER[0], NUMBER[1] / 1000
    known = [
        fit(*table, settings=replace(NETS, scale_target=scaled)).test.answers
        for table in (NUMBER, small)
        for scaled in (True, False)
    ]
    assert known[0] == pytest.approx(known[2] * 1000, rel=1e-3)
    assert np.abs(known[1] - known[3] * 1000).mean() > 1


def test_whoever_was_asked_for_answers_and_the_baseline_is_scored_beside_them() -> None:
    rng = np.random.default_rng(0)
    noise = features(rng.normal(size=(60, 3)))
    outcome = fit(noise, rng.normal(size=60), settings=replace(NETS, epochs=60))
    assert [member.name for member in outcome.model.members] == ["nets"]
    assert [attempt["name"] for attempt in outcome.tried] == ["baseline", "nets"]


def test_a_recipe_is_settled_from_what_was_said() -> None:
    recipe = settle_table(
        models="linear, nets", folds=4, settings={"table.hidden_layer_sizes": "32, 16", "table.repeats": 1}
    )
    assert recipe.table == TableSettings(
        models=("linear", "nets"), folds=4, repeats=1, hidden_layer_sizes=(32, 16)
    )
    assert settle_table(recipe, repeats=2).table.hidden_layer_sizes == (32, 16)
    with pytest.raises(ValueError, match=r"`recipe` must be for a table.* Received 'probe' of the strategy"):
        settle_table("probe")
    with pytest.raises(ValueError, match='Received one of the strategy "auto"'):
        settle_table(Recipe())
    with pytest.raises(ValueError, match=r"`train.epochs` must not be set: it is about images"):
        settle_table(settings={"train.epochs": 3})
