"""What reading, checking and describing tables ask of a task; see `mindle.data.common.tasks` for the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.classes import sorted_classes
from mindle.data.common.findings import finding
from mindle.data.common.names import nfc
from mindle.data.tables.parsing.cells import is_missing, label_of
from mindle.data.tables.parsing.columns import kind_of, parse_cells, row_name
from mindle.data.tables.splits import group_count
from mindle.errors import DataError
from mindle.messages import Message, message
from mindle.records import BUILT_IN_TASKS, FAMILIES, Column, Table, Task, task_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class TableTarget(Protocol):
    """What differs by task in reading, checking and describing a table.

    Attributes:
        leak_skill: A column that alone removes so much of the error gives the target away.
        leak_measure: Code of what that share is called.
        things: What a table must have two of.
    """

    leak_skill: float
    leak_measure: str
    things: str

    def with_truth(self, table: Table, task: str, texts: Sequence[str]) -> Table:
        """A table with its task, and the truth of each row.

        Args:
            table: Without them; its cells hold the target.
            task: What is to be learned, as the user said or the target shows.
            texts: The cells of the target as they are written.
        """

    def headline(self, table: Table) -> Message:
        """How many rows and features there are, and what is to be learned."""

    def constants(self, truth: NDArray[Any], place: Ints, count: int) -> Floats:
        """The best constant answer to the rows of each place."""

    def errors(self, answers: Floats, truth: NDArray[Any]) -> float:
        """The error of answers, summed."""

    def require_groups(self, table: Table, rows: Ints, nested: bool, aside: str) -> None:
        """Refuse groups of which some fold would hold too little to learn from."""


def labels_of(texts: Sequence[str], column: Column, classes: Sequence[str]) -> NDArray[np.int64]:
    """The class that each cell of a target names, as an index; -1 where it names none of them.

    Classes that are numbers are compared as numbers, so that "1" and "1.0" are one class.

    Example:
        >>> labels_of(["yes", "?", "no"], Column(name="sold", kind="category", role="target"), ("no", "yes"))
        array([ 1, -1,  0])
    """
    index: dict[Any, int] = {_class_key(name, column): place for place, name in enumerate(classes)}
    keys = {text: _class_key(text, column) for text in set(texts)}
    return np.fromiter((index.get(keys[text], -1) for text in texts), np.int64, len(texts))


def _class_key(text: str, column: Column) -> Any:
    """What cells of one class have in common; None or NaN where a cell names none."""
    if kind_of(column).is_text:
        return label_of(text, column.missing)
    return float(parse_cells([text], column)[0])


def _class_names(texts: Sequence[str], column: Column) -> tuple[str, ...]:
    """The classes in order, each as it is spelled most often."""
    spelled: dict[Any, str] = {}
    for text, _ in Counter(map(str.strip, texts)).most_common():
        key = _class_key(text, column)
        if key is not None and key == key:
            spelled.setdefault(key, nfc(text))
    if kind_of(column).is_text:
        return tuple(sorted_classes(spelled.values()))
    return tuple(spelled[value] for value in sorted(spelled))


def _facts(table: Table) -> dict[str, str]:
    rows = message("tables.summary.rows", n=len(table.rows()))
    features = message("tables.summary.features", n=len(table.features))
    return {"name": table.name, "rows": rows, "features": features, "target": table.target.name}


class ClassTarget:
    """Classes; see `TableTarget`."""

    leak_skill = 0.98
    leak_measure = "tables.check.skill-classes"
    things = "classes"

    def with_truth(self, table: Table, task: str, texts: Sequence[str]) -> Table:
        """A class for each row, spelled as it is most often; one that training lacks is set aside."""
        column, aside, given = table.target, list(table.set_aside), table.given or ("train",) * len(table)
        used = [
            row for row, text in enumerate(texts) if not aside[row] and not is_missing(text, column.missing)
        ]
        learned = [row for row in used if "train" not in given or given[row] in ("train", "")]
        classes = _class_names([texts[row] for row in learned], column)
        labels = labels_of(texts, column, classes)
        extra = [row for row in used if labels[row] < 0 and _class_key(texts[row], column) is not None]
        for row in extra:
            aside[row] = "class-extra"
        findings = list(table.findings)
        if extra:
            names = [row_name(row + 1) for row in extra]
            known = {"first": names[0], "label": texts[extra[0]].strip()}
            sentence = message("tables.read.class-extra", n=len(extra), **known)
            findings.append(finding("class-extra", names, sentence))
        return replace(
            table,
            task=Task(task) if task in {*FAMILIES} - {*BUILT_IN_TASKS} else task_of(len(classes) or 1),
            targets=np.zeros(0),
            classes=classes,
            labels=labels,
            set_aside=tuple(aside),
            findings=tuple(findings),
        )

    def headline(self, table: Table) -> Message:
        """See `TableTarget`."""
        return message("tables.summary.classes", **_facts(table), n=len(table.classes))

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
        """Refuse what leaves a fold without a second class.

        Raises:
            DataError: If there are too few groups of other classes than the most frequent one.
        """
        labels = table.labels[rows]
        majority = int(np.bincount(labels[labels >= 0]).argmax())
        units = group_count(table, rows[(labels >= 0) & (labels != majority)])
        if units < 2 + nested:
            raise DataError(
                f"Cross-validation must have at least {2 + nested} rows, or groups, of classes besides the "
                f"most frequent, {table.classes[majority]!r}, so that each fold learns two. Received "
                f"{units} in {table.source!r}.{aside} Give more rows of them."
            )


class NumberTarget:
    """Numbers; see `TableTarget`."""

    leak_skill = 0.99
    leak_measure = "tables.check.skill-numbers"
    things = "different targets"

    def with_truth(self, table: Table, task: str, texts: Sequence[str]) -> Table:
        """The numbers."""
        numbers = np.asarray(table.cells[table.target.name], np.float64)
        return replace(table, task=Task(task), targets=numbers)

    def headline(self, table: Table) -> Message:
        """See `TableTarget`."""
        return message("tables.summary.numbers", **_facts(table))

    def constants(self, truth: NDArray[Any], place: Ints, count: int) -> Floats:
        """The mean."""
        return np.asarray(np.bincount(place, truth, count) / np.bincount(place, minlength=count))

    def errors(self, answers: Floats, truth: NDArray[Any]) -> float:
        """Squared errors."""
        return float(((answers - truth) ** 2).sum())

    def require_groups(self, table: Table, rows: Ints, nested: bool, aside: str) -> None:
        """Nothing beside what all targets need."""


TASKS: dict[str, TableTarget] = {"classification": ClassTarget(), "regression": NumberTarget()}


def named(task: str) -> TableTarget:
    """What is done for a task, or a family, by its name."""
    return TASKS[FAMILIES.get(task, task)]


def of(task: Task) -> TableTarget:
    """What is done for a task.

    Example:
        >>> of(Task("regression")).things
        'different targets'
    """
    return TASKS[task.family]
