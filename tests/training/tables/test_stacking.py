"""Shares: never worse than the best member, and several members only where that clearly helps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mindle.training.tables.stacking import (
    choose_weights,
    log_loss,
    mixed_answers,
    robust_loss,
    squared_loss,
    stack,
    steady_weights,
)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), members=st.integers(1, 6), classes=st.sampled_from([1, 2, 4]))
def test_a_stack_is_never_worse_than_its_best_member(seed: int, members: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    if classes == 1:
        truth = rng.normal(size=60)
        answers = {str(i): truth[:, None] + rng.normal(i, 1 + i, size=(60, 1)) for i in range(members)}
        loss = squared_loss(truth)
    else:
        labels = rng.integers(classes, size=60)
        answers = {str(i): rng.dirichlet(np.ones(classes), size=60) for i in range(members)}
        loss = log_loss(labels)
    weights = choose_weights(answers, loss)
    best = min(loss(answer).mean() for answer in answers.values())
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) > 0
    assert loss(mixed_answers(answers, weights)).mean() <= best + 1e-12
    assert loss(mixed_answers(answers, stack(answers, loss).weights)).mean() <= best + 1e-12


def test_errors_that_cancel_are_found() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400)
    answers = {str(i): truth[:, None] + rng.normal(size=(400, 1)) for i in range(4)}
    found = stack(answers, squared_loss(truth))
    assert set(found.weights) == set(answers)
    assert all(0.1 < weight < 0.4 for weight in found.weights.values())
    assert "together they beat" in found.note


def test_a_gain_that_may_be_luck_is_left() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=30)
    good = truth[:, None] + rng.normal(size=(30, 1))
    answers = {"good": good, "nearly the same": good + rng.normal(0, 0.02, size=(30, 1))}
    found = stack(answers, squared_loss(truth))
    assert len(found.weights) == 1


def test_one_model_stands_alone() -> None:
    found = stack({"only": np.zeros((3, 1))}, squared_loss(np.arange(3.0)))
    assert dict(found.weights) == {"only": 1.0}
    assert found.note == "only alone"


def test_steady_shares_are_the_same_each_time_and_leave_out_what_hardly_helps() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=80)
    answers = {str(i): truth[:, None] + rng.normal(size=(80, 1)) for i in range(3)}
    answers["noise"] = 9 * rng.normal(size=(80, 1))
    first, second = (
        steady_weights(answers, lambda rows: squared_loss(truth[rows]), rows=80) for _ in range(2)
    )
    assert first == second
    assert set(first) == {"0", "1", "2"}
    assert sum(first.values()) == pytest.approx(1)
    assert min(first.values()) > 0.2


def test_shares_that_do_not_help_are_not_used() -> None:
    truth = np.arange(20.0)
    answers = {"good": truth[:, None], "bad": truth[:, None] + 5}
    found = stack(answers, squared_loss(truth), weights={"good": 0.5, "bad": 0.5})
    assert dict(found.weights) == {"good": 1.0}


def test_a_robust_loss_grows_in_proportion_beyond_its_reach() -> None:
    losses = robust_loss(np.zeros(3), 1.0)(np.array([[0.5], [1.0], [10.0]]))
    assert losses.tolist() == [0.125, 0.5, 9.5]
