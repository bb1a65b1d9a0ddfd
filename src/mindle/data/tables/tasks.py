"""What the checks and summaries of tables ask of a task; see `mindle.data.common.tasks` for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.summary import part_counts
from mindle.data.tables.splits import group_count
from mindle.errors import DataError
from mindle.messages import Message, message
from mindle.records import SPLITS, Table, Task

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class TableTarget(Protocol):
    """What differs by task in checking and describing a table.

    Attributes:
        leak_skill: A column that alone removes so much of the error gives the target away.
        leak_measure: Code of what that share is called.
        things: What a table must have two of.
    """

    leak_skill: float
    leak_measure: str
    things: str

    def headline(self, table: Table) -> Message:
        """How many rows and features there are, and what is to be learned."""

    def rows(self, table: Table, most: int) -> Iterator[tuple[str, ...]]:
        """A header and rows of cells on the target, by part where the table is split."""

    def constants(self, truth: NDArray[Any], place: Ints, count: int) -> Floats:
        """The best constant answer to the rows of each place."""

    def errors(self, answers: Floats, truth: NDArray[Any]) -> float:
        """The error of answers, summed."""

    def require_groups(self, table: Table, rows: Ints, nested: bool, aside: str) -> None:
        """Refuse groups of which some part would hold too little to learn from."""


def words(group: str, *names: str) -> tuple[str, ...]:
    """Sentences of a group of the catalogue, such as the words of a header."""
    return tuple(message(f"tables.{group}.{name}") for name in names)


def _facts(table: Table) -> dict[str, str]:
    rows = message("tables.summary.rows", n=len(table.rows()))
    features = message("tables.summary.features", n=len(table.features))
    return {"name": table.name, "rows": rows, "features": features, "target": table.target.name}


class ClassTarget:
    """Classes; see `TableTarget`."""

    leak_skill = 0.98
    leak_measure = "tables.check.skill-classes"
    things = "classes"

    def headline(self, table: Table) -> Message:
        """See `TableTarget`."""
        return message("tables.summary.classes", **_facts(table), n=len(table.classes))

    def rows(self, table: Table, most: int) -> Iterator[tuple[str, ...]]:
        """Rows of each class."""
        if any(table.splits):
            yield words("head", "target", *SPLITS)
            for name, counts in list(part_counts(table).items())[:most]:
                yield (name, *(f"{counts[part]:,}" for part in SPLITS))
        else:
            yield words("head", "target", "rows")
            counted = np.bincount(table.labels[table.rows()].clip(0), minlength=len(table.classes))
            for name, count in list(zip(table.classes, counted.tolist(), strict=True))[:most]:
                yield name, f"{count:,}"

    def constants(self, truth: NDArray[Any], place: Ints, count: int) -> Floats:
        """The most frequent class."""
        classes = int(truth.max(initial=0)) + 1
        pairs, counts = np.unique(place * classes + truth, return_counts=True)
        order = np.argsort(counts, kind="stable")  # the most frequent of each place is written last
        found = np.zeros(count)
        found[pairs[order] // classes] = pairs[order] % classes
        return found

    def errors(self, answers: Floats, truth: NDArray[Any]) -> float:
        """Wrong answers."""
        return float((answers != truth).sum())

    def require_groups(self, table: Table, rows: Ints, nested: bool, aside: str) -> None:
        """Refuse what leaves a part without a second class.

        Raises:
            DataError: If there are too few groups of other classes than the most frequent one.
        """
        labels = table.labels[rows]
        majority = int(np.bincount(labels[labels >= 0]).argmax())
        units = group_count(table, rows[(labels >= 0) & (labels != majority)])
        if units < 2 + nested:
            raise DataError(
                f"Cross-validation must have at least {2 + nested} rows, or groups, of classes besides the "
                f"commonest, {table.classes[majority]!r}, so that each part learns two. Received {units} in "
                f"{table.source!r}.{aside} Give more rows of them."
            )


class NumberTarget:
    """Numbers; see `TableTarget`."""

    leak_skill = 0.99
    leak_measure = "tables.check.skill-numbers"
    things = "different targets"

    def headline(self, table: Table) -> Message:
        """See `TableTarget`."""
        return message("tables.summary.numbers", **_facts(table))

    def rows(self, table: Table, most: int) -> Iterator[tuple[str, ...]]:
        """How the target is spread."""
        yield words("head", "part", "rows", "least", "median", "mean", "most")
        for part in SPLITS if any(table.splits) else (None,):
            values = table.targets[table.rows(part)]
            values = values[~np.isnan(values)]
            if len(values):
                spread = (values.min(), np.median(values), values.mean(), values.max())
                numbers = (f"{value:.6g}" for value in spread)
                yield (*words("head", part or "all"), f"{len(values):,}", *numbers)

    def constants(self, truth: NDArray[Any], place: Ints, count: int) -> Floats:
        """The mean."""
        return np.asarray(np.bincount(place, truth, count) / np.bincount(place, minlength=count))

    def errors(self, answers: Floats, truth: NDArray[Any]) -> float:
        """Squared errors."""
        return float(((answers - truth) ** 2).sum())

    def require_groups(self, table: Table, rows: Ints, nested: bool, aside: str) -> None:
        """Nothing beside what all targets need."""


TASKS: dict[str, TableTarget] = {"classification": ClassTarget(), "regression": NumberTarget()}


def of(task: Task) -> TableTarget:
    """What checks and summaries do for a task.

    Example:
        >>> of(Task("regression")).things
        'different targets'
    """
    return TASKS[task.family]
