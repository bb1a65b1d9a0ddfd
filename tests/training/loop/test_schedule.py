"""Rates over a run."""

from __future__ import annotations

import pytest

from mindle.training.loop.schedule import rate_factor
from mindle.training.settings import SCHEDULES, TrainSettings


def rates(steps: int = 100, drops: int = 0, **settings: object) -> list[float]:
    chosen = TrainSettings(**settings)  # type: ignore[arg-type]
    return [rate_factor(chosen, step=s, steps=steps, steps_per_epoch=10, drops=drops) for s in range(steps)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_climbs_to_the_peak_and_never_above(schedule: str) -> None:
    factors = rates(schedule=schedule, warmup_fraction=0.1)
    assert factors[:10] == sorted(factors[:10])
    assert max(factors) == factors[10] == 1.0
    assert min(factors) > 0


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_falling_schedules_end_where_they_should(schedule: str) -> None:
    factors = rates(schedule=schedule, min_lr_ratio=0.02)
    assert factors[-1] == pytest.approx(0.02)
    assert factors[5:] == sorted(factors[5:], reverse=True)


def test_one_cycle_falls_in_a_straight_line() -> None:
    factors = rates(schedule="one-cycle", warmup_fraction=0.0)
    assert len({round(a - b, 9) for a, b in zip(factors, factors[1:], strict=False)}) == 1


def test_steps_drop_every_few_epochs_and_plateaus_when_told() -> None:
    stairs = rates(schedule="step", step_size=4, gamma=0.1, warmup_fraction=0.0)
    assert stairs[::20] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert rates(schedule="plateau", drops=2, gamma=0.5, warmup_fraction=0.0)[50] == 0.25


def test_a_single_step_has_a_rate() -> None:
    assert 0 < rates(steps=1, schedule="cosine")[0] <= 1
