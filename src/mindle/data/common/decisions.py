"""What a person decided about labels, applied to data after their split.

The split is drawn from the data as they were given, so that two runs are evaluated on the same test rows
whatever was decided. Only rows of train and val change; of a small table, which is evaluated by
cross-validation, what is learned changes and what is evaluated does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.label_issues import KEEP, RELABEL, SET_ASIDE, Verdict
from mindle.data.common.findings import finding
from mindle.data.common.tasks import of
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import Examples, Finding

Data = TypeVar("Data", bound=Examples)
DECIDED = "decided"
"""Why a row is not used that a person set aside."""


@dataclass(frozen=True, kw_only=True)
class Decided(Generic[Data]):
    """Data with what was decided about them.

    Attributes:
        data: With findings on what was decided; truths as they were given.
        learned: (row,) the truth to learn from.
        aside: bool (row,), which rows are not learned from.
        confirmed: bool (row,), whose truth somebody looked at: it was kept, or changed by hand.
        counts: How many rows were relabelled, set aside and kept, and how many decisions were not applied,
            as they are about test rows or about what is no longer there.
    """

    data: Data
    learned: NDArray[Any]
    aside: NDArray[np.bool_]
    confirmed: NDArray[np.bool_]
    counts: Mapping[str, int]

    @property
    def applied(self) -> Data:
        """The data as they are learned from: of a split, in which no test row has changed."""
        data = self.data
        unknown = data.set_aside or ("",) * len(data)
        splits = data.splits or ("",) * len(data)
        truth = "targets" if len(data.targets) else "labels"
        reasons = [DECIDED if out else why for out, why in zip(self.aside, unknown, strict=True)]
        left = ["" if out else split for out, split in zip(self.aside, splits, strict=True)]
        changed: Any = {truth: self.learned, "set_aside": tuple(reasons), "splits": tuple(left)}
        return replace(data, **changed)


def decide(data: Data, verdicts: Sequence[Verdict]) -> Decided[Data]:
    """What verdicts change about checked and split data.

    A verdict is about content: it follows an image to another name, and is not applied where the content has
    changed.

    Args:
        data: Checked, with their hashes, and split where they will be.
        verdicts: In the order of their file.

    Raises:
        DataError: If a new label is none of the classes, or no number, or two verdicts disagree about a row;
            the lines are named.

    Example:
        >>> import mindle.data
        >>> data = mindle.data.check(mindle.data.read("digits"))
        >>> seven = Verdict(path=data.paths[0], sha256=data.sha256[0], verdict="relabel", new_label="7")
        >>> decide(data, [seven]).applied.labels[0]
        np.int64(7)
    """
    names = data.row_names
    rows = _rows_of(data, names)
    learned, aside, confirmed = data.truth.copy(), *np.zeros((2, len(data)), np.bool_)
    done: dict[str, list[int]] = {verdict: [] for verdict in (KEEP, RELABEL, SET_ASIDE)}
    test, outdated = [], []
    settled: dict[int, Verdict] = {}
    for each in verdicts:
        new = _new_truth(data, each) if each.verdict == RELABEL else None
        meant = rows(each)
        if not meant:
            outdated.append(each.path)
        for row in meant:
            if data.splits and data.splits[row] == "test":
                test.append(names[row])
                continue
            if row in settled:
                _require_agreed(names[row], settled[row], each)
                continue
            settled[row] = each
            done[each.verdict].append(row)
            aside[row] |= each.verdict == SET_ASIDE
            confirmed[row] |= each.verdict != SET_ASIDE and each.line > 0  # suggestions stand in no file
            if new is not None:
                learned[row] = new
    named = {verdict: [names[row] for row in found] for verdict, found in done.items()}
    findings = _findings(named[RELABEL], named[SET_ASIDE], test, outdated)
    counts = {
        "relabelled": len(done[RELABEL]),
        "set_aside": len(done[SET_ASIDE]),
        "kept": len(done[KEEP]),
        "on_test": len(test),
        "outdated": len(outdated),
    }
    return Decided(
        data=replace(data, findings=(*data.findings, *findings)),
        learned=learned,
        aside=aside,
        confirmed=confirmed,
        counts=counts,
    )


def _rows_of(data: Examples, names: Sequence[str]) -> Callable[[Verdict], list[int]]:
    """A function that gives the rows a verdict is about: those with its content, of several the named one."""
    holding: dict[str, list[int]] = defaultdict(list)
    for row in data.rows().tolist():
        holding[data.sha256[row]].append(row)

    def rows(each: Verdict) -> list[int]:
        same = holding.get(each.sha256, [])
        named = [row for row in same if names[row] == each.path]
        return named or same

    return rows


def _require_agreed(name: str, first: Verdict, second: Verdict) -> None:
    """Refuse to guess which of two verdicts about a row is meant."""
    if (first.verdict, first.new_label) != (second.verdict, second.new_label):
        said = " and ".join(f"{each.verdict} {each.new_label}".strip() for each in (first, second))
        raise DataError(
            f"Lines {first.line} and {second.line} of `decisions` must agree about {name}. Received {said}. "
            "Leave one of them out."
        )


def _new_truth(data: Examples, each: Verdict) -> Any:
    """The truth that a new label stands for."""
    try:
        return of(data.task).truth(data, each.new_label)
    except ValueError as error:
        where = f"Line {each.line} of `decisions`" if each.line else f"A suggestion for {each.path}"
        raise DataError(f"{where}: {error}") from error


def _findings(
    relabelled: Sequence[str], aside: Sequence[str], test: Sequence[str], outdated: Sequence[str]
) -> Iterator[Finding]:
    found = {
        "relabelled": relabelled,
        DECIDED: aside,
        "decision-on-test": test,
        "decision-outdated": outdated,
    }
    for kind, names in found.items():
        if names:
            yield finding(kind, names, message(f"doctor.decisions.{kind}", n=len(names), first=names[0]))
