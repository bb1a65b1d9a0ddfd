"""Files of delimited text (CSV and its relatives): how each is written, what of it was assumed, its rows.

Nothing is guessed from a file's name. A file is read line by line, in memory that does not grow with it.
"""

from __future__ import annotations

import csv
import functools
import io
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mindle.data.common.findings import finding
from mindle.data.common.names import all_of, count_of, name_of
from mindle.data.tables.parsing.dialect import (
    Layout,
    dialect_of,
    fits_width,
    line_for,
    rows_of,
    separator_of,
    spelled,
)
from mindle.data.tables.parsing.opening import encoding_of, open_bytes, reading
from mindle.errors import DataError
from mindle.messages import Message, message
from mindle.records import Finding

_SAMPLE_LINES = 400
_SAMPLE_CHARACTERS = 1 << 20
_LONGEST = 1 << 27  # characters of a line or a cell: an open quote in a large file ends here
_SETTLED = 1_000_000_000  # nanoseconds after which clocks of disks distinguish two states of a file
_USUAL = (",", ";", "\t")


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
    asked = separator_of(separator) if separator is not None else None
    with reading(file):
        stat = file.stat()
    # What is being written may change unseen.
    begin = _beginning if time.time_ns() - stat.st_mtime_ns > _SETTLED else _beginning.__wrapped__
    encoding, lines = begin(file, (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    found = dialect_of(lines, known=known, separator=asked, header=header)
    if found is None:
        raise DataError(f"A table must have rows. Received {str(file)!r}, which is empty. Check the file.")
    return replace(found, encoding=encoding)


@functools.lru_cache(maxsize=8)
def _beginning(file: Path, identity: tuple[int, ...]) -> tuple[str, tuple[str, ...]]:
    """Encoding and first lines of a file, once for all that ask while it stays as it is."""
    encoding = encoding_of(file)
    lines: list[str] = []
    characters = 0
    for line in _lines(file, encoding):
        characters += len(line)
        lines.append(line)
        if len(lines) >= _SAMPLE_LINES or characters > _SAMPLE_CHARACTERS:
            break
    return encoding, tuple(lines)


# --------------------------------------------------------------------------------------------- rows


def records(file: Path, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line of each row, and the row's cells, without the header.

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


def require_whole_rows(source: str, layout: Layout, cells: Sequence[int], rows: int) -> None:
    """Refuse a table most of whose rows have another number of cells than there are columns.

    Args:
        source: What the user typed.
        layout: How the file was read.
        cells: How many cells each row of another length has.
        rows: How many rows there are.

    Raises:
        DataError: With the likely cause.
    """
    width = len(layout.names)
    must = f"A table must have rows with a cell for each of its {width} columns. Received {source!r}"
    if not rows:
        raise DataError(f"{must} with only a header. Check the file, or name its columns with `columns`.")
    if 2 * len(cells) <= rows:
        return
    usual = Counter(cells).most_common(1)[0][0]
    cause = (
        "The likely cause are numbers with decimal commas, which the commas between cells cut in two: write "
        "the file with another separator, or with decimal points."
        if layout.separator == "," and usual > width
        else "Say what separates cells with --separator, how many lines of header there are with --header, "
        f"or name the {max(usual, width)} columns with --columns."
    )
    raise DataError(
        f"{must}, where {len(cells):,} of {count_of(rows, 'row', 'rows')} have another number of cells, "
        f"mostly {usual}. {layout.description} {cause}"
    )


# ------------------------------------------------------------------------------------- assumptions


def layout_findings(
    place: Path, layout: Layout, *, settled: bool, separated: bool = False
) -> Iterator[Finding]:
    """What was assumed about how a file is written, where it is not plain.

    Args:
        place: The file.
        layout: What was found out.
        settled: Whether the user said how many lines of header there are, or named the columns.
        separated: Whether the user said what stands between cells.
    """
    name = name_of(place.name)
    if not layout.encoding.startswith("utf-8"):
        codec = layout.encoding.upper()
        sentence = message("tables.layout.encoding", name=name, codec=codec)
        yield finding("encoding", [name], sentence, action=f"read as {codec}")
    assumed = list(_assumed(layout, settled, separated))
    if assumed:
        said = all_of(assumed, "tables.layout.and-that")
        yield finding("layout", [name], message("tables.layout.assumed", name=name, assumed=said))
    if layout.header > 1 and not settled:
        first = next((joined for _, joined in layout.aliases), layout.names[0])
        sentence = message("tables.layout.header-lines", name=name, n=layout.header, first=first)
        yield finding("header-lines", [name], sentence)


def _assumed(layout: Layout, settled: bool, separated: bool) -> Iterator[Message]:
    if not separated and (layout.separator not in _USUAL or layout.others):
        rather = "-rather" if layout.others else ""
        others = all_of(list(map(spelled, layout.others)), "data.list.or") if layout.others else ""
        yield message(f"tables.layout.separator{rather}", sign=spelled(layout.separator), others=others)
    if layout.before:
        yield message("tables.layout.before", n=layout.before)
    if not layout.header and not settled:
        yield message("tables.layout.no-header")
