"""Cross-validation, once or repeated: one score out of several answers to the same rows.

The value is the mean over the repeats of the pooled score: within a repeat every row is answered once, by a
model that has not seen it, and all of these answers are scored together. Its interval begins with what the
rows alone say, as if one model had answered them: the mean of the repeats' intervals. The models of two
folds share most of their training rows, so that this is too narrow. With J folds in all, S² the variance of
their scores, n₂ rows in a fold and n₁ rows to train on, Nadeau and Bengio's variance of the score is

    (1 / J + n₂ / n₁) · S²

The expected S² of folds of n₂ rows is the variance of one row's score over n₂, so that of a repeat's k folds
the rows alone give a variance of S² / k, and the interval is widened by the factor √(k / J + k · n₂ / n₁), on
a scale where it cannot leave the score's range. Repeating scores the same rows again: it lowers k / J, never
n₂ / n₁.

S² itself, measured on the three to thirty folds at hand, is no basis: near 0 and 1 such t intervals hold the
truth in as few as 58 % of draws, and on a scale of log-odds they reach over half of the range. The widened
interval of the rows holds it in 95 % or more, and is narrower (`python -m benchmarks cv_intervals`). Where
the folds are not known the interval is that of the rows alone.

Source:
    Nadeau and Bengio 2003, section 3.2, https://doi.org/10.1023/A:1024068626366; for repeated
    cross-validation Bouckaert and Frank 2004, https://doi.org/10.1007/978-3-540-24775-3_3. Why the rows alone
    are too narrow: Bates, Hastie and Tibshirani 2021, https://arxiv.org/abs/2104.00673.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import atanh, exp, expm1, log, log1p, sqrt, tanh
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import LEVEL, Floats, Ints, Score, logistic, logit
from mindle.records import Answers

Rows = Ints | slice
Scores = dict[str, Any]

METHOD = "widened"

# There and back, between the range of a score and the whole line.
_SCALES: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "share": (logit, logistic),
    "positive": (log, lambda at: exp(min(at, 700.0))),
    "correlation": (atanh, tanh),
    "at most 1": (lambda v: -log1p(-v), lambda at: -expm1(min(-at, 700.0))),
}
_ENDS = {"share": (0.0, 1.0), "positive": (0.0,), "correlation": (-1.0, 1.0), "at most 1": (1.0,)}


@dataclass(frozen=True)
class Folds:
    """Which rows each fold held out.

    Attributes:
        rows: Row numbers of each fold, repeat by repeat.
        of_repeat: How many folds a repeat has.
        ratio: Rows held out for each row trained on, n₂ / n₁, on average.
    """

    rows: tuple[Ints, ...]
    of_repeat: int
    ratio: float

    @property
    def inflation(self) -> float:
        """How much larger the variance of a score is than the rows alone say: k / J + k · n₂ / n₁."""
        return self.of_repeat * (1 / len(self.rows) + self.ratio)


def require_rows(
    right: NDArray[Any], rule: str, received: NDArray[Any], names: Sequence[str], step: str = ""
) -> None:
    """Refuse rows that break a rule.

    Raises:
        ValueError: Naming the first, with the next step where there is one.
    """
    if not right.all():
        at = int(right.argmin())
        raise ValueError(f"{rule} Received {received[at].tolist()} for {names[at]!r}. {step}".rstrip())


def require_same_rows(names: Sequence[str], truth: NDArray[Any], repeats: int) -> None:
    """Refuse repeats that do not answer the same rows in the same order.

    Raises:
        ValueError: Naming the first row that differs.
    """
    of_repeat = len(names) // repeats
    for at, name in enumerate(names):
        first = at % of_repeat
        if name != names[first] or truth[at] != truth[first]:
            raise ValueError(
                "Every repeat must hold the same rows with the same truth, in the same order. Received "
                f"{name!r} ({truth[at]}) as row {first + 1} of repeat {at // of_repeat + 1}, "
                f"{names[first]!r} ({truth[first]}) in the first."
            )


def read_folds(fold: Ints, rows: int, repeats: int) -> Folds:
    """The folds that a number for each row gives.

    Args:
        fold: (row,), which fold of its repeat held it out; any whole numbers.
        rows: How many rows there are, over all repeats.
        repeats: How many repeats.

    Raises:
        ValueError: If the numbers do not fit the rows, or a repeat has one fold only.

    Example:
        >>> read_folds(np.array([0, 0, 1, 1]), 4, 1).ratio
        1.0
    """
    fold = np.asarray(fold)
    if fold.shape != (rows,):
        raise ValueError(f"`fold` must be ({rows},): one number a row. Received {fold.shape}.")
    members: list[Ints] = []
    ratios = []
    for part in np.arange(rows).reshape(repeats, -1):
        indices = np.unique(fold[part])
        if len(indices) < 2:
            raise ValueError(
                "`fold` must name at least 2 folds in each repeat. Received one. Give none where there is no "
                "cross-validation."
            )
        held_out = [part[fold[part] == index] for index in indices]
        members += held_out
        ratios += [len(one) / (len(part) - len(one)) for one in held_out]
    return Folds(tuple(members), len(members) // repeats, float(np.mean(ratios)))


def corrected_error(scores: Floats, ratio: float) -> float:
    """Nadeau and Bengio's standard error of the mean of the folds' scores.

    Args:
        scores: One a fold, over all repeats; at least two.
        ratio: Rows held out for each row trained on; 1 / (k - 1) for k folds.

    Example:
        >>> round(corrected_error(np.array([0.8, 0.9, 0.85, 0.95, 0.9]), 1 / 4), 4)
        0.0382
    """
    return sqrt((1 / len(scores) + ratio) * float(np.var(scores, ddof=1)))


def t_score(freedom: float) -> float:
    """How many standard errors lie on either side, where the error itself was estimated.

    Example:
        >>> round(t_score(4), 3)
        2.776
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + LEVEL / 2))


def t_chance(distance: float, freedom: float) -> float:
    """Chance of lying at least so many standard errors away, on either side.

    Example:
        >>> round(t_chance(2.776, 4), 3)
        0.05
    """
    from scipy.special import stdtr

    return min(1.0, 2 * float(stdtr(freedom, -abs(distance))))


def score_repeats(score: Callable[[Rows], Scores], answers: Answers, scales: Mapping[str, str]) -> Scores:
    """One block of scores, also where several models answered the same rows.

    Args:
        score: Scores some rows, with intervals.
        answers: With their truth, their repeats, and their folds where these are known.
        scales: Name of each score whose interval is widened to its range: "share", "positive", "correlation"
            or "at most 1".

    Returns:
        The block; where this was cross-validation the mean of the repeats' blocks, with `repeats`, and with
        `folds` where they are known.

    Raises:
        ValueError: If the repeats hold different rows, or the folds do not fit them.
    """
    rows, repeats = len(answers), answers.repeats
    if repeats == 1 and answers.folds is None:
        return score(slice(None))
    require_same_rows(answers.paths, np.asarray(answers.truth), repeats)
    folds = None if answers.folds is None else read_folds(answers.folds, rows, repeats)
    block = mean_block([score(part) for part in np.arange(rows).reshape(repeats, -1)])
    block["repeats"] = repeats
    if folds is None:
        return block
    block["folds"] = folds.of_repeat
    for name, scale in scales.items():
        if name in block and block[name]["low"] is not None:
            block[name] = widened(block[name], folds.inflation, scale)
            block["intervals"]["methods"][name] = METHOD
    return block


def widened(score: Mapping[str, Any], inflation: float, scale: str) -> Score:
    """The interval of a score whose variance is larger than it was made for.

    Args:
        score: A value between `low` and `high`.
        inflation: How many times larger the variance is.
        scale: The score's range, a name in `score_repeats`.

    Example:
        >>> widened({"value": 1.0, "low": 0.9, "high": 1.0}, 2.0, "share")
        {'value': 1.0, 'low': 0.8181818181818181, 'high': 1.0}
    """
    there, back = _SCALES[scale]
    value = score["value"]

    def moved(end: float) -> float:
        if end == value or end in _ENDS[scale]:
            return end
        if value in _ENDS[scale]:  # nothing varied: the end is 1 / (1 + z² / n) away, and n is what shrinks
            return back(there(end) + log(inflation) * (1 if end > value else -1))
        return back(there(value) + sqrt(inflation) * (there(end) - there(value)))

    return {"value": value, "low": moved(score["low"]), "high": moved(score["high"])}


def mean_block(blocks: Sequence[Mapping[str, Any]]) -> Scores:
    """The mean of blocks of the same rows: scores and ends of intervals are averaged, confusions added up.

    Example:
        >>> one, two = ({"n": 4, "ece": 0.1, "confusion": [[2]]}, {"n": 4, "ece": 0.3, "confusion": [[1]]})
        >>> mean_block([one, two])
        {'n': 4, 'ece': 0.2, 'confusion': [[3]]}
    """
    mean: Scores = {name: _mean([block[name] for block in blocks]) for name in blocks[0]}
    if "confusion" in mean:
        mean["confusion"] = np.sum([block["confusion"] for block in blocks], axis=0).tolist()
    return mean


def _mean(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, Mapping):
        if set(first) == {"value", "low", "high"}:  # of the repeats that have the score
            values = [value for value in values if value["value"] is not None] or [first]
        return {name: _mean([value[name] for value in values]) for name in first}
    if isinstance(first, list):
        return [_mean(members) for members in zip(*values, strict=True)]
    if isinstance(first, str) or all(value == first for value in values):
        return first
    return None if None in values else float(np.mean(values))
