"""Numbers and categories to the arrays that models learn from: fitted on training rows alone.

There are two views. `linear` is for whatever measures distances or adds up columns: numbers filled, put
through a logarithm where they are skewed, standardised; categories one-hot. `trees` is for what only
compares: numbers filled but otherwise as they are; categories one-hot up to fifty of a column, and else the
mean target of their rows, shrunk towards the mean of all, and how frequent they are. Two more show what
becomes of nets without scaling or with the wrong one: `plain` is `linear` with numbers as they are, and
`rows` is `plain` with each row divided by its length. In all, a missing number is the training median and,
where training rows missed it too, has a column that says so. A category that training did not know, or knew
from one row only, is "other".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.models.tables.tracing import TREES, Tensor

Floats = NDArray[np.float64]

# So many categories of a column are one-hot. Mean targets of fewer would do for trees, but not as well: on
# adult's columns of 9 to 41 categories LightGBM's log loss is 0.270 one-hot and 0.274 by means, CatBoost's
# 0.2735 and 0.2797 (3,257 held-out rows).
MOST_ONE_HOT, MOST_CATEGORIES = 50, 5000
# A category's mean target counts as much as the mean of all where the category has this many rows.
PRIOR_ROWS = 10.0
MOST_TARGET_CODES = 10
SKEWED = 3.0
VIEWS = ("linear", "trees", "plain", "rows")
SHORTEST = 1e-12  # a row of zeros stays one


@dataclass(frozen=True, kw_only=True)
class TableEncoder:
    """How rows become the views.

    Attributes:
        medians: (number,) what a missing number is taken for.
        missing: Which numbers were missing in training rows; each has a column that says so.
        bent: (number,) whether it is put through a signed logarithm in the linear view.
        units: (number,) what one is, in that logarithm.
        means, scales: (number,) centre and standard deviation in the linear view.
        known: For each categorical column, the categories it knows; the code of one is its index, of "other"
            the last.
        tree_tables: For each categorical column, (category or other, column) what the view of trees holds.
    """

    medians: Floats
    missing: NDArray[np.int64]
    bent: NDArray[np.bool_]
    units: Floats
    means: Floats
    scales: Floats
    known: tuple[tuple[str, ...], ...]
    tree_tables: tuple[Floats, ...]

    def view(self, name: str, numbers: Floats, categories: NDArray[Any]) -> Floats:
        """One of VIEWS, (row, column); in that of trees every value is a float32."""
        columns = []
        if len(self.medians):
            absent = np.isnan(numbers)
            filled = np.where(absent, self.medians, numbers)
            columns.append(self._standardised(filled) if name == "linear" else filled)
            if len(self.missing):
                columns.append(np.take(absent, self.missing, axis=1).astype(np.float64))
        for index, (known, means) in enumerate(zip(self.known, self.tree_tables, strict=True)):
            table = means if name == "trees" else _one_hot(len(known))
            cells = np.take(categories, index, axis=1)  # (row,)
            columns.append(_encoded(cells, known, table))
        view = np.concatenate(columns, axis=1)
        return _unit_rows(view) if name == "rows" else view

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """First column and width of each categorical column's one-hot block in the linear view."""
        widths = [min(len(known), MOST_ONE_HOT) for known in self.known]
        starts = np.cumsum([len(self.medians) + len(self.missing), *widths])
        return list(zip(starts.tolist(), widths, strict=False))

    @property
    def whole_blocks(self) -> list[tuple[int, int]]:
        """The same of the columns all of whose known categories are one-hot."""
        found = zip(self.blocks, self.known, strict=True)
        return [block for block, known in found if 0 < len(known) <= MOST_ONE_HOT]

    def _standardised(self, filled: Floats) -> Floats:
        if self.bent.any():
            filled = np.where(self.bent, _bend((filled - self.medians) / self.units), filled)
        standardised: Floats = (filled - self.means) / self.scales
        return standardised


def _unit_rows(view: Floats) -> Floats:
    length = np.maximum(np.sqrt(np.sum(view * view, axis=1, keepdims=True)), SHORTEST)  # (row, 1)
    divided: Floats = view / length
    return divided


def _bend(values: Floats) -> Floats:
    size: Floats = np.log1p(np.abs(values))
    return np.sign(values) * size


def text_of(cell: str | None) -> str:
    """A category's cell as the models know it: missing is a category like any other, the empty one."""
    return "" if cell is None else str(cell)


def codes_of(cells: NDArray[Any], known: tuple[str, ...]) -> NDArray[np.int64]:
    """Index of each cell's category; the number of categories where it is none of them.

    Example:
        >>> codes_of(np.array(["b", None, "c"], object), ("a", "b")).tolist()
        [1, 2, 2]
    """
    index, other = {category: code for code, category in enumerate(known)}, len(known)
    return np.fromiter((index.get(text_of(cell), other) for cell in cells), np.int64, len(cells))


@singledispatch
def _encoded(cells: Any, known: tuple[str, ...], table: Floats) -> Any:
    """The row of a table that belongs to each cell's category, (row, column)."""
    return table[codes_of(cells, known)]


@_encoded.register
def _(cells: Tensor, known: tuple[str, ...], table: Floats) -> Any:
    codes = cells.graph.add(
        "LabelEncoder",
        cells,
        domain=TREES,
        keys_strings=list(known) or ["\0"],  # the operator wants a category; this one never comes
        values_int64s=list(range(len(known))) or [0],
        default_int64=len(known),
    )
    return cells.graph.add("Gather", table, codes, axis=0)


def fit_encoder(numbers: Floats, categories: NDArray[Any], targets: Floats) -> TableEncoder:
    """Learn an encoder from training rows.

    Args:
        numbers: (row, n), NaN where missing, representable in float32.
        categories: object (row, m), str, None where missing.
        targets: (row, output) what categories are encoded by: the target, or one column a class.

    Example:
        >>> numbers = np.array([[1.0], [np.nan], [3.0]])
        >>> encoder = fit_encoder(numbers, np.empty((3, 0), object), np.zeros((3, 1)))
        >>> encoder.view("trees", np.array([[np.nan]]), np.empty((1, 0), object)).tolist()
        [[2.0, 1.0]]
    """
    present = ~np.isnan(numbers)
    medians = np.array(
        [
            np.median(column[here]) if here.any() else 0.0
            for column, here in zip(numbers.T, present.T, strict=True)
        ]
    )
    medians = medians.astype(np.float32).astype(np.float64)  # as numbers are: trees compare in float32
    filled = np.where(present, numbers, medians)
    units, bent = _skewed(filled)
    shaped = np.where(bent, _bend((filled - medians) / units), filled)
    scales = shaped.std(axis=0)
    known = tuple(_frequent(column) for column in categories.T)
    return TableEncoder(
        medians=medians,
        missing=np.flatnonzero(~present.all(axis=0)).astype(np.int64),
        bent=bent,
        units=units,
        means=shaped.mean(axis=0),
        scales=np.where(scales > 1e-12, scales, 1.0),
        known=known,
        tree_tables=tuple(
            _tree_table(codes_of(column, each), len(each), targets)
            for column, each in zip(categories.T, known, strict=True)
        ),
    )


def training_trees(
    encoder: TableEncoder, numbers: Floats, categories: NDArray[Any], targets: Floats, *, seed: int
) -> Floats:
    """The view of trees of the rows that the encoder was fitted on, with out-of-fold mean targets.

    A row's own target goes into its category's mean; a tree would learn to read it back. So these rows get
    the means of the other four fifths.

    Source:
        Micci-Barreca 2001, https://doi.org/10.1145/507533.507538, for the smoothed means.
    """
    view = encoder.view("trees", numbers, categories)
    rows = np.random.default_rng(seed).permutation(len(numbers))
    start = len(encoder.medians) + len(encoder.missing)
    for column, (known, table) in enumerate(zip(encoder.known, encoder.tree_tables, strict=True)):
        width = table.shape[1]
        if len(known) > MOST_ONE_HOT:
            codes = codes_of(categories[:, column], known)
            for held_out in np.array_split(rows, min(5, len(rows))):
                others = np.setdiff1d(rows, held_out)
                means = _tree_table(codes[others], len(known), targets[others])
                view[held_out, start : start + width] = means[codes[held_out]]
        start += width
    return view


def _skewed(filled: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The middle half's width of each number, and whether its third moment calls for a logarithm."""
    low, high = np.percentile(filled, [25, 75], axis=0) if len(filled) else np.zeros((2, filled.shape[1]))
    spread = filled.std(axis=0)
    units = np.where(high > low, high - low, np.where(spread > 0, spread, 1.0))
    centred = (filled - filled.mean(axis=0)) / np.where(spread > 1e-12, spread, 1.0)
    skew = np.abs((centred**3).mean(axis=0))
    two_valued = np.array([len(np.unique(column[:5000])) <= 2 for column in filled.T], bool)
    return units, (skew > SKEWED) & ~two_valued


def _frequent(cells: NDArray[Any]) -> tuple[str, ...]:
    """Categories of two rows or more, the most frequent first; equals in the order of the alphabet."""
    counts = Counter(text_of(cell) for cell in cells)
    found = sorted((-count, category) for category, count in counts.items() if count > 1)
    return tuple(category for _, category in found[:MOST_CATEGORIES])


def _one_hot(categories: int) -> Floats:
    """One row a category and one for "other", which is all zeros, as are the rarest beyond MOST_ONE_HOT."""
    return np.eye(categories + 1, min(categories, MOST_ONE_HOT))


def _tree_table(codes: NDArray[np.int64], categories: int, targets: Floats) -> Floats:
    """One row a category and one for "other": one-hot, or mean targets and how frequent it is."""
    if categories <= MOST_ONE_HOT:
        return _one_hot(categories)
    counts = np.bincount(codes, minlength=categories + 1).astype(np.float64)  # (category,)
    columns = [np.log1p(counts)]
    if targets.shape[1] <= MOST_TARGET_CODES:
        for target in targets.T:
            sums = np.bincount(codes, target, categories + 1)
            columns.append((sums + PRIOR_ROWS * target.mean()) / (counts + PRIOR_ROWS))
    return np.stack(columns, axis=1).astype(np.float32).astype(np.float64)  # (category, column)
