"""How often the intervals of cross-validated scores hold the truth, by simulation.

Rows are drawn from Gaussian classes (a linear target with noise for numbers), a linear model is
cross-validated on them, and every candidate interval of the score is held against the truth: the mean score
that the models of the folds have on fresh rows. A 95 % interval should hold it in 95 % of the draws, and be
as narrow as it can.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import LEVEL, bootstrap_rows, collected, percentiles, wilson
from mindle.evaluation.repeated import corrected_error, t_score, widened

Floats = NDArray[np.float64]
FEATURES = 8
FRESH = 5_000


@dataclass(frozen=True)
class Draw:
    """One cross-validation: what each row scored, which fold evaluated it, and the truth."""

    scores: Floats  # (repeat, row), 1 or 0 for right or wrong; an absolute error for numbers
    folds: NDArray[np.int64]  # (repeat, row)
    truth: float

    @property
    def of_folds(self) -> Floats:
        """The score of each fold, over all repeats."""
        pairs = zip(self.scores, self.folds, strict=True)
        return np.array([row[fold == one].mean() for row, fold in pairs for one in np.unique(fold)])

    @property
    def ratio(self) -> float:
        """Rows evaluated for each row trained on."""
        return 1 / (len(np.unique(self.folds[0])) - 1)


def classes_drawn(rng: np.random.Generator, n: int, folds: int, repeats: int, error: float) -> Draw:
    """Two Gaussian classes whose best rule errs as often as `error`, separated by a ridge classifier."""
    from scipy.stats import norm

    centre = np.zeros(FEATURES)
    centre[0] = -norm.ppf(error)

    def rows(count: int) -> tuple[Floats, Floats]:
        sign = rng.permutation(np.resize([-1.0, 1.0], count))
        return rng.normal(size=(count, FEATURES)) + sign[:, None] * centre, sign

    return _cross_validated(rng, rows, n, folds, repeats, lambda answer, sign: (answer * sign > 0) * 1.0)


def numbers_drawn(rng: np.random.Generator, n: int, folds: int, repeats: int, tail: float) -> Draw:
    """A linear target with noise of Student's t, of `tail` degrees of freedom, scored by absolute errors."""

    def rows(count: int) -> tuple[Floats, Floats]:
        x = rng.normal(size=(count, FEATURES))
        return x, x @ np.ones(FEATURES) + rng.standard_t(tail, count)

    return _cross_validated(rng, rows, n, folds, repeats, lambda answer, y: np.abs(answer - y))


def _cross_validated(
    rng: np.random.Generator,
    rows: Callable[[int], tuple[Floats, Floats]],
    n: int,
    folds: int,
    repeats: int,
    scored: Callable[[Floats, Floats], Floats],
) -> Draw:
    x, y = rows(n)
    fresh, answers = rows(FRESH)
    scores, fold = np.zeros((repeats, n)), np.zeros((repeats, n), np.int64)
    truths = []
    for repeat in range(repeats):
        fold[repeat] = rng.permutation(np.resize(np.arange(folds), n))
        for one in range(folds):
            held = fold[repeat] == one
            weights = _ridge(x[~held], y[~held])
            scores[repeat, held] = scored(_with_bias(x[held]) @ weights, y[held])
            truths.append(float(scored(_with_bias(fresh) @ weights, answers).mean()))
    return Draw(scores, fold, float(np.mean(truths)))


def _ridge(x: Floats, y: Floats) -> Floats:
    x = _with_bias(x)
    return np.linalg.solve(x.T @ x + 0.1 * np.eye(x.shape[1]), x.T @ y)


def _with_bias(x: Floats) -> Floats:
    return np.column_stack([x, np.ones(len(x))])


# ---- the candidates: (low, high) of a draw ----------------------------------------------------------------


def plain(draw: Draw, scale: str) -> tuple[float, float]:
    """As if the rows had been answered by one model: Wilson's interval, or the bootstrap over rows."""
    mean = draw.scores.mean(axis=0)
    if scale == "share":
        return wilson(float(mean.sum()), len(mean))
    resampled = bootstrap_rows(len(mean), resamples=500)
    return percentiles(collected(lambda rows: {"mean": mean[rows].mean(axis=1)}, resampled)["mean"])


def corrected(draw: Draw, scale: str) -> tuple[float, float]:
    """Nadeau and Bengio's t interval over the folds, on the score's own scale."""
    found = draw.of_folds
    reach = t_score(len(found) - 1) * corrected_error(found, draw.ratio)
    value = float(draw.scores.mean())
    return value - reach, value + reach


def corrected_logit(draw: Draw, scale: str) -> tuple[float, float]:
    """The same on a scale that the score cannot leave: log-odds of a share, the logarithm of an error."""
    found, value = draw.of_folds, float(draw.scores.mean())
    reach = t_score(len(found) - 1) * corrected_error(found, draw.ratio)
    if scale == "share":
        if value in (0.0, 1.0) or reach == 0:
            return plain(draw, scale)
        at, slope = np.log(value / (1 - value)), 1 / (value * (1 - value))
        ends = 1 / (1 + np.exp(-(at + np.array([-1, 1]) * np.clip(reach * slope, 0, 700))))
    else:
        ends = value * np.exp(np.array([-1, 1]) * reach / value)
    return float(ends[0]), float(ends[1])


def mindle(draw: Draw, scale: str) -> tuple[float, float]:
    """What mindle prints: that of the rows, widened by Nadeau and Bengio's factor."""
    low, high = plain(draw, scale)
    inflation = draw.scores.shape[0] ** -1 + len(np.unique(draw.folds[0])) * draw.ratio
    found = widened({"value": float(draw.scores.mean()), "low": low, "high": high}, inflation, scale)
    return float(found["low"] or 0.0), float(found["high"] or 0.0)


CANDIDATES: dict[str, Callable[[Draw, str], tuple[float, float]]] = {
    "rows alone": plain,
    "folds, t": corrected,
    "folds, t, on a bounded scale": corrected_logit,
    "mindle": mindle,
}
CASES = [
    *(("share", error) for error in (0.3, 0.1, 0.03, 0.01)),
    *(("positive", tail) for tail in (3.0, 30.0)),
]


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("--draws", type=int, default=400, help="cross-validations of each case")
    parser.add_argument("--rows", type=int, nargs="+", default=[30, 60, 150, 500])


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Coverage and mean width of every candidate in every case."""
    draws, sizes = (4, [30]) if arguments.smoke else (arguments.draws, arguments.rows)
    cases = [
        {"scale": scale, "parameter": parameter, "rows": n, "folds": folds, "repeats": repeats}
        | _judged(scale, parameter, n, folds, repeats, draws)
        for (scale, parameter), n, folds, repeats in itertools.product(CASES, sizes, (3, 5, 10), (1, 3))
    ]
    return {"level": LEVEL, "draws": draws, "cases": cases, "summary": _summary(cases)}


def _judged(scale: str, parameter: float, n: int, folds: int, repeats: int, draws: int) -> dict[str, Any]:
    rng = np.random.default_rng([n, folds, repeats, int(1000 * parameter)])
    make = classes_drawn if scale == "share" else numbers_drawn
    held, width = dict.fromkeys(CANDIDATES, 0), dict.fromkeys(CANDIDATES, 0.0)
    for _ in range(draws):
        draw = make(rng, n, folds, repeats, parameter)
        for name, candidate in CANDIDATES.items():
            low, high = candidate(draw, scale)
            held[name] += low - 1e-12 <= draw.truth <= high + 1e-12
            width[name] += high - low
    return {
        name: {"coverage": held[name] / draws, "width": round(width[name] / draws, 4)} for name in CANDIDATES
    }


def _summary(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of each kind of score and candidate: least, mean and most coverage, and the width beside mindle's."""
    summary: dict[str, Any] = {}
    for scale, name in itertools.product(("share", "positive"), CANDIDATES):
        own = [case for case in cases if case["scale"] == scale]
        coverage = [case[name]["coverage"] for case in own]
        width = [case[name]["width"] / case["mindle"]["width"] for case in own]
        summary.setdefault(scale, {})[name] = {
            "least": min(coverage),
            "mean": round(float(np.mean(coverage)), 3),
            "most": max(coverage),
            "width": round(float(np.median(width)), 2),
        }
    return summary
