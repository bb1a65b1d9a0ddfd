"""What the cells of a row say of it, whatever they hold: how many of them are missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STATISTICS = ("missing",)
"""The columns of `measure`."""


def measure(numbers: NDArray[np.float64], categories: NDArray[Any]) -> NDArray[np.float32]:
    """The share of missing cells of each row, float32 (row, 1).

    Args:
        numbers: (row, n), NaN where missing.
        categories: (row, m), None or "" where missing.

    Example:
        >>> measure(np.array([[1.0, np.nan]]), np.array([["a", None]], object)).tolist()
        [[0.5]]
    """
    empty = (categories == None) | (categories == "")  # noqa: E711  # elementwise
    missing = np.concatenate([np.isnan(numbers), empty], axis=1)
    share = missing.mean(axis=1) if missing.shape[1] else np.zeros(len(missing))
    return share[:, None].astype(np.float32)
