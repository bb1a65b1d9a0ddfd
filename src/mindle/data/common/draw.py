"""A subset of a large set: so many images of each class, drawn by a seed before anything is decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mindle.data.common.findings import finding
from mindle.data.common.names import split_of
from mindle.data.common.tasks import of
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import NOT_DRAWN, SPLITS, Dataset, Draw

PerClass = str | int | Mapping[str, int]


def parse_per_class(value: PerClass) -> tuple[int, dict[str, int]]:
    """One number for all splits (or 0), and the numbers by split.

    Raises:
        ValueError: If it is neither a number nor numbers by split, or a number is below 1.

    Example:
        >>> parse_per_class("500"), parse_per_class("train=1000,val=500,test=500")
        ((500, {}), (0, {'train': 1000, 'val': 500, 'test': 500}))
    """
    if isinstance(value, str) and "=" in value:
        pairs: list[tuple[str, Any]] = [
            (name, number) for name, _, number in (piece.partition("=") for piece in value.split(","))
        ]
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        return _count(value, value), {}
    splits = {split_of(str(name)): _count(number, value) for name, number in pairs}
    if None in splits or len(splits) < len(pairs) or not splits:
        raise _no_counts(value)
    return 0, {str(split): number for split, number in splits.items()}


def _count(number: Any, value: PerClass) -> int:
    plain = str(number).strip()
    if isinstance(number, bool) or not plain.isdecimal() or int(plain) < 1:
        raise _no_counts(value)
    return int(plain)


def _no_counts(value: PerClass) -> ValueError:
    return ValueError(
        "`per_class` must be a number of images above 0, or such numbers by split, each named once, such as "
        f"train=1000,val=500,test=500. Received per_class={value!r}."
    )


def draw(dataset: Dataset, per_class: PerClass, *, seed: int = 0) -> Dataset:
    """Keep so many images of each class; the others are set aside as `not-drawn`.

    Where the data come in splits, the images are drawn from these; one number is spread over them as their
    images are. Else `split` makes exactly these splits of what is drawn. Chance comes from the seed and the
    path of each image, so that the same call draws the same images.

    Args:
        dataset: What `read` gave.
        per_class: See `parse_per_class`.
        seed: Another seed, other images.

    Raises:
        ValueError: If the numbers leave a split open, or the images have no classes.
        DataError: If a class has fewer images.

    Example:
        >>> from mindle.data.images.sources.source import read
        >>> len(draw(read("digits"), 20).rows())
        200
    """
    count, splits = parse_per_class(per_class)
    of(dataset.task).require_drawable(dataset, per_class)
    open_splits = _open_splits(_given(dataset), splits)
    if open_splits:
        raise ValueError(
            f"`per_class` must say how many images go into {' and '.join(open_splits)}, which "
            f"{dataset.source!r} does not give. Received per_class={per_class!r}. Name all splits, or give "
            "one number for the whole."
        )
    plan = Draw(seed=seed, count=count, splits=splits)
    drawn = _drawn(replace(dataset, draw=plan), plan, frozenset())
    number = ", ".join(f"{split} {number:,}" for split, number in splits.items()) or f"{count:,}"
    used, total = len(drawn.rows()), len(dataset.rows())
    sentence = message("data.splits.drawn", used=used, total=total, number=number, seed=seed)
    return replace(drawn, findings=(*drawn.findings, finding(NOT_DRAWN, [], sentence)))


def _open_splits(given: set[str], named: Mapping[str, int]) -> list[str]:
    """The splits that neither the data give nor the numbers name; validation is cut from train."""
    if not named:
        return []
    if not given:
        return [split for split in SPLITS if split not in named]
    cut = "val" not in given and {"train", "val"} & named.keys()
    return [split for split in ("train", "val") if cut and split not in named]


def check_drawn(dataset: Dataset, check: Callable[[Dataset], Dataset]) -> Dataset:
    """Check what was drawn; for each image that turns out unusable, the next one in the order is drawn.

    Args:
        dataset: What `draw` gave, or any other, which is checked once.
        check: Looks at the images that take part.

    Raises:
        DataError: If a class has too few usable images.
    """
    checked = check(dataset)
    lost: frozenset[int] = frozenset()
    while dataset.draw is not None:
        found = {row for row in dataset.rows().tolist() if checked.set_aside[row]}
        if found <= lost:
            break
        lost |= found
        dataset = _drawn(dataset, dataset.draw, lost)
        checked = check(dataset)
    return checked


def shares_of(dataset: Dataset) -> tuple[float, float, float] | None:
    """The shares by which `split` makes the splits that were asked for, or None."""
    if dataset.draw is None or not dataset.draw.splits:
        return None
    counts = [dataset.draw.splits.get(split, 0) for split in SPLITS]
    if not _given(dataset):
        total = sum(counts)
        return counts[0] / total, counts[1] / total, counts[2] / total
    if not counts[0] or not counts[1]:
        return None
    share = counts[1] / (counts[0] + counts[1])
    return 1 - share, share, 0.0


def _given(dataset: Dataset) -> set[str]:
    """The splits that the data come in; train alone is none."""
    found = {dataset.given[row] for row in _candidates(dataset)} - {""}
    return found if found - {"train"} else set()


def _candidates(dataset: Dataset) -> list[int]:
    """Rows that may be drawn."""
    labelled = (dataset.labels >= 0).tolist()
    return [
        row
        for row, (why, has_class) in enumerate(zip(dataset.set_aside, labelled, strict=True))
        if has_class and why in ("", NOT_DRAWN)
    ]


def _drawn(dataset: Dataset, plan: Draw, lost: Collection[int]) -> Dataset:
    """The data set with the first images in the order of each pool, those that are lost not counted."""
    candidates = _candidates(dataset)
    taken: set[int] = set(lost)

    def chance(row: int) -> str:
        return hashlib.sha256(f"{plan.seed}:{dataset.paths[row]}".encode()).hexdigest()

    for name, where, rows, count in _pools(dataset, plan, candidates):
        order = sorted((row for row in rows if row not in lost), key=chance)
        if len(order) < count:
            raise DataError(
                f"Every class must have as many usable images as `per_class` asks for. Received {name!r} "
                f"with {len(order):,}{where}, of {count:,} asked for, in {dataset.source!r}. Ask for fewer "
                "with --per-class."
            )
        taken |= set(order[:count])
    set_aside = list(dataset.set_aside)
    for row in candidates:
        set_aside[row] = "" if row in taken else NOT_DRAWN
    return replace(dataset, set_aside=tuple(set_aside))


def _pools(dataset: Dataset, plan: Draw, candidates: list[int]) -> Iterator[tuple[str, str, list[int], int]]:
    """What is drawn from: the class, the split where the data come in splits, the images, and how many."""
    given = _given(dataset)
    of_class: dict[int, dict[str, list[int]]] = {label: {} for label in range(len(dataset.classes))}
    for row in candidates:
        split = (dataset.given[row] or "train") if given else ""
        of_class[int(dataset.labels[row])].setdefault(split, []).append(row)
    for label, pools in of_class.items():
        sizes = {split: len(rows) for split, rows in pools.items()}
        for split, count in _asked(plan, sizes, given).items():
            rows = pools.get(split, []) if split else [row for rows in pools.values() for row in rows]
            yield dataset.classes[label], f" in {split}" if split else "", rows, count


def _asked(plan: Draw, sizes: Mapping[str, int], given: Collection[str]) -> dict[str, int]:
    """How many images of a class are wanted of each given split; what is not named is taken whole."""
    if not given:
        return {"": plan.count or sum(plan.splits.values())}
    if plan.count:
        return _spread(plan.count, sizes)
    counts = dict(plan.splits)
    if "val" in counts and "val" not in given:  # it is cut from train later
        counts["train"] = counts.get("train", 0) + counts.pop("val")
    return {split: counts.get(split, sizes.get(split, 0)) for split in {*sizes, *counts}}


def _spread(count: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """A number of images over splits, by largest remainders of their sizes."""
    splits = sorted(sizes)
    total = sum(sizes.values())
    if count > total:  # of no split are there enough
        return {"": count}
    ideal = np.array([sizes[split] for split in splits]) * count / total
    whole = ideal.astype(int)
    for place in np.argsort(whole - ideal, kind="stable")[: count - int(whole.sum())]:
        whole[place] += 1
    return dict(zip(splits, whole.tolist(), strict=True))
