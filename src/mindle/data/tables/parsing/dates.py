"""Columns of dates: in which format they are written, and what models see of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.tables.parsing.cells import DATE_FORMATS, MONTHS_ALONE, SHORT_YEARS, date_of, is_missing
from mindle.data.tables.parsing.kind import ColumnKind, Floats, Texts, fits
from mindle.messages import message
from mindle.records import Column

_DAY_NUMBER, _LEAST_DAYS = "%Y%m%d", 5  # different ones
_SHORT_DATE = re.compile(r"(\d\d?)[./](\d\d?)[./](\d\d)(?!\d)")
_FIRST = 20


class Dates(ColumnKind):
    """Days since 1970, times as fractions; see `ColumnKind`."""

    name = "date"
    is_time = True

    def column(self, name: str, values: Sequence[str], commas: bool = False) -> Column:
        """See `ColumnKind`."""
        return self._written(name, values)[0]

    def found(self, name: str, values: Sequence[str]) -> Column | None:
        """A column of dates where its values are."""
        column, read = self._written(name, values)
        return column if fits(read, len(values)) else None

    def days(self, name: str, values: Sequence[str]) -> Column | None:
        """A column of dates where all of its numbers are days such as 20010601, in a usual year."""
        are_numbers = len(values) >= _LEAST_DAYS and all(len(it) == 8 and it.isdecimal() for it in values)
        if are_numbers and _are_recent(values) and all(date_of(value) == date_of(value) for value in values):
            note = message("tables.column.day-numbers")
            return Column(name=name, kind=self.name, date_format=_DAY_NUMBER, note=note)
        return None

    def _written(self, name: str, values: Sequence[str]) -> tuple[Column, int]:
        """The column in the format that reads most of some values, and how many it reads."""
        column = Column(name=name, kind=self.name)
        read = _count(values, "")
        if fits(read, len(values)):
            return replace(column, date_format="%Y-%m-%d" if max(map(len, values)) <= 10 else ""), read
        best, most, equal = "", 0, False
        some = [value for value in values[:_FIRST] if any(map(str.isdecimal, value))]
        further = (
            *(SHORT_YEARS if _ends_in_years(values) else ()),
            *(MONTHS_ALONE if _are_recent(values) else ()),
        )
        for written in (*DATE_FORMATS, *further):
            if 2 * _count(some, written) <= len(values[:_FIRST]):
                continue
            read = _count(values, written)
            equal = equal or (read == most > 0)
            if read > most:
                best, most, equal = written, read, False
        note = message("tables.column.day-first") if equal else ""
        return replace(column, date_format=best, note=note), most

    def parse(self, texts: Sequence[str], column: Column) -> Floats:
        """float64, NaN where missing or unreadable."""
        dates = {
            text: math.nan if is_missing(text, column.missing) else date_of(text, column.date_format)
            for text in dict.fromkeys(texts)
        }
        return np.fromiter((dates[text] for text in texts), np.float64, len(texts))

    def shown(self, value: Any) -> str:
        """As ISO 8601 writes it."""
        moment = datetime(1970, 1, 1) + timedelta(seconds=round(value * 86400))
        return moment.isoformat(" ", "minutes") if moment.time() != time.min else moment.date().isoformat()

    def numbers(self, column: Column, cells: Floats) -> dict[str, Floats]:
        """Days since 1970, year, month and weekday (Monday is 0), and the hour where there are times."""
        there = ~np.isnan(cells)
        seconds = np.round(cells[there] * 86400).astype(np.int64)
        months = seconds.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)  # since 1970
        values = {
            "days": cells[there],
            "year": months // 12 + 1970,
            "month": months % 12 + 1,
            "weekday": (seconds // 86400 + 3) % 7,  # the first of January 1970 was a Thursday
        }
        if column.numbers > len(values):
            values["hour"] = seconds % 86400 // 3600
        parts = {f"{column.name} ({part})": np.full(len(cells), np.nan) for part in values}
        for whole, some in zip(parts.values(), values.values(), strict=True):
            whole[there] = some
        return parts

    def example(self, column: Column) -> str:
        """The format of training, or ISO 8601."""
        return f"dates as {column.date_format or '%Y-%m-%d'}, as in training, or as 2024-12-31"

    def id_share(self, filled: NDArray[Any], *, named: bool, first: bool) -> float:
        """Dates name nothing."""
        return math.inf

    def rewritten(self, texts: Texts, separator: str, *, same: bool) -> dict[str, Column]:
        """Each in the format that reads more than that of training."""
        found = {column: _format(some, column.date_format) for column, some in texts.items()}
        changed = {column.date_format: now for column, now in found.items() if now != column.date_format}
        for column, some in texts.items():  # "03/04/2024" follows the column that holds "03/31/2024"
            written = changed.get(column.date_format, column.date_format)
            if found[column] == column.date_format and not np.isnan(_dates(some, written)).any():
                found[column] = written
        return {column.name: replace(column, date_format=written) for column, written in found.items()}

    def difference(self, before: Column, now: Column) -> Mapping[str, str]:
        """The two formats."""
        return {"code": "dates", "now": now.date_format, "trained": before.date_format or "ISO 8601"}


def _count(values: Sequence[str], written: str) -> int:
    """How many of some values a format reads."""
    return sum(not math.isnan(date_of(value, written)) for value in values)


def _are_recent(values: Sequence[str]) -> bool:
    """Whether all of some values begin with a year that tables are about."""
    return all("1900" <= value[:4] < "2100" for value in values)


def _ends_in_years(values: Sequence[str]) -> bool:
    """Whether the third number of some dates differs less than the others, as years do beside days."""
    if not _SHORT_DATE.match(values[0]):
        return False
    parts = [found.groups() for value in values if (found := _SHORT_DATE.match(value))]
    days, months, years = (len(set(some)) for some in zip(*parts, strict=True))
    return years < max(days, months)


def _format(texts: Sequence[str], trained: str) -> str:
    """The format that reads all that the one of training reads, and more; else that of training."""
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
    # Where days and months cannot be distinguished, that of training decides; ISO 8601 has none.
    return trained if tied and _day_first(trained) is None else best


def _day_first(written: str) -> bool | None:
    """Whether the day stands before the month; None where the year does."""
    places = [written.find(part) for part in ("%d", "%m")]
    return None if written.startswith("%Y") or -1 in places else places[0] < places[1]


def _dates(texts: Sequence[str], written: str) -> Floats:
    return np.fromiter((date_of(text, written) for text in texts), np.float64, len(texts))
