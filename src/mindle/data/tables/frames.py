"""Tables that a program holds: a data frame or an array of rows, with a target for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.findings import column_findings
from mindle.data.tables.parsing.cells import LARGEST
from mindle.data.tables.parsing.columns import as_written, kind_of
from mindle.data.tables.parsing.unreadable import CellReport, read_cells, require_readable
from mindle.data.tables.reader import find_column, require_kinds
from mindle.data.tables.roles import IGNORED_NOTE, Asked, settle_columns
from mindle.data.tables.sources import in_memory, is_frame, names_and_cells, unique_names
from mindle.records import Column, Finding, Table, task_of

Cells = dict[str, NDArray[Any]]


def columns_in_memory(
    rows: Any, kinds: Mapping[str, str] | None = None
) -> tuple[tuple[Column, ...], tuple[Finding, ...]]:
    """Infer what each column of a data frame or an array is, as `read_table` does for a file.

    An array of numbers is taken as it is. In a data frame, or an array of objects or texts, columns are
    looked at: categories, dates and numbers, and those from which nothing can be learned are ignored.

    Args:
        rows: A data frame, or an array (row, column).
        kinds: "number", "category", "date" or "ignored" by column name, where the guess is wrong. Columns of
            an array are called c1…cN.

    Returns:
        A column each, and a finding where columns are ignored because they only identify rows.

    Raises:
        ValueError: If `kinds` names a column that is not there or a kind that is none.

    Example:
        >>> columns, _ = columns_in_memory(np.array([["red", "3"], ["blue", "5"]]))
        >>> [(column.name, column.kind) for column in columns]
        [('c1', 'category'), ('c2', 'number')]
    """
    require_kinds(kinds or {})
    names, _ = unique_names(names_and_cells(rows[:0])[0])
    wanted = {find_column(name, names, argument="kinds"): kind for name, kind in (kinds or {}).items()}
    if _is_numbers(rows):
        columns = [_of_numbers(name, wanted.get(name, "number")) for name in names]
        values = np.asarray(rows, np.float64).T
        return tuple(kind_of(it).sized(it, some) for it, some in zip(columns, values, strict=True)), ()
    raw = in_memory(rows)
    asked = Asked(wanted={**raw.kinds, **wanted}, splits=False, row_names=raw.row_names)
    found = settle_columns(raw.texts, np.arange(len(rows)), asked)
    return found.columns, tuple(column_findings(found.noted, ()))


def cells_in_memory(rows: Any, columns: Sequence[Column], report: CellReport | None = None) -> Cells:
    """The cells of a data frame or an array, read as its columns say, in their order.

    Args:
        rows: With as many columns as there are in `columns`.
        columns: What `columns_in_memory` found for the rows that were learned from.
        report: Takes in what is written otherwise than its column says, and what cannot be read.

    Raises:
        DataError: If a column to learn from holds nothing that can be read.

    Example:
        >>> cells_in_memory(np.array([[1.0, np.nan]]), [Column(name=n, kind="number") for n in "ab"])
        {'a': array([1.]), 'b': array([nan])}
    """
    values = dict(zip((column.name for column in columns), names_and_cells(rows)[1], strict=True))
    if _is_numbers(rows) and all(column.kind == "number" for column in columns):
        numbers = np.array(rows, np.float64)
        if (np.isnan(numbers) | (np.abs(numbers) <= LARGEST)).all():
            return {column.name: numbers[:, place] for place, column in enumerate(columns)}
    read, said = as_written(values, [column for column in columns if column.role == "feature"])
    as_read = {column.name: column for column in read}
    rows_from = range(1, len(rows) + 1)
    cells, odd = read_cells(values, [as_read.get(column.name, column) for column in columns], rows_from)
    odd = tuple(one for one in odd if one.column in as_read)
    require_readable(odd, read, "rows")
    if report is not None:
        report.add("", said, odd)
    return cells


def table_in_memory(
    columns: Sequence[Column],
    cells: Cells,
    truth: NDArray[Any],
    *,
    classes: Sequence[str] = (),
    groups: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Table:
    """Rows and their target as a table, not checked yet.

    Args:
        columns: Of the rows.
        cells: Of the rows, by column name.
        truth: Class number of each row, or the number to estimate.
        classes: Class names in the order of the numbers; empty for a regression.
        groups: Name of each row's group; rows that share one stay together.
        findings: What was noticed before.

    Example:
        >>> columns = [Column(name="x", kind="number")]
        >>> table = table_in_memory(columns, {"x": np.zeros(2)}, np.array([0.5, 1.5]))
        >>> table.task, table.columns[-1].role
        ('regression', 'target')
    """
    name = unique_names([*(column.name for column in columns), "target"])[0][-1]
    kind = "category" if classes else "number"
    values = np.array(classes, object)[truth] if classes else np.asarray(truth, np.float64)
    return Table(
        name="table",
        kind="frame",
        source="rows in memory",
        task=task_of(len(classes)),
        columns=(*columns, Column(name=name, kind=kind, role="target")),
        cells={**cells, name: values},
        rows_from=tuple(range(1, len(truth) + 1)),
        classes=tuple(classes),
        labels=np.asarray(truth, np.int64) if classes else np.zeros(0, np.int64),
        targets=np.zeros(0) if classes else values,
        groups=tuple(groups),
        set_aside=("",) * len(truth),
        findings=tuple(findings),
    )


def _of_numbers(name: str, kind: str) -> Column:
    if kind == "ignored":
        return Column(name=name, kind="number", role="ignored", note=IGNORED_NOTE)
    return Column(name=name, kind=kind)


def _is_numbers(rows: Any) -> bool:
    return not is_frame(rows) and np.asarray(rows).dtype.kind in "uifb"
