"""What a data set holds, counted and in words: classes by split, and what was set aside."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from mindle.data.common.classes import UNDECIDED
from mindle.data.common.counts import aligned, aside_of, reasons_of, require_test
from mindle.data.common.findings import finding
from mindle.data.common.splits import split
from mindle.data.common.tasks import of
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import SPLITS, Dataset, Examples, InputSpec

Data = TypeVar("Data", bound=Examples)


def split_counts(dataset: Examples) -> dict[str, dict[str, int]]:
    """Images (or rows) of each class in each split, and how many were set aside.

    Where numbers are estimated, the quarters of their range of values take the place of classes.

    Example:
        >>> import mindle.data
        >>> split_counts(mindle.data.split(mindle.data.read("digits")))["0"]
        {'train': 124, 'val': 27, 'test': 27, 'set_aside': 0}
    """
    return of(dataset.task).counts(dataset)


def describe(dataset: Dataset, *, most_classes: int = 20) -> list[str]:
    """Lines that say what there is to learn from: classes, counts by split, what was set aside.

    Example:
        >>> import mindle.data
        >>> for line in describe(mindle.data.read("digits"), most_classes=1):
        ...     print(line)
        digits: 1,797 images in 10 classes
          class  images  set aside
          0         178          0
          … and 9 more classes
    """
    return [
        of(dataset.task).headline(dataset),
        *truth_lines(dataset, most_classes),
        *_given_line(dataset),
        *aside_lines(dataset),
    ]


def truth_lines(data: Examples, most: int) -> list[str]:
    """Lines on the truths; at most so many classes."""
    lines = aligned(of(data.task).rows(data, most))
    if len(data.classes) > most:
        lines.append(message("data.summary.more-classes", n=len(data.classes) - most))
    return lines


def _given_line(dataset: Dataset) -> list[str]:
    """The split that came with data which are not split yet: folders that were taken for splits are named."""
    if any(dataset.splits):
        return []
    given = Counter(dataset.given[row] for row in dataset.rows().tolist())
    counts = [f"{split} {given[split]:,}" for split in SPLITS if given[split]]
    return [message("data.summary.given", counts=", ".join(counts))] if counts else []


def aside_lines(data: Examples) -> list[str]:
    """What was set aside, in a line; none where nothing was."""
    reasons = reasons_of(data)
    return [message("data.summary.set-aside", counts=reasons)] if reasons else []


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
    """Checked images as a training takes them: split, and something to learn from and to evaluate on.

    The one rule that `check` and `train` share: what raises here is a decision there.

    Args:
        dataset: What `check` gave.
        seed: Of the split.

    Raises:
        DataError: If nothing can be learned from them, or nothing is left to evaluate on.

    Example:
        >>> import mindle.data
        >>> any(ready(mindle.data.read("digits")).splits)
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
        refused = finding("not-learnable", [], str(error))
        return replace(data, findings=(refused, *data.findings))
    return data


def require_learnable(dataset: Dataset) -> None:
    """Refuse data that nothing can be learned from, or that leave nothing to evaluate on.

    Raises:
        DataError: If folders may be splits as well as classes, if fewer than two classes have training
            images, or the test set is empty.
    """
    undecided = next((finding for finding in dataset.findings if finding.kind == UNDECIDED), None)
    if undecided is not None:
        raise DataError(
            f"Folders must be classes or splits. Received {dataset.source!r}: {undecided.message}"
        )
    of(dataset.task).require_learnable(dataset, aside_of(dataset))
    require_test(dataset)
