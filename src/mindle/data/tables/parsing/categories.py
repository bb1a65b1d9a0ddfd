"""Columns of categories: texts, and numbers that are codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.tables.parsing.cells import category_of
from mindle.data.tables.parsing.kind import ColumnKind, Floats
from mindle.messages import Message, message
from mindle.records import Column

ID_FRACTION = 0.95  # different texts among the cells of an identifier


class Categories(ColumnKind):
    """Texts, None where missing; see `ColumnKind`."""

    name = "category"
    is_text = True

    def column(self, name: str, values: Sequence[str], commas: bool) -> Column:
        """See `ColumnKind`."""
        return Column(name=name, kind=self.name)

    def parse(self, texts: Sequence[str], column: Column) -> NDArray[Any]:
        """Str objects; codes that lost their leading zeros are filled up."""
        found = ((text, category_of(text, column.missing)) for text in dict.fromkeys(texts))
        categories = {
            text: name.zfill(column.digits) if name and name.isdecimal() else name for text, name in found
        }
        values = np.empty(len(texts), object)
        values[:] = [categories[text] for text in texts]
        return values

    def shown(self, value: Any) -> str:
        """The text."""
        return str(value)

    def numbers(self, column: Column, cells: NDArray[Any]) -> dict[str, Floats]:
        """None: models take the texts."""
        return {}

    def example(self, column: Column) -> str:
        """Any text will do."""
        return "texts"

    def unreadable(self, texts: Sequence[str], column: Column, cells: NDArray[Any]) -> list[int]:
        """None: every text is a category."""
        return []

    def identifies(self, name: str, filled: NDArray[Any]) -> Message | None:
        """Whether nearly all differ."""
        different = len(set(filled.tolist()))
        return message("tables.column.texts-differ") if different > ID_FRACTION * len(filled) else None

    def sized(self, column: Column, values: NDArray[Any]) -> Column:
        """A feature with the number of digits of its codes, where some begin with a zero."""
        if column.role != "feature":
            return column
        codes = {value for value in values.tolist() if isinstance(value, str)}
        lengths = {len(code) if code.isdecimal() else 0 for code in codes}
        padded = len(lengths) == 1 and any(code[0] == "0" for code in codes)
        return replace(column, digits=lengths.pop() if padded and lengths != {1} else 0)


def is_cut_code(text: str, column: Column) -> bool:
    """Whether a cell is a code that has lost its leading zeros, as spreadsheets and data frames drop them.

    Example:
        >>> is_cut_code("1067", Column(name="zip", kind="category", digits=5))
        True
    """
    found = category_of(text, column.missing) or ""
    return found.isdecimal() and len(found) < column.digits
