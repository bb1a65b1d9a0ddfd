"""Importance finds the columns that matter; dependence follows the curve that was planted."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.data.tables.parsing.columns import Features
from mindle.training.settings import TableSettings
from mindle.training.tables.importance import partial_dependence, permutation_importance
from mindle.training.tables.selection import TableOutcome
from tests.table_fits import fit

RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=(240, 3)).astype(np.float32).astype(np.float64)
CATEGORIES = np.array([[["low", "high", None][i]] for i in RNG.integers(3, size=240)], object)
FEATURES = Features(
    numbers=NUMBERS, number_names=("big", "small", "none"), categories=CATEGORIES, category_names=("level",)
)
TARGET = 5 * NUMBERS[:, 0] + NUMBERS[:, 1] + 3 * (CATEGORIES[:, 0] == "high") + 20
LINEAR = TableSettings(folds=2, repeats=1, models=("baseline", "linear"))


@pytest.fixture(scope="module")
def numbers() -> TableOutcome:
    return fit(FEATURES, TARGET, test=np.arange(40), settings=LINEAR)


@pytest.fixture(scope="module")
def classes() -> TableOutcome:
    labels = (TARGET > np.median(TARGET)).astype(np.int64)
    return fit(FEATURES, labels, classes=("under", "over"), test=np.arange(40), settings=LINEAR)


def test_columns_are_ordered_by_what_they_are_worth(numbers: TableOutcome) -> None:
    found = permutation_importance(numbers.fold_models, FEATURES, TARGET, seed=0)
    assert list(found) == ["big", "level", "small", "none"]
    assert {each.shape for each in found.values()} == {(5,)}
    assert found["big"].min() > 10 * np.abs(found["none"]).max()
    assert found["big"].std() > 0


def test_only_rows_that_a_model_had_not_learned_from_are_used(numbers: TableOutcome) -> None:
    met = [set(rows.tolist()) for _, rows in numbers.fold_models]
    assert not met[0] & met[1]
    assert met[0] | met[1] == set(range(40, 240))


def test_importance_of_classes_is_in_log_loss_and_repeats(classes: TableOutcome) -> None:
    labels = (TARGET > np.median(TARGET)).astype(np.int64)
    first, again = (
        permutation_importance(classes.fold_models, FEATURES, labels, repeats=2, seed=3) for _ in "ab"
    )
    assert next(iter(first)) == "big"
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_dependence_of_a_number_is_its_slope(numbers: TableOutcome) -> None:
    curve = partial_dependence(numbers.model, FEATURES, "big")
    values = np.array(curve.values, np.float64)
    slope = np.polyfit(values, curve.answers[:, 0], 1)[0]
    assert curve.kind == "number"
    assert len(values) == 24
    assert (np.diff(values) > 0).all()
    assert slope == pytest.approx(5, rel=0.05)


def test_dependence_of_words_is_by_level(numbers: TableOutcome, classes: TableOutcome) -> None:
    levels = partial_dependence(numbers.model, FEATURES, "level")
    by_level = dict(zip(levels.values, levels.answers[:, 0], strict=True))
    assert set(by_level) == {"low", "high", None}
    assert by_level["high"] - by_level["low"] == pytest.approx(3, rel=0.1)
    shares = partial_dependence(classes.model, FEATURES, "level").answers
    assert shares.shape == (3, 2)
    assert shares.sum(axis=1) == pytest.approx(np.ones(3))


def test_unknown_columns_are_refused(numbers: TableOutcome) -> None:
    with pytest.raises(ValueError, match="`column` must be one of big, small, none, level"):
        partial_dependence(numbers.model, FEATURES, "colour")
