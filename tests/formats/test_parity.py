"""Two forms of a model are compared answer by answer."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.formats.parity import compare_answers, compare_outputs


def test_equal_answers_pass() -> None:
    answers = np.random.default_rng(0).dirichlet(np.ones(4), 20)
    parity = compare_answers(answers, answers + 5e-6)
    assert (parity.images, parity.same_top1) == (20, 20)
    assert parity.largest_difference == pytest.approx(5e-6)


def test_a_tie_may_fall_either_way() -> None:
    one, other = np.array([[0.500001, 0.499999]]), np.array([[0.499999, 0.500001]])
    parity = compare_answers(one, other)
    assert (parity.images, parity.same_top1) == (1, 1)


def test_all_outputs_are_compared_and_the_farthest_apart_counts() -> None:
    one = {"estimate": np.array([10.0, 0.0]), "fold_estimates": np.array([[9.0], [0.0]])}
    other = {"estimate": np.array([10.1, 0.0]), "fold_estimates": np.array([[9.0], [0.1]])}
    parity = compare_outputs(one, other, scale=2.0, tolerance=1e-4)
    assert (parity.images, parity.same_top1) == (2, 2)
    assert parity.largest_difference == pytest.approx(0.05)  # 0.1 near zero, by the spread of targets
