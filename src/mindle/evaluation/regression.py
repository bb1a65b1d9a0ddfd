"""Estimates of numbers in, scores with intervals out: the "test" block of metrics.json for regression.

How each interval is made, as the block itself says under `intervals`:

    bootstrap       every score of the errors: 2,000 resamples of the rows, the middle 95 %
    wilson          coverage: how many of n truths lie inside their prediction interval
    widened         every score but coverage, where this was cross-validation and the folds are
                    known: the bootstrap's, by Nadeau and Bengio's factor; see `mindle.evaluation.repeated`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.conformal import LEVEL as INTERVAL_LEVEL
from mindle.evaluation.conformal import Calibration, prediction_interval
from mindle.evaluation.intervals import LEVEL, RESAMPLES, UNKNOWN, bootstrap_rows, counted, percentiles
from mindle.evaluation.paired import Difference, Measure, require_same_truth, row_order
from mindle.evaluation.repeated import Rows, score_repeats
from mindle.messages import Message, message
from mindle.records import Estimates

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Score to its range; the names are those of metrics.json.
SCALES = {
    "mae": "positive",
    "rmse": "positive",
    "r2": "at most 1",
    "correlation": "correlation",
    "median_absolute_error": "positive",
}


def score_estimates(
    estimates: Estimates,
    *,
    seed: int = 0,
    level: float | None = None,
) -> dict[str, Any]:
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
        level: The coverage that the prediction intervals promise, kept as `interval_level`.

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
    if level is not None and not 0 < level < 1:
        raise ValueError(f"`level` must lie between 0 and 1. Received level={level}.")
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
        if level is not None:
            block["interval_level"] = level
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
        array = getattr(estimates, name)
        if not np.isfinite(array).all():
            at = int(np.flatnonzero(~np.isfinite(array))[0])
            raise ValueError(
                f"`{name}` must be finite numbers. Received {array[at]} for {estimates.paths[at]!r}. "
                "Leave rows without a known target out."
            )
    return np.asarray(estimates.values, np.float64), np.asarray(estimates.targets, np.float64)


def _inside(estimates: Estimates, targets: Floats) -> NDArray[np.bool_] | None:
    """Which truths lie inside their prediction interval; an end may be infinite, but not NaN."""
    low, high = estimates.low, estimates.high
    if low is None or high is None:
        return None
    wrong = ~(low <= high)  # also true of NaN
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            "`low` must be at most `high` in each row, and neither NaN. "
            f"Received {low[at]} and {high[at]} for {estimates.paths[at]!r}."
        )
    return (low <= targets) & (targets <= high)


def _block(values: Floats, targets: Floats, seed: int) -> dict[str, Any]:
    """The scores of some rows, all intervals from one set of resamples."""
    count = len(values)
    # Differences of large numbers lose digits: R² and correlation are those of centred, scaled columns.
    size = float(np.std(targets)) or 1.0
    targets, errors = (targets - targets.mean()) / size, (values - targets) / size
    constant = _constant(targets), _constant(values)
    sample = _sample(errors, targets)
    found = _measured(sample, np.ones((1, count)))
    draws: dict[str, list[Floats]] = {name: [] for name in SCALES}
    for rows in bootstrap_rows(count, seed=seed):  # (resample, row)
        for name, each in _measured(sample, _counts(rows)).items():
            draws[name].append(each)
    block: dict[str, Any] = {"n": count}
    for name in SCALES:
        if (name == "r2" and constant[0]) or (name == "correlation" and any(constant)):
            block[name] = dict(UNKNOWN)
            continue
        unit = 1.0 if name in ("r2", "correlation") else size
        value = float(found[name][0]) * unit
        low, high = _ends(draws[name], value, unit)
        block[name] = {"value": value, "low": low, "high": high}
    block["intervals"] = {
        "level": LEVEL,
        "resamples": RESAMPLES,
        "seed": seed,
        "methods": dict.fromkeys(SCALES, "bootstrap"),
    }
    return block


def _constant(column: Floats) -> bool:
    return bool((column == column[0]).all())


def _sample(errors: Floats, targets: Floats) -> tuple[Floats, Floats]:
    """Sizes of the errors in order, and of each row (in that order) what the scores are means of."""
    order = np.argsort(np.abs(errors), kind="stable")
    e, y = errors[order], targets[order]
    v = y + e
    return np.abs(e), np.stack([np.abs(e), e * e, y, y * y, v, v * v, y * v], axis=1)  # (row, 7)


def _counts(rows: Ints) -> Floats:
    """How often each resample holds each row: (resample, row). Which row is which does not matter."""
    resamples, count = rows.shape
    cells = rows + count * np.arange(resamples)[:, None]
    counts = np.bincount(cells.ravel(), minlength=resamples * count)
    return counts.reshape(resamples, count).astype(np.float64)


def _measured(sample: tuple[Floats, Floats], counts: Floats) -> dict[str, Floats]:
    """Each score of each resample: (resample,). NaN where its targets or estimates are all alike."""
    sizes, columns = sample
    count = len(sizes)
    size, squared, y, yy, v, vv, yv = (counts @ columns / count).T  # (resample,) each
    y_variance, v_variance = yy - y * y, vv - v * v
    # What rounding leaves of a variance that is 0 must not be divided by.
    y_variance = np.where(y_variance > 1e-12 * yy, y_variance, np.nan)
    v_variance = np.where(v_variance > 1e-12 * vv, v_variance, np.nan)
    below = counts.cumsum(axis=1)
    middle = [sizes[(below < rank).sum(axis=1)] for rank in ((count + 1) // 2, count // 2 + 1)]
    return {
        "mae": size,
        "rmse": np.sqrt(squared),
        "r2": 1 - squared / y_variance,
        "correlation": np.clip((yv - y * v) / np.sqrt(y_variance * v_variance), -1, 1),
        "median_absolute_error": (middle[0] + middle[1]) / 2,
    }


def _ends(draws: list[Floats], value: float, unit: float) -> tuple[float | None, float | None]:
    """The middle 95 % of the draws, widened to hold the value; nothing where they do not vary."""
    known = np.concatenate(draws) if draws else np.zeros(0)
    known = known[np.isfinite(known)]
    if not len(known):
        return None, None
    low, high = (end * unit for end in percentiles(known))
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        return None, None
    return min(low, value), max(high, value)


class Regression:
    """What evaluation does for a task whose answers are `Estimates`."""

    main = "mae"
    number = "{:.4g}"
    baseline = "mean"
    record = Estimates

    def answers(
        self,
        outputs: Mapping[str, NDArray[np.floating[Any]]],
        paths: tuple[str, ...],
        *,
        classes: tuple[str, ...] = (),
        thresholds: Floats | None = None,
        calibration: Calibration | None = None,
        truth: NDArray[Any] | None = None,
    ) -> Estimates:
        """The estimates of a graph, and prediction intervals by what its folds estimate."""
        low = high = None
        if calibration is not None:
            low, high = prediction_interval(calibration, np.asarray(outputs["fold_estimates"], np.float64))
        values = np.asarray(outputs["estimate"], np.float64)
        return self.record(paths=paths, values=values, targets=truth, low=low, high=high)

    def outputs_of(self, values: Floats) -> dict[str, Floats]:
        """Estimates, (row,) or (row, 1)."""
        return {"estimate": values.reshape(len(values))}

    def score(self, answers: Estimates, *, seed: int = 0) -> dict[str, Any]:
        """See `score_estimates`."""
        return score_estimates(answers, seed=seed, level=INTERVAL_LEVEL)

    def point(self, answers: Estimates) -> float:
        """Mean absolute error."""
        return float(np.abs(answers.values - _targets(answers)).mean())

    def headline(self, scores: Mapping[str, Any]) -> Message:
        """Mean absolute error with its interval; a single row has none."""
        mae, n = scores["mae"], scores["n"]
        ends = {name: self.number.format(end) for name, end in mae.items() if end is not None}
        return message("evaluation.mae" if len(ends) == len(mae) else "evaluation.mae-alone", **ends, n=n)

    def constant_baseline(self, value: float) -> Message:
        """How far the mean of the training targets is off."""
        return message("evaluation.mean", value=self.number.format(value))

    def pooled(self, answers: Estimates) -> Estimates:
        """One estimate a row: the mean over the repeats where there were some."""
        rows = len(answers) // answers.repeats

        def mean(column: Floats | None) -> Any:
            return None if column is None else column.reshape(-1, rows).mean(axis=0)

        if answers.repeats == 1:
            return answers
        columns = {name: mean(getattr(answers, name)) for name in ("values", "targets", "low", "high")}
        return replace(answers, paths=answers.paths[:rows], repeats=1, folds=None, **columns)

    def worst(self, answers: Estimates, limit: int | None = None) -> list[int]:
        """Rows of the largest errors, the largest first.

        Example:
            >>> Regression().worst(Estimates(
            ...     paths=("a", "b"), values=np.array([1.0, 5.0]), targets=np.array([2.0, 2.0])))
            [1, 0]
        """
        order = np.argsort(-np.abs(answers.values - _targets(answers)), kind="stable")
        rows: list[int] = order[:limit].tolist()
        return rows

    def errors(self, answers: Estimates) -> dict[str, list[Any]]:
        """The columns of a table of all estimates, the largest error first."""
        rows = self.worst(answers)
        targets, values = _targets(answers)[rows], answers.values[rows]
        return {
            "path": [answers.paths[row] for row in rows],
            "target": targets.tolist(),
            "predicted": values.tolist(),
            "error": (values - targets).tolist(),
        }

    def matched(self, first: Estimates, second: Estimates) -> Estimates:
        """The second model's estimates in the order of the first one's rows."""
        (_, wanted), (values, targets) = checked_estimates(first), checked_estimates(second)
        order = row_order(first, second)
        require_same_truth(first.paths, wanted, targets[order])
        return replace(
            second,
            paths=first.paths,
            values=values[order],
            targets=targets[order],
            low=None,
            high=None,
            folds=None if second.folds is None else second.folds[order],
        )

    def measure(self, first: Estimates, second: Estimates) -> Measure:
        """The scores of draws of rows, from the errors of both one after the other."""
        errors = np.concatenate([each.values - _targets(each) for each in (first, second)])

        def measure(at: Ints) -> dict[str, Floats]:
            drawn = errors[at]
            return {"mae": np.abs(drawn).mean(axis=1), "rmse": np.sqrt((drawn**2).mean(axis=1))}

        return measure

    def exact(self, first: Estimates, second: Estimates) -> tuple[Difference, ...]:
        """None: no score of numbers has an exact test."""
        return ()


def _targets(estimates: Estimates) -> Floats:
    if estimates.targets is None:
        raise ValueError("`estimates` must carry `targets` to find errors. Received targets=None.")
    return estimates.targets
