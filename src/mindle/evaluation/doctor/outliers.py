"""Outliers: training samples far from all others, by the score that refuses unknown inputs later."""

from __future__ import annotations

import numpy as np

from mindle.evaluation.intervals import Floats, Ints
from mindle.evaluation.trust.unknown import fit_unknown
from mindle.records import OutOfFold

FAR = 5.0
"""Of each of three scores that are added, the logarithm of how rarely it is reached. Of 1,500 flowers five
lie so far out, of 2,000 cats and dogs eight."""
MOST_SHARE = 0.01  # more are no outliers


def outliers(found: OutOfFold, *, seed: int = 0) -> tuple[Ints, Floats]:
    """Rows far from all others without themselves and their group, the farthest first.

    Args:
        found: With `features`.
        seed: Of the draw of vectors.

    Returns:
        Numbers of rows of `found`, and their scores; none without features or of few rows.
    """
    fitted = fit_unknown(found, seed=seed)
    if fitted is None:
        return np.zeros(0, np.int64), np.zeros(0)
    score, three = fitted
    values = score.combined(three)
    ranked = np.argsort(-values, kind="stable")[: round(MOST_SHARE * len(values))]
    far = ranked[values[ranked] > len(three) * FAR]
    return far, values[far]
