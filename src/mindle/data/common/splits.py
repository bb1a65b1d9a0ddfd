"""Splitting images or rows into train, val and test: by class, by group, and the same on every machine.

Chance comes from sha256(seed, content), never from a random generator: the same content with the same seed
is split alike whatever the order, their names, the system and the version of NumPy.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.draw import shares_of
from mindle.data.common.findings import finding
from mindle.data.common.names import all_of
from mindle.data.common.tasks import of
from mindle.errors import DataError
from mindle.messages import Message, message
from mindle.records import SPLITS, Dataset, Examples, Finding

Fractions = tuple[float, float, float]
Assign = Callable[[NDArray[np.int64], Fractions], Sequence[str]]
Data = TypeVar("Data", bound=Examples)
# Who gets the odd image: evaluating a class takes at least one of it, learning has most already.
_ODD_FIRST = (2, 1, 0)


@dataclass(frozen=True, kw_only=True)
class SplitInput:
    """What is to be split: the rows that take part, and what is known of all, as columns of equal length.

    Attributes:
        rows: Indices of the rows that take part.
        labels: Class of each row, each of which gets its share of every split.
        given: Split that came with the data, or "".
        groups: Rows that share a non-empty group stay together.
        contents: What a row is known by wherever it stands, such as the hash of its content.
        names: Distinguish rows of one content.
        things: What people call the rows: "images" or "rows".
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    given: Sequence[str]
    groups: Sequence[str]
    contents: Sequence[str]
    names: Sequence[str]
    things: str = "images"

    def unit(self, row: int) -> str:
        """A name that only the rows share which stay with a row: its group's, or its alone."""
        if self.groups[row]:
            return f"group {self.groups[row]}"  # whatever its name, no single row is called so
        return f"row {self.contents[row]} {self.names[row]}"


@dataclass(frozen=True, kw_only=True)
class _Units:
    """What stays together, groups and single rows: the largest first and then by chance.

    Attributes:
        order: The places of the rows, one unit after the other.
        labels: The class of each of these.
        starts: Where each unit begins in them, and the end.
    """

    order: NDArray[np.int64]
    labels: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def counts(self, unit: int) -> Counter[int]:
        """Rows of a unit by class."""
        return Counter(self.labels[self.starts[unit] : self.starts[unit + 1]].tolist())

    def pieces(self) -> Counter[int]:
        """How many units have rows of each class."""
        span = int(self.labels.max(initial=0)) + 1
        units = np.repeat(np.arange(len(self)), np.diff(self.starts))
        return Counter((np.unique(units * span + self.labels) % span).tolist())

    def of(self, label: int) -> NDArray[np.int64]:
        """The units that have rows of a class."""
        return np.unique(np.searchsorted(self.starts, np.flatnonzero(self.labels == label), side="right") - 1)


def split(dataset: Dataset, *, seed: int = 0, fractions: Fractions = (0.70, 0.15, 0.15)) -> Dataset:
    """Fill `splits`: train, val and test, with each class in its share and no group cut.

    A split that came with the data is kept. Where it has train and one held-out split, that is the test split
    and `fractions[1]` of train becomes val. Rows without a split in such data belong to train.

    Of a subset of a large set (`mindle.data.common.draw`) the splits are those that it names.

    Where numbers are estimated, bands of them take the place of classes: see
    `mindle.data.common.regression.bands`.

    Each class is split by largest remainders, so that without groups every split is within one image of its
    share. A class of three or more images (or groups) is in every split; of two, one is in train and one in
    test; a single one is in train.

    Args:
        dataset: The images; `check` before, so that duplicates stay together.
        seed: Another seed, another split.
        fractions: Shares of train, val and test; they add up to 1.

    Returns:
        The data set with `splits`, and a finding for each class that a split lacks.

    Raises:
        ValueError: If the fractions are not shares.
        DataError: If nothing is left to split, or the given split has no training images.

    Example:
        >>> from mindle.data.images.sources.source import read
        >>> splits = split(read("digits")).splits
        >>> splits.count("train"), splits.count("val"), splits.count("test")
        (1259, 269, 269)
    """
    stock = split_input(dataset, dataset.paths)
    asked = shares_of(dataset) or fractions
    return split_by(dataset, stock, asked, lambda rows, shares: assign_splits(stock, rows, seed, shares))


def split_input(data: Examples, names: Sequence[str], rows: NDArray[np.int64] | None = None) -> SplitInput:
    """What is to be split; the rows that take part are those with a truth, unless some are given."""
    task = of(data.task)
    if rows is None:
        rows = data.rows()
        rows = rows[task.known(data)[rows]]
    labels = np.full(len(data), -1)
    labels[rows] = task.strata(data, rows)
    blank = ("",) * len(data)
    return SplitInput(
        rows=rows,
        labels=labels,
        given=data.given or blank,
        groups=data.groups or blank,
        contents=data.sha256
        if data.sha256 and all(data.sha256)
        else [sha256 or name for sha256, name in zip(data.sha256 or blank, names, strict=True)],
        names=names,
        things=data.unit,
    )


def split_by(data: Data, stock: SplitInput, fractions: Fractions, assign: Assign) -> Data:
    """The data with the split of each row, "" where it takes no part, and findings on missing classes.

    Args:
        data: The data.
        stock: Its rows.
        fractions: Shares of train, val and test.
        assign: The splits of some rows by such shares, where nothing is given.

    Raises:
        ValueError: If the fractions are not shares.
        DataError: If no row takes part, or the given split has no training rows.
    """
    splits = _splits(stock, fractions, assign)
    found = _missing_classes(stock, data, splits, fractions)
    return replace(data, splits=splits, findings=(*data.findings, *found))


def nothing_usable(things: str) -> DataError:
    """What check, train and split say where nothing can be used."""
    return DataError(f"A training needs usable {things}. Received none. `mindle check` says why.")


def _splits(stock: SplitInput, fractions: Fractions, assign: Assign) -> tuple[str, ...]:
    rows = stock.rows
    first, *others = fractions
    if not (first > 0 and len(others) == 2 and min(others) >= 0 and abs(sum(fractions) - 1) < 1e-6):
        raise ValueError(
            "`fractions` must be the shares of train, val and test: none below 0, train above 0, "
            f"adding up to 1. Received fractions={tuple(fractions)}."
        )
    if not len(rows):
        raise nothing_usable(stock.things)
    given = {stock.given[row] for row in rows.tolist()} - {""}
    splits = [""] * len(stock.labels)
    train = rows
    if given - {"train"}:
        held_out = given & {"val", "test"}
        only = next(iter(held_out)) if len(held_out) == 1 else ""
        for row in rows.tolist():
            split = stock.given[row] or "train"
            splits[row] = "test" if split == only else split
        train = rows[[splits[row] == "train" for row in rows.tolist()]]
        if not len(train):
            raise DataError(
                f"A given split must have usable training {stock.things}. Received none in train. "
                f"Put {stock.things} there, or give the {stock.things} without a split."
            )
        if not only or fractions[1] == 0:
            return tuple(splits)
        fractions = (1 - fractions[1], fractions[1], 0.0)
    for row, split in zip(train.tolist(), assign(train, fractions), strict=True):
        splits[row] = split
    return tuple(splits)


def assign_splits(stock: SplitInput, rows: NDArray[np.int64], seed: int, fractions: Fractions) -> list[str]:
    """The split of some rows, by class and group."""
    units = _units(stock, rows, seed)
    sizes = Counter(stock.labels[rows].tolist())
    quotas = _quotas(sizes, units.pieces(), fractions)
    placed: dict[int, list[int]] = {label: [0, 0, 0] for label in sizes}
    chosen = np.zeros(len(units), np.int64)
    # Groups first, the largest first, while there is room everywhere; single rows then fill up exactly.
    for unit in range(len(units)):
        counts = units.counts(unit)
        chosen[unit] = split = _best_split(counts, quotas, placed)
        for label, count in counts.items():
            placed[label][split] += count
    _repair(units, chosen, quotas)
    found = np.zeros(len(rows), np.int64)
    found[units.order] = np.repeat(chosen, np.diff(units.starts))
    return [SPLITS[split] for split in found.tolist()]


def _digests(texts: Iterable[str], count: int) -> NDArray[np.bytes_]:
    """32 bytes of chance for each text, (count,)."""
    return np.fromiter((hashlib.sha256(text.encode()).digest() for text in texts), "S32", count)


def _numbers(values: NDArray[Any]) -> NDArray[np.int64]:
    """A number for each value, by their order: the inverse of `np.unique` in half of its memory."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    numbers = np.zeros(len(values), np.int64)
    numbers[order[1:]] = np.cumsum(ordered[1:] != ordered[:-1])
    return numbers


def _units(stock: SplitInput, rows: NDArray[np.int64], seed: int) -> _Units:
    """Groups and single rows in their order; arrays, because there may be a million."""
    unit = _numbers(_digests(map(stock.unit, map(int, rows)), len(rows)))
    places = np.argsort(unit, kind="stable")
    sizes = np.bincount(unit)
    ends = np.cumsum(sizes)

    def least(column: Sequence[str], unit: int) -> str:
        some: list[int] = rows[places[ends[unit] - sizes[unit] : ends[unit]]].tolist()
        return min(column[row] for row in some)

    count = len(sizes)
    chance = _digests((f"{seed}:{least(stock.contents, unit)}" for unit in range(count)), count)
    order = np.lexsort((chance, -sizes))
    # Copies that no group binds are distinguished by their names.
    tied = np.flatnonzero((np.diff(sizes[order]) == 0) & (chance[order[1:]] == chance[order[:-1]]))
    tied = np.union1d(tied, tied + 1)
    order[tied] = sorted(
        order[tied].tolist(), key=lambda unit: (-sizes[unit], chance[unit], least(stock.names, unit))
    )
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    places = np.argsort(rank[unit], kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes[order])])
    return _Units(order=places, labels=stock.labels[rows][places], starts=starts)


def _quotas(sizes: Counter[int], pieces: Counter[int], fractions: Fractions) -> dict[int, list[int]]:
    """How many images of each class each split shall have.

    Largest remainders by class; ties go to the split that is furthest behind over all classes, so that many
    small classes do not all err to one side.
    """
    quotas: dict[int, list[int]] = {}
    behind = [0.0, 0.0, 0.0]
    for label in sorted(sizes):
        ideal = [sizes[label] * fraction for fraction in fractions]
        quota = [int(share + 1e-9) for share in ideal]
        rank = sorted(
            _ODD_FIRST, key=lambda split: (-round(ideal[split] - quota[split], 9), -round(behind[split], 9))
        )
        for split in rank[: sizes[label] - sum(quota)]:
            quota[split] += 1
        _at_least_one(quota, pieces[label], fractions)
        behind = [late + share - count for late, share, count in zip(behind, ideal, quota, strict=True)]
        quotas[label] = quota
    return quotas


def _at_least_one(quota: list[int], pieces: int, fractions: Fractions) -> None:
    """Give each split an image of the class where it has enough pieces: train first, then test, then val."""
    open_splits = [split for split in (0, 2, 1) if fractions[split] > 0]
    for split in open_splits[:pieces]:
        if quota[split] == 0:
            richest = max(open_splits, key=lambda other: quota[other])
            quota[richest] -= 1
            quota[split] += 1
    for split in open_splits[pieces:]:  # too few pieces for this split: they stay in train
        quota[0] += quota[split]
        quota[split] = 0


def _best_split(counts: Counter[int], quotas: dict[int, list[int]], placed: dict[int, list[int]]) -> int:
    """The split that a unit overfills least; among those the emptiest by share, then train, val, test."""

    def cost(split: int) -> tuple[int, float, int]:
        over, room, quota = 0, 0, 0
        for label, count in counts.items():
            left = quotas[label][split] - placed[label][split]
            over += max(0, count - max(0, left))
            room += left
            quota += quotas[label][split]
        return over, -round(room / quota, 9) if quota else 1.0, split

    return min(range(3), key=cost)


def _repair(units: _Units, chosen: NDArray[np.int64], quotas: dict[int, list[int]]) -> None:
    """Move a unit where a class of several units is absent from a split that should have it."""
    held = {label: np.bincount(chosen[units.of(label)], minlength=3) for label in quotas}
    for label in sorted(quotas):
        for split in (0, 2, 1):
            if quotas[label][split] == 0 or held[label][split]:
                continue
            # A unit may go when every class in it has another unit where it leaves.
            free = [
                unit
                for unit in units.of(label).tolist()
                if all(held[each][chosen[unit]] > 1 for each in units.counts(unit))
            ]
            if not free:
                continue
            moved = min(free, key=lambda unit: (units.starts[unit + 1] - units.starts[unit], unit))
            for each in units.counts(moved):
                held[each][chosen[moved]] -= 1
                held[each][split] += 1
            chosen[moved] = split


def _missing_classes(
    stock: SplitInput, data: Examples, splits: Sequence[str], fractions: Fractions
) -> Iterator[Finding]:
    """A finding for each class that a split lacks which should have some of it, unless it is known."""
    counts = Counter(
        (label, split) for label, split in zip(stock.labels.tolist(), splits, strict=True) if split
    )
    used = {label for label, _ in counts}
    given = {name for name, split in zip(stock.given, splits, strict=True) if split}
    shares = zip(SPLITS, fractions, strict=True)
    wanted = [split for split, share in shares if split == "train" or share > 0 or split in given]
    known = {
        (one.files[0], split)
        for one in data.findings
        if one.kind == "class-missing" and isinstance(one.message, Message)
        for split in one.message.values.get("lacking", [one.message.values.get("split")])
    }
    for label, name in enumerate(data.classes):
        lacking = [each for each in wanted if not counts[label, each] and (name, each) not in known]
        if label in used and lacking:
            things = message(f"data.things.{stock.things}")
            values = {"name": name, "things": things, "n": len(lacking), "lacking": lacking}
            sentence = message("data.splits.class-missing", splits=all_of(lacking), **values)
            yield finding("class-missing", [name], sentence, decision=False)


def assign_folds(
    labels: NDArray[np.int64], groups: NDArray[np.int64], *, folds: int = 5, seed: int = 0
) -> NDArray[np.int64]:
    """Which fold each row belongs to: whole groups, every class spread evenly.

    Groups are assigned from large to small, each to the fold that has fewest of its class so far.

    Example:
        >>> assign_folds(np.array([0, 0, 0, 0]), np.array([0, 0, 1, 2]), folds=2).tolist() in (
        ...     [[0, 0, 1, 1], [1, 1, 0, 0]])
        True
    """
    found, place = np.unique(groups, return_inverse=True)
    sizes = np.bincount(place)
    first = np.full(len(found), len(labels))
    np.minimum.at(first, place, np.arange(len(labels)))
    shuffled = np.random.default_rng(seed).permutation(len(found))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    counts = np.zeros((int(labels.max(initial=0)) + 1, folds), np.int64)
    fold_of = np.zeros(len(found), np.int64)
    for group in order.tolist():
        row = counts[labels[first[group]]]
        # The emptier fold over all classes breaks ties, so that small classes do not pile up in one.
        fold_of[group] = np.lexsort((counts.sum(0), row))[0]
        row[fold_of[group]] += sizes[group]
    return fold_of[place]
