"""Columns of numbers: which signs they are written with, and which of them are codes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mindle.data.common.names import WORDS
from mindle.data.tables.parsing.cells import (
    NUMBER_FORMATS,
    UNITS,
    number_of,
    numbers_of,
    text_of,
    without_codes,
)
from mindle.data.tables.parsing.kind import ID_SHARE, ODD_FRACTION, ColumnKind, Floats, Texts, fits
from mindle.messages import Message, message
from mindle.records import Column

Way = tuple[str, str]

CODE_REPEATS = 3  # a number that stands for "missing" comes again…
CODE_OTHERS = 10  # …among so many different others
ID_SHARE_UNNAMED = 0.8  # different values among whole numbers in the first column that are ids…
ID_MAGNITUDE = 1000  # …of so many digits
_EXACT_DIGITS = 15  # whole numbers of more digits are not exact in float64
_ID_NAMES = frozenset(WORDS["cells"]["ids"].split())
_OTHER = {".": ",", ",": "."}
_SIGN_BESIDE = {";": ",", ",": "."}
"""Whoever separates cells by the one sign and has the other within a number means a decimal sign by it."""


class Numbers(ColumnKind):
    """Numbers; see `ColumnKind`."""

    name = "number"

    def column(self, name: str, values: Sequence[str], commas: bool) -> Column:
        """See `ColumnKind`."""
        return self._written(name, values, commas)[0]

    def found(self, name: str, values: Sequence[str], commas: bool) -> Column | None:
        """A column of numbers where its values are, or one of categories where these are codes."""
        column, read = self._written(name, values, commas)
        if not fits(read, len(values)):
            return None
        note = _code_note(values)
        return Column(name=name, kind="category", note=note) if note else column

    def has_decimal_commas(self, values: Sequence[str]) -> bool:
        """Whether some values can only be read with decimal commas."""
        column, read = self._written("", values, commas=False)
        return column.decimal == "," and fits(read, len(values))

    def _written(self, name: str, values: Sequence[str], commas: bool) -> tuple[Column, int]:
        """The column in the way of writing that reads most of some values, the first of equals; how many."""
        ways = sorted(NUMBER_FORMATS, key=lambda way: way[0] != ",") if commas else NUMBER_FORMATS
        best, most = ways[0], -1
        for way in ways:
            read = sum(not math.isnan(number_of(value, *way)) for value in values)
            if read > most:
                best, most = way, read
            if most == len(values):
                break
        decimal, thousands = best
        note: str = message("tables.column.decimal-comma") if decimal == "," else ""
        if thousands and not note:
            note = message("tables.column.thousands", sign=thousands)
        return Column(name=name, kind=self.name, decimal=decimal, thousands=thousands, note=note), most

    def parse(self, texts: Sequence[str], column: Column) -> Floats:
        """float64, NaN where missing or unreadable."""
        return without_codes(numbers_of(texts, column.decimal, column.thousands), column.missing)

    def shown(self, value: Any) -> str:
        """Six digits."""
        return f"{value:.6g}"

    def numbers(self, column: Column, cells: Floats) -> dict[str, Floats]:
        """The numbers."""
        return {column.name: cells}

    def example(self, column: Column) -> str:
        """With the decimal sign of training."""
        return f"numbers as 1234{column.decimal}5, as in training, without units"

    def identifies(self, name: str, filled: Floats) -> Message | None:
        """Whether they count the rows, or all differ in a column that is called an id."""
        if len(np.unique(filled)) < len(filled) or (filled % 1).any():
            return None
        if np.ptp(filled) == len(filled) - 1:
            return message("tables.column.counts-rows")
        return message("tables.column.numbers-differ") if is_named_id(name) else None

    def id_share(self, filled: Floats, *, named: bool, first: bool) -> float:
        """Large whole numbers in the first column may be ids, too."""
        whole = first and not (filled % 1).any() and filled.min() >= ID_MAGNITUDE
        return ID_SHARE if named else ID_SHARE_UNNAMED if whole else math.inf

    def codes(self, values: Floats) -> list[tuple[str, int]]:
        """Numbers that come again, stand apart from all others and look like a code.

        -200, -999 or 9999 among temperatures are what a sensor writes where it measured nothing.
        """
        filled, found = values[~np.isnan(values)], []
        while len(filled) and (code := _outermost_code(filled)) is not None:
            found.append((f"{code:.0f}", int((filled == code).sum())))
            filled = filled[filled != code]
        return found

    def sized(self, column: Column, values: Floats) -> Column:
        """With the median size, to one digit."""
        sizes = np.abs(values[np.isfinite(values) & (values != 0)])
        return replace(column, typical=float(f"{np.median(sizes):.1g}")) if len(sizes) else column

    def spelled(self, values: Sequence[Any], column: Column) -> list[str]:
        """With the decimal sign of the column."""
        return [value if isinstance(value, str) else _text(value, column.decimal) for value in values]

    def rewritten(self, texts: Texts, separator: str, *, same: bool) -> dict[str, Column]:
        """Each with the signs that read more than those of training."""
        written = {column: _Written(some, column) for column, some in texts.items() if some}
        ways = _ways(written, _SIGN_BESIDE.get(separator, ""), same=same)
        return {
            column.name: replace(column, decimal=way[0], thousands=way[1]) for column, way in ways.items()
        }

    def difference(self, before: Column, now: Column) -> Mapping[str, str]:
        """Another decimal sign, or only another thousands separator."""
        if before.decimal == now.decimal:
            return {"code": "thousands", "now": now.thousands}
        return {"code": "decimal-comma" if now.decimal == "," else "decimal-point"}


def is_named_id(name: str) -> bool:
    """Whether a column is called an id, a key or a number of something.

    Example:
        >>> is_named_id("customer_id"), is_named_id("orderId"), is_named_id("age")
        (True, True, False)
    """
    words = name.casefold().replace("_", " ").replace("-", " ").split()
    return name.endswith(("Id", "ID")) or (bool(words) and words[-1] in _ID_NAMES)


def _code_note(values: Sequence[str]) -> str:
    """Why numbers are no quantities; "" where they are."""
    zeros = sum(len(value) > 1 and value[0] == "0" and value.isdecimal() for value in values)
    long = sum(len(value) > _EXACT_DIGITS and value.isdecimal() for value in values)
    if 100 * zeros >= len(values):
        return message("tables.column.leading-zeros")
    if 2 * long > len(values):
        return message("tables.column.long-codes", most=_EXACT_DIGITS)
    if all(value[0] == "(" for value in values):  # accountants write some of them so, never all
        return message("tables.column.brackets")
    units = [sign for value in values for sign in set(value) & set(UNITS)]
    if units and (len(set(units)) > 1 or len(units) < (1 - ODD_FRACTION) * len(values)):
        return message("tables.column.units")
    return ""


def _outermost_code(values: Floats) -> float | None:
    different, counts = np.unique(values, return_counts=True)
    if len(different) <= CODE_OTHERS:
        return None
    for code, count, others in (
        (different[0], counts[0], different[1:]),
        (different[-1], counts[-1], different[:-1]),
    ):
        apart = min(abs(code - others[0]), abs(code - others[-1])) > np.ptp(others)
        negative = code < 0 <= others[0]
        if count >= CODE_REPEATS and _is_code(code) and (apart or negative):
            return float(code)
    return None


def _is_code(value: float) -> bool:
    """Whether a number is written as codes are: nines only, or a negative one digit followed by zeros."""
    if value % 1 or abs(value) < 90:
        return False
    digits = f"{abs(value):.0f}"
    return set(digits) == {"9"} or (value < 0 and set(digits[1:]) == {"0"})


def _text(value: Any, decimal: str) -> str:
    if isinstance(value, bool | np.bool_):  # a number too, as everywhere in Python
        value = int(value)
    return text_of(value).replace(".", decimal)


# ------------------------------------------------------------------------------------------- new rows


class _Written:
    """The different cells of a column of new rows: what reads them with either decimal sign."""

    def __init__(self, texts: Sequence[str], column: Column) -> None:
        self.texts = texts
        self.trained: Way = (column.decimal, column.thousands)
        self.usual, self.other = self._best(column.decimal), self._best(_OTHER[column.decimal])
        usual, other = self._read(self.usual), self._read(self.other)
        self.only_usual = int((~np.isnan(usual) & np.isnan(other)).sum())
        only_other = int((np.isnan(usual) & ~np.isnan(other)).sum())
        self.differ = ~np.isnan(usual) & ~np.isnan(other) & (usual != other)
        self.by_size = self._by_size(usual, other, column.typical)
        self.as_trained = bool((np.isnan(usual) == np.isnan(self._read(self.trained))).all())
        # Whether the other decimal sign is the only one that reads the cells throughout.
        self.is_other = only_other > 0 and self.only_usual <= ODD_FRACTION * (self.only_usual + only_other)
        # Whether the cells are numbers with either decimal sign, but not the same ones.
        self.is_open = not self.only_usual and not only_other and bool(self.differ.any())

    def holds(self, sign: str) -> bool:
        """Whether a sign stands in the cells that either decimal sign reads, each otherwise."""
        return any(sign in text for text, differs in zip(self.texts, self.differ, strict=True) if differs)

    def _read(self, way: Way) -> Floats:
        return numbers_of(self.texts, *way)

    def _by_size(self, usual: Floats, other: Floats, typical: float) -> str:
        """The decimal sign that makes the numbers about as large as in training, "" where neither does."""
        both = self.differ & (usual != 0) & (other != 0)
        if not typical or not both.any():
            return ""
        sizes = [float(np.median(np.abs(read[both]))) for read in (usual, other)]
        far = [abs(math.log10(size / typical)) for size in sizes]  # the two readings are 3 apart, or nearly
        if min(far) > 1 or max(far) < 2:
            return ""
        return self.usual[0] if far[0] < far[1] else self.other[0]

    def _best(self, decimal: str) -> Way:
        """The way with a decimal sign that reads most; that of training first."""
        ways = dict.fromkeys(way for way in (self.trained, *NUMBER_FORMATS) if way[0] == decimal)
        return max(ways, key=lambda way: int((~np.isnan(self._read(way))).sum()))


def _ways(written: Mapping[Column, _Written], by_separator: str, *, same: bool) -> dict[Column, Way]:
    changed = {found.other[0] for found in written.values() if found.is_other}
    sure = changed | {found.usual[0] for found in written.values() if found.only_usual and not found.is_other}
    ways = {}
    for column, found in written.items():
        is_other = found.is_other
        if found.is_open:
            beside = {by_separator} if by_separator and found.holds(by_separator) else set()
            size = {found.by_size} - {""}
            evidence = changed or size or (beside if not found.as_trained or not same else set())
            is_other = found.other[0] in evidence
            if not is_other and not found.as_trained and found.usual[0] not in sure | size:
                continue  # nothing shows what the numbers are, so that they are none
        ways[column] = found.other if is_other else found.trained if found.as_trained else found.usual
    return ways
