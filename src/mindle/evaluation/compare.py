"""Two models on the same rows: how far they differ, and whether luck could do that.

Both answered the same rows, so that what is hard about a row is hard for both and drops out of the
difference; a paired comparison sees much smaller differences than two separate intervals do.

    accuracy            Newcombe's interval for paired proportions, McNemar's exact test
    the other scores    bootstrap of the rows, the same rows for both; and the swap test: were both equally
                        good, exchanging their answers on a random half of the rows would change nothing but
                        luck, and 2,000 such exchanges show how large differences luck makes
    with folds          Nadeau and Bengio's corrected t test over the folds, for every score; see
                        `mindle.evaluation.repeated`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mindle.evaluation import tasks
from mindle.evaluation.intervals import RESAMPLES, bootstrap_rows, percentiles
from mindle.evaluation.paired import Difference, Floats, Ints, Measure
from mindle.evaluation.repeated import corrected_error, read_folds, t_chance, t_score
from mindle.records import Answers

_DRAWS_AT_A_TIME = 200_000


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        task: "binary", "multiclass" or "regression".
        n: How many rows both answered.
        repeats: How often each row was answered.
        differences: One a score, the main one first: accuracy, or the mean absolute error.
    """

    task: str
    n: int
    repeats: int
    differences: tuple[Difference, ...]

    @property
    def main(self) -> Difference:
        """The difference that decides."""
        return self.differences[0]

    def named(self, name: str) -> Difference:
        """The difference in one score."""
        return next(each for each in self.differences if each.name == name)

    def as_dict(self) -> dict[str, Any]:
        """What JSON holds of it."""
        return {
            "task": self.task,
            "n": self.n,
            "repeats": self.repeats,
            "differences": {
                each.name: {key: value for key, value in asdict(each).items() if key != "name"}
                | {"better": each.better}
                for each in self.differences
            },
        }


def compare(
    first: Answers,
    second: Answers,
    *,
    seed: int = 0,
) -> Comparison:
    """Compare two models that answered the same rows.

    Differences are second minus first: what changes when the second takes the first one's place. Rows are
    matched by name, classes too, whatever their order.

    Args:
        first: What one model answered, with the truth.
        second: What the other answered to the same rows, with the same truth.
        seed: Of the bootstrap and the swaps.

    Returns:
        The differences in accuracy, macro F1 and log loss, or in MAE and RMSE.

    Raises:
        ValueError: If the two answered different rows, have other classes, another truth or another number of
            repeats; the message names what differs.

    Source:
        Interval: Newcombe 1998, method 10 for paired data,
        https://doi.org/10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C. Exact test:
        McNemar 1947, https://doi.org/10.1007/BF02295996. Swaps: Noreen 1989, *Computer-intensive methods for
        testing hypotheses*, chapter 2.

    Example:
        >>> from mindle.records import Predictions
        >>> truth = np.arange(40) % 2
        >>> def answers(wrong: int) -> Predictions:
        ...     best = np.where(np.arange(40) < wrong, 1 - truth, truth)
        ...     return Predictions(classes=("cat", "dog"), paths=tuple(map(str, range(40))),
        ...                        probabilities=0.8 * np.eye(2)[best] + 0.1, labels=truth)
        >>> found = compare(answers(9), answers(2)).main
        >>> round(found.value, 3), round(found.chance, 4), found.better
        (0.175, 0.0156, 'second')
    """
    if type(first) is not type(second):
        raise ValueError(
            "Both must name classes, or both must estimate numbers. Received one of each: they answer "
            "different questions."
        )
    task = tasks.of(first.task)
    second = task.matched(first, second)
    rows, repeats, measure = len(first), first.repeats, task.measure(first, second)
    fold = _shared_folds(first, second)
    if fold is not None:
        differences = _over_folds(measure, rows, repeats, fold)
    else:
        differences = _over_rows(measure, rows, repeats, seed)
        exact = task.exact(first, second) if repeats == 1 else ()
        differences = (*exact, *differences[len(exact) :])
    return Comparison(task=first.task, n=rows // repeats, repeats=repeats, differences=differences)


def holm(chances: Sequence[float]) -> list[float]:
    """Chances of several comparisons, raised so that asking often does not make luck look like skill.

    Args:
        chances: One a comparison.

    Returns:
        The adjusted chances, in the same order.

    Source:
        Holm 1979, https://www.jstor.org/stable/4615733.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(chances, kind="stable")
    raised = np.asarray(chances, np.float64)[order] * np.arange(len(chances), 0, -1)
    adjusted = np.empty(len(chances))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    found: list[float] = adjusted.tolist()
    return found


def _shared_folds(first: Answers, second: Answers) -> Ints | None:
    """The folds that held the rows of both out, rows in one order; None where they are not known or differ.

    With other folds the two models of a fold had other training rows, and the correction for what folds share
    does not hold.
    """
    if first.folds is None or second.folds is None or not np.array_equal(first.folds, second.folds):
        return None
    return first.folds


# ---- scores of draws ---------------------------------------------------------------------------------------

# The answers of both lie one after the other, the first one's `rows` and then the second one's, so that a
# draw of row numbers can take a row's answer from either.


def _repeated(measure: Measure, at: Ints, repeats: int, of_repeat: int) -> dict[str, Floats]:
    """The mean over the repeats of each score of draws of rows: (draw,)."""
    found = [measure(at + repeat * of_repeat) for repeat in range(repeats)]
    return {name: np.mean([each[name] for each in found], axis=0) for name in found[0]}


def _pooled(measure: Measure, rows: int, repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    """The scores of the first and of the second on every row."""
    everything = np.arange(rows // repeats)[None]
    first, second = (
        _repeated(measure, everything + side * rows, repeats, rows // repeats) for side in (0, 1)
    )
    return {name: float(v[0]) for name, v in first.items()}, {name: float(v[0]) for name, v in second.items()}


# ---- intervals and chances ---------------------------------------------------------------------------------


def _over_rows(measure: Measure, rows: int, repeats: int, seed: int) -> tuple[Difference, ...]:
    """Bootstrap and swap test over the rows; a row's repeats are drawn and swapped together."""
    of_repeat = rows // repeats

    def gaps(pairs: Iterator[tuple[Ints, Ints]]) -> dict[str, Floats]:
        found: dict[str, list[Floats]] = {}
        for one, two in pairs:
            before, after = (_repeated(measure, at, repeats, of_repeat) for at in (one, two))
            for name in before:
                found.setdefault(name, []).append(after[name] - before[name])
        return {name: np.concatenate(blocks) for name, blocks in found.items()}

    resampled = gaps((at, at + rows) for at in bootstrap_rows(of_repeat, seed=seed))
    swapped = gaps(_swaps(of_repeat, rows, seed))
    first, second = _pooled(measure, rows, repeats)
    differences = []
    for name in first:
        value = second[name] - first[name]
        low, high = percentiles(resampled[name])
        # Equal up to rounding counts as equal, or ties would be decided by the order of a sum.
        as_large = np.abs(swapped[name]) >= abs(value) - 1e-12
        differences.append(
            Difference(
                name=name,
                first=first[name],
                second=second[name],
                value=value,
                low=min(low, value),
                high=max(high, value),
                chance=float((1 + as_large.sum()) / (1 + len(as_large))),
                interval="bootstrap",
                test="swaps",
            )
        )
    return tuple(differences)


def _swaps(of_repeat: int, rows: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Row numbers of both sides after exchanging each row's answers with a chance of a half."""
    generator = np.random.default_rng(seed)
    block = max(1, _DRAWS_AT_A_TIME // of_repeat)
    plain = np.arange(of_repeat)
    for start in range(0, RESAMPLES, block):
        side = generator.integers(0, 2, (min(block, RESAMPLES - start), of_repeat))
        yield plain + side * rows, plain + (1 - side) * rows


def _over_folds(measure: Measure, rows: int, repeats: int, fold: Ints) -> tuple[Difference, ...]:
    """The corrected t test over the folds' differences."""
    folds = read_folds(fold, rows, repeats)
    before = [measure(part[None]) for part in folds.rows]
    after = [measure(part[None] + rows) for part in folds.rows]
    first, second = _pooled(measure, rows, repeats)
    differences = []
    for name in first:
        gaps = np.array([two[name][0] - one[name][0] for one, two in zip(before, after, strict=True)])
        error, freedom = corrected_error(gaps, folds.ratio), len(gaps) - 1
        value = second[name] - first[name]
        reach = t_score(freedom) * error
        if error > 0:
            chance = t_chance(value / error, freedom)
        else:
            chance = 1.0 if value == 0 else 0.0
        differences.append(
            Difference(
                name=name,
                first=first[name],
                second=second[name],
                value=value,
                low=value - reach,
                high=value + reach,
                chance=chance,
                interval="nadeau-bengio",
                test="nadeau-bengio",
            )
        )
    return tuple(differences)
