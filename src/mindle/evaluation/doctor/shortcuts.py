"""Shortcuts: whether a class or number can be predicted from something that is not what should be learned.

A small tree answers from one cue alone, out of fold. A model that finds such a cue is right in its own data
and wrong in the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.doctor.trees import binned, out_of_fold
from mindle.evaluation.doctor.truths import Strength, Truth
from mindle.evaluation.intervals import Ints, Score
from mindle.records import Cue

FOLDS = 5
LEAST_ROWS = 50
DRAWS, FEW_ROWS = 3, 5_000  # of folds, over which answers about few rows are averaged
LIMIT = 0.9
"""A cue may say less of any one class (lower end of its ROC AUC), or of a number (lower end of R²)."""
LIMIT_OF_SUBJECT = 0.99
"""What holds the subject, as a column of a table does, may say more of all: petals tell irises apart."""


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """What one cue says alone.

    Attributes:
        cue: Name of the cue.
        detail: What of it says most, such as a word; "" where it has no parts with names.
        strength: How much it says.
        alarm: Whether a model could answer from it.
        content: How far what should be learned may show in it, see `Cue`.
    """

    cue: str
    detail: str
    strength: Strength
    alarm: bool
    content: str

    def document(self) -> dict[str, Any]:
        """As run.json keeps it."""
        strength = {name: value for name, value in asdict(self.strength).items() if value not in (None, "")}
        return {
            "cue": self.cue,
            "detail": self.detail,
            **strength,
            "alarm": self.alarm,
            "content": self.content,
        }


def find_shortcuts(cues: Sequence[Cue], truth: Truth, groups: Ints, *, seed: int = 0) -> list[Shortcut]:
    """What each cue says alone; the alarms first, then what says most.

    Args:
        cues: Of the same rows.
        truth: What should be learned.
        groups: (row,), equal for rows that belong together.
        seed: Of the folds.

    Returns:
        One entry a cue that varies; none of fewer than `LEAST_ROWS` rows.

    Example:
        >>> from mindle.evaluation.doctor import truths
        >>> labels = np.arange(200) % 2
        >>> cue = Cue(name="file-size", values=labels[:, None] * 9.0 + np.arange(200)[:, None] % 7)
        >>> found = find_shortcuts([cue], truths.of("binary", labels, ("cat", "dog")), np.arange(200))
        >>> found[0].alarm, found[0].strength.score["value"], found[0].strength.chance
        (True, 1.0, 0.5)
    """
    if len(groups) < LEAST_ROWS or len(np.unique(truth.strata)) < 2:
        return []
    draws = DRAWS if len(groups) <= FEW_ROWS else 1
    folds = [folds_of(truth.strata, groups, seed + draw) for draw in range(draws)]
    bins = {cue.name: binned(cue.values) for cue in cues}
    found = [
        _found(cue, bins[cue.name], truth, folds) for cue in cues if np.ptp(bins[cue.name], axis=0).any()
    ]
    return sorted(found, key=lambda each: (not each.alarm, -float(each.strength.overall["value"] or 0.0)))


def folds_of(strata: Ints, groups: Ints, seed: int) -> Ints:
    """The fold of each row: every fold gets its share of each stratum, groups stay together.

    Example:
        >>> np.bincount(folds_of(np.arange(20) % 2, np.arange(20) // 2, 0)).tolist()
        [4, 4, 4, 4, 4]
    """
    _, first, which = np.unique(groups, return_index=True, return_inverse=True)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(first)), strata[first]))
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % FOLDS
    found: Ints = fold[which]
    return found


def _found(cue: Cue, bins: NDArray[np.uint8], truth: Truth, folds: Sequence[Ints]) -> Shortcut:
    # Regions are small, and steadier as a mean over draws; of what holds the subject none is an alarm.
    used = folds[:1] if cue.content == "all" else folds
    answers, firsts = zip(*(out_of_fold(bins, truth, each) for each in used), strict=True)
    strength, first = truth.strength(np.mean(answers, axis=0)), firsts[0]
    detail = cue.parts[first] if cue.parts and first >= 0 else ""
    alarm = _alarms(strength, cue.content)
    return Shortcut(cue=cue.name, detail=detail, strength=strength, alarm=alarm, content=cue.content)


def _alarms(strength: Strength, content: str) -> bool:
    if strength.ranking is None:
        return _low(strength.overall) >= LIMIT
    if content == "all":
        return _low(strength.overall) >= LIMIT_OF_SUBJECT
    return _low(strength.ranking) >= LIMIT or (content == "none" and strength.region is not None)


def _low(score: Score) -> float:
    return float(score["low"] or 0.0)
