"""The columns of a table, each as something that the target might be predicted from alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.tables.parsing.columns import kind_of
from mindle.records import Column, Cue, Table

MOST_CATEGORIES = 120


def cues(table: Table, rows: NDArray[np.int64]) -> list[Cue]:
    """A cue for each feature column of some rows.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> [cue.name for cue in cues(read_table("iris"), np.arange(5))][:1]
        ['sepal length (cm)']
    """
    return [_cue(column, table.cells[column.name][rows]) for column in table.features]


def _cue(column: Column, cells: NDArray[Any]) -> Cue:
    if not kind_of(column).is_text:
        return Cue(name=column.name, values=np.asarray(cells, np.float64)[:, None], content="all")
    counts = Counter(cell for cell in cells if cell is not None)
    number = {word: float(at) for at, (word, _) in enumerate(counts.most_common(MOST_CATEGORIES))}
    # The rare ones are one value: a tree finds nothing in them that would hold for the next row.
    codes = [np.nan if cell is None else number.get(cell, float(MOST_CATEGORIES)) for cell in cells]
    words = tuple(number)
    return Cue(name=column.name, values=np.array(codes)[:, None], parts=words, content="all")
