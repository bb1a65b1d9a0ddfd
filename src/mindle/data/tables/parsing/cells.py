"""One cell of a table: what counts as missing, and how text becomes a number, a date or a category.

Training and serving read every cell with the functions of this module, so that they cannot differ.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.names import WORDS, nfc

MISSING = frozenset(WORDS["cells"]["missing"])
"""What stands in a cell that holds nothing, in any case, spaces around it aside, unless others are named."""

LARGEST = float(np.finfo(np.float32).max)
"""Models count in float32: a number beyond this is none."""

NUMBER_FORMATS = ((".", ""), (".", ","), (",", "."), (",", " "), (".", " "), (".", "'"))
"""(decimal sign, thousands separator): 1234.5, 1,234.5, 1.234,5, 1 234,5, 1 234.5 and 1'234.5."""

_DATES: dict[str, list[str]] = WORDS["dates"]

DATE_FORMATS = tuple(day + time for day in _DATES["days"] for time in _DATES["times"])
"""How dates are written, besides ISO 8601; the first that fits wins. `%b` is any name in `MONTHS`."""

SHORT_YEARS = tuple(day + time for day in _DATES["short_years"] for time in _DATES["times"])
"""Dates with years of two digits, which are recognised in whole columns only."""

MONTHS_ALONE = tuple(_DATES["months_alone"])
"""Months without a day, which are recognised in whole columns only."""

MONTHS = {
    name: number for number, names in enumerate(WORDS["cells"]["months"], start=1) for name in names.split()
}
"""Names of months, and what is usual short for them, in English, German, French and Spanish."""

UNITS = "%$€£¥₩원"
"""Signs at either end of a number, which are dropped: 45 % reads 45."""

_HALF_DAYS = {"오전": "AM", "오후": "PM"}
_HALF_DAY = re.compile(r"(오전|오후) *(\d[\d:]*)")
_WORD = re.compile(r"([^\W\d_]+)\.?")
_SPACES = " \u00a0\u202f\u2009"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOOLEANS = {"true": "True", "false": "False"}


def is_missing(text: str, missing: tuple[str, ...] = ()) -> bool:
    """Whether a cell holds nothing: it is empty, or one of some texts; of `MISSING` where none are named.

    A text that is a number stands for that number however it is written.

    Example:
        >>> is_missing(" N/A "), is_missing("?"), is_missing("no")
        (True, True, False)
        >>> is_missing("None", ("?", "-200")), is_missing("-200.0", ("?", "-200")), is_missing("", ("?",))
        (False, True, True)
    """
    text = text.strip()
    if not missing:
        return (len(text) < 5 or text[0] == "#") and text.casefold() in MISSING
    known, numbers = _meanings(missing)
    return text.casefold() in known or (bool(numbers) and number_of(text) in numbers)


def missing_option(typed: str | Sequence[str] | None) -> tuple[str, ...]:
    """The texts for "missing" that a user names, with commas or as a list; empty for the usual ones.

    Example:
        >>> missing_option("?, -200"), missing_option(""), missing_option(None)
        (('?', '-200'), ('',), ())
    """
    if typed is None:
        return ()
    texts = typed.split(",") if isinstance(typed, str) else list(map(str, typed))
    return tuple(text.strip() for text in texts)


@functools.cache
def _meanings(missing: tuple[str, ...]) -> tuple[frozenset[str], frozenset[float]]:
    """Texts for "missing" as they are compared: in one case, and those that are numbers as such."""
    numbers = frozenset(value for text in missing if not math.isnan(value := number_of(text)))
    return frozenset({"", *(text.strip().casefold() for text in missing)}), numbers


def without_codes(values: NDArray[np.float64], missing: tuple[str, ...]) -> NDArray[np.float64]:
    """Numbers, those that are texts for "missing" as NaN.

    Example:
        >>> without_codes(np.array([1.5, -200.0]), ("-200",))
        array([1.5, nan])
    """
    numbers = _meanings(missing)[1]
    return np.where(np.isin(values, list(numbers)), np.nan, values) if numbers else values


def text_of(value: Any) -> str:
    """The text of any value in memory, as a CSV file would hold it: nothing becomes "", 3.0 becomes "3".

    Example:
        >>> text_of(None), text_of(3.0), text_of(0.1), text_of(True)
        ('', '3', '0.1', 'True')
    """
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, (float, np.floating)):
        if math.isnan(value):
            return ""
        return str(int(value)) if value == int(min(max(value, -1e15), 1e15)) else repr(float(value))
    if isinstance(value, datetime) and value == value:  # NaT differs from itself
        midnight = not value.tzinfo and value.time() == time.min
        return value.date().isoformat() if midnight else value.isoformat()
    return str(value)


def number_of(text: str, decimal: str = ".", thousands: str = "") -> float:
    """The number that a cell holds; NaN where it holds nothing, or nothing that can be read.

    Thousands must stand in threes: "12,34" is no number with the thousands separator ",".

    Example:
        >>> number_of("1.234,5", ",", "."), number_of("-45 %"), number_of("1,234"), number_of("1e999")
        (1234.5, -45.0, nan, nan)
        >>> number_of("-$5.5"), number_of("(1,200.00 €)", ".", ",")
        (-5.5, -1200.0)
    """
    if decimal != "." or thousands:
        text = _ungrouped(text, decimal, thousands)
    try:
        value = float(text)
    except ValueError:
        try:
            value = float(_bare(text))
        except ValueError:
            return math.nan
    return value if -LARGEST <= value <= LARGEST and "_" not in text else math.nan


def numbers_of(texts: Sequence[str], decimal: str = ".", thousands: str = "") -> NDArray[np.float64]:
    """`number_of` of many cells, faster where they are written as Python writes numbers.

    Example:
        >>> numbers_of(["1", "", "2.5 %"])
        array([1. , nan, 2.5])
    """
    if decimal == "." and not thousands and not any("_" in text for text in texts):
        try:
            values = np.fromiter(map(float, texts), np.float64, len(texts))
        except ValueError:
            pass
        else:
            values[~(np.abs(values) <= LARGEST)] = np.nan
            return values
    return np.fromiter((number_of(text, decimal, thousands) for text in texts), np.float64, len(texts))


def _ungrouped(text: str, decimal: str, thousands: str) -> str:
    """The same number as Python writes it; "" where it is none."""
    text = _bare(text)
    if not _grouped(decimal, thousands).fullmatch(text):
        return ""
    for sign in _SPACES if thousands == " " else thousands:
        text = text.replace(sign, "")
    return text.replace(decimal, ".")


def _bare(text: str) -> str:
    """A number without its unit: -$5 and ($5), as accountants write it, are -5."""
    text = text.strip(UNITS + _SPACES).replace("\u2212", "-")
    if text[:1] == "(" and text[-1] == ")" and text[1:2] not in ("-", "+"):
        text = f"-{text[1:-1]}"
    return text if text[:1] not in ("-", "+") else text[0] + text[1:].strip(UNITS + _SPACES)


@functools.cache
def _grouped(decimal: str, thousands: str) -> re.Pattern[str]:
    sign = f"[{_SPACES}]" if thousands == " " else re.escape(thousands)
    whole = rf"(?:[1-9]\d{{0,2}}(?:{sign}\d{{3}})+|\d+)" if thousands else r"\d+"
    point = re.escape(decimal)
    return re.compile(rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?")


def date_of(text: str, date_format: str = "") -> float:
    """The days since 1970 of a date, times as fractions; NaN where there is none, or none that can be read.

    Times without a zone count as UTC. ISO 8601 is understood whatever the format.

    Example:
        >>> date_of("1970-01-02T12:00"), date_of("03.01.1970", "%d.%m.%Y"), date_of("soon")
        (1.5, 2.0, nan)
        >>> date_of("3. Januar 1970", "%d. %b %Y"), date_of("Jan 3rd, 1970", "%b %d, %Y")
        (2.0, 2.0)
    """
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        if "%p" in date_format:
            text = _HALF_DAY.sub(lambda found: f"{found[2]} {_HALF_DAYS[found[1]]}", nfc(text))
        if "%b" in date_format:
            text, date_format = _numbered_month(text), date_format.replace("%b", "%m")
        try:
            moment = datetime.strptime(text, date_format or "%Y-%m-%d")
        except ValueError:
            return math.nan
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) / timedelta(days=1)


def _numbered_month(text: str) -> str:
    """The same date with its month as a number, whatever language the machine speaks; "" without a name."""
    text = re.sub(r"(?<=\d)(?:st|nd|rd|th|er)\b| de(?= )", "", nfc(text), flags=re.IGNORECASE)
    word = _WORD.search(text)
    month = MONTHS.get(word[1].casefold()) if word else None
    return f"{text[: word.start()]}{month}{text[word.end() :]}" if word and month else ""


def category_of(text: str, missing: tuple[str, ...] = ()) -> str | None:
    """The category that a cell names, None where it names none: NFC, without spaces around it.

    3.0 and 3 are one category, and so are true and True: libraries and JSON write them either way.

    Example:
        >>> [category_of(text) for text in (" red ", "00123", "3.0", "TRUE", "?")]
        ['red', '00123', '3', 'True', None]
    """
    if is_missing(text, missing):
        return None
    text = nfc(text.strip())
    if text.endswith(".0") and text[:-2].removeprefix("-").isdecimal():
        return text[:-2]
    return _BOOLEANS.get(text.lower(), text) if len(text) < 6 else text


def label_of(text: str, missing: tuple[str, ...] = ()) -> str | None:
    """The class that a cell of the target names, spelled as it stands there; None where it names none.

    Example:
        >>> label_of(" TRUE"), label_of("3.0"), label_of("")
        ('TRUE', '3.0', None)
    """
    return None if is_missing(text, missing) else nfc(text.strip())
