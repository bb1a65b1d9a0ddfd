"""Cells that hold something, yet nothing that can be read: counted and reported, never silently missing."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from numpy.typing import NDArray

from mindle.data.common.names import all_of, count_of
from mindle.data.tables.parsing.cells import is_missing
from mindle.data.tables.parsing.columns import kind_of, parse_cells
from mindle.errors import DataError, DataWarning
from mindle.messages import Message, message
from mindle.records import Column

_LONGEST = 40


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """The unreadable cells of one column.

    Attributes:
        path: The file that they stand in, "" where there is none.
        column: Its name.
        kind: What the cells should be: "number" or "date".
        count: How many there are.
        row: Where the first of them stands in its source, from 1, the header not counted.
        cell: What stands there.
        filled: How many cells of the column hold anything.
    """

    path: str = ""
    column: str
    kind: str
    count: int
    row: int
    cell: str
    filled: int

    def said(self) -> Message:
        """What people should know of it."""
        where = message("tables.cells.of-file", column=self.column, path=self.path) if self.path else ""
        return message(
            f"tables.cells.no-{self.kind}",
            n=self.count,
            where=where or repr(self.column),
            row=self.row,
            cell=_shown(self.cell),
        )


def unreadable_of(
    column: Column, texts: Sequence[str], values: NDArray[Any], rows_from: Sequence[int]
) -> Unreadable | None:
    """What of a column cannot be read; None where everything can.

    Example:
        >>> from mindle.data.tables.parsing.columns import parse_cells
        >>> age = Column(name="age", kind="number")
        >>> odd = unreadable_of(age, ["1", "?", "many"], parse_cells(["1", "?", "many"], age), (1, 2, 3))
        >>> print(odd.said())
        1 cell of 'age' is not a number and is read as missing; first in row 3: 'many'
    """
    odd = kind_of(column).unreadable(texts, column, values)
    if not odd:
        return None
    return Unreadable(
        column=column.name,
        kind=column.kind,
        count=len(odd),
        row=rows_from[odd[0]],
        cell=texts[odd[0]].strip(),
        filled=sum(not is_missing(text, column.missing) for text in texts),
    )


def read_cells(
    cells: Mapping[str, Sequence[Any]], columns: Sequence[Column], rows_from: Sequence[int]
) -> tuple[dict[str, NDArray[Any]], tuple[Unreadable, ...]]:
    """The values of some columns, and what of them cannot be read.

    Args:
        cells: What the rows hold, by column name: texts, or values in memory.
        columns: How they are written.
        rows_from: Where each row stands in its source.

    Example:
        >>> values, odd = read_cells({"age": ["36", "inf"]}, [Column(name="age", kind="number")], (1, 2))
        >>> values["age"], odd[0].cell
        (array([36., nan]), 'inf')
    """
    values: dict[str, NDArray[Any]] = {}
    found = []
    for column in columns:
        texts = kind_of(column).spelled(cells[column.name], column)
        values[column.name] = parse_cells(texts, column)
        found.append(unreadable_of(column, texts, values[column.name], rows_from))
    return values, tuple(odd for odd in found if odd is not None)


def require_readable(found: Iterable[Unreadable], columns: Sequence[Column], name: str) -> None:
    """Refuse rows whose cells of a column all hold what cannot be read.

    Args:
        found: What cannot be read.
        columns: How the columns were read.
        name: What the rows come from, for the message.

    Raises:
        DataError: Naming the first such column.
    """
    for odd in found:
        if odd.count == odd.filled:
            column = next(column for column in columns if column.name == odd.column)
            raise DataError(
                f"Each column that the model learned from must have cells that can be read. Received {name}, "
                f"where none of {count_of(odd.count, 'cell', 'cells')} of {odd.column!r} is a {odd.kind}; "
                f"first in row {odd.row:,}: {_shown(odd.cell)}. Write {kind_of(column).example(column)}."
            )


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= _LONGEST else f"{cell[:_LONGEST]}…")


class CellReport:
    """What one call has read otherwise than in training, and what it could not read, a chunk after the other.

    Example:
        >>> report = CellReport()
        >>> report.add("new.csv", ("a decimal comma in price (training: decimal point)",), ())
        >>> report.sentences()
        ["'new.csv' is read as it is written: a decimal comma in price (training: decimal point)"]
    """

    def __init__(self) -> None:
        self._written: dict[str, tuple[str, ...]] = {}
        self._unreadable: dict[tuple[str, str], Unreadable] = {}

    def add(self, path: str, written: Sequence[str], found: Iterable[Unreadable]) -> None:
        """Take in what was noticed about some rows of a source.

        Args:
            path: The file, "" where there is none.
            written: What is written otherwise than in training.
            found: What cannot be read.
        """
        if written:
            self._written[path] = tuple(written)
        for odd in found:
            before = self._unreadable.get((path, odd.column))
            self._unreadable[path, odd.column] = (
                replace(before, count=before.count + odd.count, filled=before.filled + odd.filled)
                if before
                else replace(odd, path=path)
            )

    def sentences(self) -> list[Message]:
        """What people should know of it."""
        ways = [
            message(
                f"tables.cells.{'file' if path else 'rows'}",
                path=path,
                ways=all_of(words, "data.list.semicolon"),
            )
            for path, words in self._written.items()
        ]
        return [*ways, *(odd.said() for odd in self._unreadable.values())]

    def warn(self) -> None:
        """Say the same in Python, where nobody listens."""
        for sentence in self.sentences():
            warnings.warn(sentence, DataWarning, stacklevel=3)

    def document(self) -> dict[str, Any]:
        """The same for programs: what is `written` otherwise by path, and what is `unreadable`."""
        return {
            "written": {path: list(words) for path, words in self._written.items()},
            "unreadable": [asdict(odd) for odd in self._unreadable.values()],
        }
