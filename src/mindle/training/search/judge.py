"""How a trial of a search is judged, pruned and stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mindle.training.budget import Deadline
from mindle.training.recipe import Recipe


def go_on(epoch: int, loss: float) -> bool:
    """A report that gives nothing up."""
    return True


class Pruned(Exception):
    """The trial was given up: others were better at the same epoch."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How a trial did.

    Attributes:
        value: Cross-entropy of images that it had not learned from, calibrated; lower is better.
        accuracy: Share of them that it named right; None where numbers are estimated.
        images: How many they were.
        note: What was built, in a few words.
    """

    value: float
    accuracy: float | None
    images: int
    note: str = ""


class Judge(Protocol):
    """Whatever judges the recipes of a search, one after the other.

    Attributes:
        deadline: When every trial must be over.
    """

    deadline: Deadline

    def judge(self, recipe: Recipe, *, number: int = 0, report: Report = go_on) -> Score:
        """How good a recipe is; lower is better."""


# Told of an epoch and its loss on val; says whether the trial should go on.
Report = Callable[[int, float], bool]
