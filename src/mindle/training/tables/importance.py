"""Which columns an answer hangs on, and how it moves with each: arrays that a report can draw.

Both ask the model again with one column changed, and look at nothing inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.tables.parsing.columns import Features
from mindle.models.tables.model import TableModel
from mindle.training.loop.batches import draw
from mindle.training.tables import tasks

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Judges = Sequence[tuple[TableModel, Rows]]

REPEATS, MOST_ROWS = 5, 600
GRID, MOST_CATEGORIES, BACKGROUND = 24, 20, 200


@dataclass(frozen=True, kw_only=True)
class Importance:
    """What shuffling a column costs.

    Attributes:
        columns: Names, the numbers first, then the categories.
        metric: What gets worse: "log_loss" or "mae".
        value: The metric with every column in place.
        increase: (column, repeat) by how much the metric grows where the column is shuffled.
    """

    columns: tuple[str, ...]
    metric: str
    value: float
    increase: Floats

    def order(self) -> NDArray[np.int64]:
        """Columns from the most important to the least."""
        return np.argsort(-self.increase.mean(axis=1), kind="stable")


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """How the mean answer moves with one column.

    Attributes:
        column: Its name.
        kind: "number" or "category".
        values: Where it was put: numbers from low to high, or categories; None is a missing one.
        answers: (value, output) mean probabilities, or mean estimates (value, 1).
        density: (value,) share of rows nearest to each value: where there are none, a curve is a guess.
    """

    column: str
    kind: str
    values: tuple[float | str | None, ...]
    answers: Floats
    density: Floats


def permutation_importance(
    judges: Judges,
    features: Features,
    truth: NDArray[Any],
    *,
    repeats: int = REPEATS,
    most_rows: int = MOST_ROWS,
    seed: int = 0,
) -> Importance:
    """How much worse held-out answers get when one column's cells change places.

    Args:
        judges: Models, each with the rows that it had not learned from, such as `TableOutcome.fold_models`.
        features: All rows.
        truth: Of all rows.
        repeats: How often each column is shuffled; the spread shows how sure the figure is.
        most_rows: Of all judges together; more are drawn from.
        seed: Of the shuffles.

    Returns:
        Increases of the cross-entropy, or of the mean absolute error.

    Source:
        Breiman 2001, section 10, https://doi.org/10.1023/A:1010933404324; Fisher, Rudin & Dominici 2019,
        https://arxiv.org/abs/1801.01489.
    """
    each = max(1, most_rows // len(judges))
    some = [_some(rows, each, draw(seed, place)) for place, (_, rows) in enumerate(judges)]
    weights = np.array([len(rows) for rows in some]) / sum(len(rows) for rows in some)
    columns = (*features.number_names, *features.category_names)
    increase, value = np.zeros((len(columns), repeats)), 0.0
    for (model, _), rows, weight in zip(judges, some, weights, strict=True):
        numbers, categories = features.numbers[rows], features.categories[rows]
        own = _loss(model, numbers, categories, truth[rows])
        value += weight * own
        for column in range(len(columns)):
            for repeat in range(repeats):
                order = np.random.default_rng(draw(seed, 9, column, repeat)).permutation(len(rows))
                moved = _with(numbers, categories, column, partial(np.take, indices=order))
                increase[column, repeat] += weight * (_loss(model, *moved, truth[rows]) - own)
    metric = tasks.of(judges[0][0].task).importance_metric
    return Importance(columns=columns, metric=metric, value=float(value), increase=increase)


def partial_dependence(
    model: TableModel, features: Features, column: str, *, rows: Rows | None = None, seed: int = 0
) -> Dependence:
    """The mean answer with one column set to the same value in every row, for several values.

    Args:
        model: Whose answers.
        features: All rows.
        column: Name of a number or a category.
        rows: Rows that stand for the others; all unless given. At most 200 of them are drawn.
        seed: Of the draw.

    Source:
        Friedman 2001, section 8.2, https://doi.org/10.1214/aos/1013203451.

    Raises:
        ValueError: If there is no such column.
    """
    columns = (*features.number_names, *features.category_names)
    if column not in columns:
        raise ValueError(f"`column` must be one of {', '.join(columns)}. Received column={column!r}.")
    every = np.arange(len(features.numbers)) if rows is None else rows
    place = columns.index(column)
    number = place < len(features.number_names)
    cells = (
        features.numbers[every, place]
        if number
        else features.categories[every, place - len(features.number_names)]
    )
    values = _grid(cells) if number else _categories(cells)
    some = _some(every, BACKGROUND, seed)
    numbers, categories = features.numbers[some], features.categories[some]
    answers = []
    for value in values:
        moved = _with(numbers, categories, place, partial(np.full_like, fill_value=value))
        answers.append(model.answers(*moved).mean(axis=0))
    return Dependence(
        column=column,
        kind="number" if number else "category",
        values=tuple(values),
        answers=np.stack(answers),
        density=_density(cells, values, number=number),
    )


def _some(rows: Rows, most: int, seed: int) -> Rows:
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).permutation(rows)[:most])


def _with(
    numbers: Floats, categories: NDArray[Any], column: int, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> tuple[Floats, NDArray[Any]]:
    """The cells with one column changed, numbers counted first."""
    numbers, categories = numbers.copy(), categories.copy()
    table, place = (numbers, column) if column < numbers.shape[1] else (categories, column - numbers.shape[1])
    table[:, place] = change(table[:, place])
    return numbers, categories


def _loss(model: TableModel, numbers: Floats, categories: NDArray[Any], truth: NDArray[Any]) -> float:
    losses = tasks.of(model.task).importance_loss(truth)(model.answers(numbers, categories))
    return float(losses.mean())


def _grid(cells: Floats) -> list[float]:
    """Every value where there are few, and else quantiles from the 1st to the 99th in a hundred."""
    known = cells[~np.isnan(cells)]
    if not len(known):
        return [0.0]
    values = np.unique(known)
    if len(values) > GRID:
        values = np.unique(np.quantile(known, np.linspace(0.01, 0.99, GRID)))
    return [float(value) for value in values]


def _categories(cells: NDArray[Any]) -> list[str | None]:
    """The commonest categories, a missing one among them."""
    counts: dict[str | None, int] = {}
    for cell in cells:
        counts[cell] = counts.get(cell, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name or ""))[:MOST_CATEGORIES]


def _density(cells: NDArray[Any], values: Sequence[float | str | None], *, number: bool) -> Floats:
    if not number:
        return np.array([np.mean([cell == value for cell in cells]) for value in values])
    known = cells[~np.isnan(cells)]
    nearest = np.abs(known[:, None] - np.array(values)).argmin(axis=1)
    return np.bincount(nearest, minlength=len(values)) / max(len(cells), 1)
