"""Encoders: what they learn from training rows, and what they make of cells they never saw."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.models.tables.encoder import codes_of, fit_encoder, training_trees
from tests.models.tables.rows import mixed_rows, number_target

NONE = np.empty((1, 0), object)


def test_missing_numbers_become_the_median_and_say_so() -> None:
    numbers = np.array([[1.0, 5.0], [np.nan, 6.0], [3.0, 7.0], [8.0, 8.0]])
    encoder = fit_encoder(numbers, np.empty((4, 0), object), np.zeros((4, 1)))
    assert encoder.missing.tolist() == [0]
    assert encoder.view("trees", np.array([[np.nan, np.nan]]), NONE).tolist() == [[3.0, 6.5, 1.0]]


def test_a_column_that_is_empty_in_training_is_zero() -> None:
    encoder = fit_encoder(np.full((3, 1), np.nan), np.empty((3, 0), object), np.zeros((3, 1)))
    assert np.isfinite(encoder.view("linear", np.array([[4.0]]), NONE)).all()
    assert encoder.view("trees", np.array([[np.nan]]), NONE).tolist() == [[0.0, 1.0]]


def test_the_linear_view_of_training_rows_is_standardised() -> None:
    numbers, categories = mixed_rows()
    encoder = fit_encoder(numbers, categories, np.zeros((len(numbers), 1)))
    view = encoder.view("linear", numbers, categories)[:, :4]
    assert view.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-9)
    assert view.std(axis=0) == pytest.approx(np.ones(4))


def test_a_skewed_number_is_bent_and_others_are_not() -> None:
    numbers, categories = mixed_rows(400)
    encoder = fit_encoder(numbers, categories, np.zeros((len(numbers), 1)))
    assert encoder.bent.tolist() == [False, False, True, False]


def test_unseen_categories_and_categories_of_one_row_are_other() -> None:
    categories = np.array([["a"], ["a"], ["b"], ["b"], ["once"]], object)
    encoder = fit_encoder(np.empty((5, 0)), categories, np.zeros((5, 1)))
    assert encoder.known == (("a", "b"),)
    asked = np.array([["once"], ["never"], [None], ["b"]], object)
    assert encoder.view("linear", np.empty((4, 0)), asked).tolist() == [[0, 0], [0, 0], [0, 0], [0, 1]]


def test_a_missing_cell_is_a_category_where_training_missed_it() -> None:
    categories = np.array([["a"], [None], [None]], object)
    assert fit_encoder(np.empty((3, 0)), categories, np.zeros((3, 1))).known == (("",),)
    assert codes_of(np.array([None, "a"], object), ("",)).tolist() == [0, 1]


def test_many_categories_become_mean_targets_drawn_towards_the_mean_of_all() -> None:
    categories = np.array([[f"w{i % 60}"] for i in range(1200)], object)
    targets = np.array([[float(i % 60 == 3)] for i in range(1200)])
    encoder = fit_encoder(np.empty((1200, 0)), categories, targets)
    view = encoder.view("trees", np.empty((2, 0)), np.array([["w3"], ["never"]], object))
    assert view[0, 1] == pytest.approx((20 + 10 / 60) / 30, rel=1e-6)
    assert view[1, 1] == pytest.approx(1 / 60, rel=1e-6)


def test_up_to_fifty_categories_are_one_hot_for_trees_too() -> None:
    categories = np.array([[f"w{i % 50}"] for i in range(100)], object)
    encoder = fit_encoder(np.empty((100, 0)), categories, np.zeros((100, 1)))
    assert np.array_equal(encoder.view("trees", np.empty((100, 0)), categories).sum(axis=1), np.ones(100))
    assert encoder.view("trees", np.empty((1, 0)), np.array([["never"]], object)).tolist() == [[0.0] * 50]


def test_training_rows_do_not_see_their_own_target() -> None:
    """Targets without any pattern: a plain mean would tell each row part of its own answer."""
    rng = np.random.default_rng(0)
    categories = np.array([[f"w{i}"] for i in rng.integers(150, size=300)], object)
    targets = rng.normal(size=(300, 1))
    encoder = fit_encoder(np.empty((300, 0)), categories, targets)
    plain = encoder.view("trees", np.empty((300, 0)), categories)[:, 1]
    honest = training_trees(encoder, np.empty((300, 0)), categories, targets, seed=0)[:, 1]
    assert np.corrcoef(plain, targets[:, 0])[0, 1] > 0.3
    assert abs(np.corrcoef(honest, targets[:, 0])[0, 1]) < 0.2


def test_trees_see_float32() -> None:
    numbers, categories = mixed_rows()
    targets = number_target(numbers, categories)[:, None]
    encoder = fit_encoder(numbers, categories, targets)
    for view in (
        encoder.view("trees", numbers, categories),
        training_trees(encoder, numbers, categories, targets, seed=3),
    ):
        assert np.array_equal(view, view.astype(np.float32))


def test_blocks_are_where_the_categories_are() -> None:
    numbers, categories = mixed_rows()
    encoder = fit_encoder(numbers, categories, np.zeros((len(numbers), 1)))
    view = encoder.view("linear", numbers, categories)
    (start, width), (next_start, next_width) = encoder.blocks
    assert (start, next_start + next_width) == (5, view.shape[1])
    assert next_start == start + width == 8
    assert (view[:, start:next_start].sum(axis=1) == 1).all()


def test_rows_are_divided_by_their_length_and_plain_ones_are_not() -> None:
    numbers, categories = mixed_rows()
    encoder = fit_encoder(numbers, categories, np.zeros((len(numbers), 1)))
    plain, rows = (encoder.view(name, numbers, categories) for name in ("plain", "rows"))
    assert np.array_equal(plain[:, :4], np.where(np.isnan(numbers), encoder.medians, numbers))
    assert np.array_equal(plain[:, 4:], encoder.view("linear", numbers, categories)[:, 4:])
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(len(rows)))
    assert rows * np.linalg.norm(plain, axis=1, keepdims=True) == pytest.approx(plain)


def test_a_row_of_zeros_stays_one() -> None:
    encoder = fit_encoder(np.zeros((3, 2)), np.empty((3, 0), object), np.zeros((3, 1)))
    assert encoder.view("rows", np.zeros((1, 2)), NONE).tolist() == [[0.0, 0.0]]
