"""Delimited text (CSV and its relatives): its encoding, its separator, whether it has a header, its rows.

Nothing is guessed from a file's name. A file is read line by line, in memory that does not grow with it.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindle.data.folder import nfc
from mindle.data.tables.cells import NUMBER_FORMATS, date_of, is_missing, number_of
from mindle.errors import DataError

ENCODINGS = ("utf-8", "cp949", "cp1252")
"""Tried in this order where no byte-order mark says more; CP949 holds all of EUC-KR."""

SEPARATORS = ("\t", ";", "|", ",", " ")
"""The first that cuts nearly every line into equally many cells wins; a space stands for runs of them."""

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SAMPLE_LINES = 400
_SAMPLE_CHARACTERS = 1 << 20
_BLOCK_BYTES = 1 << 20
_LONGEST_CELL = 1 << 27  # an open quote in a large file ends here rather than in the memory
_AGREEING = 0.95
_TEXT_HELP = "Save it anew as CSV in UTF-8."


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a delimited file is written.

    Attributes:
        encoding: A codec's name, with the byte-order mark taken care of.
        separator: What stands between cells; " " for runs of spaces.
        header: Whether the first line names the columns.
        names: The names as they stand there (NFC, without spaces around them), or c1…cN.
    """

    encoding: str
    separator: str
    header: bool
    names: tuple[str, ...]


def layout_of(
    file: Path,
    *,
    known: Collection[str] = (),
    separator: str | None = None,
    header: int | None = None,
) -> Layout:
    """Find out how a file is written.

    The first line is a header where a number column has a text there, where its numbers count up by one and
    stand in no column below, or where all columns are texts and none of the first ones comes again below.

    Args:
        file: The file.
        known: Names of columns, one of which in the first line makes it a header.
        separator: What stands between cells, where the file does not show it.
        header: How many lines of header there are, where the file does not show it.

    Returns:
        Its layout.

    Raises:
        DataError: If the file cannot be read, is empty, or is no text.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "cars.csv")
        ...     _ = file.write_text("name; price" + chr(10) + "a; 1,5", encoding="utf-8")
        ...     layout = layout_of(file)
        >>> layout.separator, layout.header, layout.names
        (';', True, ('name', 'price'))
    """
    encoding = _encoding(file)
    lines = _sample(file, encoding)
    separator = separator or _separator(lines)
    rows = _cells(lines, separator)
    if not rows:
        raise DataError(f"A table must have rows. Received {str(file)!r}, which is empty. Check the file.")
    first = [nfc(cell.strip()) for cell in rows[0]]
    named = bool(set(known) & set(first)) or _is_header(first, rows[1:]) if header is None else header > 0
    width = _usual_width(rows)
    while named and len(first) > width and not first[-1]:  # the header ends in a separator, the rows do not
        first.pop()
    names = first if named else [f"c{position}" for position in range(1, width + 1)]
    return Layout(encoding=encoding, separator=separator, header=named, names=tuple(names))


def records(file: Path, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line of each row, and the row's cells; the header is left out.

    A line that holds nothing is no row, as in a data frame of the same file; one of separators, or of an
    empty pair of quotes, is a row whose cells are empty. Before the header neither is.

    Raises:
        DataError: If a quote is opened and never closed.
    """
    if csv.field_size_limit() < _LONGEST_CELL:
        csv.field_size_limit(_LONGEST_CELL)
    quotes = [0]  # in the lines of the row that is being read
    reader = _reader(_lines(file, layout, quotes), layout.separator)
    start, begun, skip, is_open = 1, 1, layout.header, False
    try:
        for cells in reader:
            is_open = quotes[0] % 2 == 1 and reader.line_num > start
            if any(map(str.strip, cells)):
                if not skip:
                    yield start, cells
                skip = False
            elif not skip and (len(cells) > 1 or quotes[0]):
                yield start, cells
            begun, start, quotes[0] = start, reader.line_num + 1, 0
    except csv.Error as error:
        raise _unclosed(file, start, str(error)) from error
    if is_open:
        raise _unclosed(file, begun, "it is open at the end of the file")


def _unclosed(file: Path, line: int, reason: str) -> DataError:
    return DataError(
        f"Every quote of a table must be closed. Received {str(file)!r}, where the row in line {line:,} "
        f"has one that is not ({reason}). Close it, or remove it."
    )


def _lines(file: Path, layout: Layout, quotes: list[int]) -> Iterator[str]:
    """The lines of a file without NUL characters, their quotes counted."""
    with file.open(encoding=layout.encoding, newline="") as stream:
        for line in stream:
            quotes[0] += line.count('"')
            line = line.replace("\0", "")
            yield f"{line.strip()}\n" if layout.separator == " " else line


def _reader(lines: Iterable[str], separator: str) -> Any:
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def whole_row(cells: list[str], width: int) -> list[str] | None:
    """The cells of a row of a table of some columns, None where it has fewer or more that hold something.

    A row that holds nothing has the right length whatever its separators.

    Example:
        >>> whole_row(["1", "2", ""], 2), whole_row(["1"], 2), whole_row(["", ""], 3)
        (['1', '2'], None, ['', '', ''])
    """
    if len(cells) == width:
        return cells
    if not any(map(str.strip, cells)):
        return [""] * width
    return None if len(cells) < width or any(map(str.strip, cells[width:])) else cells[:width]


# -------------------------------------------------------------------------------------------- encoding


def _encoding(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            start = stream.read(_BLOCK_BYTES)
        for mark, encoding in _MARKS:
            if start.startswith(mark):
                return encoding
        for encoding in (_wide(start), *ENCODINGS):
            if encoding and _decodes(file, encoding):
                return encoding
    except OSError as error:
        raise DataError(
            f"A table must be readable. Received {str(file)!r} ({error.strerror}). Check its permissions."
        ) from error
    raise _no_text(file, start)


def _wide(start: bytes) -> str:
    """UTF-16 without a mark: in Latin text every other byte is 0."""
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if 4 * start[offset::2].count(0) > len(start) > 1 and not start[1 - offset :: 2].count(0):
            return encoding
    return ""


def _decodes(file: Path, encoding: str) -> bool:
    """Whether all of a file is text in an encoding, and whether it looks so where nearly any bytes are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with file.open("rb") as stream:
        while True:
            block = stream.read(_BLOCK_BYTES)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError:
                return False
            if encoding in _LENIENT and any(control in text for control in _CONTROLS):
                return False
            if not block:
                return True


_LENIENT = ("cp949", "cp1252")
_CONTROLS = [chr(code) for code in (*range(9), *range(14, 26))]


def _no_text(file: Path, start: bytes) -> DataError:
    if start.startswith(b"PK\3\4"):
        return DataError(
            f"A table must be text. Received {str(file)!r}, which is an Excel workbook or another archive. "
            "Save the sheet as CSV in UTF-8."
        )
    return DataError(
        f"A table must be text in UTF-8, UTF-16, CP949 or CP1252. Received {str(file)!r} with other content. "
        f"{_TEXT_HELP}"
    )


# ------------------------------------------------------------------------------------ separator, header


def _sample(file: Path, encoding: str) -> list[str]:
    lines: list[str] = []
    characters = 0
    for line in _lines(file, Layout(encoding=encoding, separator=",", header=False, names=()), [0]):
        characters += len(line)
        lines.append(line)
        if len(lines) >= _SAMPLE_LINES or characters > _SAMPLE_CHARACTERS:
            break
    return lines


def _cells(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The rows of some lines; a last one that the end of the sample cuts does no harm."""
    stripped = [f"{line.strip()}\n" for line in lines] if separator == " " else lines
    try:
        rows = list(itertools.islice(_reader(stripped, separator), len(lines)))
    except csv.Error:
        return []
    return [row for row in rows if any(cell.strip() for cell in row)]


def _separator(lines: Sequence[str]) -> str:
    best, agreeing = ",", 0.0
    for separator in SEPARATORS:
        rows = _cells(lines, separator)
        width = _usual_width(rows)
        if width < 2 or abs(len(rows[0]) - width) > 1:  # a header may lack the name of an index
            continue
        share = sum(len(row) == width for row in rows) / len(rows)
        if share >= _AGREEING:
            return separator
        if share > agreeing and separator != " ":
            best, agreeing = separator, share
    return best


def _usual_width(rows: Sequence[Sequence[str]]) -> int:
    return Counter(map(len, rows)).most_common(1)[0][0] if rows else 0


def is_number(text: str) -> bool:
    """Whether a cell is a number in any way of writing.

    Example:
        >>> is_number("1.234,5"), is_number("12b")
        (True, False)
    """
    return any(not math.isnan(number_of(text, *written)) for written in NUMBER_FORMATS)


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    numbers = [cell for cell in first if is_number(cell) or not math.isnan(date_of(cell))]
    if not below:
        return not numbers
    columns = [
        [row[position] for row in below if position < len(row) and not is_missing(row[position])]
        for position in range(len(first))
    ]
    again = [cell for cell, column in zip(first, columns, strict=True) if cell in map(str.strip, column)]
    if len(numbers) == len(first):
        values = [number_of(cell) for cell in first]
        return len(first) > 2 and not again and values == [values[0] + step for step in range(len(first))]
    named = [
        cell
        for cell, column in zip(first, columns, strict=True)
        if column and not is_missing(cell) and not is_number(cell) and _mostly_numbers(column)
    ]
    if named:
        return not numbers or (len(set(first)) == len(first) and all(map(str.isdecimal, numbers)))
    return not numbers and not again


def _mostly_numbers(column: Sequence[str]) -> bool:
    return sum(map(is_number, column)) >= 0.9 * len(column)
