"""A deadline counts what was spent before, keeps a reserve, and never owes time."""

from __future__ import annotations

import math

import pytest

from mindle.training.budget import Deadline


class Clock:
    """Shows whatever time the test sets."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_time_runs_from_the_making_on() -> None:
    clock = Clock()
    deadline = Deadline(60, clock=clock)
    assert (deadline.spent(), deadline.remaining()) == (0, 60)
    clock.now += 25
    assert (deadline.spent(), deadline.remaining()) == (25, 35)


def test_what_an_interrupted_process_spent_counts_too() -> None:
    clock = Clock()
    deadline = Deadline(60, spent_seconds=40, clock=clock)
    clock.now += 5
    assert (deadline.spent(), deadline.remaining()) == (45, 15)


def test_nothing_remains_after_the_limit_and_what_was_spent_goes_on() -> None:
    clock = Clock()
    deadline = Deadline(60, clock=clock)
    clock.now += 100
    assert (deadline.spent(), deadline.remaining()) == (100, 0)
    assert not deadline.allows(0.001)


def test_work_is_allowed_up_to_the_very_limit() -> None:
    clock = Clock()
    deadline = Deadline(60, clock=clock)
    clock.now += 45
    assert deadline.allows(15)
    assert not deadline.allows(15.5)


def test_without_a_limit_there_is_always_time() -> None:
    clock = Clock()
    deadline = Deadline(None, spent_seconds=7, clock=clock)
    clock.now += 1e9
    assert deadline.remaining() == math.inf
    assert deadline.allows(1e12)
    assert deadline.spent() == 7 + 1e9
    assert deadline.reserving(30).remaining() == math.inf


def test_a_reserve_is_taken_off_the_end_and_the_clock_stays() -> None:
    clock = Clock()
    whole = Deadline(60, spent_seconds=10, clock=clock)
    clock.now += 5
    earlier = whole.reserving(20)
    assert (earlier.spent(), earlier.remaining()) == (15, 25)
    clock.now += 10
    assert (earlier.spent(), earlier.remaining()) == (25, 15)
    assert whole.remaining() == 35  # the reserve costs the whole nothing


def test_reserves_add_up() -> None:
    assert Deadline(60, clock=Clock()).reserving(20).reserving(15).remaining() == 25


def test_a_reserve_as_large_as_the_budget_is_no_time_rather_than_no_limit() -> None:
    for reserve in (60, 90):
        spent = Deadline(60, clock=Clock()).reserving(reserve)
        assert spent.budget_seconds == 0
        assert spent.remaining() == 0
        assert not spent.allows(1)
        assert spent.reserving(5).remaining() == 0


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_a_budget_of_nothing_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"`budget_seconds` must be above 0, or None .* Received"):
        Deadline(seconds)


@pytest.mark.parametrize("seconds", [-0.1, math.nan])
def test_negative_spending_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"`spent_seconds` must be 0 or more\. Received"):
        Deadline(60, spent_seconds=seconds)
