"""Rows to answer: the columns that a model learned from, out of whatever holds them, in any order."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from mindle.data.common.findings import listed
from mindle.data.common.names import nfc
from mindle.data.tables.parsing.cells import text_of
from mindle.data.tables.parsing.columns import as_written, kind_of, parse_cells, row_name
from mindle.data.tables.parsing.delimited import layout_of, records, whole_row
from mindle.data.tables.parsing.mappings import mappings_of
from mindle.data.tables.parsing.opening import is_parquet
from mindle.data.tables.parsing.unreadable import Unreadable, read_cells, require_readable
from mindle.data.tables.sources import frame_in, is_frame, names_and_cells, unique_names
from mindle.errors import DataError
from mindle.records import Column

_ROLES = ("feature", "id", "target")
_ENOUGH = 20  # cells of the first rows of a long file that show that none can be read
_JSON_HELP = 'Rows in JSON look like [{"age": 22, "sex": "male"}], or one such object a line.'


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Some rows to answer, as columns of equal length.

    Attributes:
        rows_from: Where each row stands in its source, from 1, the header not counted.
        cells: Values of the feature columns, as in `Table.cells`.
        ids: Text of each id column, "" where the source lacks it.
        truth: Text of the target, where the source has it.
        reasons: Why a row has no answer, "" where it can be answered.
        written: What the source writes otherwise than training did, found in its first rows.
        unreadable: Cells that hold something, yet no number or date; their values are missing.
    """

    rows_from: tuple[int, ...]
    cells: Mapping[str, NDArray[Any]]
    ids: Mapping[str, tuple[str, ...]]
    truth: tuple[str, ...] | None
    reasons: tuple[str, ...]
    written: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()

    def __len__(self) -> int:
        return len(self.rows_from)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What answers call each row."""
        return tuple(map(row_name, self.rows_from))


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where rows come from: the names of their cells, and for each row its cells or why it has none."""

    name: str
    names: Sequence[str]
    rows: Iterator[Sequence[Any] | _NoRow]
    separator: str = ""


@dataclass(frozen=True, slots=True)
class _NoRow:
    reason: str
    cells: Sequence[Any] = ()  # what there is of it, so that it keeps its id


def read_rows(
    source: Any,
    columns: Sequence[Column],
    *,
    separator: str | None = None,
    header: int | None = None,
    trained_separator: str = "",
    chunk_rows: int = 8192,
) -> Iterator[Rows]:
    """Read the rows to answer, a chunk after the other, so that any number of them passes in flat memory.

    Columns may come in any order, and others are not looked at. Cells are read as those of training were; a
    source that writes numbers or dates otherwise throughout is read as its first chunk is written. A CSV file
    without a header is read by position, with or without the target.

    Args:
        source: A CSV or JSON file (or an open one, or its bytes), a data frame, a mapping of cells or columns
            by name, several mappings.
        columns: The columns of the table that the model learned from, all of them.
        separator: What stands between the cells of a file, where it does not show it.
        header: How many lines of header a file has, where it does not show it.
        trained_separator: What separated the cells of that table, "" where it is not known.
        chunk_rows: How many rows come at once.

    Returns:
        The chunks; none where there are no rows.

    Raises:
        DataError: If the source cannot be read, lacks columns that the model learned from, or holds nothing
            that can be read in one of them.

    Example:
        >>> columns = [Column(name="age", kind="number"), Column(name="who", kind="category", role="id")]
        >>> chunk = next(read_rows([{"who": "Ada", "age": "36"}, {"who": "Bob"}], columns))
        >>> chunk.cells["age"], chunk.ids["who"], chunk.reasons
        (array([36., nan]), ('Ada', 'Bob'), ('', "The row lacks 'age'."))
    """
    opened = _opened(source, columns, separator, header)
    if trained_separator and separator is None and opened.separator and _missing(opened, columns):
        trained = _opened(source, columns, trained_separator, header)
        opened = opened if _missing(trained, columns) else trained
    _refuse_missing(opened, columns)
    return _chunks(opened, columns, trained_separator, chunk_rows)


def _missing(source: _Source, columns: Sequence[Column]) -> list[str]:
    features = (column.name for column in columns if column.role == "feature")
    return [name for name in features if name not in source.names]


def _refuse_missing(source: _Source, columns: Sequence[Column]) -> None:
    missing = _missing(source, columns)
    if missing:
        separated = f", its cells separated by {source.separator!r}" if source.separator else ""
        raise DataError(
            f"Rows must have every column that the model learned from. Received {source.name}{separated}, "
            f"without {', '.join(missing)}. It has {listed(source.names) or 'no columns'}."
        )


def _chunks(
    source: _Source, columns: Sequence[Column], trained_separator: str, chunk_rows: int
) -> Iterator[Rows]:
    places = {name: place for place, name in enumerate(source.names)}
    wanted = [column for column in columns if column.name in places and column.role in _ROLES]
    features = [column for column in wanted if column.role == "feature"]
    target = next((column for column in wanted if column.role == "target"), None)
    blank, said = ("",) * len(source.names), tuple[str, ...]()
    read = {column.name: column for column in wanted}
    for start in itertools.count(0, chunk_rows):
        rows = list(itertools.islice(source.rows, chunk_rows))
        if not rows:
            return
        whole = [row.cells or blank if isinstance(row, _NoRow) else row for row in rows]
        cells = {column.name: [row[places[column.name]] for row in whole] for column in wanted}
        rows_from, absent = tuple(range(start + 1, start + 1 + len(rows))), ("",) * len(rows)
        if not start:
            found, said = as_written(
                cells, wanted, separator=source.separator, trained_separator=trained_separator
            )
            read = {column.name: column for column in found}
        values, odd = read_cells(cells, [read[column.name] for column in features], rows_from)
        if not start:
            is_whole = len(rows) < chunk_rows
            require_readable(
                (one for one in odd if is_whole or one.filled >= _ENOUGH), tuple(read.values()), source.name
            )
        yield Rows(
            rows_from=rows_from,
            cells=values,
            ids={
                column.name: tuple(text_of(cell).strip() for cell in cells.get(column.name, absent))
                for column in columns
                if column.role == "id"
            },
            truth=None if target is None else _as_trained(cells[target.name], read[target.name], target),
            reasons=tuple(row.reason if isinstance(row, _NoRow) else "" for row in rows),
            written=() if start else said,
            unreadable=odd,
        )


def _as_trained(cells: Sequence[Any], read: Column, trained: Column) -> tuple[str, ...]:
    """The text of each target as training wrote it."""
    spelled = kind_of(trained).spelled
    if read == trained:
        return tuple(spelled(cells, trained))
    numbers = parse_cells(spelled(cells, read), read).tolist()
    known = (cell if number != number else number for cell, number in zip(cells, numbers, strict=True))
    return tuple(spelled(list(known), trained))


# --------------------------------------------------------------------------------------------- sources


def _opened(source: Any, columns: Sequence[Column], separator: str | None, header: int | None) -> _Source:
    if isinstance(source, (str, os.PathLike)):
        place = Path(os.path.expanduser(source))
        if not place.is_file():
            raise DataError(f"Rows must come from a file. Received {os.fspath(source)!r}. Check the path.")
        if place.suffix.lower() in (".json", ".jsonl", ".ndjson"):
            return _from_mappings(_json_rows(place, columns), columns, repr(os.fspath(source)))
        if not is_parquet(place):
            return _from_csv(place, columns, separator, header)
        source = frame_in(place)
    content = None if is_frame(source) else _content(source)
    if content is not None:
        return _from_content(content, columns, separator, header)
    if is_frame(source):
        names, cells = names_and_cells(source)
        return _Source(name="a data frame", names=unique_names(names)[0], rows=zip(*cells, strict=True))
    return _from_mappings(mappings_of(_without_others(source, columns)), columns, "rows")


def _without_others(source: Any, columns: Sequence[Column]) -> Any:
    """A mapping that has all that a model learned from without the rest, of which nothing is asked."""
    if not isinstance(source, Mapping):
        return source
    known = {column.name for column in columns}
    found = {name: value for name, value in source.items() if nfc(str(name).strip()) in known}
    return found if len(found) >= sum(column.role == "feature" for column in columns) else source


def _content(source: Any) -> bytes | None:
    """What a program holds of a file, such as an upload; None where it is something else."""
    if hasattr(source, "read"):
        source = source.read()
    if isinstance(source, str):
        return source.encode()
    return bytes(source) if isinstance(source, bytes | bytearray | memoryview) else None


def _from_content(
    content: bytes, columns: Sequence[Column], separator: str | None, header: int | None
) -> _Source:
    suffix = ".json" if content.lstrip()[:1] in (b"[", b"{") else ".csv"
    with TemporaryDirectory() as folder:
        place = Path(folder, f"content{suffix}")
        place.write_bytes(content)
        found = _opened(place, columns, separator, header)
        return replace(found, name="the content of a file", rows=iter(list(found.rows)))


def _from_csv(place: Path, columns: Sequence[Column], separator: str | None, header: int | None) -> _Source:
    layout = layout_of(place, known=[column.name for column in columns], separator=separator, header=header)
    names, _ = unique_names(layout.names)
    if not layout.header:
        names = _by_position(columns, len(names)) or names
    rows = (
        whole_row(cells, len(names))
        or _NoRow(f"The row in line {line:,} has {len(cells)} cells instead of {len(names)}.")
        for line, cells in records(place, layout)
    )
    return _Source(name=repr(str(place)), names=names, rows=rows, separator=layout.separator)


def _by_position(columns: Sequence[Column], width: int) -> tuple[str, ...]:
    """The names of the cells of a file without a header: all columns, or all but the target."""
    for chosen in (columns, [column for column in columns if column.role != "target"]):
        if len(chosen) == width:
            return tuple(column.name for column in chosen)
    return ()


def _from_mappings(rows: Iterator[Any], columns: Sequence[Column], name: str) -> _Source:
    """Rows by column name; what all of the first ones lack, the source lacks."""
    some = list(itertools.islice(rows, 1000))
    wanted = [column for column in columns if column.role in ("feature", "id", "target")]
    keys = {nfc(str(key).strip()) for row in some if isinstance(row, Mapping) for key in row}
    required = {column.name for column in wanted if column.role == "feature"}
    known = [column.name for column in wanted if column.name in keys or not keys]
    names = known if required <= set(known) else sorted(keys)
    return _Source(name=name, names=names, rows=map(_cells_of(names, required), itertools.chain(some, rows)))


def _cells_of(names: Sequence[str], required: set[str]) -> Callable[[Any], Sequence[Any] | _NoRow]:
    def cells(row: Any) -> Sequence[Any] | _NoRow:
        if not isinstance(row, Mapping):
            shown = text_of(row)[:40]
            return _NoRow(f"The row must be an object of cells by column name. It is {shown!r}.")
        plain = {nfc(str(key).strip()): value for key, value in row.items()}
        found = [plain.get(name) for name in names]
        missing = sorted(required - plain.keys())
        return _NoRow(f"The row lacks {', '.join(map(repr, missing))}.", found) if missing else found

    return cells


def _json_line(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number}: {getattr(error, 'msg', error)}") from error


def _json_rows(place: Path, columns: Sequence[Column]) -> Iterator[Any]:
    """The rows of a JSON file: a list, a single object, or one object a line."""
    try:
        if place.suffix.lower() != ".json":
            with place.open(encoding="utf-8-sig") as stream:
                for number, line in enumerate(stream, start=1):
                    if line.strip():
                        yield _json_line(line, number)
            return
        content = json.loads(place.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"Rows must be readable JSON. Received {str(place)!r} ({error}). {_JSON_HELP}"
        ) from error
    yield from (
        mappings_of(_without_others(content, columns))
        if isinstance(content, dict)
        else (content if isinstance(content, list) else [content])
    )
