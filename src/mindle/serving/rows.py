"""Rows of a table as a model takes them, a chunk at a time, in flat memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.names import count_of
from mindle.data.reading import refuse
from mindle.data.tables.parsing.cells import number_of
from mindle.data.tables.parsing.columns import features, kind_of
from mindle.data.tables.parsing.mappings import row_of
from mindle.data.tables.parsing.unreadable import CellReport
from mindle.data.tables.quality import STATISTICS, measure
from mindle.data.tables.roles import answer_ids
from mindle.data.tables.rows import Rows, read_rows
from mindle.errors import DataError
from mindle.evaluation.trust.limits import UNSEEN, Limits
from mindle.records import SILENT, Finding, Listener, TableSpec
from mindle.serving.source import Batch, Labelled, Source, Target
from mindle.text import spelled


class RowSource(Source):
    """Where a model of tables finds rows.

    Attributes:
        spec: The columns that the model takes.
        keys: The columns of a table of answers that name a row.
        report: What was read otherwise than in training, and what could not be read, of all rows so far.
    """

    unit = "rows"

    def __init__(self, spec: TableSpec, classes: tuple[str, ...] = ()) -> None:
        self.spec = spec
        self.report, self.listener = CellReport(), SILENT
        self._ids = answer_ids([column.name for column in spec.ids], classes)
        self.keys = ("path", "row", *self._ids.values())
        self._reading: dict[str, Any] = {}

    def read_as(self, **options: Any) -> None:
        """Take what a user says of files: `separator` and `header`, as `read_rows` takes them."""
        self._reading = options

    def document(self) -> dict[str, Any]:
        """What is `written` otherwise than in training, and what is `unreadable`."""
        return self.report.document()

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

    def frame(self, given: Any) -> list[Any]:
        """A data frame, or mappings by column name, as one source."""
        return [given]

    def batches(self, inputs: Iterable[Any], rows: int = 0) -> Iterator[Batch]:
        """Every row of every source; one that cannot be read has a reason.

        Raises:
            DataError: If a source cannot be read, or lacks columns that the model learned from.
        """
        for source in inputs:
            path = spelled(os.fspath(source)) if isinstance(source, str | os.PathLike) else ""
            for chunk in self._read(source):
                self.report.add(path, chunk.written, chunk.unreadable)
                readable = np.array([not reason for reason in chunk.reasons])
                feed = self._feed(chunk, readable) if readable.any() else {}
                yield Batch(
                    keys=list(self._keys(chunk, path)),
                    reasons=chunk.reasons,
                    feed=feed,
                    quality=self.quality(feed),
                    noticed=["unreadable" if reason else "" for reason in chunk.reasons],
                )

    def _read(self, source: Any) -> Iterator[Rows]:
        return read_rows(source, self.spec.columns, trained_separator=self.spec.separator, **self._reading)

    def _keys(self, chunk: Rows, path: str) -> Iterator[dict[str, Any]]:
        for at, number in enumerate(chunk.rows_from):
            ids = {self._ids[name]: texts[at] for name, texts in chunk.ids.items()}
            yield {"path": path, "row": number, **ids}

    def _feed(self, chunk: Rows, rows: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        return next(self.feeds({name: cells[rows] for name, cells in chunk.cells.items()}))

    def feeds(self, cells: Mapping[str, NDArray[Any]], rows: int = 0) -> Iterator[dict[str, NDArray[Any]]]:
        """Values of the feature columns, as in `Table.cells`, all at once."""
        found = features(cells, self.spec.columns)
        categories = np.where(found.categories == None, "", found.categories)  # noqa: E711  # elementwise
        yield {"numbers": found.numbers, "categories": categories.astype(object)}

    def look_for(self, limits: Limits | None) -> None:
        """See `Source`."""
        named = tuple(limits.quality) if limits else ()
        if named not in ((), STATISTICS, (*STATISTICS, UNSEEN)):
            raise ValueError(
                f"`quality` must name {', '.join(STATISTICS)}, and perhaps {UNSEEN}. "
                f"Received {', '.join(named)[:80]}."
            )
        self.limits = limits

    def quality(self, feed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32] | None:
        """See `Source`."""
        if not feed or self.limits is None or not self.limits.quality:
            return None
        return measure(feed["numbers"], feed["categories"])

    def typed(self, classes: tuple[str, ...]) -> dict[str, int | float]:
        """The classes that stood for numbers in the table, as those."""
        target = self.spec.target
        if kind_of(target).is_text:
            return {}
        values = {name: number_of(name, target.decimal, target.thousands) for name in classes}
        return {name: int(value) if value.is_integer() else value for name, value in values.items()}

    def read_labelled(
        self, data: Any, reading: Mapping[str, Any], target: Target, listener: Listener
    ) -> tuple[Any, tuple[Finding, ...]]:
        """Take what a user says of the rows; they are read as they are answered, and make no findings.

        Args:
            data: A CSV or JSON file, a data frame, or mappings, with the target among the columns.
            reading: What the user says of it.
            target: What the model answers.
            listener: Hears nothing.

        Raises:
            ValueError: If something is said that is about images.
        """
        about_rows = {name: reading[name] for name in ("separator", "header")}
        about_images = {name: value for name, value in reading.items() if name not in about_rows}
        refuse(about_images, "images", "a model of rows")
        self.read_as(**about_rows)
        return data, ()

    def labelled(
        self, data: Any, target: Target, settled: Callable[[int], int], listener: Listener
    ) -> Iterator[Labelled]:
        """Every row whose truth the model knows, a chunk at a time.

        Raises:
            DataError: If the data lack the target or other columns, or no row has a truth the model knows.
        """
        column, path = self.spec.target, os.fspath(data) if isinstance(data, str | os.PathLike) else ""
        rows, used, unknown = 0, 0, Counter[str]()
        for chunk in self._read(data):
            if chunk.truth is None:
                raise DataError(
                    f"Rows to evaluate on must have the target {column.name!r}. Received none. "
                    "`mindle predict` answers rows without it."
                )
            truth = target.of_texts(chunk.truth, column, chunk)
            self.report.add(path, chunk.written, (*chunk.unreadable, *truth.unreadable))
            known = truth.known & np.array([not reason for reason in chunk.reasons])
            rows, used, unknown = rows + len(chunk), used + int(known.sum()), unknown + truth.unknown
            feed = self._feed(chunk, known) if known.any() else {}
            yield Labelled(
                paths=[chunk.names[at] for at in np.flatnonzero(known)],
                feed=feed,
                quality=self.quality(feed),
                truth=truth.values[known],
                unknown=truth.unknown,
                skipped=len(chunk) - int(known.sum()) - truth.unknown.total(),
            )
        if not used:
            raise DataError(
                f"Rows to evaluate on must hold at least one {column.name!r} that the model knows"
                + (f" ({', '.join(target.classes[:10])})." if target.classes else ".")
                + f" Received {count_of(rows, 'row', 'rows')} without"
                + (f", such as {next(iter(unknown))!r}." if unknown else ".")
            )
