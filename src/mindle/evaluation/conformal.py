"""Prediction intervals by CV+: how far the truth may lie from an estimate, learned from held-out errors.

Cross-validation leaves two things behind: the error of each training row under the model that did not see it,
and one model a fold. For a new row, every training row i proposes the two ends

    estimate of i's fold − error of i        estimate of i's fold + error of i

and the interval takes the low tail of the first and the high tail of the second. It adapts where the folds'
models disagree, and needs no assumption on how the errors are distributed: at a level of 1 − α, at least
1 − 2α of new rows of the same kind are covered (a little less with few rows), and in practice about 1 − α.

Source:
    Barber, Candès, Ramdas and Tibshirani 2021, section 3, https://doi.org/10.1214/20-AOS1965.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import Floats, Ints

LEVEL = 0.9
_CELLS_AT_A_TIME = 2_000_000  # 16 MB for each end


class Widths(Protocol):
    """The unit in which errors are counted where a row lies."""

    def of(self, features: NDArray[np.floating[Any]]) -> Floats:
        """The unit of each row (row, feature)."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What an NPZ file carries."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Held-out errors of cross-validation, all that CV+ has to remember beside the folds' models.

    Attributes:
        errors: float64 (training row,), sizes of the errors, sorted within each fold, fold by fold.
        counts: int64 (fold,), how many rows each fold held out.
        difficulty: In which unit errors are counted where a row lies; None where one is the same everywhere.

    Example:
        >>> calibration = calibrate(np.array([0.5, -0.1, 0.3]), np.array([0, 1, 0]))
        >>> calibration.errors.tolist(), calibration.counts.tolist()
        ([0.3, 0.5, 0.1], [2, 1])
    """

    errors: Floats
    counts: Ints
    difficulty: Widths | None = None

    def __post_init__(self) -> None:
        if self.errors.ndim != 1 or self.counts.ndim != 1 or int(self.counts.sum()) != len(self.errors):
            raise ValueError(
                "`counts` must say how many of the `errors` each fold has. Received "
                f"{len(self.errors)} errors, counts={self.counts.tolist()[:8]}."
            )
        if not len(self.errors) or not np.isfinite(self.errors).all() or self.errors.min() < 0:
            raise ValueError(
                "`errors` must be finite sizes of at least 0, one a row. Received others, or none."
            )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What an NPZ file carries."""
        own = {"errors": self.errors, "counts": self.counts}
        return own if self.difficulty is None else {**own, **self.difficulty.arrays()}


def read_calibration(arrays: Mapping[str, NDArray[Any]], difficulty: Widths | None = None) -> Calibration:
    """The calibration that `Calibration.arrays` wrote.

    Raises:
        ValueError: If the arrays are missing or do not fit each other.
    """
    missing = [name for name in ("errors", "counts") if name not in arrays]
    if missing:
        raise ValueError(f"A calibration must hold errors and counts. Received none of {', '.join(missing)}.")
    return Calibration(
        errors=np.asarray(arrays["errors"], np.float64),
        counts=np.asarray(arrays["counts"], np.int64),
        difficulty=difficulty,
    )


def calibrate(residuals: Floats, folds: Ints, difficulty: tuple[Widths, Floats] | None = None) -> Calibration:
    """Keep what CV+ needs of the held-out errors.

    Args:
        residuals: (training row,), truth minus the estimate of the model that did not see the row; the sign
            does not matter.
        folds: (training row,), which fold held it out, 0, 1, 2…; with repeats, each repeat's folds have
            numbers that no other repeat has.
        difficulty: What gives the unit of errors where a row lies, and that of each of these rows.

    Raises:
        ValueError: If the arrays disagree in length, or an error is NaN or infinite.
    """
    residuals, folds = np.asarray(residuals, np.float64), np.asarray(folds, np.int64)
    if residuals.shape != folds.shape or residuals.ndim != 1 or not len(residuals):
        raise ValueError(
            "`residuals` and `folds` must be of one length, at least 1. "
            f"Received {residuals.shape} and {folds.shape}."
        )
    if not np.isfinite(residuals).all():
        at = int(np.flatnonzero(~np.isfinite(residuals))[0])
        raise ValueError(f"`residuals` must be finite numbers. Received {residuals[at]} in row {at}.")
    if folds.min() < 0:
        raise ValueError(f"`folds` must count from 0. Received {int(folds.min())}.")
    sizes = np.abs(residuals)
    widths, units = difficulty or (None, np.ones(len(sizes)))
    sizes = sizes / units
    return Calibration(errors=sizes[np.lexsort((sizes, folds))], counts=np.bincount(folds), difficulty=widths)


def prediction_interval(
    calibration: Calibration,
    fold_estimates: NDArray[np.floating[Any]],
    *,
    level: float = LEVEL,
    features: NDArray[np.floating[Any]] | None = None,
) -> tuple[Floats, Floats]:
    """Ends of the CV+ interval of new rows.

    Args:
        calibration: Of the same cross-validation as the estimates.
        fold_estimates: (row, fold), what the model of each fold estimates.
        level: How often the truth should lie inside, such as 0.9 or 0.95.
        features: (row, feature), as the graph gives them; needed where the calibration has a difficulty.

    Returns:
        (low, high), each (row,); endless where there are too few training rows for the level.

    Raises:
        ValueError: If the folds differ in number, an estimate is NaN or infinite, or `level` is no share.

    Example:
        >>> calibration = calibrate(np.linspace(-1, 1, 41), np.arange(41) % 2)
        >>> low, high = prediction_interval(calibration, np.array([[10.0, 10.2]]))
        >>> round(float(low[0]), 2), round(float(high[0]), 2)
        (9.1, 11.05)
    """
    estimates = np.asarray(fold_estimates, np.float64)
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie between 0 and 1. Received level={level}.")
    if estimates.ndim != 2 or estimates.shape[1] != len(calibration.counts):
        raise ValueError(
            f"`fold_estimates` must be (row, {len(calibration.counts)}): one column a fold. "
            f"Received {estimates.shape}."
        )
    if not np.isfinite(estimates).all():
        at = int(np.flatnonzero(~np.isfinite(estimates).all(axis=1))[0])
        raise ValueError(f"`fold_estimates` must be finite numbers. Received {estimates[at].tolist()}.")
    count = len(calibration.errors)
    units = _units(calibration, features, len(estimates))
    # α(n + 1) is often whole, as 0.1 · 50; what rounding does to it must not move the rank.
    rank = floor((1 - level) * (count + 1) + 1e-9)
    low, high = np.full(len(estimates), -np.inf), np.full(len(estimates), np.inf)
    if rank < 1:
        return low, high
    size = max(1, _CELLS_AT_A_TIME // count)
    for start in range(0, len(estimates), size):
        rows = slice(start, start + size)
        centres = np.repeat(estimates[rows], calibration.counts, axis=1)  # (row, training row)
        errors = units[rows, None] * calibration.errors
        low[rows] = np.partition(centres - errors, rank - 1, axis=1)[:, rank - 1]
        high[rows] = np.partition(centres + errors, count - rank, axis=1)[:, count - rank]
    return low, high


def _units(calibration: Calibration, features: NDArray[np.floating[Any]] | None, rows: int) -> Floats:
    if calibration.difficulty is None:
        return np.ones(rows)
    if features is None:
        raise ValueError("`features` must be given where the width follows the difficulty. Received None.")
    return calibration.difficulty.of(features)
