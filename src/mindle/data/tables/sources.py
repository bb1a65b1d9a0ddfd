"""Where tables come from: files, data frames, plain Python, built-in sets; the text of every cell."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeGuard, Unpack

import numpy as np

from mindle.data.common.findings import finding
from mindle.data.common.names import count_of, name_of, nfc
from mindle.data.tables.parsing.cells import text_of
from mindle.data.tables.parsing.columns import row_name
from mindle.data.tables.parsing.delimited import (
    layout_findings,
    layout_of,
    records,
    require_whole_rows,
    whole_row,
)
from mindle.data.tables.parsing.dialect import Layout
from mindle.data.tables.parsing.mappings import of_one_length
from mindle.data.tables.parsing.opening import is_parquet
from mindle.data.tables.roles import row_names_in
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import Finding

if TYPE_CHECKING:
    from pandas import DataFrame

BUILT_IN = ("breast-cancer", "diabetes", "iris", "wine")
"""Names of tables that come with scikit-learn and need no download; their target is the last column."""

ENDINGS = (".csv", ".tsv", ".txt", ".data")  # files of them are tables, or lists of images, unasked


class FileOptions(TypedDict, total=False):
    """How a file of a table is written, where it does not show it.

    Attributes:
        columns: Names for a file without a header.
        separator: What stands between the cells.
        header: How many lines of header there are.
    """

    columns: Sequence[str] | None
    separator: str | None
    header: int | None


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """The text of every cell, before anything is made of it.

    Attributes:
        name, kind, source: As in `Table`.
        texts: The cells by the name of their column.
        set_aside: Why a row takes no part, or "".
        kinds: Kinds that the source itself gives, by column name.
        findings: What was noticed.
        row_names: Columns that only name the rows.
        layout: How a file is written.
    """

    name: str = "table"
    kind: str = "frame"
    source: str = "data frame"
    texts: Mapping[str, Sequence[str]]
    set_aside: Sequence[str]
    kinds: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    row_names: tuple[str, ...] = ()
    layout: Layout | None = None

    @property
    def description(self) -> str:
        """How its cells were found, to end errors about its columns."""
        return f" {self.layout.description}" if self.layout else ""


def is_mapping_table(source: Any) -> bool:
    """Whether something is a table as plain Python holds it: columns by name, or rows that are mappings.

    Example:
        >>> is_mapping_table({"a": [1, 2]}), is_mapping_table([{"a": 1}]), is_mapping_table([1, 2])
        (True, True, False)
    """
    if isinstance(source, Mapping):
        return True
    return isinstance(source, list | tuple) and bool(source) and all(isinstance(it, Mapping) for it in source)


def is_frame(source: Any) -> TypeGuard[DataFrame]:
    """Whether something is a data frame, found out without importing pandas."""
    return hasattr(source, "iloc") and hasattr(source, "columns")


def raw_table(source: Any, known: Sequence[str], **written: Unpack[FileOptions]) -> RawTable:
    """The cells of whatever holds a table.

    Args:
        source: See `mindle.data.read_table`.
        known: Names of columns.
        **written: How a file is written.

    Raises:
        TypeError: If it is nothing that holds a table.
        DataError: If it cannot be read, or holds no rows.
        ValueError: If an option does not go with the source.
    """
    if is_frame(source) or is_mapping_table(source):
        if is_frame(source) and written.get("columns") is not None:
            raise ValueError("`columns` must be left out for a data frame. Rename its columns instead.")
        return in_memory(source, "data frame" if is_frame(source) else "lists by column name")
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            "`source` must be a path, a built-in name, a data frame, or lists by column name. Received "
            f"{type(source).__name__}."
        )
    typed = os.fspath(source)
    place = Path(os.path.expanduser(typed))
    if not place.exists() and typed in BUILT_IN:
        return _built_in(typed)
    if not place.exists():
        raise DataError(
            f"A table must be a file or a built-in name ({', '.join(BUILT_IN)}). Received {typed!r}, which "
            "does not exist. Check the path."
        )
    if not is_parquet(place):
        return _from_file(place, typed, known, **written)
    given = next((name for name, value in written.items() if value is not None), None)
    if given:
        raise ValueError(
            f"`{given}` must be left out for Parquet, which names its columns. Received {typed!r}."
        )
    return replace(in_memory(frame_in(place)), name=_stem(place), kind="csv", source=typed)


# ------------------------------------------------------------------------------------------- memory


def names_and_cells(rows: Any) -> tuple[list[str], list[list[Any]]]:
    """The columns of a data frame, an array or plain Python: their names, and the cells of each.

    Raises:
        TypeError: If what stands under a name is no list.
        DataError: If columns are of several lengths.

    Example:
        >>> names_and_cells({"a": (1, 2)}), names_and_cells([{"a": 1}, {"b": 2}])
        ((['a'], [[1, 2]]), (['a', 'b'], [[1, None], [None, 2]]))
    """
    if is_frame(rows):
        return list(map(str, rows.columns)), [rows.iloc[:, at].tolist() for at in range(rows.shape[1])]
    if not is_mapping_table(rows):
        columns = np.asarray(rows).T.tolist()
        return [f"c{place}" for place in range(1, len(columns) + 1)], columns
    if not isinstance(rows, Mapping):
        names = dict.fromkeys(name for row in rows for name in row)
        return list(map(str, names)), [[row.get(name) for row in rows] for name in names]
    for name, cells in rows.items():
        if isinstance(cells, (str, bytes)) or not hasattr(cells, "__len__"):
            raise TypeError(
                f"A table must have a list of cells for each column. Received {type(cells).__name__} for "
                f"{name!r}."
            )
    return list(map(str, rows)), list(map(list, of_one_length(rows).values()))


def in_memory(rows: Any, source: str = "data frame") -> RawTable:
    """A data frame, an array or plain Python as the text of its cells; `source` is what people call it.

    Raises:
        DataError: If there are no rows.
    """
    spelled, columns = names_and_cells(rows)
    names, renamed = unique_names(spelled)
    texts = {name: list(map(text_of, cells)) for name, cells in zip(names, columns, strict=True)}
    if not columns or not columns[0]:
        raise DataError(f"A table must have rows. Received {source} without any.")
    types = zip(names, map(str, rows.dtypes), strict=True) if is_frame(rows) else ()
    return RawTable(
        source=source,
        texts=texts,
        set_aside=("",) * len(columns[0]),
        kinds={name: each for name, each in types if each == "category"},
        findings=renamed,
        row_names=row_names_in(spelled, texts),
    )


def frame_in(place: Path) -> DataFrame:
    """The data frame in a file of Parquet; an index that has a name is a column of it.

    Raises:
        DataError: If the file is damaged, or the library that reads it is not installed.
    """
    import pandas

    try:
        frame = pandas.read_parquet(place)
    except ImportError as error:
        raise DataError(
            f"Parquet must have its library to be read. Received {str(place)!r}. Install pyarrow, or save "
            "the table as CSV in UTF-8."
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"A table must be readable. Received {str(place)!r}, which is damaged Parquet ({error}). Copy it "
            "again, or save it as CSV."
        ) from error
    return frame.reset_index() if any(name is not None for name in frame.index.names) else frame


def _built_in(name: str) -> RawTable:
    import sklearn.datasets

    bunch: Any = getattr(sklearn.datasets, f"load_{name.replace('-', '_')}")()
    labels = getattr(bunch, "target_names", None)
    targets = bunch.target if labels is None else np.asarray(labels)[bunch.target]
    columns = [*zip(bunch.feature_names, bunch.data.T, strict=True), ("target", targets)]
    texts = {str(title): [str(value) for value in column.tolist()] for title, column in columns}
    return RawTable(name=name, kind="builtin", source=name, texts=texts, set_aside=[""] * len(targets))


# --------------------------------------------------------------------------------------------- files


def _from_file(place: Path, typed: str, known: Sequence[str], **written: Unpack[FileOptions]) -> RawTable:
    columns, separator, header = written.get("columns"), written.get("separator"), written.get("header")
    # A number may be a position as well as a name, so that it proves no header.
    named = [*(columns or ()), *(name for name in known if not name.isdecimal())]
    layout = layout_of(place, known=named, separator=separator, header=header)
    if columns is not None:
        layout = _renamed(layout, typed, columns, header)
    names, renamed = unique_names(layout.names)
    rows: list[Sequence[str]] = []
    ragged: list[tuple[int, int, int]] = []  # row, line, cells
    for line, cells in records(place, layout):
        row = whole_row(cells, len(names))
        if row is None:
            ragged.append((len(rows) + 1, line, len(cells)))
        rows.append(row or ("",) * len(names))
    require_whole_rows(typed, layout, [cells for _, _, cells in ragged], len(rows))
    aside = [""] * len(rows)
    for number, _, _ in ragged:
        aside[number - 1] = "ragged"
    texts = dict(zip(names, zip(*rows, strict=True), strict=True))
    row_names = names[:1] if layout.row_names else row_names_in(layout.names, texts)
    settled = header is not None or columns is not None
    return RawTable(
        name=_stem(place),
        kind="csv",
        source=typed,
        texts=texts,
        set_aside=aside,
        findings=(
            *layout_findings(place, layout, settled=settled, separated=separator is not None),
            *(one for one in renamed if set(one.files) - set(row_names)),
            *_ragged_finding(ragged, len(names)),
        ),
        row_names=row_names,
        layout=layout,
    )


def _stem(place: Path) -> str:
    whole = Path(os.path.abspath(place))
    packed = whole.suffix.lower() in (".gz", ".bz2")
    return name_of(Path(whole.stem).stem if packed else whole.stem) or "table"


def _renamed(layout: Layout, typed: str, columns: Sequence[str], header: int | None) -> Layout:
    """The same layout with the names that the user gives."""
    width = max(layout.width, len(layout.names)) if header is None else layout.width
    if layout.row_names and len(columns) == width - 1:
        return replace(layout, names=("", *columns))
    if len(columns) not in (layout.width, len(layout.names)):
        raise ValueError(
            f"`columns` must name each of the {width} columns of {typed!r}. Received "
            f"{count_of(len(columns), 'name', 'names')}. {layout.description}"
        )
    known = header is not None or layout.row_names or len(columns) != len(layout.names)
    if known:  # whether there is a header is said, or shown by its length
        return replace(layout, names=tuple(columns), row_names=False)
    same = layout.header and set(layout.names) == set(columns)
    return layout if same else replace(layout, header=0, names=tuple(columns))


def unique_names(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Names of columns without blanks and repeats: a blank one gets its position, a repeated one a number.

    Example:
        >>> unique_names(["a", "", "a"])[0]
        ('a', 'c2', 'a (2)')
    """
    unique: list[str] = []
    for position, name in enumerate(names, start=1):
        plain = nfc(name.strip()) or f"c{position}"
        numbered = (f"{plain} ({number})" for number in itertools.count(2))
        unique.append(plain if plain not in unique else next(one for one in numbered if one not in unique))
    changed = [new for new, old in zip(unique, names, strict=True) if new != nfc(old.strip())]
    if not changed:
        return tuple(unique), ()
    sentence = message("tables.read.renamed-column", n=len(changed), first=changed[0])
    return tuple(unique), (finding("renamed-column", changed, sentence),)


def _ragged_finding(ragged: Sequence[tuple[int, int, int]], width: int) -> Iterator[Finding]:
    if ragged:
        row, line, cells = ragged[0]
        known = {"width": width, "first": row_name(row), "line": line, "cells": cells}
        sentence = message("tables.read.ragged", n=len(ragged), **known)
        yield finding("ragged", (row_name(number) for number, _, _ in ragged), sentence)
