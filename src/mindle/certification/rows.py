"""Labelled rows of a table under corruptions; see `mindle.certification.samples`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.certification.samples import AnyCorruption, Chosen, Ints, require_unchanged, unlearned
from mindle.data.tables.checks import content_hashes
from mindle.data.tables.corruptions import IRRELEVANT, SomeRows, corrupted, corruptions_of
from mindle.data.tables.parsing.columns import missing_cells, shown_value
from mindle.data.tables.rows import Rows, read_rows
from mindle.errors import DataError
from mindle.records import Column, of_rows
from mindle.serving.opened import Opened

Cells = Mapping[str, NDArray[Any]]

_SHOWN_COLUMNS = 6


@dataclass(frozen=True, kw_only=True)
class RowSample:
    """Labelled rows; see `Sample` for the other attributes.

    Attributes:
        values: Their cells, with what is known of the columns.
    """

    values: SomeRows
    names: Sequence[str]
    contents: Sequence[str]
    truth: NDArray[Any]
    irrelevant: Sequence[AnyCorruption] = IRRELEVANT

    @property
    def corruptions(self) -> tuple[AnyCorruption, ...]:
        """Those that can happen to the columns."""
        return corruptions_of(self.values.columns)

    def some(self, rows: Ints) -> RowSample:
        """See `Sample`; deviations of columns stay those of all rows."""
        cells = {name: column[rows] for name, column in self.values.cells.items()}
        return replace(
            self,
            values=replace(self.values, cells=cells),
            names=of_rows(self.names, rows),
            contents=of_rows(self.contents, rows),
            truth=self.truth[rows],
        )

    def stored(self) -> Cells:
        """See `Sample`."""
        return self.values.cells

    def corrupted(self, corruption: AnyCorruption, severity: int, seed: int) -> Cells:
        """See `Sample`."""
        return corrupted(self.values, corruption, severity, self.contents, seed)

    def request(self, opened: Opened, count: int) -> Callable[[], object]:
        """From values to answers."""
        some = self.some(np.resize(np.arange(len(self.names)), count))
        cells, names = some.stored(), tuple(some.names)
        return lambda: opened.answer_stored(cells, names)

    def shown(self, seed: int) -> dict[str, list[Mapping[str, Any]]]:
        """Cells of a row that each severity changes, before and after."""
        few = self.some(np.arange(min(20, len(self.names))))
        return {
            one.name: [
                {"cells": _changes(few.values, few.corrupted(one, severity, seed))}
                for severity in one.severities
            ]
            for one in (*self.corruptions, *self.irrelevant)
        }


def _changes(rows: SomeRows, after: Cells) -> list[dict[str, str]]:
    """Column, old and new text of the first row that has the most changed cells."""
    changed = np.stack([_differ(rows.cells[one.name], after[one.name]) for one in rows.columns], axis=1)
    row = int(changed.sum(axis=1).argmax())
    return [
        {
            "column": column.name,
            "before": _text(column, rows.cells[column.name], row),
            "after": _text(column, after[column.name], row),
        }
        for at, column in enumerate(rows.columns)
        if changed[row, at]
    ][:_SHOWN_COLUMNS]


def _differ(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    both_missing = missing_cells(before) & missing_cells(after)
    differ: NDArray[np.bool_] = (before != after) & ~both_missing
    return differ


def _text(column: Any, cells: NDArray[Any], row: int) -> str:
    return "" if missing_cells(cells[row : row + 1])[0] else shown_value(column, cells[row])


def sample_of_rows(opened: Opened, chosen: Chosen) -> RowSample:
    """The labelled rows of data, or of the test part of a run; see `sample_of`."""
    return _given(opened, chosen) if chosen.data is not None else _test_part(opened, chosen)


def _test_part(opened: Opened, chosen: Chosen) -> RowSample:
    """The test rows of a run as its data hold them now, each held against its hash."""
    from mindle.data.reading import ReadingOptions

    expected = chosen.test_part()
    with chosen.rereading() as asked:
        # A table's options of reading stand in its recipe; see `api.table_pipeline`.
        table = ReadingOptions.from_dict(asked["recipe"]).read_table(asked["source"])
    rows = np.array([row for row, name in enumerate(table.row_names) if name in expected], np.int64)
    if len(rows) < len(expected):
        raise DataError(
            f"The test part must be that of the run. {len(expected) - len(rows):,} of {len(expected):,} "
            f"rows are gone from {asked['source']}. Put them back, or give others with --data."
        )
    found = _sample(
        table.features,
        {column.name: table.cells[column.name][rows] for column in table.features},
        of_rows(table.row_names, rows),
        table.truth[rows],  # classes are in the order of the model, or the hashes would differ
    )
    require_unchanged(found.names, found.contents, expected)
    return found


def _given(opened: Opened, chosen: Chosen) -> RowSample:
    """The rows of data whose truth the model knows, those aside that the run has learned from."""
    spec = opened.source.spec
    opened.source.read_labelled(chosen.data, chosen.reading, opened.target, chosen.listener)
    options = {name: chosen.reading[name] for name in ("separator", "header")}
    parts = [
        _known(opened, chunk)
        for chunk in read_rows(chosen.data, spec.columns, trained_separator=spec.separator, **options)
    ]
    features = [column for column in spec.columns if column.role == "feature"]
    cells = {one.name: np.concatenate([part[0][one.name] for part in parts]) for one in features}
    names = [name for part in parts for name in part[1]]
    if not names:
        raise DataError(
            f"Rows to certify on must hold at least one {spec.target.name!r} that the model knows. Received "
            "none. Give labelled rows."
        )
    found = _sample(features, cells, names, np.concatenate([part[2] for part in parts]))
    return found.some(unlearned(found.contents, chosen))


def _known(opened: Opened, chunk: Rows) -> tuple[dict[str, NDArray[Any]], list[str], NDArray[Any]]:
    """Cells, names and truth of the rows whose truth the model knows."""
    target = opened.source.spec.target
    if chunk.truth is None:
        raise DataError(
            f"Rows to certify on must have the target {target.name!r}. Received none. Give labelled rows."
        )
    truth = opened.target.of_texts(chunk.truth, target, chunk)
    rows = np.flatnonzero(truth.known & np.array([not reason for reason in chunk.reasons]))
    cells = {name: column[rows] for name, column in chunk.cells.items()}
    return cells, [chunk.names[row] for row in rows.tolist()], truth.values[rows]


def _sample(columns: Sequence[Column], cells: Cells, names: Sequence[str], truth: NDArray[Any]) -> RowSample:
    return RowSample(
        values=SomeRows.of(columns, cells),
        names=names,
        contents=content_hashes(columns, cells, truth),
        truth=truth,
    )
