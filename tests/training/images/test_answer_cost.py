from __future__ import annotations

import numpy as np
import pytest

from mindle.training.images.answer_cost import error_share_lost, points_lost


def test_the_same_answers_to_many_rows_show_that_nothing_is_lost() -> None:
    right = np.arange(3000) >= 30
    assert 0 <= points_lost(right, right) < 0.2


def test_few_rows_cannot_show_it() -> None:
    right = np.ones(100, bool)
    assert points_lost(right, right) > 2


def test_a_clear_loss_is_more_than_its_mean() -> None:
    best = np.arange(2000) >= 40
    other = np.arange(2000) >= 80
    assert 2.0 < points_lost(best, other) < 3.0
    assert points_lost(other, best) < 0


def test_errors_are_compared_pair_by_pair() -> None:
    rng = np.random.default_rng(0)
    errors = rng.exponential(1.0, 400)
    noise = rng.normal(0, 0.01, 400)
    assert error_share_lost(errors, errors + noise, 2.0) < 0.2
    unpaired = rng.permutation(errors)
    assert error_share_lost(errors, unpaired, 2.0) > 2.0


@pytest.mark.parametrize("plain", [1.0, 10.0])
def test_the_loss_is_in_per_cent_of_the_mean_answers_error(plain: float) -> None:
    errors = np.full(50, 0.3)
    assert error_share_lost(errors, errors + 0.01, plain) == pytest.approx(1.0 / plain)
