"""What a data set holds, counted and in words: classes by part, and what was set aside."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

from mindle.data.common.classes import UNDECIDED
from mindle.data.common.draw import NOT_DRAWN
from mindle.data.common.names import count_of
from mindle.data.common.splits import split
from mindle.errors import DataError
from mindle.records import PARTS, Dataset, Finding, InputSpec, Table

Data = TypeVar("Data", Dataset, Table)


def part_counts(dataset: Dataset | Table) -> dict[str, dict[str, int]]:
    """Images (or rows) of each class in each part, and how many were set aside.

    Where numbers are estimated, the quarters of their range of values take the place of classes.

    Example:
        >>> import mindle.data
        >>> part_counts(mindle.data.split(mindle.data.read("digits")))["0"]
        {'train': 124, 'val': 27, 'test': 27, 'set_aside': 0}
    """
    counts = {name: dict.fromkeys((*PARTS, "set_aside"), 0) for name in dataset.classes}
    parts = dataset.parts or ("",) * len(dataset)
    asides = dataset.set_aside or ("",) * len(dataset)
    if dataset.task == "regression":
        return _quarter_counts(dataset, parts, asides) if isinstance(dataset, Dataset) else counts
    for label, part, aside in zip(dataset.labels.tolist(), parts, asides, strict=True):
        if label < 0 or aside == NOT_DRAWN:
            continue
        if aside:
            counts[dataset.classes[label]]["set_aside"] += 1
        elif part:
            counts[dataset.classes[label]][part] += 1
    return counts


def _quarter_counts(
    dataset: Dataset, parts: Sequence[str], asides: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Images by quarter of the numbers to estimate: "1 to 2.5", as many images in each."""
    known = np.isfinite(dataset.targets)
    if not known.any():
        return {}
    edges = np.quantile(dataset.targets[known], (0, 0.25, 0.5, 0.75, 1))
    names = [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges.tolist())]
    counts = {name: dict.fromkeys((*PARTS, "set_aside"), 0) for name in names}
    for row in np.flatnonzero(known).tolist():
        place = "set_aside" if asides[row] else parts[row]
        if place:
            quarter = np.searchsorted(edges[1:4], dataset.targets[row], side="right")
            counts[names[quarter]][place] += 1
    return counts


def set_aside_counts(dataset: Dataset | Table) -> dict[str, int]:
    """How many files (or rows) were set aside for each reason, the commonest first."""
    return dict(Counter(reason for reason in dataset.set_aside if reason).most_common())


def describe(dataset: Dataset, *, most_classes: int = 20) -> list[str]:
    """Lines that say what there is to learn from: classes, counts by part, what was set aside.

    Example:
        >>> import mindle.data
        >>> for line in describe(mindle.data.read("digits"), most_classes=1):
        ...     print(line)
        digits: 1,797 images in 10 classes
          class   images  set aside
          0          178          0
          … and 9 more classes
    """
    if dataset.task == "regression":
        return _describe_numbers(dataset)
    is_split = any(dataset.parts)
    counts = part_counts(dataset) if is_split else _class_counts(dataset)
    columns = (*PARTS, "set aside") if is_split else ("images", "set aside")
    rows = [
        ("class", columns),
        *((name, [f"{count:,}" for count in row.values()]) for name, row in counts.items()),
    ]
    width = max(len(name) for name, _ in rows)
    images = count_of(len(dataset.rows()), "image", "images")
    lines = [f"{dataset.name}: {images} in {count_of(len(dataset.classes), 'class', 'classes')}"]
    for name, cells in rows[: most_classes + 1]:
        lines.append(
            f"  {name:<{width}}  " + " ".join(f"{cell:>7}" for cell in cells[:-1]) + f"  {cells[-1]:>9}"
        )
    if len(counts) > most_classes:
        more = count_of(len(counts) - most_classes, "more class", "more classes")
        lines.append(f"  … and {more}")
    return [*lines, *_given_line(dataset), *_aside_line(dataset)]


def _given_line(dataset: Dataset) -> list[str]:
    """The split that came with data which are not split yet: folders that were taken for parts are named."""
    if any(dataset.parts):
        return []
    given = Counter(dataset.given[row] for row in dataset.rows().tolist())
    counts = [f"{part} {given[part]:,}" for part in PARTS if given[part]]
    return [f"  split given: {', '.join(counts)}"] if counts else []


def _aside_line(dataset: Dataset) -> list[str]:
    reasons = set_aside_counts(dataset)
    if not reasons:
        return []
    return ["  set aside: " + ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())]


def _describe_numbers(dataset: Dataset) -> list[str]:
    """How the numbers to estimate are spread, by part where the images are parted."""
    rows: list[tuple[str, ...]] = [
        ("part", "images", "least", "lower quarter", "median", "upper quarter", "most")
    ]
    for part in PARTS if any(dataset.parts) else (None,):
        values = dataset.targets[dataset.rows(part)]
        values = values[np.isfinite(values)]
        if len(values):
            spread = (f"{value:.6g}" for value in np.quantile(values, (0, 0.25, 0.5, 0.75, 1)).tolist())
            rows.append((part or "all", f"{len(values):,}", *spread))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    images = count_of(len(dataset.rows()), "image", "images")
    head = f"{dataset.name}: {images}, to estimate {dataset.target}"
    return [head, *(f"  {line}" for line in table), *_given_line(dataset), *_aside_line(dataset)]


def _class_counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Images of each class where nothing is split yet, and how many were set aside."""
    counts = {name: {"images": 0, "set_aside": 0} for name in dataset.classes}
    for label, aside in zip(dataset.labels.tolist(), dataset.set_aside, strict=True):
        if label >= 0 and aside != NOT_DRAWN:
            counts[dataset.classes[label]]["set_aside" if aside else "images"] += 1
    return counts


def disk_bytes(count: int, specs: tuple[InputSpec, ...]) -> int:
    """Room that `count` decoded images take in the pixel store, for every distinct pixel layout."""
    layouts = {(spec.shape, spec.fit, spec.interpolation, spec.colour) for spec in specs}
    return sum(count * shape[0] * shape[1] * shape[2] for shape, *_ in layouts)


def parse_size(size: str | int) -> int:
    """Bytes of a size such as "5GB", "500 MB", or a number of bytes; a KB is 1,000 bytes.

    Raises:
        ValueError: If it is none of these.

    Example:
        >>> parse_size("1.5GB"), parse_size("500 mb"), parse_size(0)
        (1500000000, 500000000, 0)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)b?\s*", str(size), re.IGNORECASE)
    if match is None:
        raise ValueError(f"A size must look like 5GB, 500MB or a number of bytes. Received {size!r}.")
    return int(float(match[1]) * 1000 ** " kmgt".index(match[2].lower() or " "))


def ready(dataset: Dataset, *, seed: int = 0) -> Dataset:
    """Checked images as a training takes them: split, and something to learn from and to judge by.

    The one rule that `check` and `train` share: what raises here is a decision there.

    Args:
        dataset: What `check` gave.
        seed: Of the split.

    Raises:
        DataError: If nothing can be learned from them, or nothing is left to judge by.

    Example:
        >>> import mindle.data
        >>> any(ready(mindle.data.read("digits")).parts)
        True
    """
    dataset = split(dataset, seed=seed)
    require_learnable(dataset)
    return dataset


def decided(data: Data, ready: Callable[[Data], Data]) -> Data:
    """Checked data with a decision where a training would refuse them.

    Args:
        data: What a check gave.
        ready: What a training does with them first: `ready` of images, `ready_table` of rows.

    Example:
        >>> import mindle.data
        >>> decided(mindle.data.read("digits"), ready).findings
        ()
    """
    try:
        ready(data)
    except DataError as error:
        refused = Finding(
            kind="not-learnable",
            files=(),
            message=str(error),
            action="a training refuses the data",
            decision=True,
        )
        return replace(data, findings=(refused, *data.findings))
    return data


def require_learnable(dataset: Dataset) -> None:
    """Refuse data that nothing can be learned from, or that leave nothing to judge it by.

    Raises:
        DataError: If folders may be parts as well as classes, if fewer than two classes have training
            images, or the test part is empty.
    """
    undecided = next((finding for finding in dataset.findings if finding.kind == UNDECIDED), None)
    if undecided is not None:
        raise DataError(f"Folders must be classes or parts. Received {dataset.source!r}: {undecided.message}")
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in set_aside_counts(dataset).items())
    aside = f" Set aside: {reasons}." if reasons else ""
    if dataset.task == "regression":
        _require_numbers(dataset, aside)
        return
    learned = {dataset.classes[label] for label in dataset.labels[dataset.rows("train")].tolist()}
    if len(learned) < 2:
        raise DataError(
            f"At least two classes must have usable training images. Received {len(learned)} "
            f"({', '.join(sorted(learned)) or 'none'}) in {dataset.source}.{aside} "
            "`mindle check` names every file and its reason."
        )
    if not len(dataset.rows("test")):
        raise DataError(
            f"The test part must hold at least one image. Received none from {len(dataset.rows()):,} usable "
            "images in "
            f"{dataset.source}.{aside} Give every class at least 10 images, or a test folder."
        )


# Fewer cannot be told from chance, nor parted.
_FEWEST_NUMBERS = 10


def _require_numbers(dataset: Dataset, aside: str) -> None:
    train, test = dataset.rows("train"), dataset.rows("test")
    different = len(np.unique(dataset.targets[train]))
    if len(train) < _FEWEST_NUMBERS or different < 2:
        raise DataError(
            f"To estimate {dataset.target}, at least {_FEWEST_NUMBERS} usable training images with two or "
            f"more different targets must be there. Received {len(train):,} images with {different} in "
            f"{dataset.source}.{aside} `mindle check` names every file and its reason."
        )
    if not len(test):
        raise DataError(
            f"The test part must hold at least one image. Received none from {len(dataset.rows()):,} usable "
            f"images in {dataset.source}.{aside} Give more images, or a split with a test part."
        )
