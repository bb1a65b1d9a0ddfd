"""How the lines of a text are cut into cells: the separator, what stands before the table, and its header.

A separator is right where the header and nearly every line have equally many cells, quotes respected, and
where cells so cut are numbers, dates and plain texts rather than pieces of them.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from mindle.data.common.names import nfc
from mindle.data.tables.parsing.cells import NUMBER_FORMATS, date_of, is_missing, number_of
from mindle.messages import message

SEPARATORS = ("\t", ";", ",", "|", " ")
"""Those that are tried; of two that fit equally well the first wins. A space stands for runs of them."""

SPELLED = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
"""Names of separators that are hard to type."""

_AGREEING = 0.95
_COMPARED_CELLS = 4000  # cells of a sample by which separators are compared
_HEADER_CELLS = 50_000  # cells of a sample by which a header is found
_MOST_BEFORE = 20  # rows of another length that may stand before a table, such as its title
MOST_HEADER_LINES = 4
_SEP_LINE = re.compile(r'"?sep=([^\w"\r\n\0])\1*"?\s*', re.IGNORECASE)
_YEARS = (1800, 2100)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How delimited text is written.

    Attributes:
        separator: What stands between cells; " " for runs of spaces.
        header: How many lines name the columns.
        names: The names as they stand there (NFC, without spaces around them), "" where a column has none, or
            c1…cN without a header. The names of several lines are joined.
        width: How many cells most rows have, blank ones at their end aside.
        before: How many lines stand before the header, or before the rows: comments, a title, Excel's `sep=`.
        row_names: Whether the header lacks a name for the first column, which names the rows, as R writes it.
        aliases: Names that one line of a header of several gives to one column alone, and the joined names.
        others: Further separators that would fit as well.
        encoding: Of the file, a codec's name, with the byte-order mark taken care of.
    """

    separator: str
    header: int
    names: tuple[str, ...]
    width: int = 0
    before: int = 0
    row_names: bool = False
    aliases: tuple[tuple[str, str], ...] = ()
    others: tuple[str, ...] = ()
    encoding: str = "utf-8"

    @property
    def description(self) -> str:
        """How the cells were found, as errors about the columns say it.

        Example:
            >>> Layout(separator=";", header=1, names=("a",)).description
            "Cells were separated by ';'."
        """
        return f"Cells were separated by {spelled(self.separator)}."


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """A sample of lines as a separator cuts them.

    Attributes:
        separator: What cuts.
        rows: The rows that hold something, from the table's first on.
        before: How many lines stand before the first.
        width: How many columns there are, less those at the end that nothing names or fills.
        row_names: Whether the first row is one cell shorter because rows have names.
        agreeing: Share of the rows that have a cell for each column.
        fits: Whether the first row goes with the others.
    """

    separator: str
    rows: list[list[str]]
    before: int
    width: int = 0
    row_names: bool = False
    agreeing: float = 0.0
    fits: bool = False


def separator_of(typed: str) -> str:
    r"""The separator that a user means.

    Raises:
        ValueError: If it is no single character and no word for one.

    Example:
        >>> separator_of("tab"), separator_of("\\t"), separator_of(";")
        ('\t', '\t', ';')
    """
    separator = SPELLED.get(typed.lower(), typed)
    if len(separator) != 1 or separator in '"\r\n\0':
        raise ValueError(
            f"`separator` must be one character, or one of {', '.join(SPELLED)}. Received "
            f"separator={typed!r}."
        )
    return separator


def spelled(separator: str) -> str:
    r"""A separator as sentences name it.

    Example:
        >>> spelled(";"), spelled("\t")
        ("';'", 'tabs')
    """
    names = {"\t": "tabs", " ": "spaces"}
    return message(f"tables.layout.{names[separator]}") if separator in names else repr(separator)


def dialect_of(
    lines: Sequence[str],
    *,
    known: Collection[str] = (),
    separator: str | None = None,
    header: int | None = None,
) -> Layout | None:
    r"""Infer how some lines of a text are cut into a table; None where none of them holds anything.

    Args:
        lines: The first lines, with their ends.
        known: Names of columns, one of which in the first row makes it a header.
        separator: What stands between cells, where it is said.
        header: How many lines of header there are, where it is said.

    Example:
        >>> found = dialect_of(["name;price\n", "a;1,5\n", "b;2,5\n"])
        >>> found.separator, found.header, found.names
        (';', 1, ('name', 'price'))
    """
    declared = next(iter(lines), "")
    said = _SEP_LINE.fullmatch(declared)
    skipped = 1 if said else 0
    comments = _comments(lines[skipped:])
    start = skipped + comments
    chosen = separator or (said[1] if said else None)
    cuts = [_cut(lines, start, each, known, header) for each in ([chosen] if chosen else SEPARATORS)]
    if not any(cut.rows for cut in cuts):
        return None
    best, others = _best(cuts)
    if comments:
        best = _named_by_comment(best, lines[start - 1], start - 1, known)
    return _dialect(best, known, header, others)


def rows_of(lines: Iterable[str], separator: str) -> Any:
    """A CSV reader over lines; quotes hold separators, and spaces after a separator are passed over."""
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def line_for(line: str, separator: str) -> str:
    """A line as the CSV reader should see it: without NULs, and without spaces around it for runs of them."""
    line = line.replace("\0", "")
    return f"{line.strip()}\n" if separator == " " else line


# ----------------------------------------------------------------------------------------- separators


def _comments(lines: Sequence[str]) -> int:
    """How many lines at the beginning are comments; none where all are."""
    count = next((place for place, line in enumerate(lines) if line.strip()[:1] not in ("#", "")), 0)
    return count if any(line.strip() for line in lines[:count]) else 0


def _cut(
    lines: Sequence[str], start: int, separator: str, known: Collection[str], header: int | None
) -> _Cut:
    rows, places = _rows(lines[start:], separator)
    if not rows:
        return _Cut(separator=separator, rows=[], before=start)
    whole = _measured(_Cut(separator=separator, rows=rows, before=start), header)
    if header == 0 or _knows(rows[0], known) or (whole.fits and (header or not _is_title(rows))):
        return whole
    for top in range(1, min(_MOST_BEFORE, len(rows) - 2)):  # a title, or notes, may stand before the table
        below = _measured(_Cut(separator=separator, rows=rows[top:], before=start + places[top]), header)
        short = all(2 * _filled(row) <= max(below.width, 2) for row in rows[:top])
        if not short:
            break
        if (
            below.width > 1
            and below.fits
            and not below.row_names
            and (header or _names(below.rows[0], _number_places(below.rows[1:]), blanks=False))
        ):
            return below
    return whole


def _is_title(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds one cell, and the next one a cell for each of several columns."""
    below = rows[1] if len(rows) > 1 else []
    return _filled(rows[0]) == 1 and len(below) > 2 and all(map(str.strip, below))


def _rows(lines: Sequence[str], separator: str) -> tuple[list[list[str]], list[int]]:
    """The rows of some lines that hold something, and how many lines stand before each.

    A last one that the end of the sample cuts does no harm.
    """
    reader = rows_of((line_for(line, separator) for line in lines), separator)
    rows, places, place = [], [], 0
    try:
        for row in reader:
            if any(map(str.strip, row)):
                rows.append(row)
                places.append(place)
            place = reader.line_num
    except csv.Error:
        pass
    return rows, places


def _filled(row: Sequence[str]) -> int:
    """How many cells a row has, less the blank ones at its end."""
    return next((place for place in range(len(row), 0, -1) if row[place - 1].strip()), 0)


def _measured(cut: _Cut, header: int | None) -> _Cut:
    """The same cut with its width, and whether its first row goes with the others."""
    first, body = cut.rows[0], cut.rows[1:] or cut.rows
    usual = Counter(map(len, body)).most_common(1)[0][0]
    filled = max(_filled(row) for row in body if len(row) == usual)
    named = _filled(first)
    fits = filled <= len(first) and named <= usual
    row_names = (
        not fits
        and header in (None, 1)
        and 2 <= named == filled - 1
        and _is_header(first, [row[1:] for row in body])
        and len({row[0] for row in body}) == len(body)
        and not _may_be_cut(cut.separator, [row[0].strip() for row in body])
    )
    width = max(filled, named if fits else 0)
    agreeing = sum(fits_width(row, width) for row in body) / len(body)
    return replace(cut, width=width, row_names=row_names, agreeing=agreeing, fits=fits or row_names)


def _may_be_cut(separator: str, first: Sequence[str]) -> bool:
    """Whether first cells may be whole parts of numbers with decimal commas, rather than names of rows."""
    counted = ([str(number + start) for number in range(len(first))] for start in (0, 1))
    whole = all(cell.lstrip("+-").isdecimal() for cell in first)
    return separator == "," and whole and list(first) not in counted


def fits_width(row: Sequence[str], width: int) -> bool:
    """Whether a row has a cell for each of some columns, and nothing behind them.

    Example:
        >>> fits_width(["1", "2", ""], 2), fits_width(["1"], 2)
        (True, False)
    """
    return len(row) >= width >= _filled(row)


def _best(cuts: Sequence[_Cut]) -> tuple[_Cut, tuple[str, ...]]:
    """The cut that fits best, and the separators of others that fit too."""
    fitting = [cut for cut in cuts if cut.width > 1 and cut.fits and cut.agreeing >= _AGREEING]
    # What needs no title to be passed over comes first.
    least = min((cut.before for cut in fitting), default=0)
    fitting = [cut for cut in fitting if cut.before == least]
    if fitting:
        best = max(fitting, key=_plainness)
        return best, tuple(cut.separator for cut in fitting if cut is not best and cut.separator != " ")
    several = [cut for cut in cuts if cut.rows and len(cut.rows[0]) > 1 and cut.separator != " "]
    if several:
        return max(several, key=lambda cut: cut.agreeing), ()
    return next((cut for cut in cuts if cut.separator == "," and cut.rows), cuts[0]), ()


def _plainness(cut: _Cut) -> float:
    """How far the cells look like whole ones: numbers and dates count twice, pieces of cells not at all."""
    cells = [cell for row in cut.rows[: max(2, _COMPARED_CELLS // cut.width)] for cell in row[: cut.width]]
    return sum(map(_worth, cells)) / len(cells)


def _worth(cell: str) -> int:
    if is_missing(cell) or is_number(cell) or not math.isnan(date_of(cell)):
        return 2
    plain = re.sub(r"[,;] ", " ", cell)  # as sentences have them
    pieces = any(sign in plain for sign in '\t;,|"')
    numbers = " " in cell.strip() and all(map(is_number, cell.split()))
    return 0 if pieces or numbers else 1


# -------------------------------------------------------------------------------------------- headers


@lru_cache(1 << 14)  # the same cells are asked about for each separator, and each line of header there may be
def is_number(text: str) -> bool:
    """Whether a cell is a number in any way of writing.

    Example:
        >>> is_number("1.234,5"), is_number("12b")
        (True, False)
    """
    return any(not math.isnan(number_of(text, *written)) for written in NUMBER_FORMATS)


def _named_by_comment(cut: _Cut, line: str, before: int, known: Collection[str]) -> _Cut:
    """The same cut with a last comment as its header where it names the columns and nothing else does."""
    if not cut.fits or _header_lines(cut, known):
        return cut
    row = next(rows_of([line_for(line, cut.separator)], cut.separator), []) or [""]
    row = row[1:] if row[0].strip() == "#" and len(row) == cut.width + 1 else row
    row = [re.sub(r"^\s*#\s+", "", cell) if place == 0 else cell for place, cell in enumerate(row)]
    if len(row) != cut.width or not _is_header([cell.strip() for cell in row], cut.rows):
        return cut
    return replace(cut, rows=[row, *cut.rows], before=before)


def _header_lines(cut: _Cut, known: Collection[str]) -> int:
    """How many rows name the columns: the first, and further ones that have texts above numbers."""
    rows = cut.rows[: max(8, _HEADER_CELLS // max(cut.width, 1))]
    if cut.row_names:
        return 1
    for last in range(MOST_HEADER_LINES - 1, 0, -1):
        if _is_further(rows, last):
            return last + 1 + (_is_index_name(rows, last + 1))
    return int(_knows(rows[0], known) or _is_header(rows[0], rows[1:]))


def _knows(row: Sequence[str], known: Collection[str]) -> bool:
    """Whether a row holds a name that is known."""
    return not {nfc(cell.strip()) for cell in row}.isdisjoint(known)


def _number_places(rows: Sequence[Sequence[str]]) -> list[int]:
    width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
    columns = ([row[place] for row in rows if place < len(row)] for place in range(width))
    filled = ([cell for cell in column if not is_missing(cell)] for column in columns)
    return [place for place, column in enumerate(filled) if column and _mostly_numbers(column)]


def _is_further(rows: Sequence[Sequence[str]], last: int) -> bool:
    """Whether the row at a place is the last of several lines of header.

    It has texts above all columns of numbers, or blanks above some, and so have those before it.
    """
    if len(rows) < last + 3:
        return False
    above, row = rows[:last], rows[last]
    places = [place for place in _number_places(rows[last + 1 :]) if place < len(row)]
    cells = [row[place].strip() for place in places]
    texts = [cell for cell in cells if not is_missing(cell)]
    if not texts or any(cell and is_missing(cell) for cell in cells) or any(map(_is_value, texts)):
        return False
    if not all(_names(line, places, blanks=True) for line in above):
        return False
    repeated = any(cell.strip() and cell.strip() in map(str.strip, above[-1]) for cell in row)
    return (len(texts) > 1 and 2 * len(texts) >= len(cells)) or repeated


def _names(line: Sequence[str], places: Sequence[int], *, blanks: bool) -> bool:
    """Whether a row has no values above columns of numbers; years may name columns, and perhaps blanks."""
    cells = [line[place].strip() for place in places if place < len(line)]
    values = (_is_value(cell) and not _is_year(cell) or (is_missing(cell) and not blanks) for cell in cells)
    return bool(cells) and not any(values)


def _is_year(cell: str) -> bool:
    return cell.isdecimal() and _YEARS[0] <= int(cell) <= _YEARS[1]


def _is_index_name(rows: Sequence[Sequence[str]], place: int) -> bool:
    """Whether a row names the index of a data frame with several lines of header, and nothing else."""
    if place >= len(rows) - 1:
        return False
    row = [cell.strip() for cell in rows[place]]
    return bool(row[0]) and not _is_value(row[0]) and not any(row[1:]) and len(row) > 1


def _is_value(cell: str) -> bool:
    return is_number(cell) or not math.isnan(date_of(cell))


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    first = [cell.strip() for cell in first]
    numbers = [cell for cell in first if _is_value(cell)]
    if not below:
        return not numbers
    below = below[: max(8, _HEADER_CELLS // max(len(first), 1))]
    columns = [
        [row[position] for row in below if position < len(row) and not is_missing(row[position])]
        for position in range(len(first))
    ]
    again = [cell for cell, column in zip(first, columns, strict=True) if cell in map(str.strip, column)]
    if len(numbers) == len(first):
        return len(first) > 2 and not again and _counts_up(first)
    if not first[0] and _counts_up(first[1:]):  # a data frame without names, written with its index
        return not again or _tells_apart(columns[0], len(below))
    named = [
        cell
        for cell, column in zip(first, columns, strict=True)
        if column and not is_missing(cell) and not is_number(cell) and _mostly_numbers(column)
    ]
    if named:
        return not numbers or (len(set(first)) == len(first) and all(map(str.isdecimal, numbers)))
    return not again and (not numbers or _are_years(numbers))


def _are_years(cells: Sequence[str]) -> bool:
    """Whether some numbers are years one after the other, as columns beside those of texts may be called."""
    values = [int(cell) for cell in cells if _is_year(cell)]
    ordered = values in (sorted(set(values)), sorted(set(values), reverse=True))
    return len(cells) == len(values) > 1 and ordered


def _counts_up(cells: Sequence[str]) -> bool:
    values = [number_of(cell) for cell in cells]
    return bool(values) and values == [values[0] + step for step in range(len(values))]


def _tells_apart(column: Sequence[str], rows: int) -> bool:
    """Whether whole numbers stand in every row, each once."""
    plain = [cell.strip() for cell in column]
    return len(set(plain)) == rows and all(cell.isdecimal() for cell in plain)


def _mostly_numbers(column: Sequence[str]) -> bool:
    return sum(map(is_number, column)) >= 0.9 * len(column)


def _dialect(cut: _Cut, known: Collection[str], header: int | None, others: tuple[str, ...]) -> Layout:
    lines = _header_lines(cut, known) if header is None else header
    above = [[nfc(cell.strip()) for cell in row] for row in cut.rows[:lines]]
    names = list(_joined(above)) if above else []
    if cut.row_names and lines == 1:
        names = ["", *names]
    while len(names) > cut.width and not names[-1]:  # the header ends in a separator, the rows do not
        names.pop()
    if not names:
        names = [f"c{position}" for position in range(1, cut.width + 1)]
    elif cut.fits:
        names += [""] * (cut.width - len(names))
    return Layout(
        separator=cut.separator,
        before=cut.before,
        header=lines,
        row_names=cut.row_names and lines == 1,
        names=tuple(names),
        width=cut.width,
        aliases=tuple(_aliases(above, names)) if lines > 1 else (),
        others=others,
    )


def _joined(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """The name of each column: what the lines of a header say of it, each word once.

    A cell of an upper line stands for the blank ones to its right, as a merged cell of a sheet is saved.
    """
    width = max(map(len, lines))
    padded = [[*line, *[""] * (width - len(line))] for line in lines]
    for upper, lower in reversed(list(zip(padded[:-1], padded[1:], strict=True))):
        for place in range(1, width):
            if not upper[place] and lower[place]:
                upper[place] = upper[place - 1]
    for texts in zip(*padded, strict=True):
        yield " ".join(dict.fromkeys(filter(None, texts)))


def _aliases(lines: Sequence[Sequence[str]], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        counts = Counter(line)
        for cell, name in zip(line, names, strict=False):
            if cell and counts[cell] == 1 and cell not in names:
                yield cell, name
