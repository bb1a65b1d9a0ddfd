"""Columns of a table: of what kind each is, how its cells are written, and the features that models take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.tables.parsing.categories import Categories, is_cut_code
from mindle.data.tables.parsing.cells import is_missing, text_of
from mindle.data.tables.parsing.dates import Dates
from mindle.data.tables.parsing.kind import ColumnKind
from mindle.data.tables.parsing.numbers import Numbers
from mindle.messages import Message, message
from mindle.records import Column, Table

SAMPLE_VALUES = 1000  # different values of a column that its kind is inferred from
FILLED_FRACTION = 0.01  # a column with fewer cells than this is as good as empty
ID_ROWS = 20

_CATEGORIES, _DATES, _NUMBERS = Categories(), Dates(), Numbers()
KINDS: dict[str, ColumnKind] = {kind.name: kind for kind in (_NUMBERS, _CATEGORIES, _DATES)}
"""The kinds of columns; everything that differs by kind is asked of them."""


def kind_of(column: Column) -> ColumnKind:
    """What is done with the cells of a column.

    Example:
        >>> kind_of(Column(name="sold", kind="date")).is_time
        True
    """
    return KINDS[column.kind]


@dataclass(frozen=True, kw_only=True)
class Features:
    """What models take, at training and at serving.

    Attributes:
        numbers: float64 (row, number feature), NaN where missing; each value is exact in float32, so that a
            graph which counts in float32 decides exactly as the library does.
        number_names: What each column of `numbers` is; a date column becomes several.
        categories: str objects (row, category feature), None where missing.
        category_names: What each column of `categories` is.
    """

    numbers: NDArray[np.float64]
    number_names: tuple[str, ...]
    categories: NDArray[np.object_]
    category_names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """One column as people want to see it.

    Attributes:
        name, kind, role, note: As in `Column`.
        missing_fraction: Share of the rows that take part whose cell holds nothing.
        distinct: How many different values.
        example: The first value.
    """

    name: str
    kind: str
    role: str
    missing_fraction: float
    distinct: int
    example: str
    note: str


# ------------------------------------------------------------------------------------------ inference


def infer_columns(
    texts: Mapping[str, Sequence[str]],
    kinds: Mapping[str, str] | None = None,
    *,
    missing: tuple[str, ...] = (),
) -> tuple[Column, ...]:
    """Infer the kind of each column, and how its numbers or dates are written.

    A column is one of numbers where at most one in twenty of its different values is something else (one of
    ten or more), of dates likewise, and else of categories. Whole numbers with leading zeros or more than 15
    digits are codes, hence categories. Where one column has decimal commas, "1.234" in another has a
    thousands separator. Numbers of eight digits that are all days, such as 20010601, are dates.

    Args:
        texts: The cells of each column, by its name.
        kinds: Kinds that are known: "number", "category" or "date" by column name.
        missing: Texts that stand for a missing value; the usual ones where empty.

    Returns:
        One column each, all of the role "feature".

    Example:
        >>> columns = infer_columns({"price": ["1.299,00", "5,50"], "zip": ["01067", "99084"]})
        >>> [(column.name, column.kind, column.decimal, column.note) for column in columns]
        [('price', 'number', ',', 'decimal comma'), ('zip', 'category', '.', 'codes with leading zeros')]
    """
    known = kinds or {}
    values = {name: _different(cells, missing) for name, cells in texts.items()}
    commas = any(map(_NUMBERS.has_decimal_commas, values.values()))
    found = (_infer(name, some, known.get(name, ""), commas) for name, some in values.items())
    return tuple(replace(column, missing=missing) for column in found)


def _different(texts: Sequence[str], missing: tuple[str, ...]) -> list[str]:
    """Different values of a column, evenly from its beginning to its end where there are many."""
    found = list(dict.fromkeys(map(str.strip, texts)))
    some = found[:: math.ceil(len(found) / SAMPLE_VALUES) or 1]
    return [text for text in some if not is_missing(text, missing)]


def _infer(name: str, values: Sequence[str], kind: str, commas: bool) -> Column:
    if kind and values:
        return KINDS[kind].column(name, values, commas)
    found = values and (
        _DATES.days(name, values) or _NUMBERS.found(name, values, commas) or _DATES.found(name, values)
    )
    return found or _CATEGORIES.column(name, values, commas)


# --------------------------------------------------------------------------------------------- cells


def parse_cells(texts: Sequence[str], column: Column) -> NDArray[Any]:
    """The values of a column's cells: the one function that reads cells, for training and for serving.

    Args:
        texts: The cells as they stand in the source.
        column: What kind they are, and how they are written.

    Returns:
        float64 for numbers and dates (days since 1970), NaN where missing or unreadable; str objects for
        categories, None where missing.

    Example:
        >>> parse_cells(["1,200.5", "?", "many"], Column(name="price", kind="number", thousands=","))
        array([1200.5,    nan,    nan])
    """
    return kind_of(column).parse(texts, column)


def row_name(number: int) -> str:
    """What findings and answers call a row: its place in the source, from 1, the header not counted.

    Example:
        >>> row_name(7)
        'row 7'
    """
    return f"row {number}"


def odd_cells(texts: Sequence[str], rows: Sequence[int]) -> Message:
    """How many cells are no numbers or dates, with the first of them and its row.

    Args:
        texts: The cells of a column.
        rows: Indices of those that are none, as `ColumnKind.unreadable` gives them.

    Example:
        >>> odd_cells(["1", "?", "many"], [2])
        "1 cell such as 'many', first in row 3"
    """
    first = texts[rows[0]].strip()
    shown = first if len(first) <= 40 else f"{first[:40]}…"
    return message("tables.column.odd-cells", n=len(rows), shown=shown, row=rows[0] + 1)


def missing_cells(cells: NDArray[Any]) -> NDArray[np.bool_]:
    """Which cells hold nothing."""
    if cells.dtype == object:
        return np.fromiter((cell is None for cell in cells), bool, len(cells))
    return np.asarray(np.isnan(cells))


def why_useless(column: Column, cells: NDArray[Any]) -> tuple[str, str]:
    """Why nothing can be learned from a column: a kind of finding and a few words, or two empty texts.

    Example:
        >>> why_useless(Column(name="unit", kind="category"), np.array(["kg"] * 9, object))
        ('constant-column', "always 'kg'")
    """
    filled = cells[~missing_cells(cells)]
    if len(filled) <= FILLED_FRACTION * len(cells):
        return "empty-column", message("tables.column.empty", n=len(filled))
    if len(set(filled.tolist())) == 1 and len(filled) == len(cells) > 1:
        return "constant-column", message("tables.column.always", value=shown_value(column, filled[0]))
    why = kind_of(column).identifies(column.name, filled) if len(filled) >= ID_ROWS else None
    return ("id-like", why) if why else ("", "")


# ------------------------------------------------------------------------------------------ new rows


def as_written(
    cells: Mapping[str, Sequence[Any]],
    columns: Sequence[Column],
    *,
    separator: str = "",
    trained_separator: str = "",
) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The columns as some new rows write them, and what is written otherwise than in training.

    How cells are written is inferred from all columns of a source together, never from a cell by itself:
    "1,234" in a file with "2,5" is 1.234, and in a file with "2.5" 1234. A column is read as in training
    unless another way reads all that this one reads and more. Where both a decimal point and a decimal comma
    would do, the columns that allow only one decide, then the size that numbers had in training, then the
    separator; where nothing does, the way of training stays.

    Args:
        cells: What the first rows hold, by column name; only texts are looked at.
        columns: As they were written in training.
        separator: What separates the cells of the new rows, "" where they come from no text.
        trained_separator: The same of the rows of training, "" where that is not known.

    Returns:
        The columns, in the same order, and a few words for each other way of writing.

    Example:
        >>> columns = [Column(name="price", kind="number"), Column(name="size", kind="number")]
        >>> read, said = as_written({"price": ["2,5", "9"], "size": ["1,234"]}, columns)
        >>> [column.decimal for column in read], said
        ([',', ','], ('a decimal comma in price, size (training: decimal point)',))
    """
    texts = {column: _texts(cells.get(column.name, ()), column.missing) for column in columns}
    found: dict[str, Column] = {}
    for kind in KINDS.values():
        some = {column: found for column, found in texts.items() if kind_of(column) is kind}
        found |= kind.rewritten(some, separator, same=separator == trained_separator)
    read = tuple(found.get(column.name, column) for column in columns)
    return read, (*_differences(columns, read), *_cut_codes(cells, columns))


def _texts(cells: Sequence[Any], missing: tuple[str, ...]) -> list[str]:
    """The different texts among some cells that hold anything."""
    found = dict.fromkeys(cell.strip() for cell in cells if isinstance(cell, str))
    return [text for text in found if not is_missing(text, missing)]


def _differences(columns: Sequence[Column], read: Sequence[Column]) -> tuple[Message, ...]:
    """The columns that are written alike in another way than in training, in a few words each."""
    names: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for before, now in zip(columns, read, strict=True):
        if before != now:
            difference = tuple(kind_of(now).difference(before, now).items())
            names.setdefault(difference, []).append(before.name)
    return tuple(_difference(names=some, **dict(difference)) for difference, some in names.items())


def _difference(code: str, **values: Any) -> Message:
    return message(f"tables.written.{code}", **values)


def _cut_codes(cells: Mapping[str, Sequence[Any]], columns: Sequence[Column]) -> tuple[Message, ...]:
    """The columns whose codes have lost their leading zeros, in a few words."""
    names = [
        column.name
        for column in columns
        if column.digits and any(is_cut_code(text_of(cell), column) for cell in cells.get(column.name, ()))
    ]
    return (_difference("cut-codes", names=names),) if names else ()


# ------------------------------------------------------------------------------------------- features


def features(cells: Mapping[str, NDArray[Any]], columns: Sequence[Column]) -> Features:
    """What models take: the feature columns as one array of numbers and one of categories.

    A date becomes days since 1970, year, month and weekday (Monday is 0), and the hour where its column has
    times. Numbers are rounded through float32, here and nowhere else, so that thresholds which a model learns
    separate the same rows in a graph that counts in float32.

    Args:
        cells: Values by column name, as in `Table.cells`; other columns are not looked at.
        columns: The columns; those of the role "feature" are taken, in this order.

    Returns:
        The features of each row.

    Example:
        >>> sold = Column(name="sold", kind="date", date_format="%Y-%m-%d")
        >>> found = features({"sold": parse_cells(["2024-02-29"], sold)}, [sold])
        >>> dict(zip(found.number_names, found.numbers[0].tolist()))
        {'sold (days)': 19782.0, 'sold (year)': 2024.0, 'sold (month)': 2.0, 'sold (weekday)': 3.0}
    """
    used = [column for column in columns if column.role == "feature"]
    rows = len(cells[used[0].name]) if used else 0
    numbers: dict[str, NDArray[np.float64]] = {}
    for column in used:
        numbers |= kind_of(column).numbers(column, cells[column.name])
    texts = {column.name: cells[column.name] for column in used if kind_of(column).is_text}
    stacked = np.stack(list(numbers.values()), axis=1) if numbers else np.empty((rows, 0))
    return Features(
        numbers=stacked.astype(np.float32).astype(np.float64),
        number_names=tuple(numbers),
        categories=np.stack(list(texts.values()), axis=1) if texts else np.empty((rows, 0), object),
        category_names=tuple(texts),
    )


# ---------------------------------------------------------------------------------------- for people


def describe_columns(table: Table) -> tuple[ColumnFacts, ...]:
    """Every column as people want to see it, in the order of the file; of the rows that take part.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> describe_columns(read_table("iris"))[-1].distinct
        3
    """
    rows = table.rows()
    return tuple(_facts(column, table.cells[column.name][rows]) for column in table.columns)


def _facts(column: Column, cells: NDArray[Any]) -> ColumnFacts:
    missing = missing_cells(cells)
    filled = cells[~missing]
    return ColumnFacts(
        name=column.name,
        kind=column.kind,
        role=column.role,
        missing_fraction=float(missing.mean()) if len(cells) else 0.0,
        distinct=len(set(filled.tolist())),
        example=shown_value(column, filled[0]) if len(filled) else "",
        note=column.note,
    )


def shown_value(column: Column, value: Any) -> str:
    """A value of a column as people write it.

    Example:
        >>> shown_value(Column(name="sold", kind="date"), 19782.5)
        '2024-02-29 12:00'
    """
    return kind_of(column).shown(value)
