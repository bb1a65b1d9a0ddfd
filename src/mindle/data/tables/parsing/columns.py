"""Columns of a table: of what kind each is, how its cells are written, and the features that models take."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.names import count_of
from mindle.data.tables.parsing.cells import (
    DATE_FORMATS,
    MONTHS_ALONE,
    NUMBER_FORMATS,
    SHORT_YEARS,
    UNITS,
    category_of,
    date_of,
    is_missing,
    number_of,
    numbers_of,
    without_codes,
)
from mindle.records import Column, Table

SAMPLE_VALUES = 1000  # different values of a column that its kind is told from
ODD_FRACTION = 0.05  # different values of a number or date column that may be something else
FILLED_FRACTION = 0.01  # a column with fewer cells than this is as good as empty
ID_FRACTION = 0.95  # different texts among the cells of an identifier
ID_ROWS = 20
_DAY_NUMBER, _LEAST_DAYS = "%Y%m%d", 5  # different ones
_SHORT_DATE = re.compile(r"(\d\d?)[./](\d\d?)[./](\d\d)(?!\d)")
_EXACT_DIGITS = 15  # whole numbers of more digits are not exact in float64
_ID_NAMES = ("id", "idx", "index", "key", "no", "nr", "number", "uuid", "번호", "아이디")


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
    """Tell the kind of each column, and how its numbers or dates are written.

    A column is one of numbers where at most one in twenty of its different values is something else (one of
    ten or more), of dates likewise, and else of categories. Whole numbers with leading zeros or more than 15
    digits are codes, hence categories. Where one column has decimal commas, "1.234" in another has a
    thousands separator. Numbers of eight digits that are all days, such as 20010601, are dates.

    Args:
        texts: The cells of each column, by its name.
        kinds: Kinds that are known: "number", "category" or "date" by column name.
        missing: Words that stand for nothing; the usual ones where empty.

    Returns:
        One column each, all of the role "feature".

    Example:
        >>> columns = infer_columns({"price": ["1.299,00", "5,50"], "zip": ["01067", "99084"]})
        >>> [(column.name, column.kind, column.decimal, column.note) for column in columns]
        [('price', 'number', ',', 'decimal comma'), ('zip', 'category', '.', 'codes with leading zeros')]
    """
    known = kinds or {}
    values = {name: _different(cells, missing) for name, cells in texts.items()}
    commas = any(_has_decimal_commas(some) for some in values.values())
    found = (_infer(name, some, known.get(name, ""), commas) for name, some in values.items())
    return tuple(replace(column, missing=missing) for column in found)


def _different(texts: Sequence[str], missing: tuple[str, ...]) -> list[str]:
    """Different values of a column, evenly from its beginning to its end where there are many."""
    found = list(dict.fromkeys(map(str.strip, texts)))
    some = found[:: math.ceil(len(found) / SAMPLE_VALUES) or 1]
    return [text for text in some if not is_missing(text, missing)]


def _infer(name: str, values: Sequence[str], kind: str, commas: bool) -> Column:
    writing, read = _number_writing(values, commas)
    number = Column(
        name=name, kind="number", decimal=writing[0], thousands=writing[1], note=_number_note(*writing)
    )
    category = Column(name=name, kind="category")
    if kind == "category" or not values:
        return category
    if kind == "number":
        return number
    if kind != "date" and _are_days(values):
        return Column(name=name, kind="date", date_format=_DAY_NUMBER, note="days written as numbers")
    if kind != "date" and _fits(read, len(values)):
        note = _code_note(values)
        return replace(category, note=note) if note else number
    date_format, dates, note = _date_writing(values)
    if kind == "date" or _fits(dates, len(values)):
        return Column(name=name, kind="date", date_format=date_format, note=note)
    return category


def _are_days(values: Sequence[str]) -> bool:
    """Whether all of some numbers are days such as 20010601, in a year that tables are about."""
    if len(values) < _LEAST_DAYS or not all(len(value) == 8 and value.isdecimal() for value in values):
        return False
    return _are_recent(values) and all(date_of(value) == date_of(value) for value in values)


def _are_recent(values: Sequence[str]) -> bool:
    """Whether all of some values begin with a year that tables are about."""
    return all("1900" <= value[:4] < "2100" for value in values)


def _fits(read: int, count: int) -> bool:
    """Whether so many of some different values say what kind a column is."""
    odd = max(ODD_FRACTION * count, 1 if count >= 10 else 0)
    return read > 0 and count - read <= odd


def _has_decimal_commas(values: Sequence[str]) -> bool:
    """Whether a column can only be read with decimal commas."""
    writing, read = _number_writing(values)
    return writing[0] == "," and _fits(read, len(values))


def _number_writing(values: Sequence[str], commas: bool = False) -> tuple[tuple[str, str], int]:
    """The way of writing that reads most of some values, and how many; the first of equals."""
    ways = sorted(NUMBER_FORMATS, key=lambda way: way[0] != ",") if commas else NUMBER_FORMATS
    best, most = ways[0], -1
    for way in ways:
        read = sum(not math.isnan(number_of(value, *way)) for value in values)
        if read > most:
            best, most = way, read
        if most == len(values):
            break
    return best, most


def _number_note(decimal: str, thousands: str) -> str:
    if decimal == ",":
        return "decimal comma"
    return f"thousands separated by {thousands!r}" if thousands else ""


def _code_note(values: Sequence[str]) -> str:
    """Why numbers are no quantities; "" where they are."""
    zeros = sum(len(value) > 1 and value[0] == "0" and value.isdecimal() for value in values)
    long = sum(len(value) > _EXACT_DIGITS and value.isdecimal() for value in values)
    if 100 * zeros >= len(values):
        return "codes with leading zeros"
    if 2 * long > len(values):
        return f"codes of more than {_EXACT_DIGITS} digits"
    if all(value[0] == "(" for value in values):  # accountants write some of them so, never all
        return "numbers in brackets"
    units = [sign for value in values for sign in set(value) & set(UNITS)]
    if units and (len(set(units)) > 1 or len(units) < (1 - ODD_FRACTION) * len(values)):
        return "numbers of several units"
    return ""


def _date_writing(values: Sequence[str]) -> tuple[str, int, str]:
    """The date format that reads most of some values, how many it reads, and a note."""
    read = sum(not math.isnan(date_of(value)) for value in values)
    if _fits(read, len(values)):
        return "%Y-%m-%d" if max(map(len, values)) <= 10 else "", read, ""
    best, most, equal = "", 0, False
    some = [value for value in values[:20] if any(map(str.isdecimal, value))]
    told = (*(SHORT_YEARS if _ends_in_years(values) else ()), *(MONTHS_ALONE if _are_recent(values) else ()))
    for written in (*DATE_FORMATS, *told):
        if 2 * sum(not math.isnan(date_of(value, written)) for value in some) <= len(values[:20]):
            continue
        read = sum(not math.isnan(date_of(value, written)) for value in values)
        equal = equal or (read == most > 0)
        if read > most:
            best, most, equal = written, read, False
    return best, most, "the day is read before the month" if equal else ""


def _ends_in_years(values: Sequence[str]) -> bool:
    """Whether the third number of some dates differs less than the others, as years do beside days."""
    if not _SHORT_DATE.match(values[0]):
        return False
    parts = [found.groups() for value in values if (found := _SHORT_DATE.match(value))]
    days, months, years = (len(set(some)) for some in zip(*parts, strict=True))
    return years < max(days, months)


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
    if column.kind == "category":
        categories = {text: _category(text, column) for text in dict.fromkeys(texts)}
        values = np.empty(len(texts), object)
        values[:] = [categories[text] for text in texts]
        return values
    if column.kind == "date":
        dates = {
            text: math.nan if is_missing(text, column.missing) else date_of(text, column.date_format)
            for text in dict.fromkeys(texts)
        }
        return np.fromiter((dates[text] for text in texts), np.float64, len(texts))
    return without_codes(numbers_of(texts, column.decimal, column.thousands), column.missing)


def _category(text: str, column: Column) -> str | None:
    found = category_of(text, column.missing)
    return found.zfill(column.digits) if found and found.isdecimal() else found


def is_cut_code(text: str, column: Column) -> bool:
    """Whether a cell is a code that has lost its leading zeros, as spreadsheets and data frames drop them.

    Example:
        >>> is_cut_code("1067", Column(name="zip", kind="category", digits=5))
        True
    """
    found = category_of(text, column.missing) or ""
    return found.isdecimal() and len(found) < column.digits


def unreadable(texts: Sequence[str], column: Column, cells: NDArray[Any]) -> list[int]:
    """Rows whose cell holds something, yet no number or date.

    Example:
        >>> column = Column(name="age", kind="number")
        >>> unreadable(["1", "?", "many"], column, parse_cells(["1", "?", "many"], column))
        [2]
    """
    if column.kind == "category":
        return []
    rows = np.flatnonzero(np.isnan(cells)).tolist()
    return [row for row in rows if not is_missing(texts[row], column.missing)]


def row_name(number: int) -> str:
    """What findings and answers call a row: its place in the source, from 1, the header not counted.

    Example:
        >>> row_name(7)
        'row 7'
    """
    return f"row {number}"


def odd_cells(texts: Sequence[str], rows: Sequence[int], *, before: int = 0) -> str:
    """How many cells are no numbers or dates, with the first of them and its row.

    Args:
        texts: The cells of a column.
        rows: Indices of those that are none, as `unreadable` gives them.
        before: How many rows of the source stand before these.

    Example:
        >>> odd_cells(["1", "?", "many"], [2])
        "1 cell such as 'many', first in row 3"
    """
    first = texts[rows[0]].strip()
    shown = first if len(first) <= 40 else f"{first[:40]}…"
    return (
        f"{count_of(len(rows), 'cell', 'cells')} such as {shown!r}, first in {row_name(before + rows[0] + 1)}"
    )


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
    different = len(set(filled.tolist()))
    if len(filled) <= FILLED_FRACTION * len(cells):
        return "empty-column", f"{count_of(len(filled), 'cell holds', 'cells hold')} anything"
    if different == 1 and len(filled) == len(cells) > 1:
        return "constant-column", f"always {shown_value(column, filled[0])!r}"
    if len(filled) < ID_ROWS or column.kind == "date":
        return "", ""
    if column.kind == "category":
        return ("id-like", "nearly every text differs") if different > ID_FRACTION * len(filled) else ("", "")
    if different < len(filled) or (filled % 1).any():
        return "", ""
    if filled.max() - filled.min() == len(filled) - 1:
        return "id-like", "counts the rows"
    return ("id-like", "every number differs") if is_named_id(column.name) else ("", "")


def is_named_id(name: str) -> bool:
    """Whether a column is called an id, a key or a number of something.

    Example:
        >>> is_named_id("customer_id"), is_named_id("orderId"), is_named_id("age")
        (True, True, False)
    """
    words = name.casefold().replace("_", " ").replace("-", " ").split()
    return name.endswith(("Id", "ID")) or (bool(words) and words[-1] in _ID_NAMES)


# ------------------------------------------------------------------------------------------- features


def features(cells: Mapping[str, NDArray[Any]], columns: Sequence[Column]) -> Features:
    """What models take: the feature columns as one array of numbers and one of categories.

    A date becomes days since 1970, year, month and weekday (Monday is 0), and the hour where its column has
    times. Numbers are rounded through float32, here and nowhere else, so that thresholds which a model learns
    part the same rows in a graph that counts in float32.

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
        if column.kind == "number":
            numbers[column.name] = cells[column.name]
        elif column.kind == "date":
            numbers |= _date_parts(column, cells[column.name])
    categories = [column.name for column in used if column.kind == "category"]
    stacked = np.stack(list(numbers.values()), axis=1) if numbers else np.empty((rows, 0))
    texts = (
        np.stack([cells[name] for name in categories], axis=1) if categories else np.empty((rows, 0), object)
    )
    return Features(
        numbers=stacked.astype(np.float32).astype(np.float64),
        number_names=tuple(numbers),
        categories=texts,
        category_names=tuple(categories),
    )


def _date_parts(column: Column, days: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    there = ~np.isnan(days)
    seconds = np.round(days[there] * 86400).astype(np.int64)
    months = seconds.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)  # since 1970
    values = {
        "days": days[there],
        "year": months // 12 + 1970,
        "month": months % 12 + 1,
        "weekday": (seconds // 86400 + 3) % 7,  # the first of January 1970 was a Thursday
    }
    if column.numbers > len(values):
        values["hour"] = seconds % 86400 // 3600
    parts = {f"{column.name} ({part})": np.full(len(days), np.nan) for part in values}
    for whole, some in zip(parts.values(), values.values(), strict=True):
        whole[there] = some
    return parts


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
    if column.kind == "category":
        return str(value)
    if column.kind == "number":
        return f"{value:.6g}"
    moment = datetime(1970, 1, 1) + timedelta(seconds=round(value * 86400))
    return moment.isoformat(" ", "minutes") if moment.time() != time.min else moment.date().isoformat()
