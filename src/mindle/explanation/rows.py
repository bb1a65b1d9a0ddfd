"""Shapley values of a row: how much each of its cells moved the answer, sampled, with a standard error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.tables.parsing.columns import kind_of, parse_cells
from mindle.records import Column, TableSpec

Floats = NDArray[np.float64]
Feed = Mapping[str, NDArray[Any]]  # inputs of a graph of rows by name, (row, column) each
Ask = Callable[[Feed], Floats]  # -> (row,)

PERMUTATIONS, BACKGROUND = 200, 50
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Player:
    """A column of a table, as the inputs of a graph hold it.

    Attributes:
        column: In the table.
        input: Which input holds it.
        places: Its columns there; a date has several.
    """

    column: Column
    input: str
    places: tuple[int, ...]

    def cell(self, row: Feed) -> str:
        """What stands in a row, as people read it."""
        value = row[self.input][0, self.places[0]]
        if self.input == "categories":
            return str(value)
        if np.isnan(value):
            return ""
        return str(np.datetime64(int(value), "D")) if self.column.kind == "date" else f"{value:.6g}"


@dataclass(frozen=True)
class Shapley:
    """The Shapley values of a row.

    Attributes:
        values: (player,); with `base` they add up to the score of the row.
        errors: (player,), their standard errors.
        base: Mean score of the rows that it is compared with.
    """

    values: Floats
    errors: Floats
    base: float


def players_of(spec: TableSpec) -> list[Player]:
    """The feature columns of a table in their order, each with its places in the inputs of a graph."""
    found: list[Player] = []
    taken = {"numbers": 0, "categories": 0}
    for column in spec.columns:
        if column.role == "feature":
            text = kind_of(column).is_text
            name = "categories" if text else "numbers"
            width = 1 if text else len(kind_of(column).numbers(column, parse_cells([], column)))
            found.append(Player(column, name, tuple(range(taken[name], taken[name] + width))))
            taken[name] += width
    return found


def shapley(
    ask: Ask,
    row: Feed,
    background: Feed,
    players: Sequence[Player],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Shapley:
    """Shapley values of one row against rows of a background.

    In each permutation a row of the background takes the cells of the row one after the other, in an order
    drawn by chance; what the score gains with a cell is a sample of its Shapley value.

    Args:
        ask: The score that is explained.
        row: One row.
        background: Some rows.
        players: The columns.
        permutations: How many are drawn.
        seed: Draws them.

    Source:
        Castro, Gómez & Tejada 2009, https://doi.org/10.1016/j.cor.2008.04.004, algorithm 1; a background
        in place of a missing cell: Štrumbelj & Kononenko 2014,
        https://doi.org/10.1007/s10115-013-0679-x.

    Example:
        >>> columns = [Player(Column(name=n, kind="number"), "numbers", (at,)) for at, n in enumerate("ab")]
        >>> double = lambda feed: 2 * feed["numbers"][:, 0] + feed["numbers"][:, 1]
        >>> row, others = {"numbers": np.array([[3.0, 5.0]])}, {"numbers": np.zeros((1, 2))}
        >>> found = shapley(double, row, others, columns)
        >>> found.values.tolist(), found.errors.tolist(), found.base
        ([6.0, 5.0], [0.0, 0.0], 0.0)
    """
    rng, steps = np.random.default_rng(seed), len(players) + 1
    rows = len(next(iter(background.values())))
    drawn = rng.integers(0, rows, permutations)
    orders = np.stack([rng.permutation(len(players)) for _ in range(permutations)])
    at_once = max(1, _ROWS_AT_ONCE // steps)
    parts = [slice(start, start + at_once) for start in range(0, permutations, at_once)]
    answered = np.concatenate(
        [ask(_walks(row, background, players, drawn[part], orders[part])) for part in parts]
    )
    answered = answered.reshape(permutations, steps)
    gains = np.empty((permutations, len(players)))
    np.put_along_axis(gains, orders, np.diff(answered, axis=1), axis=1)
    errors = gains.std(axis=0, ddof=1) / np.sqrt(permutations)
    return Shapley(gains.mean(axis=0), errors, float(answered[:, 0].mean()))


def _walks(
    row: Feed,
    background: Feed,
    players: Sequence[Player],
    drawn: NDArray[np.int64],
    orders: NDArray[np.int64],
) -> dict[str, NDArray[Any]]:
    """Rows on their way from the background to the row: (permutation, step) as one axis."""
    steps = len(players) + 1
    feed = {name: cells[drawn].repeat(steps, axis=0) for name, cells in background.items()}
    # The place of each player in an order: from the step behind it on, its cell is that of the row.
    turns = orders.argsort(axis=1)  # (permutation, player)
    for at, player in enumerate(players):
        taken = (np.arange(steps) > turns[:, at, None]).ravel()
        for place in player.places:
            feed[player.input][taken, place] = row[player.input][0, place]
    return feed
