"""From rows of a table to answers with a bundle: no torch, no HTTP, and flat memory."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.bundle import Bundle
from mindle.data.tables.parsing.cells import number_of
from mindle.data.tables.parsing.columns import features
from mindle.data.tables.parsing.mappings import row_of
from mindle.data.tables.parsing.unreadable import CellReport
from mindle.data.tables.roles import answer_ids
from mindle.data.tables.rows import Rows, read_rows
from mindle.errors import ArtifactError
from mindle.evaluation.conformal import LEVEL, prediction_interval, read_calibration
from mindle.records import TableSpec
from mindle.serving.predictor import proven_session
from mindle.text import spelled


@dataclass(frozen=True, kw_only=True)
class RowAnswers:
    """What a model says about some rows; of a regression or of a classification.

    Attributes:
        probabilities: float64 (row, class), or None.
        estimates: float64 (row,), or None.
        low, high: float64 (row,), ends of the prediction interval, or None.
    """

    probabilities: NDArray[np.float64] | None = None
    estimates: NDArray[np.float64] | None = None
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


class RowPredictor:
    """A bundle of a table that answers.

    Attributes:
        bundle: What it says of itself.
        spec: The columns it takes.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        if not isinstance(bundle.spec, TableSpec):
            raise ArtifactError(
                f"The bundle must be one that takes rows. Received {bundle.folder}, which takes images."
            )
        self.bundle = bundle
        self.spec = bundle.spec
        self._session = proven_session(bundle, threads)
        arrays = bundle.intervals()
        self._calibration = read_calibration(arrays) if arrays else None

    def forward(self, cells: Mapping[str, NDArray[Any]]) -> RowAnswers:
        """Answer rows given as values of the feature columns, as in `Table.cells`."""
        found = features(cells, self.spec.columns)
        categories = np.where(found.categories == None, "", found.categories)  # noqa: E711  # elementwise
        inputs = {"numbers": found.numbers, "categories": categories.astype(object)}
        names = [node.name for node in self._session.get_inputs()]
        outputs = [node.name for node in self._session.get_outputs()]
        answers = dict(
            zip(outputs, self._session.run(outputs, {name: inputs[name] for name in names}), strict=True)
        )
        if "probabilities" in answers:
            return RowAnswers(probabilities=np.asarray(answers["probabilities"], np.float64))
        estimates = np.asarray(answers["estimate"], np.float64)
        if self._calibration is None:
            return RowAnswers(estimates=estimates)
        folds = np.asarray(answers["fold_estimates"], np.float64)  # (row, fold)
        low, high = prediction_interval(self._calibration, folds, level=LEVEL)
        return RowAnswers(estimates=estimates, low=low, high=high)


class OpenedRows:
    """A model of tables that lays its answers out as rows.

    Attributes:
        predictor: The bundle that answers.
        classes: Class names in the order of the probabilities; none where it estimates a number.
        spec: The columns it takes.
        report: What was read otherwise than in training, and what could not be read, of all rows so far.
        reading: What a user says of files: `separator` and `header`, as `read_rows` takes them.
    """

    unit = "rows"

    def __init__(self, predictor: RowPredictor) -> None:
        self.report = CellReport()
        self.reading: dict[str, Any] = {}
        self.predictor = predictor
        self.classes = predictor.bundle.classes
        self.spec = predictor.spec
        self._labels = [_own_type(name, self.spec) for name in self.classes]
        self._ids = answer_ids([column.name for column in self.spec.ids], self.classes)

    @cached_property  # it looks into a file, and is asked for each row
    def columns(self) -> list[str]:
        """Column names of a table of answers."""
        if self.classes:
            told = ["predicted", "confidence", *(f"p_{name}" for name in self.classes)]
        else:
            told = ["predicted", *(["low", "high"] if self.predictor.bundle.intervals() else [])]
        return ["path", "row", *self._ids.values(), *told, "reason"]

    def inputs(self, given: Iterable[Any]) -> Iterator[Any]:
        """Sources of rows among what `predict` was given: files and tables; single rows are one source."""
        loose: list[Any] = []
        for source in given:
            row = row_of(source)
            if row is None:
                yield source
            else:
                loose.append(row)
        if loose:
            yield loose if len(loose) > 1 else loose[0]

    def rows(self, sources: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """Answer every row of every source; one that cannot be read has a reason and None elsewhere.

        Raises:
            DataError: If a source cannot be read, or lacks columns that the model learned from.
        """
        for source in sources:
            path = spelled(os.fspath(source)) if isinstance(source, str | os.PathLike) else ""
            for chunk in self.read(source):
                self.report.add(path, chunk.written, chunk.unreadable)
                yield from self._chunk(chunk, path)

    def read(self, source: Any) -> Iterator[Rows]:
        """The rows of a source as the model takes them; see `mindle.data.read_rows`."""
        return read_rows(source, self.spec.columns, trained_separator=self.spec.separator, **self.reading)

    def _chunk(self, chunk: Rows, path: str) -> Iterator[dict[str, Any]]:
        readable = np.array([not reason for reason in chunk.reasons])
        answers = self.predictor.forward({name: cells[readable] for name, cells in chunk.cells.items()})
        answered = itertools.count()
        for at, (number, reason) in enumerate(zip(chunk.rows_from, chunk.reasons, strict=True)):
            row = {**dict.fromkeys(self.columns), "path": path, "row": number, "reason": reason}
            row |= {self._ids[name]: texts[at] for name, texts in chunk.ids.items()}
            yield row if reason else row | self._cells(answers, next(answered))

    def _cells(self, answers: RowAnswers, at: int) -> dict[str, Any]:
        if answers.probabilities is not None:
            own = answers.probabilities[at]
            best = int(own.argmax())
            shares = {f"p_{name}": float(p) for name, p in zip(self.classes, own, strict=True)}
            return {"predicted": self._labels[best], "confidence": float(own[best]), **shares}
        named = {"predicted": answers.estimates, "low": answers.low, "high": answers.high}
        return {name: float(values[at]) for name, values in named.items() if values is not None}


def _own_type(name: str, spec: TableSpec) -> str | int | float:
    """A class as the number that it stood for in the table, where it was one."""
    if spec.target.kind != "number":
        return name
    value = number_of(name, spec.target.decimal, spec.target.thousands)
    return int(value) if value.is_integer() else value
