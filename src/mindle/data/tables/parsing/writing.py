"""How the cells of new rows are written: as those of training were, or throughout in another way.

It is told from all columns of a source together, never from a cell by itself: "1,234" in a file with "2,5" is
1.234, and in a file with "2.5" 1234.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.tables.parsing.cells import (
    DATE_FORMATS,
    NUMBER_FORMATS,
    date_of,
    is_missing,
    numbers_of,
    text_of,
)
from mindle.data.tables.parsing.columns import ODD_FRACTION, is_cut_code
from mindle.records import Column

Floats = NDArray[np.float64]
Way = tuple[str, str]

_OTHER = {".": ",", ",": "."}
_SAID = {".": "decimal point", ",": "decimal comma"}
_SIGN_BESIDE = {";": ",", ",": "."}
"""Whoever separates cells by the one sign and has the other within a number means a decimal sign by it."""

_FIRST = 20


def as_written(
    cells: Mapping[str, Sequence[Any]],
    columns: Sequence[Column],
    *,
    separator: str = "",
    trained_separator: str = "",
) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The columns as some new rows write them, and what is written otherwise than in training.

    A column keeps the way of training unless another reads all that it reads and more. Where both a decimal
    point and a decimal comma would do, the columns that allow only one decide, then the size that numbers had
    in training, then the separator; where nothing does, the way of training stays.

    Args:
        cells: What the first rows hold, by column name; only texts are looked at.
        columns: As they were written in training.
        separator: What parts the cells of the new rows, "" where they come from no text.
        trained_separator: The same of the rows of training, "" where that is not known.

    Returns:
        The columns, in the same order, and a few words for each other way of writing.

    Example:
        >>> columns = [Column(name="price", kind="number"), Column(name="size", kind="number")]
        >>> read, said = as_written({"price": ["2,5", "9"], "size": ["1,234"]}, columns)
        >>> [column.decimal for column in read], said
        ([',', ','], ('a decimal comma in price, size (training: decimal point)',))
    """
    missing = {column.name: column.missing for column in columns}
    texts = {name: _texts(some, missing.get(name, ())) for name, some in cells.items()}
    numbers = {
        column.name: _Numbers(texts[column.name], column)
        for column in columns
        if column.kind == "number" and texts.get(column.name)
    }
    by_separator = _SIGN_BESIDE.get(separator, "")
    ways = _number_ways(numbers, by_separator, same=separator == trained_separator)
    dates = [column for column in columns if column.kind == "date"]
    formats = _date_formats({column: texts.get(column.name, []) for column in dates})
    read = tuple(
        replace(column, decimal=ways[column.name][0], thousands=ways[column.name][1])
        if column.name in ways
        else replace(column, date_format=formats.get(column.name, column.date_format))
        for column in columns
    )
    return read, (*_differences(columns, read), *_cut_codes(cells, columns))


def sized(column: Column, values: NDArray[Any]) -> Column:
    """A column of numbers with their typical size, or one of codes with leading zeros with their length.

    Example:
        >>> sized(Column(name="price", kind="number"), np.array([0, 1.5, -2.6, np.nan, 900])).typical
        3.0
        >>> sized(Column(name="zip", kind="category"), np.array(["01067", "99084", None])).digits
        5
    """
    if column.kind == "category" and column.role == "feature":
        return replace(column, digits=_digits(values))
    if column.kind != "number":
        return column
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    return replace(column, typical=float(f"{np.median(sizes):.1g}")) if len(sizes) else column


def _digits(values: NDArray[Any]) -> int:
    """How many digits all of some codes have where one begins with a zero, else 0."""
    codes = {value for value in values.tolist() if isinstance(value, str)}
    lengths = {len(code) if code.isdecimal() else 0 for code in codes}
    padded = len(lengths) == 1 and any(code[0] == "0" for code in codes)
    return lengths.pop() if padded and lengths != {1} else 0


def spelled(values: Sequence[Any], column: Column) -> list[str]:
    """The text of each cell as its column is written, so that 2.5 in memory is "2,5" under a decimal comma.

    Example:
        >>> spelled([2.5, "2,5", None], Column(name="price", kind="number", decimal=","))
        ['2,5', '2,5', '']
    """
    if column.kind != "number":
        return [text_of(value) for value in values]
    return [value if isinstance(value, str) else _number_text(value, column.decimal) for value in values]


def _number_text(value: Any, decimal: str) -> str:
    if isinstance(value, bool | np.bool_):  # a number too, as everywhere in Python
        value = int(value)
    return text_of(value).replace(".", decimal)


def _texts(cells: Sequence[Any], missing: tuple[str, ...]) -> list[str]:
    """The different texts among some cells that hold anything."""
    found = dict.fromkeys(cell.strip() for cell in cells if isinstance(cell, str))
    return [text for text in found if not is_missing(text, missing)]


# -------------------------------------------------------------------------------------------- numbers


class _Numbers:
    """The different cells of a number column: what reads them with either decimal sign."""

    def __init__(self, texts: Sequence[str], column: Column) -> None:
        self.texts = texts
        self.trained: Way = (column.decimal, column.thousands)
        self.own, self.other = self._best(column.decimal), self._best(_OTHER[column.decimal])
        own, other = self.read(self.own), self.read(self.other)
        self.only_own = int((~np.isnan(own) & np.isnan(other)).sum())
        self.only_other = int((np.isnan(own) & ~np.isnan(other)).sum())
        self.differ = ~np.isnan(own) & ~np.isnan(other) & (own != other)
        self.by_size = self._by_size(own, other, column.typical)
        self.kept = bool((np.isnan(own) == np.isnan(self.read(self.trained))).all())

    @property
    def is_other(self) -> bool:
        """Whether the other decimal sign is the only one that reads the cells throughout."""
        return self.only_other > 0 and self.only_own <= ODD_FRACTION * (self.only_own + self.only_other)

    @property
    def is_open(self) -> bool:
        """Whether the cells are numbers with either decimal sign, but not the same ones."""
        return not self.only_own and not self.only_other and bool(self.differ.any())

    def holds(self, sign: str) -> bool:
        """Whether a sign stands in the cells that either decimal sign reads, each otherwise."""
        return any(sign in text for text, differs in zip(self.texts, self.differ, strict=True) if differs)

    def read(self, way: Way) -> Floats:
        return numbers_of(self.texts, *way)

    def _by_size(self, own: Floats, other: Floats, typical: float) -> str:
        """The decimal sign that makes the numbers about as large as in training, "" where neither does."""
        both = self.differ & (own != 0) & (other != 0)
        if not typical or not both.any():
            return ""
        sizes = [float(np.median(np.abs(read[both]))) for read in (own, other)]
        far = [abs(math.log10(size / typical)) for size in sizes]  # the two readings are 3 apart, or nearly
        if min(far) > 1 or max(far) < 2:
            return ""
        return self.own[0] if far[0] < far[1] else self.other[0]

    def _best(self, decimal: str) -> Way:
        """The way with a decimal sign that reads most; that of training first."""
        ways = dict.fromkeys(way for way in (self.trained, *NUMBER_FORMATS) if way[0] == decimal)
        return max(ways, key=lambda way: int((~np.isnan(self.read(way))).sum()))


def _number_ways(numbers: Mapping[str, _Numbers], by_separator: str, *, same: bool) -> dict[str, Way]:
    changed = {found.other[0] for found in numbers.values() if found.is_other}
    sure = changed | {found.own[0] for found in numbers.values() if found.only_own and not found.is_other}
    ways = {}
    for name, found in numbers.items():
        is_other = found.is_other
        if found.is_open:
            beside = {by_separator} if by_separator and found.holds(by_separator) else set()
            size = {found.by_size} - {""}
            evidence = changed or size or (beside if not found.kept or not same else set())
            is_other = found.other[0] in evidence
            if not is_other and not found.kept and found.own[0] not in sure | size:
                ways[name] = found.trained  # nothing tells what the numbers are, so that they are none
                continue
        ways[name] = found.other if is_other else found.trained if found.kept else found.own
    return ways


# ---------------------------------------------------------------------------------------------- dates


def _date_formats(texts: Mapping[Column, Sequence[str]]) -> dict[str, str]:
    """The formats of the columns whose dates are written otherwise."""
    found = {column.name: _date_format(some, column.date_format) for column, some in texts.items()}
    changed = {
        column.date_format: found[column.name] for column in texts if found[column.name] != column.date_format
    }
    for column, some in texts.items():  # "03/04/2024" follows the column that holds "03/31/2024"
        written = changed.get(column.date_format, column.date_format)
        if found[column.name] == column.date_format and not np.isnan(_dates(some, written)).any():
            found[column.name] = written
    return found


def _date_format(texts: Sequence[str], trained: str) -> str:
    read = ~np.isnan(_dates(texts, trained))
    if read.all():
        return trained
    best, most, values, tied = trained, int(read.sum()), np.zeros(0), False
    for written in sorted(DATE_FORMATS, key=lambda one: _day_first(one) != _day_first(trained)):
        if np.isnan(_dates(texts[:_FIRST], written)).all():
            continue
        dates = _dates(texts, written)
        count = int((~np.isnan(dates)).sum())
        if (np.isnan(dates) & read).any() or count < most or (count == most and best == trained):
            continue
        if count > most:
            best, most, values, tied = written, count, dates, False
        elif not np.array_equal(dates, values, equal_nan=True):
            tied = True
    # Where days and months cannot be told apart, the order of training decides; ISO 8601 has none to follow.
    return trained if tied and _day_first(trained) is None else best


def _day_first(written: str) -> bool | None:
    """Whether the day stands before the month; None where the year does."""
    places = [written.find(part) for part in ("%d", "%m")]
    return None if written.startswith("%Y") or -1 in places else places[0] < places[1]


def _dates(texts: Sequence[str], written: str) -> Floats:
    return np.fromiter((date_of(text, written) for text in texts), np.float64, len(texts))


# -------------------------------------------------------------------------------------------- for people


def _differences(columns: Sequence[Column], read: Sequence[Column]) -> tuple[str, ...]:
    """The columns that are written alike in another way than in training, in a few words each."""
    names: dict[str, list[str]] = {}
    for before, now in zip(columns, read, strict=True):
        if before != now:
            names.setdefault(_difference(before, now), []).append(before.name)
    return tuple(words.format(", ".join(some)) for words, some in names.items())


def _cut_codes(cells: Mapping[str, Sequence[Any]], columns: Sequence[Column]) -> tuple[str, ...]:
    """The columns whose codes have lost their leading zeros, in a few words."""
    names = [
        column.name
        for column in columns
        if column.digits and any(is_cut_code(text_of(cell), column) for cell in cells.get(column.name, ()))
    ]
    return (f"codes without leading zeros in {', '.join(names)} (filled up as in training)",) if names else ()


def _difference(before: Column, now: Column) -> str:
    if before.kind == "date":
        return f"dates as {now.date_format} in {{}} (training: {before.date_format or 'ISO 8601'})"
    if before.decimal != now.decimal:
        return f"a {_SAID[now.decimal]} in {{}} (training: {_SAID[before.decimal]})"
    return f"thousands separated by {now.thousands!r} in {{}}"
