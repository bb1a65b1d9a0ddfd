"""What a search varies and evaluates: what images and tables share, and what a trial reports to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from mindle.messages import message
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


@dataclass(frozen=True, kw_only=True)
class TrialMonitor:
    """What a trial reports its progress to.

    Attributes:
        number: Of the trial; names its checkpoint.
        report: Is given a step and the value after it; returns whether the trial should go on, as it does
            unless set.
        deadline: When the trial must be over.
    """

    number: int = 0
    report: Callable[[int, float], bool] = lambda step, value: True
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
            raise Pruned(message(f"search.pruned.{unit}", step=step, steps=steps))
        if step < steps and not self.deadline.remaining():
            raise TimeUp(message(f"search.time-up.{unit}", step=step, steps=steps))


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a process finds the data that another one has checked and split.

    Attributes:
        source: What the user typed for the data.
        reading: What else was said of them; see `ReadingOptions`.
        split_seed: Seed of the split.
    """

    source: str
    reading: Mapping[str, Any]
    split_seed: int


@dataclass(kw_only=True)
class SearchTask:
    """What is searched: a space of recipes, and data to evaluate them on; the test split is not among them.

    Attributes:
        kind: Which task it is, for worker processes.
        space: The recipes.
        seed: Of every trial alike, so that recipes differ and nothing else does.
        origin: Where worker processes find the data; None where there are none.
    """

    kind: ClassVar[str]

    space: Space
    seed: int = 0
    origin: Origin | None = None

    @property
    def score(self) -> str:
        """What a trial's value is: "log_loss" or "rmse"."""
        return "log_loss"

    @property
    def warmup_steps(self) -> int:
        """Steps of a trial before it is compared with others."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Compute what all trials share before the first of them, where those cannot do so themselves."""

    def evaluate(self, recipe: Recipe, monitor: TrialMonitor) -> Score:
        """Train what a recipe says and score it.

        Raises:
            Pruned: If the monitor says so.
            TimeUp: If the deadline comes first.
        """
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Everything that a worker process needs to evaluate the same, as JSON holds it."""
        origin = asdict(self.origin) if self.origin else None
        return {"origin": origin, "space": self.space.document(), "seed": self.seed}
