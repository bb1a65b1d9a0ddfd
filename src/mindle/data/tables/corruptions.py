"""What happens to rows after training: cells get lost, a unit or an instrument changes, new words appear."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.corruptions import Corruption, generator_of
from mindle.data.tables.parsing.columns import kind_of, missing_cells
from mindle.records import Column

Cells = Mapping[str, NDArray]  # type: ignore[type-arg]  # (row,) by column: float64, or texts and None
Chance = NDArray[np.float64]  # (row, column) in [0, 1)

UNSEEN = "⟨unseen⟩"  # no table holds it, so that no model has learned it


@dataclass(frozen=True, kw_only=True)
class SomeRows:
    """The cells of some rows, and what is known of their columns.

    Attributes:
        columns: The feature columns.
        cells: Their values, as in `Table.cells`.
        spreads: Standard deviation of each column of numbers or dates.
    """

    columns: tuple[Column, ...]
    cells: Cells
    spreads: Mapping[str, float]

    @classmethod
    def of(cls, columns: Sequence[Column], cells: Cells) -> SomeRows:
        """Rows as they are."""
        features = tuple(column for column in columns if column.role == "feature")
        spreads = {one.name: _spread(cells[one.name]) for one in features if not kind_of(one).is_text}
        return cls(columns=features, cells=cells, spreads=spreads)

    def of_kind(self, *kinds: str) -> list[tuple[int, Column]]:
        """The columns of some kinds, each with its place among all."""
        return [(at, column) for at, column in enumerate(self.columns) if column.kind in kinds]

    def __len__(self) -> int:
        return len(next(iter(self.cells.values())))


RowCorruption = Corruption[SomeRows, Chance]


def _spread(cells: NDArray[np.float64]) -> float:
    """The deviation of a column; 1 where it holds one value or none."""
    filled = cells[np.isfinite(cells)]
    return (float(filled.std()) if len(filled) else 0.0) or 1.0


def _missing(rows: SomeRows, share: float, chance: Chance) -> SomeRows:
    cells = dict(rows.cells)
    for at, column in enumerate(rows.columns):
        nothing: Any = None if kind_of(column).is_text else np.nan
        cells[column.name] = np.where(chance[:, at] < share, nothing, cells[column.name])
    return _with(rows, cells)


def _unseen(rows: SomeRows, share: float, chance: Chance) -> SomeRows:
    cells = dict(rows.cells)
    for at, column in rows.of_kind("category"):
        changed = (chance[:, at] < share) & ~missing_cells(cells[column.name])
        cells[column.name] = np.where(changed, UNSEEN, cells[column.name])
    return _with(rows, cells)


def _one_column(kinds: Sequence[str], change: Callable[..., NDArray[np.float64]]) -> Callable[..., SomeRows]:
    """Changes one of the columns in each row, another one by chance, so that all of them are tried."""

    def changed(rows: SomeRows, amount: float, chance: Chance) -> SomeRows:
        cells, tried = dict(rows.cells), rows.of_kind(*kinds)
        # The column whose draw is the largest, whatever the amount.
        chosen = chance[:, [at for at, _ in tried]].argmax(axis=1)
        for number, (_, column) in enumerate(tried):
            values = cells[column.name]
            other = change(values, amount, rows.spreads[column.name])
            cells[column.name] = np.where(chosen == number, other, values)
        return _with(rows, cells)

    return changed


def _unrelated(rows: SomeRows, amount: float, chance: Chance) -> SomeRows:
    """Every number far outside of its column, every word unknown."""
    cells = dict(rows.cells)
    for at, column in enumerate(rows.columns):
        if kind_of(column).is_text:
            cells[column.name] = np.full(len(rows), UNSEEN, object)
        else:
            far = np.where(chance[:, at] < 0.5, -amount, amount) * rows.spreads[column.name]
            cells[column.name] = np.nan_to_num(cells[column.name]) + far
    return _with(rows, cells)


def _with(rows: SomeRows, cells: Cells) -> SomeRows:
    return SomeRows(columns=rows.columns, cells=cells, spreads=rows.spreads)


_MISSING = Corruption(name="missing-cells", amounts=(0.05, 0.1, 0.2, 0.35, 0.5), change=_missing)
_SHIFTED = Corruption(
    name="shifted-column",
    amounts=(0.25, 0.5, 1.0, 2.0, 4.0),
    change=_one_column(("number", "date"), lambda values, amount, spread: values + amount * spread),
)
_SCALED = Corruption(
    name="scaled-column",
    amounts=(1.1, 1.5, 2.0, 10.0, 100.0),
    change=_one_column(("number",), lambda values, amount, spread: values * amount),
)
_UNSEEN = Corruption(name="unseen-words", amounts=(0.1, 0.2, 0.4, 0.7, 1.0), change=_unseen)

IRRELEVANT: tuple[RowCorruption, ...] = (Corruption(name="unrelated", amounts=(100.0,), change=_unrelated),)
"""Rows that say nothing of what the model knows, which no model should answer."""


def corruptions_of(columns: Sequence[Column]) -> tuple[RowCorruption, ...]:
    """The corruptions that can happen to rows of some columns.

    Shares are of cells; a shift counts deviations of the column, a scale is the factor of another unit.

    Example:
        >>> [one.name for one in corruptions_of([Column(name="colour", kind="category")])]
        ['missing-cells', 'unseen-words']
    """
    kinds = {column.kind for column in columns if column.role == "feature"}
    possible = {
        _MISSING: True,
        _SHIFTED: bool(kinds & {"number", "date"}),
        _SCALED: "number" in kinds,
        _UNSEEN: "category" in kinds,
    }
    return tuple(corruption for corruption, wanted in possible.items() if wanted)


def corrupted(
    rows: SomeRows, corruption: RowCorruption, severity: int, contents: Sequence[str], seed: int
) -> Cells:
    """The cells of rows as they are at a severity of a corruption.

    Args:
        rows: As they are.
        corruption: What happens to them.
        severity: How much of it, from 1.
        contents: The hash of each row.
        seed: Another one gives other draws.

    Example:
        >>> rows = SomeRows.of([Column(name="age", kind="number")], {"age": np.array([20.0, 40.0])})
        >>> corrupted(rows, corruptions_of(rows.columns)[1], 3, ["a", "b"], 0)["age"].tolist()
        [30.0, 50.0]
    """
    width = len(rows.columns)
    chance = [generator_of(content, corruption.name, seed).random(width) for content in contents]
    return corruption.apply(rows, severity, np.array(chance).reshape(-1, width)).cells
