"""What each library grew, read as trees: equal to its own prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from mindle.models.tables.readers import (
    forest_floor,
    read_catboost,
    read_forest,
    read_histogram,
    read_lightgbm,
)

SETS = {1: load_diabetes, 2: load_breast_cancer, 3: load_wine}


def rows(outputs: int) -> tuple[NDArray[np.float64], NDArray[Any]]:
    data = SETS[outputs]()
    return data.data.astype(np.float32).astype(np.float64), data.target


def two_columns(raw: NDArray[np.float64], outputs: int) -> NDArray[np.float64]:
    raw = raw.reshape(len(raw), -1)
    return np.concatenate([np.zeros_like(raw), raw], axis=1) if outputs == 2 else raw


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_forests_of_numbers(kind: Any) -> None:
    x, y = rows(1)
    forest = kind(n_estimators=20, random_state=0).fit(x, y)
    assert read_forest(forest, outputs=1).scores(x)[:, 0] == pytest.approx(forest.predict(x), rel=1e-12)


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
@pytest.mark.parametrize("outputs", [2, 3])
def test_forests_of_classes(kind: Any, outputs: int) -> None:
    x, y = rows(outputs)
    forest = kind(n_estimators=20, min_samples_leaf=3, random_state=0).fit(x, y)
    expected = np.log(np.maximum(forest.predict_proba(x), forest_floor(20)))
    assert read_forest(forest, outputs=outputs).scores(x) == pytest.approx(expected, abs=1e-12)


def test_a_forest_that_missed_a_class_gives_it_the_floor() -> None:
    x, y = rows(3)
    forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(x[y != 1], y[y != 1])
    scores = read_forest(forest, outputs=3).scores(x)
    assert (scores[:, 1] == np.log(forest_floor(5))).all()


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_histogram_boosting(outputs: int) -> None:
    x, y = rows(outputs)
    kind = HistGradientBoostingRegressor if outputs == 1 else HistGradientBoostingClassifier
    model = kind(max_iter=20, random_state=0).fit(x, y)
    raw = model.predict(x) if outputs == 1 else model.decision_function(x)
    own = read_histogram(model, outputs=outputs).scores(x)
    assert own == pytest.approx(two_columns(np.asarray(raw, np.float64), outputs), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_lightgbm(outputs: int) -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="needs the extra mindle[table]")
    x, y = rows(outputs)
    objective = {1: {"objective": "regression"}, 2: {"objective": "binary"}, 3: {"objective": "multiclass"}}
    settings = {**objective[outputs], "verbosity": -1, "num_threads": 1, "seed": 0}
    if outputs == 3:
        settings["num_class"] = 3
    booster = lightgbm.train(settings, lightgbm.Dataset(x, y), num_boost_round=30)
    raw = np.asarray(booster.predict(x, raw_score=True), np.float64)
    own = read_lightgbm(booster, outputs=outputs).scores(x)
    assert own == pytest.approx(two_columns(raw, outputs), rel=1e-12, abs=1e-12)


def test_lightgbm_with_missing_cells_is_refused() -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="needs the extra mindle[table]")
    x, y = rows(1)
    x[::3, 2] = np.nan
    settings = {"objective": "regression", "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(x, y), num_boost_round=30)
    with pytest.raises(ValueError, match="know no missing cells"):
        read_lightgbm(booster, outputs=1)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_catboost(outputs: int) -> None:
    catboost = pytest.importorskip("catboost", reason="needs the extra mindle[table]")
    x, y = rows(outputs)
    kind = catboost.CatBoostRegressor if outputs == 1 else catboost.CatBoostClassifier
    model = kind(
        iterations=30, thread_count=1, random_seed=0, allow_writing_files=False, logging_level="Silent"
    ).fit(x, y)
    raw = np.asarray(model.predict(x, prediction_type="RawFormulaVal"), np.float64)
    own = read_catboost(model, outputs=outputs).scores(x)
    assert own == pytest.approx(two_columns(raw, outputs), rel=1e-12, abs=1e-12)


def test_catboost_of_few_columns_has_trees_of_any_depth() -> None:
    catboost = pytest.importorskip("catboost", reason="needs the extra mindle[table]")
    x = np.repeat([[0.0, 7.0], [1.0, 7.0]], 20, axis=0)
    y = np.repeat([1.0, 2.0], 20)
    model = catboost.CatBoostRegressor(
        iterations=5, thread_count=1, allow_writing_files=False, logging_level="Silent"
    ).fit(x, y)
    assert read_catboost(model, outputs=1).scores(x)[:, 0] == pytest.approx(model.predict(x), rel=1e-12)
