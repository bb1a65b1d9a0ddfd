"""What an opened model takes in and compares with: batches of inputs, and their truth where it is known."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindle.errors import DataError
from mindle.evaluation.trust.limits import Limits
from mindle.records import Column, Dataset, Finding, Listener, Silent, Task

if TYPE_CHECKING:
    from mindle.data.tables.parsing.unreadable import Unreadable
    from mindle.data.tables.rows import Rows


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some images or rows to answer.

    Attributes:
        keys: What names each of them, by column of a table of answers.
        reasons: Why each has no answer; "" where it can be answered.
        feed: Inputs of the graph for those that can be answered, by name, (row, …) each; empty if none can.
        noticed: Of each what was noticed while it was read, a code of `mindle.records.ABSTAIN` or "".
        quality: float32 (row, statistic) of those that can be answered, where statistics have limits.
    """

    keys: Sequence[Mapping[str, Any]]
    reasons: Sequence[str]
    feed: Mapping[str, NDArray[Any]]
    noticed: Sequence[str]
    quality: NDArray[np.float32] | None = None

    @property
    def noticed_of_fed(self) -> list[str]:
        """What was noticed of those that can be answered."""
        return [code for code, reason in zip(self.noticed, self.reasons, strict=True) if not reason]


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Some images or rows whose truth the model knows.

    Attributes:
        paths: One name a row.
        feed: Inputs of the graph; empty if there are none.
        truth: (row,) class index or number.
        unknown: How many were skipped of each class that the model does not know.
        skipped: How many were skipped because they have no truth or cannot be read.
        noticed, quality: Of all of them, as in `Batch`; nothing was noticed of any where empty.
    """

    paths: Sequence[str]
    feed: Mapping[str, NDArray[Any]]
    truth: NDArray[Any]
    noticed: Sequence[str] = ()
    quality: NDArray[np.float32] | None = None
    unknown: Counter[str] = field(default_factory=Counter)
    skipped: int = 0


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The truth of some rows.

    Attributes:
        values: (row,) class index or number; anything where it is not known.
        known: (row,) whether it is.
        unknown: How many rows each class has that the model does not know.
        unreadable: What of the target cannot be read.
    """

    values: NDArray[Any]
    known: NDArray[np.bool_]
    unknown: Counter[str] = field(default_factory=Counter)
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a model answers, and how the truth is found in labelled data.

    Attributes:
        task: Of the model.
        classes: Class names in the order of the model.
        name: The column of a list of images that holds the truth; "" where it needs no name.
    """

    task: Task
    classes: tuple[str, ...] = ()
    name: str = ""

    def of_dataset(self, dataset: Dataset, rows: NDArray[np.int64]) -> Truth:
        """The truth of some images.

        Raises:
            DataError: If the data hold nothing that the model answers.
        """
        raise NotImplementedError

    def of_texts(self, texts: Sequence[str], column: Column, rows: Rows) -> Truth:
        """The truth of some rows, from the cells of the target."""
        raise NotImplementedError


class ClassTarget(Target):
    """Classes, matched by name."""

    def of_dataset(self, dataset: Dataset, rows: NDArray[np.int64]) -> Truth:
        """See `Target`."""
        if dataset.task.family != self.task.family:
            raise DataError(
                f"The data must hold classes, as the model answers. Received {dataset.source!r}, where "
                f"{dataset.target!r} holds numbers to estimate."
            )
        index = {name: at for at, name in enumerate(self.classes)}
        names = [dataset.classes[label] for label in dataset.labels[rows]]
        labels = np.array([index.get(name, -1) for name in names], np.int64)
        if not (labels >= 0).any():
            raise DataError(
                "The data must have at least one image of a class the model knows "
                f"({', '.join(self.classes[:10])}). "
                f"Received {', '.join(dataset.classes[:10]) or 'no class'}. Name the class folders as in "
                "training."
            )
        return Truth(
            values=labels, known=labels >= 0, unknown=Counter(name for name in names if name not in index)
        )

    def of_texts(self, texts: Sequence[str], column: Column, rows: Rows) -> Truth:
        """See `Target`."""
        from mindle.data.tables.parsing.cells import is_missing
        from mindle.data.tables.tasks import labels_of

        labels = labels_of(texts, column, self.classes)
        unknown = Counter(
            text.strip()
            for text, label, reason in zip(texts, labels.tolist(), rows.reasons, strict=True)
            if label < 0 and not reason and not is_missing(text, column.missing)
        )
        return Truth(values=labels, known=labels >= 0, unknown=unknown)


@dataclass(frozen=True, kw_only=True)
class NumberTarget(Target):
    """A number."""

    name: str = "target"

    def of_dataset(self, dataset: Dataset, rows: NDArray[np.int64]) -> Truth:
        """See `Target`."""
        fits = dataset.task.family == self.task.family
        if not fits or not len(rows):
            raise DataError(
                f"The data must be a list of images with {self.name!r} as a column of numbers. Received "
                f"{dataset.source!r} with {len(rows):,} usable images{'' if fits else ' in classes'}."
            )
        return Truth(values=dataset.targets[rows], known=np.ones(len(rows), bool))

    def of_texts(self, texts: Sequence[str], column: Column, rows: Rows) -> Truth:
        """See `Target`."""
        from mindle.data.tables.parsing.columns import parse_cells
        from mindle.data.tables.parsing.unreadable import unreadable_of

        numbers = parse_cells(texts, column)
        odd = unreadable_of(column, texts, numbers, rows.rows_from)
        return Truth(values=numbers, known=~np.isnan(numbers), unreadable=() if odd is None else (odd,))


class Report(Protocol):
    """What a source noticed while it read; `CellReport` is one."""

    def sentences(self) -> Sequence[str]:
        """What people should know of it."""

    def warn(self) -> None:
        """Say the same in Python, where nobody listens."""


class Noticed(Silent, Report):
    """What was said while images were answered, each sentence once."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def say(self, sentence: str) -> None:
        """Keep a sentence."""
        self._said[sentence] = None

    def sentences(self) -> list[str]:
        """See `Report`."""
        return list(self._said)

    def warn(self) -> None:
        """See `Report`."""
        for sentence in self._said:
            warnings.warn(sentence, stacklevel=3)


class Source(Protocol):
    """Where a model finds what it answers: images or rows.

    Attributes:
        unit: What it answers, in the plural.
        spec: How an image or a row becomes what the model sees.
        keys: Columns of a table of answers that name an image or a row.
        report: What was read otherwise than in training, and what could not be read, so far.
        listener: Hears how it is answered, where that matters.
        limits: What the model refuses, and therefore has to be looked at; None where it refuses nothing.
    """

    unit: str
    spec: Any
    keys: tuple[str, ...]
    report: Report
    listener: Listener
    limits: Limits | None = None

    def read_as(self, **options: Any) -> None:
        """Take what a user says of files, or refuse it."""

    def document(self) -> dict[str, Any]:
        """The report for programs; nothing unless a source notices something."""
        return {}

    def inputs(self, given: Iterable[Any]) -> Iterator[Any]:
        """What `batches` takes, out of what a user gave."""

    def frame(self, given: Any) -> Iterable[Any]:
        """The same out of a data frame."""

    def batches(self, inputs: Iterable[Any], rows: int = 0) -> Iterator[Batch]:
        """Everything to answer, at least `rows` at a time where a batch may have any size."""

    def feeds(self, stored: Any, rows: int = 0) -> Iterator[Mapping[str, NDArray[Any]]]:
        """Inputs of the graph from what training stored, pixels or cells by column; see `batches`."""

    def look_for(self, limits: Limits | None) -> None:
        """Take what the model refuses.

        Raises:
            ValueError: If there are limits of what is not measured.
        """
        self.limits = limits

    def quality(self, feed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32] | None:
        """Statistics (row, statistic) of inputs of the graph; None where none have limits."""
        return None

    def typed(self, classes: tuple[str, ...]) -> dict[str, int | float]:
        """Classes that are written otherwise in a table of answers than in a bundle."""
        return {}

    def read_labelled(
        self, data: Any, reading: Mapping[str, Any], target: Target, listener: Listener
    ) -> tuple[Any, tuple[Finding, ...]]:
        """What `labelled` takes, out of what a user gave, and what was found."""

    def labelled(
        self, data: Any, target: Target, settled: Callable[[int], int], listener: Listener
    ) -> Iterator[Labelled]:
        """Everything whose truth the model knows, some at a time.

        Args:
            data: What `read_labelled` gave.
            target: What the model answers.
            settled: Takes how many there are, and gives the `rows` of `batches`.
            listener: Hears progress.
        """


TARGETS: dict[str, type[Target]] = {"classification": ClassTarget, "regression": NumberTarget}


def target_of(task: Task, classes: tuple[str, ...], name: str = "") -> Target:
    """What a model of a task answers.

    Example:
        >>> target_of(Task("regression"), ()).name
        'target'
    """
    named = {"name": name} if name else {}
    return TARGETS[task.family](task=task, classes=classes, **named)
