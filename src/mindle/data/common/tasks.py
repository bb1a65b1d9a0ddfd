"""What the data room asks of a task: strata of a split, checks of the truth, counts and sentences.

One module a family answers it; another package adds an entry to `TASKS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindle.data.common import classification, regression
from mindle.messages import Message
from mindle.records import FAMILIES, Dataset, Examples, Finding, Task

Counts = dict[str, dict[str, int]]


class DataTask(Protocol):
    """What differs by task in reading, checking, splitting and describing data.

    Attributes:
        same: Ending of the findings of copies whose truths differ: "two-labels" or "two-targets".
        all_blank: Code of the sentence for blank images that are perhaps what the truth shows.
        asks_numbers: Whether the truth is a number, not a class.
    """

    same: str
    all_blank: str
    asks_numbers: bool

    def strata(self, data: Examples, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """What each split gets its share of, for some rows; -1 where a row has no truth."""

    def known(self, data: Examples) -> NDArray[np.bool_]:
        """Which rows have a truth."""

    def spread(self, data: Examples) -> float:
        """By how much truths differ on the whole; 0 where any difference is one of kind."""

    def text(self, data: Examples, row: int) -> str:
        """The truth of a row for people."""

    def truth(self, data: Examples, text: str) -> Any:
        """The truth that a text stands for; a ValueError says why it stands for none."""

    def summary(self, data: Dataset, rows: Sequence[int]) -> str:
        """The truths of some rows in a few words."""

    def findings(self, data: Examples, rows: NDArray[np.int64]) -> list[Finding]:
        """Whether there are too few of some truths, or too unevenly many."""

    def odd(self, data: Dataset, rows: NDArray[np.int64]) -> list[Finding]:
        """Truths of images that may be mistakes."""

    def counts(self, data: Examples) -> Counts:
        """Rows of each class, or range of targets, by split and set aside."""

    def headline(self, data: Dataset) -> Message:
        """How many images there are, and what is to be learned."""

    def rows(self, data: Examples, most: int) -> Iterator[tuple[str, ...]]:
        """A header and rows of cells on the truths, by split where there is one; at most so many classes."""

    def require_drawable(self, data: Dataset, per_class: Any) -> None:
        """Refuse to draw images of each class where there are none."""

    def require_learnable(self, data: Dataset, aside: str) -> None:
        """Refuse training images of which nothing can be learned; `aside` says what was set aside."""


TASKS: dict[str, DataTask] = {
    "classification": classification.ClassificationData(),
    "regression": regression.RegressionData(),
}


def require_task(task: str | None) -> None:
    """Refuse what is no task that a caller can ask for.

    Raises:
        ValueError: If it is neither None, nor "classification", nor a registered task.
    """
    asked = ("classification", *FAMILIES)
    if task not in (None, *asked):
        raise ValueError(f"`task` must be one of {', '.join(asked)}. Received task={task!r}.")


def asks_numbers(task: str) -> bool:
    """Whether a task asks for a number of each row, not for a class."""
    return TASKS[FAMILIES.get(task, task)].asks_numbers


def of(task: Task) -> DataTask:
    """What the data room does for a task.

    Example:
        >>> of(Task("binary")).same
        'two-labels'
    """
    return TASKS[task.family]


def strata(data: Dataset) -> NDArray[np.int64]:
    """The class, or band of targets, of each row that takes part; -1 elsewhere."""
    labels = np.full(len(data), -1)
    rows = data.rows()
    labels[rows] = of(data.task).strata(data, rows)
    return labels
