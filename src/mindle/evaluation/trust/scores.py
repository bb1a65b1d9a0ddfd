"""How far answers can be trusted, in figures: calibration, label sets, what is refused, and what it costs.

These stand in the "test" and "val" blocks of metrics.json beside the scores of `mindle.evaluation.metrics`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.calibration import (
    chance_errors,
    classwise_error,
    expected_calibration_error,
    reliability_bins,
    uncalibrated,
)
from mindle.evaluation.intervals import Floats, Ints, Score, bootstrap_rows, collected, counted, percentiles
from mindle.evaluation.trust.label_sets import LabelSets, needed

# Points of a risk-coverage curve.
POINTS = 21


def calibration_scores(
    probabilities: Floats, labels: Ints, *, temperature: float | None = None, repeats: int = 1
) -> dict[str, Any]:
    """What stands beside `ece`: before the temperature, by class, by chance, and bin by bin.

    Args:
        probabilities: (row, class), repeat by repeat.
        labels: (row,).
        temperature: What logits were divided by; None where nobody knows.
        repeats: How often each row was answered.

    Returns:
        `ece_classwise`; `ece_by_chance`, the mean error of a perfectly calibrated model of these confidences
        and what it exceeds one time in twenty; `reliability`, a row a bin with the interval of its accuracy;
        and `ece_uncalibrated`, where the temperature is known.

    Example:
        >>> found = calibration_scores(np.tile([[0.8, 0.2]], (10, 1)), np.arange(10) % 5 // 4)
        >>> round(found["ece_classwise"], 6), found["reliability"][0]["accuracy"]["value"]
        (0.0, 0.8)
    """
    parts = list(zip(np.split(probabilities, repeats), np.split(labels, repeats), strict=True))

    def mean(error: Callable[[Floats, Ints], float]) -> float:
        return float(np.mean([error(*part) for part in parts]))

    chance = chance_errors(parts[0][0])
    found: dict[str, Any] = {
        "ece_classwise": mean(classwise_error),
        "ece_by_chance": {"mean": float(chance.mean()), "high": float(np.quantile(chance, 0.95))},
        "reliability": [
            {
                "low": each.low,
                "high": each.high,
                "confidence": each.confidence,
                "n": each.n,
                "accuracy": _shared(each.accuracy * each.n, each.n, repeats),
            }
            for each in reliability_bins(probabilities, labels)
        ],
    }
    if temperature is not None:
        found["ece_uncalibrated"] = mean(
            lambda some, truth: expected_calibration_error(uncalibrated(some, temperature), truth)
        )
    return found


def set_scores(
    sets: NDArray[np.bool_], labels: Ints, promise: LabelSets, *, repeats: int = 1
) -> dict[str, Any]:
    """How often the truth is in its label set, and how large these are.

    Args:
        sets: (row, class).
        labels: (row,).
        promise: What they were made by.
        repeats: How often each row was answered.

    Returns:
        `target`, `coverage`, `mean_set_size`, `sizes` (size to share), `per_class` (coverage of each);
        `refused` with the number of rows there were and would have to be, where they were too few; `alone`,
        the share of the rows behind the promise whose truth was named, where it reaches the target.
    """
    inside, sizes = sets[np.arange(len(labels)), labels], sets.sum(axis=1)
    found: dict[str, Any] = {
        "target": promise.level,
        "coverage": _shared(float(inside.sum()), len(inside), repeats),
        "mean_set_size": float(sizes.mean()),
        "sizes": {str(size): count / len(sizes) for size, count in sorted(Counter(sizes.tolist()).items())},
        "per_class": [
            _shared(float(inside[labels == label].sum()), int((labels == label).sum()), repeats)
            for label in range(sets.shape[1])
        ],
    }
    if promise.refused:
        found["refused"] = {"n": int(promise.n.min()), "needed": needed(promise.level)}
    elif promise.alone >= promise.level:
        found["alone"] = promise.alone
    return found


def abstention_scores(
    codes: NDArray[np.str_], losses: Floats, certainty: Floats, *, name: str, repeats: int = 1
) -> dict[str, Any]:
    """What is refused, and how good the rest is.

    Args:
        codes: (row,) why each row is refused, or "".
        losses: (row,) 1 where the answer is wrong, 0 where it is right; or its absolute error.
        certainty: (row,) the surest answer has the largest.
        name: Of the score of the rest, such as "accuracy" or "mae".
        repeats: How often each row was answered.

    Returns:
        `rate`, `<name>_of_the_rest`, `by_reason` (code to count) and `risk_coverage`: shares of answers that
        are kept, those that are refused given up first and then the least sure, with the mean loss of those
        kept.

    Example:
        >>> found = abstention_scores(
        ...     np.array(["", "dark", "", ""]), np.array([0.0, 1, 0, 1]), np.array([3.0, 2, 1, 0]),
        ...     name="accuracy")
        >>> found["rate"]["value"], round(found["accuracy_of_the_rest"]["value"], 3), found["by_reason"]
        (0.25, 0.667, {'dark': 1})
    """
    refused = codes != ""
    once = codes[: len(codes) // repeats]
    rest = losses[~refused]
    return {
        "rate": counted(int((once != "").sum()), len(once)),
        f"{name}_of_the_rest": _of_the_rest(rest, name, repeats),
        "by_reason": dict(sorted(Counter(once[once != ""].tolist()).items())),
        "risk_coverage": risk_coverage(losses, np.where(refused, certainty.min(initial=0.0) - 1, certainty)),
    }


def risk_coverage(losses: Floats, certainty: Floats) -> list[list[float]]:
    """Pairs of the share of answers that are kept, the surest first, and their mean loss.

    Source:
        El-Yaniv & Wiener 2010, https://jmlr.org/papers/v11/el-yaniv10a.html.

    Example:
        >>> risk_coverage(np.array([1.0, 0, 0, 0]), np.array([0.1, 0.9, 0.8, 0.7]))[-1]
        [1.0, 0.25]
    """
    ordered = losses[np.argsort(-certainty, kind="stable")]
    risks = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    kept = np.unique(np.ceil(np.linspace(1 / POINTS, 1, POINTS) * len(ordered)).astype(np.int64))
    return [[at / len(ordered), float(risks[at - 1])] for at in kept.tolist() if at]


def cost_scores(costs: Floats, without: Floats, *, seed: int = 0) -> dict[str, Any]:
    """Mean cost of the decisions, with its interval, and of always naming the class of least cost.

    Args:
        costs: (row,) of the decisions.
        without: (row,) of decisions that may not abstain.
        seed: Of the bootstrap.
    """
    draws = collected(lambda rows: {"cost": costs[rows].mean(axis=1)}, bootstrap_rows(len(costs), seed=seed))
    low, high = percentiles(draws["cost"])
    return {
        "cost": {"value": float(costs.mean()), "low": low, "high": high},
        "cost_without_abstaining": float(without.mean()),
    }


def _of_the_rest(rest: Floats, name: str, repeats: int) -> Score:
    if name == "accuracy":
        return _shared(float(len(rest) - rest.sum()), len(rest), repeats)
    if not len(rest):
        return counted(0, 0)
    value, reach = float(rest.mean()), 1.96 * float(rest.std()) / (len(rest) / repeats) ** 0.5
    return {"value": value, "low": max(value - reach, 0.0), "high": value + reach}


def _shared(hits: float, n: int, repeats: int) -> Score:
    """A share whose rows were answered several times, which makes them no more."""
    found = counted(round(hits / repeats), round(n / repeats))
    return found if not n or found["value"] is None else {**found, "value": round(hits) / n}
