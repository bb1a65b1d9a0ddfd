"""Which columns an answer depends on, and how it moves with each: arrays that a report can draw.

Both ask the model again with one column changed, and look at nothing inside it.
"""

from __future__ import annotations

from collections import Counter
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

REPEATS, MOST_ROWS = 5, 600
GRID, MOST_CATEGORIES, BACKGROUND = 24, 20, 200


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """How the mean answer moves with one column.

    Attributes:
        column: Its name.
        kind: "number" or "category".
        values: Where it was put: numbers from low to high, or categories; None is a missing one.
        answers: (value, output) mean probabilities, or mean estimates (value, 1).
    """

    column: str
    kind: str
    values: Sequence[float | str | None]
    answers: Floats


def permutation_importance(
    models: Sequence[tuple[TableModel, Rows]],
    features: Features,
    truth: NDArray[Any],
    *,
    repeats: int = REPEATS,
    seed: int = 0,
) -> dict[str, Floats]:
    """How much worse held-out answers get when one column's cells change places.

    Args:
        models: Each with the rows that it had not learned from, such as `TableOutcome.fold_models`; 600 rows
            of all together are drawn.
        features: All rows.
        truth: Of all rows.
        repeats: How often each column is shuffled; the spread shows how sure the figure is.
        seed: Of the shuffles.

    Returns:
        Columns from the most important to the least, with increases (repeat,) of the cross-entropy, or of the
        mean absolute error.

    Source:
        Breiman 2001, section 10, https://doi.org/10.1023/A:1010933404324; Fisher, Rudin & Dominici 2019,
        https://arxiv.org/abs/1801.01489.
    """
    each = max(1, MOST_ROWS // len(models))
    some = [_some(rows, each, draw(seed, index)) for index, (_, rows) in enumerate(models)]
    columns = (*features.number_names, *features.category_names)
    increase = np.zeros((len(columns), repeats))
    for (model, _), rows in zip(models, some, strict=True):
        loss, weight = tasks.of(model.task).importance_loss(truth[rows]), len(rows) / sum(map(len, some))
        cells = features.numbers[rows], features.categories[rows]
        unchanged = loss(model.answers(*cells)).mean()
        for column, repeat in np.ndindex(*increase.shape):
            order = np.random.default_rng(draw(seed, 9, column, repeat)).permutation(len(rows))
            moved = _with(*cells, column, partial(np.take, indices=order))
            increase[column, repeat] += weight * (loss(model.answers(*moved)).mean() - unchanged)
    ranked = np.argsort(-increase.mean(axis=1), kind="stable")
    return {columns[column]: increase[column] for column in ranked}


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
    index, count = columns.index(column), len(features.number_names)
    values: Sequence[float | str | None] = (
        _grid(features.numbers[every, index])
        if index < count
        else _frequent(features.categories[every, index - count])
    )
    some = _some(every, BACKGROUND, seed)
    cells = features.numbers[some], features.categories[some]
    answers = [
        model.answers(*_with(*cells, index, partial(np.full_like, fill_value=value))).mean(axis=0)
        for value in values
    ]
    kind = "number" if index < count else "category"
    return Dependence(column=column, kind=kind, values=values, answers=np.stack(answers))


def _some(rows: Rows, most: int, seed: int) -> Rows:
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).permutation(rows)[:most])


def _with(
    numbers: Floats, categories: NDArray[Any], column: int, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> tuple[Floats, NDArray[Any]]:
    """The cells with one column changed, numbers counted first."""
    numbers, categories = numbers.copy(), categories.copy()
    count = numbers.shape[1]
    cells, index = (numbers, column) if column < count else (categories, column - count)
    cells[:, index] = change(cells[:, index])
    return numbers, categories


def _grid(cells: Floats) -> list[float]:
    """Every value where there are few, and else quantiles from the 1st to the 99th in a hundred."""
    known = cells[~np.isnan(cells)]
    if not len(known):
        return [0.0]
    values = np.unique(known)
    if len(values) > GRID:
        values = np.unique(np.quantile(known, np.linspace(0.01, 0.99, GRID)))
    return [float(value) for value in values]


def _frequent(cells: NDArray[Any]) -> list[str | None]:
    """The most frequent categories, a missing one among them."""
    counts: Counter[str | None] = Counter(cells.tolist())
    return sorted(counts, key=lambda name: (-counts[name], name or ""))[:MOST_CATEGORIES]
