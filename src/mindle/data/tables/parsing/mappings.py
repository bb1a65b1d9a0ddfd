"""Rows that a program holds, as mappings by column name: of cells, of whole columns, or another library's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mindle.data.common.findings import listed
from mindle.data.common.names import count_of
from mindle.errors import DataError


def mappings_of(source: Any) -> Iterator[Any]:
    """The rows that something in memory holds, a mapping each.

    Args:
        source: A mapping of cells (one row) or of equally long columns, a series (one row), a structured
            array, a table of pyarrow or polars, or several mappings.

    Raises:
        TypeError: If it holds no rows; its type is named.
        DataError: If columns are of unequal length.

    Example:
        >>> list(mappings_of({"age": [36, 25], "town": ("Bonn", "Rome")}))
        [{'age': 36, 'town': 'Bonn'}, {'age': 25, 'town': 'Rome'}]
    """
    if isinstance(source, Mapping) and any(map(_is_column, source.values())):
        return _from_columns(source)
    row = row_of(source)
    if row is not None:
        return iter([row])
    for method in ("to_pylist", "to_dicts"):  # pyarrow, polars
        if hasattr(source, method):
            return iter(getattr(source, method)())
    names = getattr(getattr(source, "dtype", None), "names", None)
    if names:
        return (dict(zip(names, cells, strict=True)) for cells in source.reshape(-1).tolist())
    if isinstance(source, (list, tuple)) or isinstance(source, Iterator) and not hasattr(source, "read"):
        return _checked(iter(source))
    raise _no_rows(source)


def row_of(source: Any) -> Mapping[Any, Any] | None:
    """One row, of a mapping of cells or a series; None where all cells are columns, or there are no rows.

    Example:
        >>> row_of({"age": 36}), row_of({"age": [36, 25]})
        ({'age': 36}, None)
    """
    if isinstance(source, Mapping):
        return None if source and all(map(_is_column, source.values())) else source
    if hasattr(source, "iloc") and not hasattr(source, "columns"):
        return dict(source.items())
    return None


def _is_column(value: Any) -> bool:
    return isinstance(value, (list, tuple, range, Mapping)) or getattr(value, "ndim", 0) > 0


def _from_columns(source: Mapping[Any, Any]) -> Iterator[Any]:
    columns: dict[Any, Sequence[Any]] = {}
    for name, column in source.items():
        if isinstance(column, Mapping):  # pandas writes JSON so: a mapping by row name
            column = list(column.values())
        elif hasattr(column, "tolist"):
            column = column.tolist()
        columns[name] = column if _is_column(column) else [column]
    of_one_length(columns)
    return (dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True))


def of_one_length(columns: Mapping[Any, Sequence[Any]]) -> Mapping[Any, Sequence[Any]]:
    """The columns, once they are equally long.

    Raises:
        DataError: If they are not.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        some = listed([f"{name!r} {length:,}" for name, length in lengths.items()])
        raise DataError(f"Columns of a table must be of one length. Received {some}. Complete them.")
    return columns


def _checked(rows: Iterator[Any]) -> Iterator[Any]:
    """The rows, once a mapping is among the first of them; others have a reason then."""
    found = list(map(_as_mapping, itertools.islice(rows, 1000)))
    if found and not any(isinstance(row, Mapping) for row in found):
        raise _no_rows(found[0], of=f"{count_of(len(found), 'value', 'values')}, the first of them ")
    return itertools.chain(found, map(_as_mapping, rows))


def _as_mapping(row: Any) -> Any:
    found = row_of(row)
    return row if found is None else found


def _no_rows(source: Any, of: str = "") -> TypeError:
    return TypeError(
        "Rows must be a file, a data frame or mappings by column name. Received "
        f"{of}{type(source).__name__}. Write what a program holds to a CSV file, or give a data frame."
    )
