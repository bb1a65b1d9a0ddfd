"""What is counted of data: rows by class and split, and the lines that show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from unicodedata import east_asian_width

import numpy as np
from numpy.typing import NDArray

from mindle.errors import DataError
from mindle.messages import current_language, in_language, message
from mindle.records import NOT_DRAWN, Examples

_WIDEST = 24


def by_split(
    data: Examples, labels: NDArray[np.int64], count: int, splits: Sequence[str | None]
) -> list[list[int]]:
    """Rows of each of some labels in each split, and in the last place how many were set aside.

    Args:
        data: The data.
        labels: From 0 to `count` - 1, or -1.
        count: How many there are.
        splits: Their names; None for all rows that take part.
    """
    aside = np.flatnonzero([why not in ("", NOT_DRAWN) for why in data.set_aside])
    columns = [labels[rows] for rows in (*map(data.rows, splits), aside)]
    counted = [np.bincount(column[column >= 0], minlength=count) for column in columns]
    found: list[list[int]] = np.stack(counted, axis=1).tolist()
    return found


def set_aside_counts(data: Examples) -> dict[str, int]:
    """How many files (or rows) were set aside for each reason, the most frequent first."""
    return dict(Counter(reason for reason in data.set_aside if reason).most_common())


def reasons_of(data: Examples) -> str:
    """How many files (or rows) were set aside for each reason, in a row; "" where none were."""
    return ", ".join(f"{count:,} {reason}" for reason, count in set_aside_counts(data).items())


def aside_of(data: Examples) -> str:
    """What was set aside, to end an error; "" where nothing was."""
    reasons = reasons_of(data)
    return f" Set aside: {reasons}." if reasons else ""


def require_test(data: Examples) -> None:
    """Refuse split data without anything to test on.

    Raises:
        DataError: Naming what there is.
    """
    if not len(data.rows("test")):
        raise DataError(
            f"The test set must hold at least one of the {data.unit}. Received none from "
            f"{len(data.rows()):,} usable {data.unit} in {data.source!r}.{aside_of(data)} Give more "
            f"{data.unit}, or a split with a test set."
        )


def headings(*names: str) -> tuple[str, ...]:
    """Words of the head of a table, in the language in which it is shown."""
    return tuple(message(f"data.head.{name}") for name in names)


def aligned(rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Cells under each other; but for the first, columns stand on the right unless `right` names those.

    Example:
        >>> aligned([("class", "images"), ("cat", "7")])
        ['  class  images', '  cat         7']
    """
    lang = current_language()
    cut = [
        [_shortened(in_language(cell, lang)) for cell in row[:-1]] + [in_language(row[-1], lang)]
        for row in rows
    ]
    widths = [max(map(_width, column)) for column in zip(*cut, strict=True)]
    lines = []
    for row in cut:
        padded = []
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            gap = " " * (width - _width(cell))
            padded.append(gap + cell if place in right or (place and not right) else cell + gap)
        lines.append(("  " + "  ".join(padded)).rstrip())
    return lines


def _shortened(cell: str) -> str:
    return cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 1]}…"


def _width(text: str) -> int:
    """Columns of a terminal that a text takes; Korean letters take two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
