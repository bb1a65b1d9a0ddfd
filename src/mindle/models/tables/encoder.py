"""Numbers and words to the arrays that models learn from: fitted on training rows alone.

There are two views. `linear` is for whatever measures distances or adds up columns: numbers filled, bent
where they are skewed, standardised; words one-hot. `trees` is for what only compares: numbers filled but
otherwise as they are; words one-hot up to fifty, and else the mean target of their rows, drawn towards the
mean of all, and how common they are. Two more show what becomes of nets without scaling or with
the wrong one: `plain` is `linear` with numbers as they are, and `rows` is `plain` with each row divided by
its length. In all, a missing number is the training median and, where training rows missed it too, has a
column that says so. A word that training did not know, or knew from one row only, has a row of its own in
every table of words: "other".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.models.tables.nodes import TREES, Nodes

Floats = NDArray[np.float64]

# So many words of a column are one-hot. Mean targets of fewer words would do for trees, but not as well: on
# adult's columns of 9 to 41 words LightGBM's log loss is 0.270 one-hot and 0.274 by means, CatBoost's 0.2735
# and 0.2797 (3,257 rows held out).
ONE_HOT_WORDS, MOST_WORDS = 50, 5000
# A word's mean target counts as much as the mean of all where the word has this many rows.
PRIOR_ROWS = 10.0
MOST_TARGET_CODES = 10
SKEWED = 3.0
VIEWS = ("linear", "trees", "plain", "rows")
SHORTEST = 1e-12  # a row of zeros keeps them


@dataclass(frozen=True, kw_only=True)
class TableEncoder:
    """How rows become the views.

    Attributes:
        medians: (number,) what a missing number is taken for.
        missing: Which numbers were missing in training rows; each has a column that says so.
        bent: (number,) whether it is put through a signed logarithm in the linear view.
        units: (number,) what one is, in that logarithm.
        means, scales: (number,) centre and standard deviation in the linear view.
        words: For each category, the words it knows; the code of a word is its place, of "other" the last.
        linear_tables, tree_tables: For each category, (word or other, column) what a view holds for it.
    """

    medians: Floats
    missing: NDArray[np.int64]
    bent: NDArray[np.bool_]
    units: Floats
    means: Floats
    scales: Floats
    words: tuple[tuple[str, ...], ...]
    linear_tables: tuple[Floats, ...]
    tree_tables: tuple[Floats, ...]

    def linear(self, numbers: Floats, categories: NDArray[Any]) -> Floats:
        """The view of linear models, kernels and nets, (row, column)."""
        filled = self._filled(numbers)
        bent = np.where(self.bent, _bend((filled - self.medians) / self.units), filled)
        scaled = (bent - self.means) / self.scales
        return self._joined(scaled, numbers, categories, self.linear_tables)

    def trees(self, numbers: Floats, categories: NDArray[Any]) -> Floats:
        """The view of trees, (row, column); every value is a float32."""
        return self._joined(self._filled(numbers), numbers, categories, self.tree_tables)

    def plain(self, numbers: Floats, categories: NDArray[Any]) -> Floats:
        """The columns of `linear` with numbers filled and otherwise as they are, (row, column)."""
        return self._joined(self._filled(numbers), numbers, categories, self.linear_tables)

    def rows(self, numbers: Floats, categories: NDArray[Any]) -> Floats:
        """`plain` with each row divided by its length, (row, column): it mixes columns of unlike units."""
        plain = self.plain(numbers, categories)
        return np.asarray(plain / np.maximum(np.linalg.norm(plain, axis=1, keepdims=True), SHORTEST))

    def view(self, name: str, numbers: Floats, categories: NDArray[Any]) -> Floats:
        """The view of that name, one of VIEWS."""
        makers = {"linear": self.linear, "trees": self.trees, "plain": self.plain, "rows": self.rows}
        return makers[name](numbers, categories)

    def blocks(self) -> list[tuple[int, int]]:
        """First column and width of each category's one-hot block in the linear view."""
        start = len(self.medians) + len(self.missing)
        found = []
        for table in self.linear_tables:
            found.append((start, table.shape[1]))
            start += table.shape[1]
        return found

    def _filled(self, numbers: Floats) -> Floats:
        return np.where(np.isnan(numbers), self.medians, numbers)

    def _joined(
        self, numbers: Floats, raw: Floats, categories: NDArray[Any], tables: tuple[Floats, ...]
    ) -> Floats:
        parts = [numbers, np.isnan(raw[:, self.missing]).astype(np.float64)]
        for column, (words, table) in enumerate(zip(self.words, tables, strict=True)):
            parts.append(table[codes_of(categories[:, column], words)])
        return np.concatenate(parts, axis=1)

    # ---- the same as a graph ----------------------------------------------------------------------------

    def write(self, nodes: Nodes, numbers: str, categories: str, views: set[str]) -> dict[str, str]:
        """Add the nodes that make the views, and give the name of each."""
        wanted: list[str] = [view for view in ("linear", "trees", "plain") if view in views]
        if "rows" in views and "plain" not in wanted:
            wanted.append("plain")
        parts: dict[str, list[str]] = {view: [] for view in wanted}
        if len(self.medians):
            self._write_numbers(nodes, numbers, parts)
        for column, words in enumerate(self.words):
            text = nodes.add(
                "Gather", categories, nodes.constant(np.array(column, np.int64)), axis=1
            )  # (row,)
            codes = nodes.add(
                "LabelEncoder",
                text,
                domain=TREES,
                keys_strings=list(words) or ["\0"],  # it must know a word; this one never comes
                values_int64s=list(range(len(words))) or [0],
                default_int64=len(words),
            )
            one_hot, means = self.linear_tables[column], self.tree_tables[column]
            gathered: dict[bool, str] = {}  # views that hold the same for a word look it up once
            for view in wanted:
                differs = view == "trees" and not np.array_equal(means, one_hot)
                if differs not in gathered:
                    table = nodes.constant(means if differs else one_hot)
                    gathered[differs] = nodes.add("Gather", table, codes, axis=0)
                parts[view].append(gathered[differs])
        made: dict[str, str] = {view: nodes.add("Concat", *parts[view], axis=1) for view in wanted}
        if "rows" in views:
            made["rows"] = self._write_rows(nodes, made["plain"])
        return made

    def _write_numbers(self, nodes: Nodes, numbers: str, parts: dict[str, list[str]]) -> None:
        absent = nodes.add("IsNaN", numbers)
        filled = nodes.add("Where", absent, nodes.constant(self.medians), numbers)
        for view, members in parts.items():
            members.append(self._write_scaled(nodes, filled) if view == "linear" else filled)
        if len(self.missing):
            chosen = nodes.add("Gather", absent, nodes.constant(self.missing), axis=1)
            said = nodes.cast(chosen, np.float64)
            for members in parts.values():
                members.append(said)

    def _write_scaled(self, nodes: Nodes, filled: str) -> str:
        if self.bent.any():
            away = nodes.add("Sub", filled, nodes.constant(self.medians))
            unit = nodes.add("Div", away, nodes.constant(self.units))
            size = nodes.add("Log", nodes.add("Add", nodes.add("Abs", unit), nodes.number(1.0)))
            signed = nodes.add("Mul", nodes.add("Sign", unit), size)
            filled = nodes.add("Where", nodes.constant(self.bent), signed, filled)
        centred = nodes.add("Sub", filled, nodes.constant(self.means))
        return nodes.add("Div", centred, nodes.constant(self.scales))

    def _write_rows(self, nodes: Nodes, plain: str) -> str:
        squares = nodes.add("Mul", plain, plain)
        total = nodes.add("ReduceSum", squares, nodes.constant(np.array([1])), keepdims=1)  # (row, 1)
        length = nodes.add("Max", nodes.add("Sqrt", total), nodes.number(SHORTEST))
        return nodes.add("Div", plain, length)


def _bend(values: Floats) -> Floats:
    return np.sign(values) * np.log1p(np.abs(values))


def text_of(cell: str | None) -> str:
    """A category's cell as the models know it: missing is a word like any other, the empty one."""
    return "" if cell is None else str(cell)


def codes_of(cells: NDArray[Any], words: tuple[str, ...]) -> NDArray[np.int64]:
    """Place of each cell's word; the number of words where it is none of them.

    Example:
        >>> codes_of(np.array(["b", None, "c"], object), ("a", "b")).tolist()
        [1, 2, 2]
    """
    places = {word: place for place, word in enumerate(words)}
    other = len(words)
    return np.fromiter((places.get(text_of(cell), other) for cell in cells), np.int64, len(cells))


def fit_encoder(
    numbers: Floats, categories: NDArray[Any], targets: Floats, *, bend: bool = True
) -> TableEncoder:
    """Learn an encoder from training rows.

    Args:
        numbers: (row, n), NaN where missing, representable in float32.
        categories: object (row, m), str, None where missing.
        targets: (row, output) what words are told apart by: the target, or one column a class.
        bend: Whether skewed numbers are put through a signed logarithm in the linear view.

    Example:
        >>> numbers = np.array([[1.0], [np.nan], [3.0]])
        >>> encoder = fit_encoder(numbers, np.empty((3, 0), object), np.zeros((3, 1)))
        >>> encoder.trees(np.array([[np.nan]]), np.empty((1, 0), object)).tolist()
        [[2.0, 1.0]]
    """
    present = ~np.isnan(numbers)
    medians = np.array(
        [
            np.median(column[here]) if here.any() else 0.0
            for column, here in zip(numbers.T, present.T, strict=True)
        ]
    ).astype(np.float32)  # as numbers are: trees compare in float32
    filled = np.where(present, numbers, medians.astype(np.float64))
    units, bent = _skewed(filled, medians.astype(np.float64), bend=bend)
    shaped = np.where(bent, _bend((filled - medians) / units), filled)
    scales = shaped.std(axis=0)
    vocabularies = [_vocabulary(column) for column in categories.T]
    return TableEncoder(
        medians=medians.astype(np.float64),
        missing=np.flatnonzero(~present.all(axis=0)).astype(np.int64),
        bent=bent,
        units=units,
        means=shaped.mean(axis=0),
        scales=np.where(scales > 1e-12, scales, 1.0),
        words=tuple(vocabularies),
        linear_tables=tuple(_one_hot(len(words)) for words in vocabularies),
        tree_tables=tuple(
            _tree_table(codes_of(column, words), len(words), targets)
            for column, words in zip(categories.T, vocabularies, strict=True)
        ),
    )


def training_trees(
    encoder: TableEncoder, numbers: Floats, categories: NDArray[Any], targets: Floats, *, seed: int
) -> Floats:
    """The tree view of the rows that the encoder was fitted on, with honest mean targets.

    A row's own target is part of its word's mean; a tree would learn to read it back. So these rows get
    the means of the other four fifths.

    Source:
        Micci-Barreca 2001, https://doi.org/10.1145/507533.507538, for the smoothed means.
    """
    view = encoder.trees(numbers, categories)
    rows = np.random.default_rng(seed).permutation(len(numbers))
    start = len(encoder.medians) + len(encoder.missing)
    for column, (words, table) in enumerate(zip(encoder.words, encoder.tree_tables, strict=True)):
        width = table.shape[1]
        if len(words) > ONE_HOT_WORDS:
            codes = codes_of(categories[:, column], words)
            for held in np.array_split(rows, min(5, len(rows))):
                learned = np.setdiff1d(rows, held)
                part = _tree_table(codes[learned], len(words), targets[learned])
                view[held, start : start + width] = part[codes[held]]
        start += width
    return view


def _skewed(filled: Floats, medians: Floats, *, bend: bool) -> tuple[Floats, NDArray[np.bool_]]:
    """The middle half's width of each number, and whether its third moment calls for a logarithm."""
    low, high = np.percentile(filled, [25, 75], axis=0) if len(filled) else np.zeros((2, filled.shape[1]))
    spread = filled.std(axis=0)
    units = np.where(high > low, high - low, np.where(spread > 0, spread, 1.0))
    centred = (filled - filled.mean(axis=0)) / np.where(spread > 1e-12, spread, 1.0)
    skew = np.abs((centred**3).mean(axis=0))
    two_valued = np.array([len(np.unique(column[:5000])) <= 2 for column in filled.T], bool)
    return units, (skew > SKEWED) & ~two_valued & bend


def _vocabulary(cells: NDArray[Any]) -> tuple[str, ...]:
    """Words of two rows or more, the commonest first; equals in the order of the alphabet."""
    counts = Counter(text_of(cell) for cell in cells)
    known = sorted((-count, word) for word, count in counts.items() if count > 1)
    return tuple(word for _, word in known[:MOST_WORDS])


def _one_hot(words: int) -> Floats:
    """One row a word and one for "other", which is all zeros, as are the rarest beyond ONE_HOT_WORDS."""
    return np.eye(words + 1, min(words, ONE_HOT_WORDS))


def _tree_table(codes: NDArray[np.int64], words: int, targets: Floats) -> Floats:
    """One row a word and one for "other": one-hot, or mean targets and how common the word is."""
    if words <= ONE_HOT_WORDS:
        return _one_hot(words)
    counts = np.bincount(codes, minlength=words + 1).astype(np.float64)  # (word,)
    columns = [np.log1p(counts)]
    if targets.shape[1] <= MOST_TARGET_CODES:
        for target in targets.T:
            prior = target.mean()
            sums = np.bincount(codes, target, words + 1)
            columns.append((sums + PRIOR_ROWS * prior) / (counts + PRIOR_ROWS))
    return np.stack(columns, axis=1).astype(np.float32).astype(np.float64)  # (word, column)
