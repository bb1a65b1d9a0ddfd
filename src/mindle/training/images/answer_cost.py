"""What a cheaper answer may cost in accuracy, and whether the data can show that it costs no more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import z_score
from mindle.evaluation.paired import paired_difference

LEVEL = 0.90
# A saving of less is within what the clock can tell.
LEAST_SAVING = 0.1


def points_lost(best: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """How much worse another classifier may be: upper end of the paired 90 % interval, in points of accuracy.

    Args:
        best: (row,), which rows the best one answered right.
        other: (row,), the same for the other one.

    Source:
        Newcombe 1998, method 10 for paired data.

    Example:
        >>> right = np.arange(2000) >= 20  # 99 % right, both on the same rows
        >>> round(points_lost(right, right), 2)
        0.16
    """
    both, gained, lost = int((best & other).sum()), int((~best & other).sum()), int((best & ~other).sum())
    low, _ = paired_difference(both, gained, lost, len(best), level=LEVEL)
    return -100 * low


def error_share_lost(best: NDArray[np.float64], other: NDArray[np.float64], plain: float) -> float:
    """How much worse another estimator may be: upper end of the paired 90 % interval of its further error.

    Args:
        best: (row,), absolute errors of the best one.
        other: (row,), the same for the other one.
        plain: Mean absolute error of always answering the mean, of which the result is a percentage.

    Example:
        >>> errors = np.linspace(0.0, 1.0, 101)
        >>> error_share_lost(errors, errors + 0.01, 2.0)
        0.5
    """
    gap = other - best
    reach = z_score(LEVEL) * float(gap.std()) / max(len(gap), 1) ** 0.5
    return float(round(100 * (float(gap.mean()) + reach) / max(plain, np.finfo(float).tiny), 9))
