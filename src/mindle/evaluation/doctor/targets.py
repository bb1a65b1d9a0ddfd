"""Numbers that are probably wrong: targets far outside of the interval that the errors of others suggest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.doctor.labels import Issues, share_of
from mindle.evaluation.intervals import Floats
from mindle.records import OutOfFold

LEVEL = 0.9
# Half-widths of the interval from which a target lies far outside: of normal errors 1 in 1.2 million do.
FAR = 3.0


def half_width(errors: Floats, level: float = LEVEL) -> float:
    """How far an estimate may lie from the truth of a new row: a quantile of errors out of fold.

    Source:
        Lei et al. 2018, algorithm 2 (split conformal), https://doi.org/10.1080/01621459.2017.1307116.

    Example:
        >>> half_width(np.arange(100.0))
        90.0
    """
    rank = min(int(np.ceil(level * (len(errors) + 1))), len(errors)) - 1
    return float(np.partition(np.abs(errors), rank)[rank])


def target_issues(
    found: OutOfFold, classes: Sequence[str] = (), confirmed: NDArray[np.bool_] | None = None
) -> Issues:
    """What is wrong with the targets of numbers.

    The score is half the width of the interval over the error: 1 at the interval's end, 0.1 ten times as far
    out. There is no list of suggestions at a stated precision: an estimate is no better target than a number
    that a person can look up.

    Args:
        found: Estimates out of fold.
        classes: There are none.
        confirmed: bool (row,), whose target somebody said to be right; none unless given.

    Example:
        >>> truth, plain = np.linspace(0, 1, 50), np.zeros(50, np.int64)
        >>> estimate = truth + np.tile([0.01, -0.01], 25)
        >>> truth[7] *= 100  # a slip of the decimal point
        >>> issues = target_issues(OutOfFold(rows=np.arange(50), outputs={"estimate": estimate}, truth=truth,
        ...     folds=plain, groups=plain, learned_from=plain == 0))
        >>> int(issues.ranked[0]), round(float(issues.suggested[7]), 2), issues.share["value"]
        (7, 0.13, 0.02)
    """
    estimates = np.asarray(found.outputs["estimate"], np.float64)
    errors = np.abs(found.truth - estimates)
    confirmed = np.zeros(len(errors), np.bool_) if confirmed is None else confirmed
    half = half_width(errors) if len(errors) else 0.0
    smallest = np.finfo(float).tiny
    scores = np.minimum(max(half, smallest) / np.maximum(errors, smallest), 1e6)
    return Issues(
        scores=scores,
        confirmed=confirmed,
        suggested=estimates,
        share=share_of(float(((scores < 1 / FAR) & ~confirmed).sum()), len(errors)),
        suggestions=None,
    )
