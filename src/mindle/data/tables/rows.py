"""Rows to answer: the columns that a model learned from, out of whatever holds them, in any order."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mindle.data.folder import nfc
from mindle.data.tables.cells import text_of
from mindle.data.tables.columns import parse_cells
from mindle.data.tables.delimited import layout_of, records, whole_row
from mindle.data.tables.reader import frame_texts, is_frame, listed, row_name, unique_names
from mindle.errors import DataError
from mindle.records import Column

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
    """

    rows_from: tuple[int, ...]
    cells: Mapping[str, NDArray[Any]]
    ids: Mapping[str, tuple[str, ...]]
    truth: tuple[str, ...] | None
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows_from)

    @property
    def names(self) -> tuple[str, ...]:
        """What answers call each row."""
        return tuple(map(row_name, self.rows_from))


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where rows come from: the names of their cells, and for each row its cells or why it has none."""

    name: str
    names: Sequence[str]
    rows: Iterator[Sequence[str] | _Unreadable]


@dataclass(frozen=True, slots=True)
class _Unreadable:
    reason: str
    cells: Sequence[str] = ()  # what there is of it, so that it keeps its id


def read_rows(source: Any, columns: Sequence[Column], *, chunk_rows: int = 8192) -> Iterator[Rows]:
    """Read the rows to answer, a chunk after the other, so that any number of them passes in flat memory.

    Columns may come in any order, and others are not looked at. Cells are read as those of training were. A
    CSV file without a header is read by position, with or without the target.

    Args:
        source: A CSV or JSON file, a data frame, a mapping by column name, or several mappings.
        columns: The columns of the table that the model learned from, all of them.
        chunk_rows: How many rows come at once.

    Returns:
        The chunks; none where there are no rows.

    Raises:
        DataError: If the source cannot be read, or lacks columns that the model learned from.

    Example:
        >>> columns = [Column(name="age", kind="number"), Column(name="who", kind="category", role="id")]
        >>> chunk = next(read_rows([{"who": "Ada", "age": "36"}, {"who": "Bob"}], columns))
        >>> chunk.cells["age"], chunk.ids["who"], chunk.reasons
        (array([36., nan]), ('Ada', 'Bob'), ('', "The row lacks 'age'."))
    """
    opened = _opened(source, columns)
    _refuse_missing(opened, columns)
    return _chunks(opened, columns, chunk_rows)


def _refuse_missing(source: _Source, columns: Sequence[Column]) -> None:
    missing = [
        column.name for column in columns if column.role == "feature" and column.name not in source.names
    ]
    if missing:
        raise DataError(
            f"Rows must have every column that the model learned from. Received {source.name} without "
            f"{', '.join(missing)}. It has {listed(source.names) or 'no columns'}."
        )


def _chunks(source: _Source, columns: Sequence[Column], chunk_rows: int) -> Iterator[Rows]:
    places = {name: place for place, name in enumerate(source.names)}
    blank = ("",) * len(source.names)
    for start in itertools.count(0, chunk_rows):
        rows = list(itertools.islice(source.rows, chunk_rows))
        if not rows:
            return
        whole = [row.cells or blank if isinstance(row, _Unreadable) else row for row in rows]
        texts = {
            column.name: [row[places[column.name]] for row in whole]
            for column in columns
            if column.name in places and column.role in ("feature", "id", "target")
        }
        absent = ("",) * len(rows)
        target = next((column.name for column in columns if column.role == "target"), None)
        yield Rows(
            rows_from=tuple(range(start + 1, start + 1 + len(rows))),
            cells={
                column.name: parse_cells(texts[column.name], column)
                for column in columns
                if column.role == "feature"
            },
            ids={
                column.name: tuple(text.strip() for text in texts.get(column.name, absent))
                for column in columns
                if column.role == "id"
            },
            truth=tuple(texts[target]) if target in texts else None,
            reasons=tuple(row.reason if isinstance(row, _Unreadable) else "" for row in rows),
        )


# --------------------------------------------------------------------------------------------- sources


def _opened(source: Any, columns: Sequence[Column]) -> _Source:
    if isinstance(source, (str, os.PathLike)):
        place = Path(os.path.expanduser(source))
        if not place.is_file():
            raise DataError(f"Rows must come from a file. Received {os.fspath(source)!r}. Check the path.")
        if place.suffix.lower() in (".json", ".jsonl", ".ndjson"):
            return _from_mappings(_json_rows(place), columns, repr(os.fspath(source)))
        return _from_csv(place, columns)
    if is_frame(source):
        names, _ = unique_names([str(name) for name in source.columns])
        rows = zip(*(frame_texts(source, place) for place in range(len(names))), strict=True)
        return _Source(name="a data frame", names=names, rows=iter(rows))
    if isinstance(source, Mapping):
        source = [source]
    if not isinstance(source, Iterable):
        raise TypeError(
            f"Rows must be a file, a data frame or mappings by column name. Received {type(source).__name__}."
        )
    return _from_mappings(iter(source), columns, "rows")


def _from_csv(place: Path, columns: Sequence[Column]) -> _Source:
    layout = layout_of(place, known=[column.name for column in columns])
    names, _ = unique_names(layout.names)
    if not layout.header:
        names = _by_position(columns, len(names)) or names
    rows = (
        whole_row(cells, len(names))
        or _Unreadable(f"The row in line {line:,} has {len(cells)} cells instead of {len(names)}.")
        for line, cells in records(place, layout)
    )
    return _Source(name=repr(str(place)), names=names, rows=rows)


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


def _cells_of(names: Sequence[str], required: set[str]) -> Callable[[Any], Sequence[str] | _Unreadable]:
    def cells(row: Any) -> Sequence[str] | _Unreadable:
        if not isinstance(row, Mapping):
            shown = text_of(row)[:40]
            return _Unreadable(f"The row must be an object of cells by column name. It is {shown!r}.")
        plain = {nfc(str(key).strip()): value for key, value in row.items()}
        texts = [text_of(plain.get(name)) for name in names]
        missing = sorted(required - plain.keys())
        return _Unreadable(f"The row lacks {', '.join(map(repr, missing))}.", texts) if missing else texts

    return cells


def _json_rows(place: Path) -> Iterator[Any]:
    """The rows of a JSON file: a list, a single object, or one object a line."""
    try:
        if place.suffix.lower() != ".json":
            with place.open(encoding="utf-8-sig") as stream:
                yield from (json.loads(line) for line in stream if line.strip())
            return
        content = json.loads(place.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"Rows must be readable JSON. Received {str(place)!r} ({error}). {_JSON_HELP}"
        ) from error
    yield from content if isinstance(content, list) else [content]
