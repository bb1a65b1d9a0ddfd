"""Estimates of numbers in, scores with intervals out: the "test" block of metrics.json for regression.

How each interval is made, as the block itself says under `intervals`:

    bootstrap       every score of the errors: 2,000 resamples of the rows, the middle 95 %
    wilson          coverage: how many of n truths lie inside their prediction interval
    widened         every score but coverage, where this was cross-validation and the folds are
                    known: the bootstrap's, by Nadeau and Bengio's factor; see `mindle.evaluation.repeated`
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.conformal import LEVEL as INTERVAL_LEVEL
from mindle.evaluation.conformal import prediction_interval
from mindle.evaluation.family import Evaluation, Outputs, Paths, Reading, Truth
from mindle.evaluation.intervals import (
    LEVEL,
    RESAMPLES,
    UNKNOWN,
    Floats,
    Ints,
    Score,
    bootstrap_rows,
    collected,
    counted,
    percentiles,
)
from mindle.evaluation.paired import Measure
from mindle.evaluation.repeated import Rows, require_rows, score_repeats
from mindle.records import Estimates

# Score to its range; the names are those of metrics.json.
SCALES = {
    "mae": "positive",
    "rmse": "positive",
    "r2": "at most 1",
    "correlation": "correlation",
    "median_absolute_error": "positive",
}


def score_estimates(estimates: Estimates, *, seed: int = 0) -> dict[str, Any]:
    """Score estimates whose truth is known.

    Every score is `{"value", "low", "high"}`, a 95 % interval: `mae`, `rmse` and `median_absolute_error` in
    the target's unit, `r2` (1 is perfect, 0 as good as always naming the mean of these targets) and Pearson's
    `correlation`. Where the estimates carry prediction intervals, `coverage` is the share of truths inside
    and `interval_width` their mean width. None stands where there is nothing to measure: R² and correlation
    where all targets are alike, correlation where all estimates are. A score has no interval where resampling
    cannot vary it: of a single row, or where every error has one size.

    Repeated cross-validation (`repeats` above 1, or `folds`): the mean over the repeats of the
    pooled score; see `mindle.evaluation.repeated` for the interval. `n` counts each row once.

    Args:
        estimates: With targets; at least one row.
        seed: Of the bootstrap.

    Returns:
        A dictionary that JSON can hold.

    Raises:
        ValueError: If targets are missing, a number is NaN or infinite, or the repeats hold different rows.

    Example:
        >>> block = score_estimates(Estimates(
        ...     paths=("a", "b", "c"), values=np.array([1.0, 2.0, 4.0]), targets=np.array([1.0, 3.0, 5.0])))
        >>> round(block["mae"]["value"], 3), round(block["r2"]["value"], 3)
        (0.667, 0.75)
    """
    values, targets = checked_estimates(estimates)
    inside = _inside(estimates, targets)

    def score_rows(rows: Rows) -> dict[str, Any]:
        block = _block(values[rows], targets[rows], seed)
        if inside is not None:
            block["coverage"] = counted(int(inside[rows].sum()), len(inside[rows]))
            block["intervals"]["methods"]["coverage"] = "wilson"
        return block

    block = score_repeats(score_rows, estimates, SCALES)
    if estimates.low is not None and estimates.high is not None:
        width = float(np.mean(estimates.high - estimates.low))
        block["interval_width"] = width if isfinite(width) else None
        block["interval_level"] = INTERVAL_LEVEL
    return block


def checked_estimates(estimates: Estimates) -> tuple[Floats, Floats]:
    """Values and targets, or the reason why they cannot be scored.

    Raises:
        ValueError: If targets are missing, there is no row, or a number is NaN or infinite.
    """
    if estimates.targets is None:
        raise ValueError("`estimates` must carry `targets` to be scored. Received targets=None.")
    if not estimates.paths:
        raise ValueError("`estimates` must hold at least one row. Received none.")
    for name in ("values", "targets"):
        column = getattr(estimates, name)
        rule, step = f"`{name}` must be finite numbers.", "Give only rows whose target is known."
        require_rows(np.isfinite(column), rule, column, estimates.paths, step)
    return np.asarray(estimates.values, np.float64), np.asarray(estimates.targets, np.float64)


def _inside(estimates: Estimates, targets: Floats) -> NDArray[np.bool_] | None:
    """Which truths lie inside their prediction interval; an end may be infinite, but not NaN."""
    low, high = estimates.low, estimates.high
    if low is None or high is None:
        return None
    rule = "`low` must be at most `high` in each row, and neither NaN."
    ends = np.stack([low, high], axis=1)
    require_rows(low <= high, rule, ends, estimates.paths)  # no comparison with NaN holds
    return (low <= targets) & (targets <= high)


def _block(values: Floats, targets: Floats, seed: int) -> dict[str, Any]:
    """The scores of some rows, all intervals from one set of resamples."""
    count = len(values)
    # Differences of large numbers lose digits: R² and correlation are those of centred, scaled columns.
    size = float(np.std(targets)) or 1.0
    constant = {"r2": np.ptp(targets) == 0, "correlation": np.ptp(targets) == 0 or np.ptp(values) == 0}
    # Sorted, so that the same answers in another order of rows have the same intervals.
    order = np.argsort(np.abs(values - targets), kind="stable")
    measure = _measured(((targets - targets.mean()) / size)[order], ((values - targets) / size)[order])
    found = measure(np.arange(count)[None])
    draws = collected(measure, bootstrap_rows(count, seed=seed))
    block: dict[str, Any] = {"n": count}
    for name in SCALES:
        unit = 1.0 if name in constant else size
        block[name] = dict(UNKNOWN) if constant.get(name) else _score(found[name][0], draws[name], unit)
    methods = dict.fromkeys(SCALES, "bootstrap")
    block["intervals"] = {"level": LEVEL, "resamples": RESAMPLES, "seed": seed, "methods": methods}
    return block


def _measured(targets: Floats, errors: Floats) -> Measure:
    """Each score of draws of rows of scaled columns. NaN where their targets or estimates are all alike."""

    def measure(rows: Ints) -> dict[str, Floats]:
        error, target = errors[rows], targets[rows]  # (draw, row)
        size, squared = np.abs(error), (error**2).mean(axis=1)
        y = target - target.mean(axis=1, keepdims=True)
        v = y + error - error.mean(axis=1, keepdims=True)
        # What rounding leaves of a variance that is 0 must not be divided by.
        y_variance, v_variance = (
            np.where(each > 1e-20, each, np.nan) for each in (_variance(y), _variance(v))
        )
        correlation = (y * v).mean(axis=1) / np.sqrt(y_variance * v_variance)
        return {
            "mae": size.mean(axis=1),
            "rmse": np.sqrt(squared),
            "r2": 1 - squared / y_variance,
            "correlation": np.clip(correlation, -1, 1),
            "median_absolute_error": np.median(size, axis=1),
        }

    return measure


def _variance(centred: Floats) -> Floats:
    return np.asarray((centred**2).mean(axis=1))


def _score(value: float, draws: Floats, unit: float) -> Score:
    """A value with the middle 95 % of its draws, widened to hold it; no interval where they do not vary."""
    found: Score = {"value": float(value) * unit, "low": None, "high": None}
    known = draws[np.isfinite(draws)]
    low, high = percentiles(known) if len(known) else (0.0, 0.0)
    if high - low > 1e-12 * max(abs(low), abs(high)):
        found |= {"low": min(low, float(value)) * unit, "high": max(high, float(value)) * unit}
    return found


class Regression(Evaluation[Estimates]):
    """What evaluation does for a task whose answers are `Estimates`."""

    main = "mae"
    number = "{:.4g}"
    baseline = "mean"
    compared = ("mae", "rmse")
    truth = "targets"
    columns = ("values", "low", "high")
    record = Estimates

    def answers(self, outputs: Outputs, reading: Reading, paths: Paths, truth: Truth = None) -> Estimates:
        """The estimates of a graph, and prediction intervals by what its folds estimate."""
        low = high = None
        if reading.calibration is not None:
            low, high = prediction_interval(
                reading.calibration, outputs["fold_estimates"], features=outputs.get("features")
            )
        values = np.asarray(outputs["estimate"], np.float64)
        return self.record(paths=paths, values=values, targets=truth, low=low, high=high)

    def outputs_of(self, values: Floats) -> dict[str, Floats]:
        """Estimates, (row,) or (row, 1)."""
        return {"estimate": values.reshape(len(values))}

    def losses(self, answers: Estimates) -> Floats:
        """The absolute error."""
        return np.asarray(np.abs(answers.values - self.known_truth(answers)))

    def certainty(self, answers: Estimates) -> Floats:
        """Minus the width of the interval; all alike without one."""
        if answers.low is None or answers.high is None:
            return np.zeros(len(answers))
        return answers.low - answers.high

    def evidence(self, outputs: Outputs) -> Floats:
        """The estimate, the only target."""
        return np.asarray(outputs["estimate"], np.float64).reshape(-1, 1)

    def explained(self, answers: Estimates) -> NDArray[np.int64]:
        """Always the first target."""
        return np.zeros(len(answers), np.int64)

    def score(self, answers: Estimates, *, seed: int = 0) -> dict[str, Any]:
        """See `score_estimates`."""
        return score_estimates(answers, seed=seed)

    def worst(self, answers: Estimates, limit: int | None = None) -> list[int]:
        """Rows of the largest errors, the largest first.

        Example:
            >>> Regression().worst(Estimates(
            ...     paths=("a", "b"), values=np.array([1.0, 5.0]), targets=np.array([2.0, 2.0])))
            [1, 0]
        """
        sizes = np.abs(answers.values - self.known_truth(answers))
        rows: list[int] = np.argsort(-sizes, kind="stable")[:limit].tolist()
        return rows

    def cells(self, answers: Estimates, rows: list[int]) -> dict[str, list[Any]]:
        """Target, estimate and error."""
        targets, values = self.known_truth(answers)[rows], answers.values[rows]
        columns = {"target": targets, "predicted": values, "error": values - targets}
        return {name: column.tolist() for name, column in columns.items()}

    def matched(self, first: Estimates, second: Estimates) -> Estimates:
        """The second model's estimates in the order of the first one's rows."""
        checked_estimates(first)
        checked_estimates(second)
        return super().matched(first, second)

    def measure(self, first: Estimates, second: Estimates) -> Measure:
        """The scores of draws of rows, from the errors of both one after the other."""
        errors = np.concatenate([each.values - self.known_truth(each) for each in (first, second)])

        def measure(at: Ints) -> dict[str, Floats]:
            drawn = errors[at]
            return {"mae": np.abs(drawn).mean(axis=1), "rmse": np.sqrt((drawn**2).mean(axis=1))}

        return measure
