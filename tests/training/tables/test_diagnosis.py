"""Faults that people bring to a table or ask for are named, alone; healthy tables are left in peace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.preprocessing import normalize, scale

from mindle.data.tables.parsing.columns import Features
from mindle.messages import in_language
from mindle.records import Diagnosis
from mindle.training.settings import TableSettings
from mindle.training.tables.diagnosis import fitted_on_test, rows_normalised
from tests.table_fits import fit

TABLES = {
    "iris": load_iris(),
    "wine": load_wine(),
    "breast-cancer": load_breast_cancer(),
    "diabetes": load_diabetes(),
}
QUICK: dict[str, Any] = {"folds": 2, "repeats": 1, "models": ("linear",)}
NETS: dict[str, Any] = {
    **QUICK,
    "models": ("nets",),
    "hidden_layer_sizes": (16,),
    "ensemble_size": 1,
    "epochs": 20,
}


def diagnosed(
    numbers: NDArray[np.float64],
    truth: NDArray[Any],
    *,
    test: NDArray[np.int64] | None = None,
    nested: bool = False,
    **wish: Any,
) -> dict[str, Diagnosis]:
    """Train on a table, and give what was wrong by its kind; every fourth row is held out unless nested."""
    if test is None and not nested:
        test = np.arange(0, len(numbers), 4)
    features = Features(
        numbers=numbers.astype(np.float32).astype(np.float64),
        number_names=tuple(f"c{i}" for i in range(1, numbers.shape[1] + 1)),
        categories=np.empty((len(numbers), 0), object),
        category_names=(),
    )
    classes = () if truth.dtype.kind == "f" else tuple(str(name) for name in range(truth.max() + 1))
    settings = TableSettings(**{**QUICK, **wish})
    outcome = fit(features, truth, classes=classes, settings=settings, test=test)
    for each in outcome.diagnoses:
        assert each.evidence["series"]
        said = [each.message, each.remedy, *each.evidence["series"], each.evidence["title"]]
        assert not any(sentence in in_language(sentence, "ko") for sentence in said)
    return {each.kind: each for each in outcome.diagnoses}


def houses(count: int = 240) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns of unlike units, and a price that hangs on the small ones too."""
    rng = np.random.default_rng(0)
    x = np.stack(
        [
            rng.uniform(0.3, 0.9, count),  # air
            rng.uniform(3, 9, count),  # rooms
            rng.uniform(180, 720, count),  # tax
            rng.uniform(1, 38, count),  # neighbours
        ],
        axis=1,
    )
    return x, 9 * x[:, 1] - 60 * x[:, 0] - 0.5 * x[:, 3] + rng.normal(0, 1, count)


# ---- healthy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("model", ["linear", "extra trees"])
def test_healthy_tables_name_nothing(name: str, model: str) -> None:
    """Diabetes was centred over all of its rows and brought to a length of 1: nobody can undo that."""
    assert diagnosed(TABLES[name].data, TABLES[name].target, models=(model,)) == {}


def test_healthy_tables_evaluated_on_every_row_name_nothing() -> None:
    assert diagnosed(TABLES["diabetes"].data, TABLES["diabetes"].target, nested=True) == {}
    assert diagnosed(*houses(), nested=True) == {}


def test_healthy_nets_name_nothing() -> None:
    assert diagnosed(*houses(), **NETS, weight_decay=0.1) == {}
    assert diagnosed(TABLES["wine"].data, TABLES["wine"].target, **NETS) == {}


def test_columns_scaled_on_the_training_rows_alone_are_fine() -> None:
    x, y = houses()
    test = np.arange(180, 240)
    scaled = (x - x[:180].mean(axis=0)) / x[:180].std(axis=0)
    assert diagnosed(scaled, y, test=test) == {}


def test_columns_of_minus_one_and_one_are_so_by_nature() -> None:
    coded = np.stack([np.tile([-1.0, 1.0], 60), np.repeat([-1.0, 1.0], 60)], axis=1)
    assert fitted_on_test(coded[:70], coded[70:]) is None


def test_unit_vectors_by_nature_are_no_fault() -> None:
    rng = np.random.default_rng(0)
    embedded = normalize(rng.normal(size=(80, 6)))
    one_hot = np.eye(3)[rng.integers(0, 3, 80)]
    counts = normalize((rng.random((80, 40)) < 0.05) * rng.uniform(1, 5, 40) + np.eye(80, 40) * 1e-9)
    for healthy in (embedded, one_hot, counts, houses()[0], scale(houses()[0])):
        assert rows_normalised(healthy) is None


# ---- what a table had been through ------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [4, 12])
@pytest.mark.parametrize("name", ["houses", "wine", "iris", "breast-cancer"])
def test_rows_that_were_normalised_before_they_came(name: str, digits: int) -> None:
    x, y = houses() if name == "houses" else (TABLES[name].data, TABLES[name].target)
    found = diagnosed(np.round(normalize(x), digits), y)
    assert list(found) == ["rows-normalised"]
    said = found["rows-normalised"]
    assert f"Each of the {len(x):,} rows had been divided by its own norm" in said.message
    assert "as it was measured" in said.remedy
    assert len(said.evidence["series"]["this run"]) == x.shape[1]


def test_an_incomplete_row_does_not_hide_normalised_ones() -> None:
    cells = normalize(houses()[0])
    cells[3, 1] = np.nan
    assert rows_normalised(cells) is not None


@pytest.mark.parametrize("digits", [4, 12])
@pytest.mark.parametrize("name", ["houses", "wine", "iris", "breast-cancer"])
def test_columns_that_were_standardised_over_all_rows(name: str, digits: int) -> None:
    x, y = houses() if name == "houses" else (TABLES[name].data, TABLES[name].target)
    found = diagnosed(np.round(scale(x), digits), y)
    assert list(found) == ["fitted-on-test"]
    said = found["fitted-on-test"]
    assert f"{x.shape[1]} of {x.shape[1]} columns" in said.message
    assert f"over all {len(x):,} rows" in said.message
    assert "on training rows alone" in said.remedy
    own = [y for _, y in said.evidence["series"]["training rows"]]
    assert max(map(abs, own)) > 1e-3
    assert max(abs(y) for _, y in said.evidence["series"]["all rows"]) < 1e-4


def test_a_deviation_may_be_counted_by_n_minus_1_and_cells_may_be_missing() -> None:
    x, y = houses()
    x[::17, 2] = np.nan
    scaled = (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0, ddof=1)
    assert list(diagnosed(scaled, y, nested=True)) == ["fitted-on-test"]


def test_a_test_part_that_was_standardised_by_itself() -> None:
    x, y = houses()
    scaled = np.concatenate([scale(x[:180]), scale(x[180:])])
    found = diagnosed(scaled, y, test=np.arange(180, 240))
    assert list(found) == ["fitted-on-test"]
    assert "over the 60 held-out rows" in found["fitted-on-test"].message


# ---- how nets were fed ------------------------------------------------------------------------------------


def test_rows_normalised_by_the_recipe() -> None:
    x, y = houses()
    found = diagnosed(x, y, **NETS, scale="rows")
    assert "rows-normalised" in found
    assert 'table.scale = "rows"' in found["rows-normalised"].message
    assert 'table.scale = "columns"' in found["rows-normalised"].remedy
    least = min(value for _, value in found["rows-normalised"].evidence["series"]["this run"])
    assert least < -3


def test_inputs_that_nobody_scaled() -> None:
    x, y = houses()
    found = diagnosed(x, y, **NETS, scale="none")
    assert "inputs-unscaled" in found
    assert "c3 (4" in found["inputs-unscaled"].message
    assert "inputs-unscaled" not in diagnosed(scale(x) + 0.01, y, **NETS, scale="none")


# ---- answers ----------------------------------------------------------------------------------------------


def test_estimates_that_are_worse_than_the_mean() -> None:
    rng = np.random.default_rng(0)
    wild = {**NETS, "epochs": 200, "learning_rate": 0.1, "weight_decay": 0.0}
    found = diagnosed(rng.normal(size=(90, 12)), rng.normal(size=90), **wild)
    assert list(found) == ["worse-than-mean"]
    assert "more than the" in found["worse-than-mean"].message


def test_a_cause_says_how_bad_the_answers_are() -> None:
    rng = np.random.default_rng(0)
    wild = {**NETS, "epochs": 200, "learning_rate": 0.1, "weight_decay": 0.0}
    found = diagnosed(scale(rng.normal(size=(90, 12))), rng.normal(size=90), **wild)
    assert list(found) == ["fitted-on-test"]
    assert "always predicting the mean" in found["fitted-on-test"].message


def test_classes_predicted_worse_than_by_the_majority_baseline() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 30))
    labels = (rng.random(300) < 0.25).astype(np.int64)
    found = diagnosed(x, labels, **{**NETS, "epochs": 200, "learning_rate": 0.05})
    assert list(found) == ["val-below-majority"]
    assert "of always predicting '0'" in found["val-below-majority"].message


def test_overfitted_nets() -> None:
    diabetes = TABLES["diabetes"]
    found = diagnosed(
        diabetes.data,
        diabetes.target,
        **{**NETS, "hidden_layer_sizes": (128,), "epochs": 150, "learning_rate": 0.02},
    )
    assert set(found) & {"overfitting", "worse-than-mean"}
    noisy = np.random.default_rng(0).normal(size=(200, 20))
    labels = (noisy[:, 0] + np.random.default_rng(1).normal(size=200) > 0).astype(np.int64)
    assert list(diagnosed(noisy, labels, **{**NETS, "epochs": 100})) == ["overfitting"]
