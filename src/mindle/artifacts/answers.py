"""What files ask of a task: how answers lie in CSV, JSON and data frames, what a graph must answer.

There is one layout for each family of tasks, for every writer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.arrays import Slot
from mindle.records import Answers, Estimates, Examples, Predictions, Task

A = TypeVar("A", bound=Answers)

# What a decision is called that names no class.
ABSTAINED = "abstain"


# What of an image or row a model looks at last; bundles of version 0.1.0 do not give it.
FEATURES = "features"
_FEATURES = {FEATURES: Slot("f", (None, None), optional=True)}


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
    """The columns label, predicted, confidence and p_<class> of each class.

    Behind them stand `abstain`, `label_set` (the names of its classes as a JSON list) and `decision`, where
    they were asked for.
    """

    truth = "label"
    exact = "{:.8f}"

    def columns(self, answers: Predictions) -> list[str]:
        """See `Layout`."""
        probabilities = [f"p_{name}" for name in answers.classes]
        return ["predicted", "confidence", *probabilities, *_trust_columns(answers)]

    def rows(self, answers: Predictions) -> Iterator[list[Any]]:
        """See `Layout`."""
        named, columns = answers.predicted.tolist(), _trust_columns(answers).values()
        for best, row, *more in zip(named, answers.probabilities, *columns, strict=True):
            cells = row.tolist()
            yield [answers.classes[best], cells[best], *cells, *more]

    def truths(self, answers: Predictions) -> list[Any]:
        """See `Layout`."""
        if answers.labels is None:
            return [""] * len(answers)
        return [answers.classes[label] for label in answers.labels.tolist()]

    def read(self, cells: Mapping[str, Sequence[str]], **common: Any) -> Predictions:
        """See `Layout`."""
        names = list(cells)
        behind = names[names.index("confidence") + 1 :]
        columns = list(takewhile(lambda name: name.startswith("p_"), behind))
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
            sets=_sets(cells.get("label_set", ("",)), index),
            decisions=_decisions(cells.get("decision", ("",)), index),
            abstain=_codes(cells),
            **common,
        )

    def labels(self, data: Examples) -> list[str]:
        """See `Layout`."""
        return [data.classes[label] if label >= 0 else "" for label in data.labels.tolist()]

    def outputs(self, classes: int, *, intervals: bool) -> dict[str, Slot]:
        """See `Layout`."""
        return {"probabilities": Slot("f", (None, classes)), **_FEATURES}


def _trust_columns(answers: Predictions) -> dict[str, list[str]]:
    """The cells of the columns that say how far answers are to be trusted, by name."""
    found: dict[str, list[str]] = {}
    if answers.abstain is not None:
        found["abstain"] = answers.abstain.tolist()
    if answers.sets is not None:
        rows = ([answers.classes[at] for at in np.flatnonzero(row)] for row in answers.sets)
        found["label_set"] = [json.dumps(names, ensure_ascii=False) for names in rows]
    if answers.decisions is not None:
        names = [*answers.classes, ABSTAINED]
        found["decision"] = [names[decision] for decision in answers.decisions.tolist()]
    return found


def _sets(cells: Sequence[str], index: Mapping[str, int]) -> NDArray[np.bool_] | None:
    if not cells[0]:
        return None
    sets = np.zeros((len(cells), len(index)), bool)
    for row, cell in enumerate(cells):
        sets[row, [index[name] for name in json.loads(cell)]] = True
    return sets


def _decisions(cells: Sequence[str], index: Mapping[str, int]) -> NDArray[np.int64] | None:
    return np.array([index.get(name, -1) for name in cells], np.int64) if cells[0] else None


def _codes(cells: Mapping[str, Sequence[str]]) -> NDArray[np.str_] | None:
    return np.array(cells["abstain"], np.str_) if "abstain" in cells else None


class NumberLayout:
    """The columns target, predicted, low and high where there are prediction intervals, and abstain."""

    truth = "target"
    exact = "{:.17g}"  # 17 digits bring every float64 back as it was
    fields = {"predicted": "values", "low": "low", "high": "high", "abstain": "abstain"}
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
            if name in fields and name != "abstain" and column[0]
        }
        return self.record(**columns, abstain=_codes(cells), **common)

    def labels(self, data: Examples) -> list[str]:
        """See `Layout`."""
        return ["" if target != target else self.exact.format(target) for target in data.targets.tolist()]

    def outputs(self, classes: int, *, intervals: bool) -> dict[str, Slot]:
        """See `Layout`."""
        folds = Slot("f", (None, None), optional=not intervals)
        return {"estimate": Slot("f", (None,)), "fold_estimates": folds, **_FEATURES}


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
