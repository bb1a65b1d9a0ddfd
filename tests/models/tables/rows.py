"""Rows with missing numbers, rare categories and missing ones, drawn in code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mixed_rows(count: int = 120, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Four numbers, the second with gaps, the third skewed; one column of three categories, one of thirty."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(count, 4))
    numbers[:, 2] = np.exp(2 * numbers[:, 2])
    numbers[rng.random(count) < 0.2, 1] = np.nan
    categories = np.empty((count, 2), object)
    for row in range(count):
        categories[row, 0] = ["red", "green", None][rng.integers(3)]
        categories[row, 1] = f"town {rng.integers(30)}"
    return numbers.astype(np.float32).astype(np.float64), categories


def number_target(numbers: NDArray[np.float64], categories: NDArray[Any]) -> NDArray[np.float64]:
    """A number that depends on a product, a gap and a category."""
    filled = np.nan_to_num(numbers[:, 1], nan=2.0)
    red = np.array([cell == "red" for cell in categories[:, 0]])
    return 50 + 10 * numbers[:, 0] * filled + 5 * np.log(numbers[:, 2]) + 8 * red
