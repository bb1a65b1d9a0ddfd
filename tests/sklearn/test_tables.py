"""The estimators of tables inside the machinery of scikit-learn."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_wine, make_friedman1
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from mindle.errors import DataWarning, DeviceError
from mindle.sklearn import TableClassifier, TableRegressor

QUICK: dict[str, Any] = {"models": ("linear",), "folds": 3, "random_state": 0}
CLASSES, NUMBERS = TableClassifier(**QUICK), TableRegressor(**QUICK)
WINE, NAMES = load_wine(return_X_y=True, as_frame=True)
NAMES = np.array(["barolo", "grignolino", "barbera"])[NAMES]
DIABETES, TARGETS = load_diabetes(return_X_y=True, as_frame=True)


def people(rows: int = 240) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of a frame as people have them, and whether each bought; towns and dates tell as much as ages."""
    rng = np.random.default_rng(0)
    age = rng.integers(18, 80, rows).astype(float)
    town = rng.choice(["Bonn", "Seoul", "Rome"], rows)
    since = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1000, rows), unit="D")
    worth = (age > 45) * 1.0 + (town == "Seoul") * 2.0 + (since.year == 2021) * 1.5
    age[::9] = np.nan
    frame = pd.DataFrame({"age": age, "town": town, "since": since})
    frame.loc[3::11, "town"] = None
    return frame, np.where(worth + rng.normal(0, 0.4, rows) > 1.7, "yes", "no")


# ── the checks of scikit-learn ────────────────────────────────────────────────────────────────────


# All of them apply, but for that of array libraries, which skips itself where SciPy is not set to use them.
@parametrize_with_checks([TableClassifier(models=("linear",)), TableRegressor(models=("linear",))])
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [TableClassifier, TableRegressor])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learns_checks_with_models_of_every_family(kind: Any) -> None:
    estimator = kind(models=("linear", "extra trees", "LightGBM", "SVM", "Gaussian process"), folds=3)
    results = check_estimator(estimator, on_fail=None)
    assert [one for one in results if one["status"] == "failed"] == []


@pytest.mark.slow
def test_everything_together_is_better_than_a_straight_line() -> None:
    rows, targets = make_friedman1(240, noise=1.0, random_state=0)
    everything = TableRegressor(random_state=0).fit(rows[:160], targets[:160])
    straight = clone(NUMBERS).fit(rows[:160], targets[:160])
    assert everything.score(rows[160:], targets[160:]) > straight.score(rows[160:], targets[160:]) + 0.1
    assert "linear" not in {one["name"] for one in everything.tried_ if one["chosen"]}


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


def test_labels_keep_their_type_and_probabilities_their_order() -> None:
    fitted = clone(CLASSES).fit(WINE[::2], NAMES[::2])
    assert fitted.classes_.tolist() == ["barbera", "barolo", "grignolino"]
    probabilities = fitted.predict_proba(WINE[1::2])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert fitted.predict(WINE[1::2]).tolist() == fitted.classes_[probabilities.argmax(axis=1)].tolist()
    assert fitted.score(WINE[1::2], NAMES[1::2]) > 0.93
    numbers = np.unique(NAMES, return_inverse=True)[1] * 10
    assert clone(CLASSES).fit(WINE, numbers).predict(WINE).dtype == numbers.dtype
    assert fitted.feature_names_in_.tolist() == list(WINE)
    assert fitted.n_features_in_ == 13
    assert [one["name"] for one in fitted.tried_[:2]] == ["baseline", "linear"]


def test_categories_dates_and_gaps_are_understood() -> None:
    frame, bought = people()
    fitted = clone(CLASSES).fit(frame[:160], bought[:160])
    assert [(c.name, c.kind) for c in fitted.columns_] == [
        ("age", "number"),
        ("town", "category"),
        ("since", "date"),
    ]
    assert fitted.score(frame[160:], bought[160:]) > 0.75
    unseen = frame[160:].assign(town="Oslo")
    assert np.isfinite(fitted.predict_proba(unseen)).all()
    # The same rows as an array of objects, whose columns have no names.
    plain = clone(CLASSES).fit(frame[:160].to_numpy(), bought[:160])
    np.testing.assert_allclose(
        plain.predict_proba(frame[160:].to_numpy()), fitted.predict_proba(frame[160:]), rtol=1e-9
    )


def test_a_column_that_tells_rows_apart_is_left_out_with_a_word() -> None:
    frame = DIABETES.assign(patient=[f"P{n:04d}" for n in range(len(DIABETES))])
    with pytest.warns(UserWarning, match=r"patient .nearly every text differs.*`kinds` keeps"):
        fitted = clone(NUMBERS).fit(frame, TARGETS)
    assert fitted.columns_[-1].role == "ignored"
    np.testing.assert_array_equal(fitted.predict(frame), fitted.predict(frame.assign(patient="P9999")))
    only = frame[["patient"]]
    with pytest.raises(ValueError, match=r"must have a column to learn from.*'patient'"), pytest.warns():
        clone(NUMBERS).fit(only, TARGETS)
    said = clone(NUMBERS).set_params(kinds={"patient": "ignored"}).fit(frame, TARGETS)
    np.testing.assert_array_equal(fitted.predict(frame), said.predict(frame))


def test_the_same_seed_gives_the_same_answers() -> None:
    trees = TableRegressor(models=("extra trees",), folds=2, random_state=3)
    first, second = (clone(trees).fit(DIABETES[:80], TARGETS[:80]).predict(DIABETES[80:]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_intervals_hold_as_often_as_they_say() -> None:
    fitted = clone(NUMBERS).fit(DIABETES[:300], TARGETS[:300])
    truth, widths = TARGETS[300:].to_numpy(), []
    for level, least, most in ((0.5, 0.4, 0.62), (0.9, 0.82, 0.98)):
        low, high = fitted.predict_interval(DIABETES[300:], level)
        assert least < ((low <= truth) & (truth <= high)).mean() < most
        widths.append((high - low).mean())
    assert widths[0] < widths[1]
    with pytest.raises(ValueError, match="`level` must lie between 0 and 1"):
        fitted.predict_interval(DIABETES, 90)


def test_rows_of_a_group_stay_together_inside() -> None:
    """Every row stands there twice, with a little noise, under a target that only its copy tells."""
    rng = np.random.default_rng(0)
    rows, targets = rng.normal(size=(60, 3)), rng.normal(size=60)
    twice, both = np.repeat(rows, 2, axis=0) + rng.normal(0, 1e-3, (120, 3)), np.repeat(targets, 2)
    forest = TableRegressor(models=("extra trees",), folds=3, random_state=0)
    apart = clone(forest).fit(twice, both).outcome_.val.answers
    together = clone(forest).fit(twice, both, groups=np.arange(120) // 2).outcome_.val.answers
    assert np.abs(apart - both).mean() < 0.5 * np.abs(together - both).mean()


def test_a_budget_leaves_out_what_would_not_end_but_nothing_that_was_named() -> None:
    hurried = TableRegressor(budget="1s", random_state=0).fit(DIABETES, TARGETS)
    left = {one["name"]: one["value"] is None for one in hurried.tried_}
    assert left["nets"]
    assert not left["linear"]
    assert hurried.score(DIABETES, TARGETS) > 0.4
    named = TableRegressor(models=("linear", "CatBoost"), budget="0.05s", random_state=0)
    with pytest.raises(DeviceError, match=r"must leave time for CatBoost.*Give --budget \d+s or more"):
        named.fit(DIABETES, TARGETS)


# ── machinery ────────────────────────────────────────────────────────────────────────────────────


def test_they_work_in_a_pipeline_under_cross_validation() -> None:
    frame, bought = people()
    scaled = make_column_transformer((StandardScaler(), ["age"]), remainder="passthrough")
    scaled.set_output(transform="pandas")
    assert cross_val_score(make_pipeline(scaled, clone(CLASSES)), frame, bought, cv=3).mean() > 0.75
    scores = cross_val_score(
        make_pipeline(StandardScaler(), clone(NUMBERS)),
        DIABETES,
        TARGETS,
        groups=np.arange(len(TARGETS)) // 2,
        cv=GroupKFold(3),
    )
    assert scores.mean() > 0.4


def test_a_grid_goes_over_their_parameters() -> None:
    rows, targets = make_friedman1(150, random_state=0)
    grid = GridSearchCV(clone(NUMBERS), {"models": [("baseline",), ("linear",)]}, cv=2).fit(rows, targets)
    assert grid.best_params_ == {"models": ("linear",)}
    vectors = TableClassifier(models=("SVM",), folds=3, random_state=0)
    widths = [{"table.svm_gamma": 1e-4}, {"table.svm_gamma": 1.0}]
    assert GridSearchCV(vectors, {"settings": widths}, cv=2).fit(WINE, NAMES).best_index_ == 1
    assert clone(grid.best_estimator_).get_params()["models"] == ("linear",)


@pytest.mark.parametrize("together", [VotingClassifier, StackingClassifier])
def test_classifiers_vote_and_stack_with_others(together: Any) -> None:
    other = make_pipeline(StandardScaler(), LogisticRegression())
    options: dict[str, Any] = {"voting": "soft"} if together is VotingClassifier else {"cv": 2}
    combined = together([("table", clone(CLASSES)), ("other", other)], **options).fit(WINE[::2], NAMES[::2])
    assert combined.score(WINE[1::2], NAMES[1::2]) > 0.93


@pytest.mark.parametrize("together", [VotingRegressor, StackingRegressor])
def test_regressors_vote_and_stack_with_others(together: Any) -> None:
    options: dict[str, Any] = {} if together is VotingRegressor else {"cv": 2}
    combined = together([("table", clone(NUMBERS)), ("other", Ridge())], **options)
    assert combined.fit(DIABETES[::2], TARGETS[::2]).score(DIABETES[1::2], TARGETS[1::2]) > 0.4


def test_a_fitted_estimator_survives_being_sent_to_another_process() -> None:
    fitted = clone(CLASSES).fit(WINE, NAMES)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(WINE), fitted.predict_proba(WINE))


def test_it_says_what_is_still_possible_and_when_not_to_answer() -> None:
    fitted = clone(CLASSES).fit(WINE[::2], NAMES[::2])
    sets = fitted.predict_set(WINE[1::2], level=0.95)
    truth = np.searchsorted(fitted.classes_, NAMES[1::2])
    assert sets[np.arange(len(truth)), truth].mean() > 0.9
    assert sets.any(axis=1).all()
    for estimator in (fitted, clone(NUMBERS).fit(WINE[::2], np.arange(len(WINE))[::2])):
        assert (estimator.abstains(WINE[1::2]) == "").mean() > 0.85
        assert set(estimator.abstains(20 * WINE[1::2])) == {"unlike_training"}
    with pytest.raises(ValueError, match="`level` must lie between 0 and 1"):
        fitted.predict_set(WINE, level=1.0)


# ── what is wrong is named ───────────────────────────────────────────────────────────────────────


def test_wrong_rows_are_named() -> None:
    fitted = clone(NUMBERS).fit(DIABETES, TARGETS)
    with pytest.raises(NotFittedError):
        clone(CLASSES).predict(WINE)
    with pytest.raises(ValueError, match="same order as they were in fit"):
        fitted.predict(DIABETES[DIABETES.columns[::-1]])
    with pytest.raises(ValueError, match="Feature names unseen at fit time:\n- extra"):
        fitted.predict(DIABETES.assign(extra=1.0))
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing:\n- bmi"):
        fitted.predict(DIABETES.drop(columns="bmi"))
    with (
        pytest.warns(UserWarning, match="does not have valid feature names"),
        pytest.raises(ValueError, match="X has 9 features, but TableRegressor is expecting 10 features"),
    ):
        fitted.predict(DIABETES.to_numpy()[:, 1:])
    with pytest.raises(ValueError, match="contains infinity"):
        fitted.predict(DIABETES.replace(DIABETES.iloc[0, 0], np.inf))
    with pytest.raises(ValueError, match=r"Found array with 0 sample"):
        fitted.predict(DIABETES[:0])


def test_wrong_arguments_are_named() -> None:
    for said, estimator, rows, truth, extra in (
        ("`models` must be among", TableRegressor(models=("magic",)), DIABETES, TARGETS, None),
        ("Did you mean", TableRegressor(settings={"table.svm_gama": 1}), DIABETES, TARGETS, None),
        ("`folds` must lie in 2 to 100", TableRegressor(folds=1), DIABETES, TARGETS, None),
        ("must have 10 rows or more. Received n_samples=9", clone(NUMBERS), DIABETES[:9], TARGETS[:9], None),
        ("at least two classes. Received 1 class", clone(CLASSES), WINE, np.zeros(178), None),
        ("Received 1 of 178 that are None", clone(CLASSES), WINE, [None, *NAMES[1:]], None),
        ("requires y to be passed", clone(CLASSES), WINE, None, None),
        ("inconsistent numbers of samples", clone(CLASSES), WINE, NAMES[1:], None),
        ("Unknown label type", clone(CLASSES), DIABETES, TARGETS + 0.5, None),
        ("Input y contains NaN", clone(NUMBERS), DIABETES, np.full(442, np.nan), None),
        (r"`groups` must be \(442,\)", clone(NUMBERS), DIABETES, TARGETS, np.zeros(3)),
        ("`budget`", TableRegressor(budget="soon"), DIABETES, TARGETS, None),
    ):
        with pytest.raises(ValueError, match=said):
            estimator.fit(rows, truth, groups=extra)


def test_codes_that_lost_their_zeros_answer_as_the_whole_ones() -> None:
    codes = [f"0{1000 + row % 4}" for row in range(60)]
    rows = pd.DataFrame({"zip": codes, "size": np.arange(60) % 7 + 0.5})
    fitted = clone(CLASSES).fit(rows, np.where(rows.zip < "01002", "north", "south"))
    with pytest.warns(DataWarning, match="codes without leading zeros in zip"):
        cut = fitted.predict_proba(rows.assign(zip=rows.zip.astype(int)))
    np.testing.assert_array_equal(cut, fitted.predict_proba(rows))
