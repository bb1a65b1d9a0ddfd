"""What a wrong answer costs, and the decision that costs least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import Floats, Ints

ABSTAIN = "abstain"


@dataclass(frozen=True, kw_only=True)
class Costs:
    """A table of costs.

    Attributes:
        classes: Names of the classes.
        table: float64 (truth, class), what naming each class costs.
        abstain: float64 (truth,), what leaving the decision to a person costs; None where that is no choice.

    Example:
        >>> costs = Costs(classes=("edible", "poison"), table=np.array([[0.0, 1.0], [100.0, 0.0]]))
        >>> costs.decisions(np.array([[0.98, 0.02], [0.999, 0.001]])).tolist()
        [1, 0]
    """

    classes: tuple[str, ...]
    table: Floats
    abstain: Floats | None = None

    def __post_init__(self) -> None:
        shape = (len(self.classes), len(self.classes))
        if self.table.shape != shape or (self.abstain is not None and self.abstain.shape != shape[:1]):
            raise ValueError(f"`table` must be {shape}, one row and one column a class.")
        parts = [self.table, *([] if self.abstain is None else [self.abstain])]
        if not all(np.isfinite(each).all() for each in parts):
            raise ValueError("Costs must be finite numbers. Received NaN or infinity.")

    def decisions(self, probabilities: Floats, codes: NDArray[np.str_] | None = None) -> Ints:
        """The class of least expected cost of each row, or -1 to abstain.

        Args:
            probabilities: (row, class), in the order of `classes`.
            codes: (row,) why a row should not be answered alone, or "": what is said of its probabilities
                then means nothing, so that it is left to a person where that is a choice.
        """
        expected = np.asarray(probabilities, np.float64) @ self.table  # (row, class)
        decided = np.asarray(expected.argmin(axis=1), np.int64)
        if self.abstain is None:
            return decided
        left = probabilities @ self.abstain < expected.min(axis=1)
        left = left if codes is None else left | (codes != "")
        return np.asarray(np.where(left, -1, decided), np.int64)

    def of(self, decisions: Ints, labels: Ints) -> Floats:
        """What each decision costs, (row,), where the truth is known."""
        every = self.table if self.abstain is None else np.column_stack([self.table, self.abstain])
        return np.asarray(every[labels, decisions], np.float64)

    def of_classes(self, classes: Sequence[str]) -> Costs:
        """The same in another order of classes.

        Raises:
            ValueError: If it holds others; both lists are named.
        """
        if set(classes) != set(self.classes):
            raise ValueError(
                f"The table of costs must name the classes {', '.join(classes)}. Received "
                f"{', '.join(self.classes)}. Name them in the first column and in the header as the data do."
            )
        at = [self.classes.index(name) for name in classes]
        return Costs(
            classes=tuple(classes),
            table=self.table[np.ix_(at, at)],
            abstain=None if self.abstain is None else self.abstain[at],
        )

    def document(self) -> dict[str, Any]:
        """As it stands in JSON."""
        abstain = None if self.abstain is None else self.abstain.tolist()
        return {"classes": list(self.classes), "table": self.table.tolist(), ABSTAIN: abstain}


def read_costs(document: Mapping[str, Any]) -> Costs:
    """What `Costs.document` gave.

    Raises:
        ValueError, KeyError, TypeError: If it describes no costs.
    """
    abstain = document[ABSTAIN]
    return Costs(
        classes=tuple(map(str, document["classes"])),
        table=np.array(document["table"], np.float64),
        abstain=None if abstain is None else np.array(abstain, np.float64),
    )


def costs_of(rows: Sequence[Sequence[str]], name: str) -> Costs:
    """The table of costs in the cells of a CSV file.

    Args:
        rows: The header (anything, then a class or "abstain" a column), and a row a class: its name, then
            what naming each class costs where it is the truth. "abstain" is a class where a row has
            that name.
        name: Of the file, for errors.

    Raises:
        ValueError: Saying what is wrong in which line.

    Example:
        >>> costs_of([["truth", "a", "b", "abstain"], ["b", "5", "0", "1"], ["a", "0", "1", "1"]], "f").table
        array([[0., 1.],
               [5., 0.]])
    """
    header = [cell.strip() for cell in rows[0][1:]] if rows else []
    body = {row[0].strip(): row for row in rows[1:] if row}
    choice = ABSTAIN in header and ABSTAIN not in body
    classes = tuple(cell for cell in header if cell != ABSTAIN or not choice)
    named = [row[0].strip() for row in rows[1:] if row]
    if len(classes) < 2 or len(set(header)) < len(header) or sorted(named) != sorted(classes):
        raise ValueError(
            f"{name} must name the truth in its first column and the same classes in its header, beside "
            f"them perhaps {ABSTAIN}, each once. Received the columns {', '.join(header) or 'none'} "
            f"and the rows {', '.join(named) or 'none'}."
        )
    numbers = {label: _numbers(row, header, name, label) for label, row in body.items()}
    every = np.array([[numbers[truth][column] for column in header] for truth in classes])
    at = [header.index(column) for column in classes]
    return Costs(
        classes=classes,
        table=every[:, at],
        abstain=every[:, header.index(ABSTAIN)] if choice else None,
    )


def _numbers(row: Sequence[str], header: Sequence[str], name: str, label: str) -> dict[str, float]:
    cells = [cell.strip() for cell in row[1:]]
    try:
        found = [float(cell) for cell in cells]
    except ValueError:
        found = []
    if len(found) != len(header) or not np.isfinite(found).all():
        raise ValueError(
            f"{name}: the row {label!r} must hold a number in each of {len(header)} columns. "
            f"Received {', '.join(cells) or 'nothing'}."
        )
    return dict(zip(header, found, strict=True))
