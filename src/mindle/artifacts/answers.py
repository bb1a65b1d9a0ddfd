"""What files ask of a task: how answers lie in CSV, JSON and data frames, what a graph must answer.

There is one layout for each family of tasks, for every writer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from mindle.artifacts.arrays import Slot
from mindle.records import Answers, Estimates, Examples, Predictions, Task

A = TypeVar("A", bound=Answers)


class Layout(Protocol[A]):
    """The columns of answers of one type.

    Attributes:
        truth: Name of the column that holds the truth.
        exact: Format of numbers that come back as they were, or as near as scores need.
    """

    truth: str
    exact: str

    def columns(self, answers: A) -> list[str]:
        """Names of the columns, the truth not among them."""

    def rows(self, answers: A) -> Iterator[list[Any]]:
        """The cells of each row, texts and numbers."""

    def truths(self, answers: A) -> list[Any]:
        """The cell of the truth of each row."""

    def read(self, cells: Mapping[str, Sequence[str]], **common: Any) -> A:
        """Answers from the texts of the columns; `common` are the fields of `Answers`."""

    def labels(self, data: Examples) -> list[str]:
        """The truth of each row of data as the manifest has it, "" where a row has none."""

    def outputs(self, classes: int, *, intervals: bool) -> dict[str, Slot]:
        """What the graph of a bundle must answer, by name.

        Args:
            classes: How many there are.
            intervals: Whether the bundle has prediction intervals.
        """


class ClassLayout:
    """The columns label, predicted, confidence and p_<class> of each class."""

    truth = "label"
    exact = "{:.8f}"

    def columns(self, answers: Predictions) -> list[str]:
        """See `Layout`."""
        return ["predicted", "confidence", *(f"p_{name}" for name in answers.classes)]

    def rows(self, answers: Predictions) -> Iterator[list[Any]]:
        """See `Layout`."""
        for best, row in zip(answers.predicted.tolist(), answers.probabilities, strict=True):
            cells = row.tolist()
            yield [answers.classes[best], cells[best], *cells]

    def truths(self, answers: Predictions) -> list[Any]:
        """See `Layout`."""
        if answers.labels is None:
            return [""] * len(answers)
        return [answers.classes[label] for label in answers.labels.tolist()]

    def read(self, cells: Mapping[str, Sequence[str]], **common: Any) -> Predictions:
        """See `Layout`."""
        names = list(cells)
        columns = names[names.index("confidence") + 1 :]
        classes = tuple(name.removeprefix("p_") for name in columns)
        index = {name: at for at, name in enumerate(classes)}
        probabilities = np.array([cells[name] for name in columns], np.float64).T
        named = np.array([index[name] for name in cells["predicted"]], np.int64)
        # Another class than the likeliest is named where thresholds decide.
        chosen = probabilities[np.arange(len(named)), named] < probabilities.max(axis=1)
        return Predictions(
            classes=classes,
            probabilities=probabilities,
            labels=np.array([index[name] for name in cells["label"]], np.int64),
            answers=named if chosen.any() else None,
            **common,
        )

    def labels(self, data: Examples) -> list[str]:
        """See `Layout`."""
        return [data.classes[label] if label >= 0 else "" for label in data.labels.tolist()]

    def outputs(self, classes: int, *, intervals: bool) -> dict[str, Slot]:
        """See `Layout`."""
        return {"probabilities": Slot("f", (None, classes))}


class NumberLayout:
    """The columns target, predicted, and low and high where there are prediction intervals."""

    truth = "target"
    exact = "{:.17g}"  # 17 digits bring every float64 back as it was
    fields = {"predicted": "values", "low": "low", "high": "high"}
    record = Estimates

    def columns(self, answers: Estimates) -> list[str]:
        """See `Layout`."""
        return [name for name, field in self.fields.items() if getattr(answers, field) is not None]

    def rows(self, answers: Estimates) -> Iterator[list[Any]]:
        """See `Layout`."""
        columns = [getattr(answers, self.fields[name]).tolist() for name in self.columns(answers)]
        return (list(row) for row in zip(*columns, strict=True))

    def truths(self, answers: Estimates) -> list[Any]:
        """See `Layout`."""
        return [""] * len(answers) if answers.targets is None else answers.targets.tolist()

    def read(self, cells: Mapping[str, Sequence[str]], **common: Any) -> Estimates:
        """See `Layout`."""
        fields = {"target": "targets", **self.fields}
        columns: dict[str, Any] = {
            fields[name]: np.array(column, np.float64)
            for name, column in cells.items()
            if name in fields and column[0]
        }
        return self.record(**columns, **common)

    def labels(self, data: Examples) -> list[str]:
        """See `Layout`."""
        return ["" if target != target else self.exact.format(target) for target in data.targets.tolist()]

    def outputs(self, classes: int, *, intervals: bool) -> dict[str, Slot]:
        """See `Layout`."""
        folds = Slot("f", (None, None), optional=not intervals)
        return {"estimate": Slot("f", (None,)), "fold_estimates": folds}


LAYOUTS: dict[str, Layout[Any]] = {"classification": ClassLayout(), "regression": NumberLayout()}


def of(task: str) -> Layout[Any]:
    """The layout of a task's answers.

    Example:
        >>> of("binary").truth, of("regression").truth
        ('label', 'target')
    """
    return LAYOUTS[Task(task).family]


def with_truth(answers: Answers, number: str = "") -> tuple[list[str], Iterator[list[Any]]]:
    """Columns and rows of answers behind their truth, numbers in a format.

    Args:
        answers: To be laid out.
        number: Format of numbers; that of the layout, which loses nothing, unless given.

    Example:
        >>> columns, rows = with_truth(Estimates(paths=("a",), values=np.ones(1), targets=np.ones(1) / 2))
        >>> columns, list(rows)
        (['target', 'predicted'], [['0.5', '1']])
    """
    layout = of(answers.task)
    shown = (number or layout.exact).format
    rows = zip(layout.truths(answers), layout.rows(answers), strict=True)
    return [layout.truth, *layout.columns(answers)], (
        [shown(cell) if isinstance(cell, float) else cell for cell in (truth, *row)] for truth, row in rows
    )
