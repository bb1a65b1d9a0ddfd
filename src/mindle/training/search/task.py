"""What a search varies and evaluates: one protocol for images and tables, and what a trial reports to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mindle.training.budget import Deadline, TimeUp
from mindle.training.recipe import Recipe
from mindle.training.search.space import Space


class Pruned(Exception):
    """The trial was stopped early: others were better at the same step."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How a trial did.

    Attributes:
        value: The task's score on images or rows that were not learned from; lower is better.
        accuracy: Share of right answers among them; None where numbers are estimated.
        note: What was built, in a few words.
    """

    value: float
    accuracy: float | None
    note: str = ""


def proceed(step: int, value: float) -> bool:
    """A report that prunes nothing."""
    return True


@dataclass(frozen=True, kw_only=True)
class TrialMonitor:
    """What a trial reports its progress to.

    Attributes:
        number: Of the trial; names its checkpoint.
        report: Is given a step and the value after it; returns whether the trial should go on.
        deadline: When the trial must be over.
    """

    number: int = 0
    report: Callable[[int, float], bool] = proceed
    deadline: Deadline = field(default_factory=lambda: Deadline(None))

    def check(self, step: int, steps: int, value: float, unit: str) -> None:
        """Report the value after one of the steps of a trial.

        Args:
            step: Which, from 1.
            steps: Of the whole trial.
            value: So far; lower is better.
            unit: What a step is: "epoch" or "fold".

        Raises:
            Pruned: If the report says so.
            TimeUp: If the deadline has come before the last step.
        """
        if not self.report(step, value):
            raise Pruned(f"pruned after {unit} {step} of {steps}")
        if step < steps and not self.deadline.remaining():
            raise TimeUp(f"the time was up after {unit} {step} of {steps}")


class SearchTask(Protocol):
    """What is searched: a space of recipes, and data to evaluate them on; the test part is not among them."""

    @property
    def kind(self) -> str:
        """Which task it is, for worker processes."""

    @property
    def space(self) -> Space:
        """The recipes."""

    @property
    def score(self) -> str:
        """What a trial's value is: "log_loss" or "rmse"."""

    @property
    def warmup_steps(self) -> int:
        """Steps of a trial before it is compared with others."""

    def prepare(self) -> None:
        """Compute what all trials share, before the first of them."""

    def evaluate(self, recipe: Recipe, monitor: TrialMonitor) -> Score:
        """Train what a recipe says and score it.

        Raises:
            Pruned: If the monitor says so.
            TimeUp: If the deadline comes first.
        """

    def as_dict(self) -> Mapping[str, Any]:
        """Everything that a worker process needs to evaluate the same, as JSON holds it."""
