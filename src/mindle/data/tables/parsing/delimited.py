"""Delimited text (CSV and its relatives): its encoding, its separator, whether it has a header, its rows.

Nothing is guessed from a file's name. A file is read line by line, in memory that does not grow with it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mindle.data.tables.parsing.dialect import dialect_of, fits_width, line_for, rows_of, separator_of
from mindle.data.tables.parsing.opening import encoding_of, open_bytes, reading
from mindle.errors import DataError

_SAMPLE_LINES = 400
_SAMPLE_CHARACTERS = 1 << 20
_LONGEST = 1 << 27  # characters of a line or a cell: an open quote in a large file ends here


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a delimited file is written.

    Attributes:
        encoding: A codec's name, with the byte-order mark taken care of.
        separator: What stands between cells; " " for runs of spaces.
        header: How many lines name the columns.
        names: The names as they stand there (NFC, without spaces around them), "" where a column has none, or
            c1…cN without a header. The names of several lines are joined.
        width: How many cells most rows have, blank ones at their end aside.
        before: How many lines stand before the header, or before the rows: comments, a title, Excel's `sep=`.
        row_names: Whether the header lacks a name for the first column, which names the rows.
        aliases: Names in a header of several lines, and the joined name of the one column that has it.
        others: Further separators that would fit as well.
    """

    encoding: str
    separator: str
    header: int
    names: tuple[str, ...]
    width: int = 0
    before: int = 0
    row_names: bool = False
    aliases: tuple[tuple[str, str], ...] = ()
    others: tuple[str, ...] = ()


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
        separator: What stands between cells, where the file does not show it: a character, "tab" or "space".
        header: How many lines of header there are, where the file does not show it.

    Returns:
        Its layout.

    Raises:
        DataError: If the file cannot be read, is empty, or is no text.
        ValueError: If `separator` or `header` is none.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "cars.csv")
        ...     _ = file.write_text("name; price" + chr(10) + "a; 1,5", encoding="utf-8")
        ...     layout = layout_of(file)
        >>> layout.separator, layout.header, layout.names
        (';', 1, ('name', 'price'))
    """
    if header is not None and header < 0:
        raise ValueError(f"`header` must be a number of lines, 0 for none. Received header={header}.")
    said = separator_of(separator) if separator is not None else None
    encoding = encoding_of(file)
    found = dialect_of(_sample(file, encoding), known=known, separator=said, header=header)
    if found is None:
        raise DataError(f"A table must have rows. Received {str(file)!r}, which is empty. Check the file.")
    return Layout(
        encoding=encoding,
        separator=found.separator,
        header=found.header,
        names=found.names,
        width=found.width,
        before=found.before,
        row_names=found.row_names,
        aliases=found.aliases,
        others=found.others,
    )


def records(file: Path, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line of each row, and the row's cells; the header is left out.

    A line that holds nothing is no row, as in a data frame of the same file; one of separators, or of an
    empty pair of quotes, is a row whose cells are empty. Before the header neither is.

    Raises:
        DataError: If a quote is opened and never closed.
    """
    if csv.field_size_limit() < _LONGEST:
        csv.field_size_limit(_LONGEST)
    quotes = [0]  # in the lines of the row that is being read
    lines = _counted(_lines(file, layout.encoding, layout.before), layout.separator, quotes)
    reader = rows_of(lines, layout.separator)
    begun = start = layout.before + 1
    skip, is_open = layout.header, False
    try:
        for cells in reader:
            line = layout.before + reader.line_num
            is_open = quotes[0] % 2 == 1 and line > start
            filled = any(map(str.strip, cells))
            if not skip and (filled or len(cells) > 1 or quotes[0]):
                yield start, cells
            skip -= bool(skip and filled)
            begun, start, quotes[0] = start, line + 1, 0
    except csv.Error as error:
        raise _unclosed(file, start, str(error)) from error
    if is_open:
        raise _unclosed(file, begun, "it is open at the end of the file")


def _unclosed(file: Path, line: int, reason: str) -> DataError:
    return DataError(
        f"Every quote of a table must be closed. Received {str(file)!r}, where the row in line {line:,} "
        f"has one that is not ({reason}). Close it, or remove it."
    )


def _lines(file: Path, encoding: str, before: int = 0) -> Iterator[str]:
    """The lines of a file with their ends, from one on."""
    with reading(file), io.TextIOWrapper(open_bytes(file), encoding=encoding, newline="") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(_LONGEST), ""), start=1):
            if len(line) >= _LONGEST:
                raise DataError(
                    f"A line of a table must be shorter than {_LONGEST:,} characters. Received "
                    f"{str(file)!r}, where line {number:,} is longer. Check the file."
                )
            if number > before:
                yield line


def _counted(lines: Iterator[str], separator: str, quotes: list[int]) -> Iterator[str]:
    """The same lines for the CSV reader, their quotes counted."""
    for line in lines:
        quotes[0] += line.count('"')
        yield line_for(line, separator)


def _sample(file: Path, encoding: str) -> list[str]:
    lines: list[str] = []
    characters = 0
    for line in _lines(file, encoding):
        characters += len(line)
        lines.append(line)
        if len(lines) >= _SAMPLE_LINES or characters > _SAMPLE_CHARACTERS:
            break
    return lines


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
    return cells[:width] if fits_width(cells, width) else None
