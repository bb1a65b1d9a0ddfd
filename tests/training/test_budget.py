"""A deadline counts what was spent before, keeps a reserve, and never owes time."""

from __future__ import annotations

import math

import pytest

from mindle.errors import DeviceError
from mindle.training.budget import Costs, Deadline, Finish, duration, parse_budget


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


# ── times in words ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("budget", "seconds"),
    [
        ("90s", 90), ("10m", 600), ("2h", 7200), ("1.5h", 5400), ("1h30m", 5400), ("1h 30m", 5400),
        ("1H30M", 5400), ("2m30s", 150), ("1 hour 5 minutes", 3900), ("1h30m15s", 5415), ("90 sec", 90),
        ("10min", 600), (" 45 ", 45), (45, 45), (0.5, 0.5), (None, None),
    ],
)  # fmt: skip
def test_a_budget_is_read_as_people_write_it(budget: str | float | None, seconds: float | None) -> None:
    assert parse_budget(budget) == seconds


@pytest.mark.parametrize(
    "budget", ["", "0", "0s", "-3m", "10 years", "m", "30m1h", "1h1h", "h30m", "1h30", "nan", math.inf]
)
def test_a_budget_that_is_no_time_is_refused(budget: str | float) -> None:
    with pytest.raises(ValueError, match="90s, 10m, 2h or 1h30m"):
        parse_budget(budget)


def test_durations_have_sensible_units() -> None:
    said = [duration(seconds) for seconds in (0.667 * 60, 99.6, 119.7, 3599.9, 7261)]
    assert said == ["40 s", "1 min 40 s", "2 min", "1 h", "2 h 1 min"]


# ── what work costs ──────────────────────────────────────────────────────────────────────────────


class Machine:
    """A clock that moves as work is done, on a machine that may get slower."""

    def __init__(self) -> None:
        self.now, self.slow = 0.0, 1.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float = 0.01) -> None:
        self.now += self.slow * seconds


def test_costs_follow_the_machine() -> None:
    machine = Machine()
    costs = Costs(machine, machine.work)
    with costs.timing("export"):
        machine.work(2.0)
    assert costs.seconds("export") == pytest.approx(2.0)
    machine.slow, machine.now = 2.5, machine.now + 60
    assert costs.seconds("export", 3) == pytest.approx(15.0)
    assert (costs.seconds("never done"), costs.knows("never done")) == (0.0, False)


def test_what_follows_is_rehearsed_once_near_the_limit_and_kept_longer_on_a_slower_machine() -> None:
    machine, rehearsals = Machine(), []

    def rehearse() -> float:
        rehearsals.append(machine.now)
        return 4.0

    costs = Costs(machine, machine.work)
    whole = Deadline(1000, clock=machine, costs=costs)
    deadline = whole.reserving(Finish(costs, rehearse))
    assert deadline.remaining() < 1000
    assert not rehearsals
    machine.now = 900.0
    quiet = whole.remaining() - deadline.remaining()
    assert len(rehearsals) == 1
    machine.slow, machine.now = 3.0, 920.0
    assert whole.remaining() - deadline.remaining() == pytest.approx(3 * quiet, rel=0.01)
    assert len(rehearsals) == 1


def test_the_time_of_the_rehearsal_itself_is_gone_too() -> None:
    machine = Machine()
    costs = Costs(machine, machine.work)

    def rehearse() -> float:
        machine.work(20.0)
        return 1.0

    deadline = Deadline(60, clock=machine, costs=costs).reserving(Finish(costs, rehearse))
    assert deadline.remaining() < 40


def test_a_budget_that_is_too_short_names_one_that_would_do() -> None:
    deadline = Deadline(30, spent_seconds=12, clock=Clock()).reserving(10)
    deadline.require(8, "training")
    with pytest.raises(DeviceError, match=r"Received 30 s, of which 12 s are gone.*Give --budget 60s"):
        deadline.require(28, "training")
    Deadline(None, clock=Clock()).require(1e9, "training")


def test_without_a_limit_the_machine_is_not_measured() -> None:
    done: list[None] = []
    costs = Costs(work=lambda: done.append(None), paced=False)
    costs.note("image", 20.0, units=10)
    assert costs.seconds("image", 5) == 10.0
    assert not done
    assert Deadline(None).costs.pace() == 0.0
