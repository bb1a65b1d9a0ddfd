"""Parting a data set into train, val and test: by class, by group, and the same on every machine.

Chance comes from sha256(seed, content), never from a random generator: the same pictures with the same seed
are parted alike whatever their order, their names, the system and the version of NumPy.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mindle.errors import DataError
from mindle.records import PARTS, Dataset, Finding

Fractions = tuple[float, float, float]
# Who gets the odd image: judging a class takes at least one of it, learning has most already.
_ODD_FIRST = (2, 1, 0)


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """Images that stay together: a group, or a single image."""

    rows: tuple[int, ...]
    counts: Counter[int]  # images by class
    order: str  # decides by chance among equals


def split(dataset: Dataset, *, seed: int = 0, fractions: Fractions = (0.70, 0.15, 0.15)) -> Dataset:
    """Fill `parts`: train, val and test, with each class in its share and no group cut.

    A split that came with the data is kept. Where it has train and one held-out part, that is the test part
    and `fractions[1]` of train becomes val. Rows without a part in such data belong to train.

    Each class is parted by largest remainders, so that without groups every part is within one image of its
    share. A class of three or more images (or groups) is in every part; of two, one is in train and one in
    test; a single one is in train.

    Args:
        dataset: The images; `check` before, so that duplicates stay together.
        seed: Another seed, another split.
        fractions: Shares of train, val and test; they add up to 1.

    Returns:
        The data set with `parts`, and a finding for each class that a part lacks.

    Raises:
        ValueError: If the fractions are not shares.
        DataError: If nothing is left to part, or the given split has no training images.

    Example:
        >>> from mindle.data.sources import read
        >>> parts = split(read("digits")).parts
        >>> parts.count("train"), parts.count("val"), parts.count("test")
        (1259, 269, 269)
    """
    _check_fractions(fractions)
    rows = np.flatnonzero(
        [not aside and label >= 0 for aside, label in zip(dataset.set_aside, dataset.labels, strict=True)]
    )
    if not len(rows):
        raise DataError("Splitting needs at least one usable image. Received none. `mindle check` says why.")
    given = {dataset.given[row] for row in rows.tolist()} - {""}
    parts = [""] * len(dataset)
    if not given - {"train"}:
        _assign(parts, dataset, rows, seed, fractions)
    else:
        _keep_given(parts, dataset, rows, seed, fractions)
    labels = [name for name in PARTS if name == "train" or fractions[PARTS.index(name)] > 0 or name in given]
    found = _missing_classes(dataset, parts, labels)
    return replace(dataset, parts=tuple(parts), findings=(*dataset.findings, *found))


def _check_fractions(fractions: Fractions) -> None:
    sound = (
        len(fractions) == 3 and fractions[0] > 0 and min(fractions) >= 0 and abs(sum(fractions) - 1) < 1e-6
    )
    if not sound:
        raise ValueError(
            "`fractions` must be the shares of train, val and test: none below 0, train above 0, "
            f"adding up to 1. Received fractions={tuple(fractions)}."
        )


def _keep_given(
    parts: list[str], dataset: Dataset, rows: NDArray[np.int64], seed: int, fractions: Fractions
) -> None:
    """Take the given parts; cut val from train where only one part is held out."""
    held_out = {dataset.given[row] for row in rows.tolist()} & {"val", "test"}
    only = next(iter(held_out)) if len(held_out) == 1 else ""
    for row in rows.tolist():
        part = dataset.given[row] or "train"
        parts[row] = "test" if part == only else part
    train = rows[[parts[row] == "train" for row in rows.tolist()]]
    if not len(train):
        raise DataError(
            "A given split must have usable training images. Received none in train. "
            "Put images there, or give the images without a split."
        )
    if only and fractions[1] > 0:
        _assign(parts, dataset, train, seed, (1 - fractions[1], fractions[1], 0.0))


def _assign(
    parts: list[str], dataset: Dataset, rows: NDArray[np.int64], seed: int, fractions: Fractions
) -> None:
    """Part some rows by class and group."""
    units = _units(dataset, rows, seed)
    sizes = Counter(dataset.labels[rows].tolist())
    pieces = Counter(label for unit in units for label in unit.counts)
    quotas = _quotas(sizes, pieces, fractions)
    placed: dict[int, list[int]] = {label: [0, 0, 0] for label in sizes}
    chosen: list[int] = []
    # Groups first, the largest first, while there is room everywhere; single images then fill up exactly.
    for unit in units:
        part = _best_part(unit, quotas, placed)
        chosen.append(part)
        for label, count in unit.counts.items():
            placed[label][part] += count
    _repair(units, chosen, quotas)
    for unit, part in zip(units, chosen, strict=True):
        for row in unit.rows:
            parts[row] = PARTS[part]


def _units(dataset: Dataset, rows: NDArray[np.int64], seed: int) -> list[_Unit]:
    """Groups and single images, the largest first and then by chance."""
    members: dict[str, list[int]] = defaultdict(list)
    for row in rows.tolist():
        # A group may have any name, so that a row without one gets a name that no group can have.
        members[f"group {dataset.groups[row]}" if dataset.groups[row] else f"row {row}"].append(row)
    units = []
    for together in members.values():
        paths = [dataset.paths[row] for row in together]
        content = min(_content(dataset, row) for row in together)
        units.append(
            _Unit(
                rows=tuple(together),
                counts=Counter(dataset.labels[together].tolist()),
                # Copies that no group binds are told apart by their paths.
                order=hashlib.sha256(f"{seed}:{content}".encode()).hexdigest() + min(paths),
            )
        )
    return sorted(units, key=lambda unit: (-len(unit.rows), unit.order))


def _content(dataset: Dataset, row: int) -> str:
    """What an image is known by: the hash of its content, or its path where it was not checked."""
    return (dataset.sha256[row] if dataset.sha256 else "") or dataset.paths[row]


def _quotas(sizes: Counter[int], pieces: Counter[int], fractions: Fractions) -> dict[int, list[int]]:
    """How many images of each class each part shall have.

    Largest remainders by class; ties go to the part that is furthest behind over all classes, so that many
    small classes do not all err to one side.
    """
    quotas: dict[int, list[int]] = {}
    behind = [0.0, 0.0, 0.0]
    for label in sorted(sizes):
        ideal = [sizes[label] * fraction for fraction in fractions]
        quota = [int(share + 1e-9) for share in ideal]
        rank = sorted(
            _ODD_FIRST, key=lambda part: (-round(ideal[part] - quota[part], 9), -round(behind[part], 9))
        )
        for part in rank[: sizes[label] - sum(quota)]:
            quota[part] += 1
        _at_least_one(quota, pieces[label], fractions)
        behind = [late + share - count for late, share, count in zip(behind, ideal, quota, strict=True)]
        quotas[label] = quota
    return quotas


def _at_least_one(quota: list[int], pieces: int, fractions: Fractions) -> None:
    """Give each part an image of the class where it has enough pieces: train first, then test, then val."""
    open_parts = [part for part in (0, 2, 1) if fractions[part] > 0]
    for part in open_parts[:pieces]:
        if quota[part] == 0:
            richest = max(open_parts, key=lambda other: quota[other])
            quota[richest] -= 1
            quota[part] += 1
    for part in open_parts[pieces:]:  # too few pieces for this part: they stay in train
        quota[0] += quota[part]
        quota[part] = 0


def _best_part(unit: _Unit, quotas: dict[int, list[int]], placed: dict[int, list[int]]) -> int:
    """The part that a unit overfills least; among those the emptiest by share, then train, val, test."""

    def cost(part: int) -> tuple[int, float, int]:
        over, room, quota = 0, 0, 0
        for label, count in unit.counts.items():
            left = quotas[label][part] - placed[label][part]
            over += max(0, count - max(0, left))
            room += left
            quota += quotas[label][part]
        return over, -round(room / quota, 9) if quota else 1.0, part

    return min(range(3), key=cost)


def _repair(units: Sequence[_Unit], chosen: list[int], quotas: dict[int, list[int]]) -> None:
    """Move a unit where a class of several units is absent from a part that should have it."""
    holders: dict[tuple[int, int], set[int]] = defaultdict(set)
    for index, (unit, part) in enumerate(zip(units, chosen, strict=True)):
        for label in unit.counts:
            holders[label, part].add(index)
    for label in sorted(quotas):
        for part in (0, 2, 1):
            if quotas[label][part] == 0 or holders[label, part]:
                continue
            # A unit may go when every class in it has another unit where it leaves.
            free = [
                index
                for other in range(3)
                for index in holders[label, other]
                if all(len(holders[each, other]) > 1 for each in units[index].counts)
            ]
            if not free:
                continue
            moved = min(free, key=lambda index: (len(units[index].rows), units[index].order))
            for each in units[moved].counts:
                holders[each, chosen[moved]].discard(moved)
                holders[each, part].add(moved)
            chosen[moved] = part


def _missing_classes(dataset: Dataset, parts: Sequence[str], wanted: Sequence[str]) -> list[Finding]:
    """A finding for each class that a part lacks, unless `read` said so already."""
    counts = Counter(
        (label, part) for label, part in zip(dataset.labels.tolist(), parts, strict=True) if part
    )
    used = {label for label, _ in counts}
    known = [finding for finding in dataset.findings if finding.kind == "class-missing"]
    findings = []
    for label in sorted(used):
        name = dataset.classes[label]
        lacking = [part for part in wanted if not counts[label, part]]
        told = {
            part for part in lacking for one in known if name in one.files and f" {part} part" in one.message
        }
        lacking = [part for part in lacking if part not in told]
        if lacking:
            findings.append(
                Finding(
                    kind="class-missing",
                    files=(name,),
                    message=f"Class {name!r} has no images in the {' and '.join(lacking)} part"
                    f"{'s' if len(lacking) > 1 else ''}: it has too few images that may be parted.",
                    action="kept",
                )
            )
    return findings
