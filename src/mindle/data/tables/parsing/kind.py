"""What differs by the kind of a column; the kinds stand in `mindle.data.tables.parsing.columns.KINDS`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mindle.data.tables.parsing.cells import is_missing, text_of
from mindle.messages import Message
from mindle.records import Column

Floats = NDArray[np.float64]
Texts = Mapping[Column, Sequence[str]]

ODD_FRACTION = 0.05  # different values of a number or date column that may be something else
ID_SHARE = 0.1  # different values among the cells of a column that is called an id, where they come again


def fits(read: int, count: int) -> bool:
    """Whether so many of some different values say what kind a column is."""
    odd = max(ODD_FRACTION * count, 1 if count >= 10 else 0)
    return read > 0 and count - read <= odd


class ColumnKind(ABC):
    """How the cells of one kind are written, read, described and encoded.

    Values are float64, NaN where missing, unless a kind says otherwise.

    Attributes:
        name: As `Column.kind` says it.
        is_text: Whether values are texts, None where missing: the categories of a model.
        is_time: Whether values say when.
    """

    name: ClassVar[str]
    is_text: ClassVar[bool] = False
    is_time: ClassVar[bool] = False

    @abstractmethod
    def column(self, name: str, values: Sequence[str], commas: bool) -> Column:
        """A column of this kind, written as its values are; `commas` where others have decimal commas."""

    @abstractmethod
    def parse(self, texts: Sequence[str], column: Column) -> NDArray[Any]:
        """The values of some cells."""

    @abstractmethod
    def shown(self, value: Any) -> str:
        """A value as people write it."""

    @abstractmethod
    def numbers(self, column: Column, cells: NDArray[Any]) -> dict[str, Floats]:
        """What models see of a column as numbers, by name."""

    @abstractmethod
    def example(self, column: Column) -> str:
        """How its cells are to be written, for an error."""

    def unreadable(self, texts: Sequence[str], column: Column, cells: NDArray[Any]) -> list[int]:
        """Rows whose cell holds something that is no such value."""
        rows: list[int] = np.flatnonzero(np.isnan(cells)).tolist()
        return [row for row in rows if not is_missing(texts[row], column.missing)]

    def identifies(self, name: str, filled: NDArray[Any]) -> Message | None:
        """Why values only identify rows; None where they do not."""
        return None

    def id_share(self, filled: NDArray[Any], *, named: bool, first: bool) -> float:
        """From which share of different values on they are ids that come again.

        Args:
            filled: The values.
            named: Whether the column is called an id.
            first: Whether it is the first of the table.
        """
        return ID_SHARE if named else math.inf

    def codes(self, values: NDArray[Any]) -> list[tuple[str, int]]:
        """Values that may stand for "missing", each with its count."""
        return []

    def sized(self, column: Column, values: NDArray[Any]) -> Column:
        """The column with what its values look like, by which new rows are read."""
        return column

    def spelled(self, values: Sequence[Any], column: Column) -> list[str]:
        """The text of each cell as the column is written."""
        return list(map(text_of, values))

    def rewritten(self, texts: Texts, separator: str, *, same: bool) -> dict[str, Column]:
        """The columns of this kind as new rows write them, by name; those that are as in training may lack.

        Args:
            texts: The different cells of each.
            separator: What separates the cells of the new rows.
            same: Whether it did in training.
        """
        return {}

    def difference(self, before: Column, now: Column) -> Mapping[str, str]:
        """The ending of the code, and the values, of the sentence about another way of writing."""
        raise NotImplementedError  # of a kind that is never rewritten
