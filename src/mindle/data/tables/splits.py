"""Splitting a table: by class or by target, by group, by time, and the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.findings import finding
from mindle.data.common.splits import (
    Fractions,
    SplitInput,
    assign_folds,
    assign_splits,
    split_by,
    split_input,
)
from mindle.data.tables.parsing.columns import shown_value
from mindle.messages import message
from mindle.records import SPLITS, Column, Finding, Table, of_rows

_Value = TypeVar("_Value")


def split_table(table: Table, *, seed: int = 0, fractions: Fractions = (0.70, 0.15, 0.15)) -> Table:
    """Fill `splits`: train, val and test, with each class or band of the target in its share, no group cut.

    A split that came with the data is kept; where it has one held-out split, val is cut from train. Where the
    table has a time column, the most recent rows are the test split and those before them val.

    Args:
        table: The rows; `check_table` before, so that copies stay together.
        seed: Another seed, another split; without meaning where rows are split by time.
        fractions: Shares of train, val and test; they add up to 1.

    Returns:
        The table with `splits`, and findings on the time and on classes that a split lacks.

    Raises:
        ValueError: If the fractions are not shares.
        DataError: If nothing is left to split, or the given split has no training rows.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> splits = split_table(read_table("wine")).splits
        >>> splits.count("train"), splits.count("val"), splits.count("test")
        (125, 26, 27)
    """
    stock = _stock(table)
    column = time_column(table)

    def assign(some: NDArray[np.int64], shares: Fractions) -> Sequence[str]:
        if column is None:
            return assign_splits(stock, some, seed, shares)
        return _by_time(_places(stock, some, table.cells[column.name]), shares)

    made = split_by(table, stock, fractions, assign)
    if column is None or {stock.given[row] for row in stock.rows.tolist()} & {"val", "test"}:
        return made
    findings = (*table.findings, _time_finding(made, column), *made.findings[len(table.findings) :])
    return replace(made, findings=findings)


def folds(
    table: Table, rows: NDArray[np.int64], *, folds: int, seed: int = 0, repeat: int = 0
) -> NDArray[np.int64]:
    """The fold of each of some rows, by the rules of `split_table`: whole groups, every class spread evenly.

    Where the table has a time column, the folds are blocks of time, the same in every repeat.

    Args:
        table: The checked table.
        rows: Indices of the rows to fold, such as `table.rows("train")`.
        folds: How many folds.
        seed: Another seed, other folds.
        repeat: Which repetition; each assigns the rows anew.

    Returns:
        A number from 0 to `folds` - 1 for each of `rows`.

    Raises:
        ValueError: If there are fewer groups and single rows than folds, or fewer than two folds.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> table = read_table("wine")
        >>> np.bincount(folds(table, table.rows(), folds=5)).tolist()
        [36, 36, 36, 35, 35]
    """
    stock = _stock(table, rows)
    units = list(map(stock.unit, rows.tolist()))
    different = len(set(units))
    if not 2 <= folds <= different:
        raise ValueError(
            f"`folds` must lie in 2 to {different}, the rows and groups that may be divided. Received "
            f"folds={folds}."
        )
    column = time_column(table)
    if column is not None:
        return (_places(stock, rows, table.cells[column.name]) * folds).astype(np.int64)
    # The order of the rows decides nothing: they are assigned in an order of their content.
    order = np.argsort([_chance(stock.contents[row], seed, repeat) for row in rows.tolist()], kind="stable")
    codes = np.unique(np.array(units)[order], return_inverse=True)[1]
    numbers = np.empty(len(rows), np.int64)
    seeded = int(_chance("", seed, repeat)[:15], 16)
    numbers[order] = assign_folds(stock.labels[rows[order]], codes, folds=folds, seed=seeded)
    return numbers


def rows_to_learn(table: Table) -> NDArray[np.int64]:
    """Indices of the rows that may be learned from: of train and val, or all where there is no split.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> len(rows_to_learn(read_table("iris")))
        150
    """
    if not any(table.splits):
        return table.rows()
    return np.sort(np.concatenate([table.rows("train"), table.rows("val")]))


def take(table: Table, rows: NDArray[np.int64]) -> Table:
    """Some rows as a table of their own, numbered from 0: it holds nothing of the others.

    Findings, which may speak of any row, stay behind. `folds` gives these rows the folds that they have as
    rows of the whole table.

    Args:
        table: The table.
        rows: Indices of its rows.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> take(read_table("wine"), np.array([3, 5])).row_names
        ('row 4', 'row 6')
    """

    def chosen(values: tuple[_Value, ...]) -> tuple[_Value, ...]:
        return tuple(values[row] for row in rows.tolist()) if values else ()

    return replace(
        table,
        cells={name: values[rows] for name, values in table.cells.items()},
        rows_from=chosen(table.rows_from),
        labels=table.labels[rows] if len(table.labels) else table.labels,
        targets=table.targets[rows] if len(table.targets) else table.targets,
        given=chosen(table.given),
        groups=chosen(table.groups),
        set_aside=chosen(table.set_aside),
        sha256=of_rows(table.sha256, rows) if table.sha256 else (),
        splits=chosen(table.splits),
        findings=(),
    )


def group_count(table: Table, rows: NDArray[np.int64]) -> int:
    """How many groups and single rows some rows are, none of which a split divides.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> table = read_table("wine")
        >>> group_count(table, table.rows())
        178
    """
    return len(set(map(_stock(table, rows).unit, rows.tolist())))


def time_column(table: Table) -> Column | None:
    """The column that says when, if there is one.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> time_column(read_table("wine")) is None
        True
    """
    return next((column for column in table.columns if column.role == "time"), None)


def _stock(table: Table, rows: NDArray[np.int64] | None = None) -> SplitInput:
    return split_input(table, [f"{number:012d}" for number in table.rows_from], rows)


def _chance(content: str, seed: int, repeat: int) -> str:
    return hashlib.sha256(f"{seed}:{repeat}:{content}".encode()).hexdigest()


# -------------------------------------------------------------------------------------------- by time


def _places(stock: SplitInput, rows: NDArray[np.int64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each row stands in time, from 0 to below 1: the middle of its group's share of the rows.

    A group stands where its latest row does, so that nothing in training is later than the test set but for
    the rest of such a group. Rows without a time come first.
    """
    units, unit = np.unique(list(map(stock.unit, rows.tolist())), return_inverse=True)
    latest = np.full(len(units), -np.inf)
    np.maximum.at(latest, unit, np.nan_to_num(times[rows], nan=-np.inf))
    order = np.lexsort((units, latest))
    sizes = np.bincount(unit)[order]
    middle = np.empty(len(units))
    middle[order] = (np.cumsum(sizes) - sizes / 2) / len(rows)
    return np.asarray(middle[unit])


def _by_time(places: NDArray[np.float64], fractions: Fractions) -> list[str]:
    """Splits in the order of time; each that is wanted gets something while there are groups enough."""
    splits = np.searchsorted(np.cumsum(fractions)[:2] + 1e-9, places, side="right")
    different = np.unique(places)
    wanted = [split for split in (2, 1) if fractions[split] > 0]
    for behind, split in enumerate(wanted, start=1):
        if split not in splits and len(different) > len(wanted):
            splits[places == different[-behind]] = split
    return [SPLITS[split] for split in splits.tolist()]


def _time_finding(table: Table, column: Column) -> Finding:
    times = table.cells[column.name]
    test = times[table.rows("test")]
    missing = int(np.isnan(times[table.rows()]).sum())
    code, since = "tables.splits.by-time", ""
    if not np.isnan(test).all():
        code, since = "tables.splits.by-time-since", shown_value(column, np.nanmin(test))
    sentence = message(code, column=column.name, n=len(test), since=since)
    if missing:
        second = message("tables.splits.no-time", n=missing)
        sentence = message("selection.sentences", first=sentence, second=second)
    return finding("by-time", [column.name], sentence)
