"""Two models on the same rows: how far they differ, and whether chance could do that.

Both answered the same rows, so that what is hard about a row is hard for both and drops out of the
difference; a paired comparison sees much smaller differences than two separate intervals do.

    accuracy            Newcombe's interval for paired proportions, McNemar's exact test
    the other scores    bootstrap of the rows, the same rows for both; and a permutation test: were both
                        equally good, exchanging their answers on a random half of the rows would change
                        nothing beyond chance, and 2,000 exchanges show what differences chance makes
    with folds          Nadeau and Bengio's corrected t test over the folds, for every score; see
                        `mindle.evaluation.repeated`
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mindle.evaluation import tasks
from mindle.evaluation.intervals import (
    RESAMPLES,
    Floats,
    Ints,
    bootstrap_rows,
    collected,
    draws_in_blocks,
    percentiles,
)
from mindle.evaluation.paired import LOWER_IS_BETTER, Difference, Measure
from mindle.evaluation.repeated import Folds, corrected_error, read_folds, t_chance, t_score
from mindle.records import Answers

Tested = Callable[
    [str, float], tuple[float, float, float]
]  # a score and its difference to low, high, p value


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
        differences = {}
        for each in self.differences:
            fields = asdict(each)
            name = fields.pop("name")
            differences[name] = {**fields, "better": each.better}
        return {"task": self.task, "n": self.n, "repeats": self.repeats, "differences": differences}


def compare(first: Answers, second: Answers, *, seed: int = 0) -> Comparison:
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
    paired = _Paired(task.measure(first, second), task.compared, len(first) // first.repeats, first.repeats)
    # With other folds the two models of a fold had other training rows, and the correction for what folds
    # share does not hold.
    if first.folds is not None and second.folds is not None and np.array_equal(first.folds, second.folds):
        differences = _over_folds(paired, read_folds(first.folds, len(first), first.repeats))
    else:
        exact = task.exact(first, second) if first.repeats == 1 else ()
        differences = (*exact, *_over_rows(paired, seed)[len(exact) :])
    return Comparison(task=first.task, n=paired.rows, repeats=first.repeats, differences=differences)


def as_good(comparison: Comparison, margin: float) -> bool:
    """Whether no score of the second is worse than the margin, by the whole 95 % interval of each difference.

    Args:
        comparison: Of two models.
        margin: Share of rows that may be answered wrong besides; errors and losses may grow by four times
            that share, and a log loss, which is near zero where hardly a row is wrong, by as many nats.

    Example:
        >>> from mindle.records import Estimates
        >>> truth = np.arange(100.0)
        >>> def answers(off: float) -> Estimates:
        ...     return Estimates(paths=tuple(map(str, range(100))), values=truth + off, targets=truth)
        >>> [as_good(compare(answers(1.0), answers(off)), 0.01) for off in (1.01, 1.1)]
        [True, False]
    """

    def holds(each: Difference) -> bool:
        if each.name not in LOWER_IS_BETTER:
            return -each.low <= margin
        return each.high <= max(4 * margin * each.first, margin if each.name == "log_loss" else 0.0)

    return all(map(holds, comparison.differences))


def holm(chances: Sequence[float]) -> list[float]:
    """Chances of several comparisons, raised so that asking often does not make chance look like skill.

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


# ---- intervals and chances ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Paired:
    """The answers of both, one after the other: a draw of row numbers can take a row's answer from either.

    Attributes:
        measure: Scores draws of the numbers of all answers, those of the first model before the second one's.
        names: The scores that are compared.
        rows: How many rows both answered.
        repeats: How often each; a row's repeats are drawn together.
    """

    measure: Measure
    names: tuple[str, ...]
    rows: int
    repeats: int

    def scores(self, at: Ints) -> dict[str, Floats]:
        """The mean over the repeats of each score of draws of rows: (draw,)."""
        found = [self.measure(at + repeat * self.rows) for repeat in range(self.repeats)]
        return {name: np.mean([each[name] for each in found], axis=0) for name in self.names}

    def gaps(self, sides: tuple[Ints, Ints]) -> dict[str, Floats]:
        """The second score minus the first one, each of draws of rows that may come from either model."""
        before, after = map(self.scores, sides)
        return {name: after[name] - before[name] for name in self.names}

    def of_second(self, at: Ints) -> Ints:
        """The numbers of the second model's answers to rows."""
        return at + self.rows * self.repeats

    def differences(self, tested: Tested, interval: str, test: str) -> tuple[Difference, ...]:
        """The difference in each score on every row, with its interval and its p value."""
        rows = np.arange(self.rows)[None]
        before, after = self.scores(rows), self.scores(self.of_second(rows))
        differences = []
        for name in self.names:
            first, second = float(before[name][0]), float(after[name][0])
            low, high, chance = tested(name, second - first)
            differences.append(
                Difference(
                    name=name,
                    first=first,
                    second=second,
                    value=second - first,
                    low=low,
                    high=high,
                    chance=chance,
                    interval=interval,
                    test=test,
                )
            )
        return tuple(differences)


def _over_rows(paired: _Paired, seed: int) -> tuple[Difference, ...]:
    """Bootstrap and permutation test over the rows."""
    resampled = collected(
        lambda at: paired.gaps((at, paired.of_second(at))), bootstrap_rows(paired.rows, seed=seed)
    )
    swapped = collected(paired.gaps, _swaps(paired, seed))

    def tested(name: str, value: float) -> tuple[float, float, float]:
        low, high = percentiles(resampled[name])
        # Equal up to rounding counts as equal, or ties would be decided by the order of a sum.
        as_large = np.abs(swapped[name]) >= abs(value) - 1e-12
        return min(low, value), max(high, value), float((1 + as_large.sum()) / (1 + len(as_large)))

    return paired.differences(tested, "bootstrap", "swaps")


def _swaps(paired: _Paired, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Numbers of both sides' answers after exchanging those to each row with a chance of a half."""
    generator, rows = np.random.default_rng(seed), np.arange(paired.rows)
    for block in draws_in_blocks(RESAMPLES, paired.rows):
        swapped = generator.integers(0, 2, (block, paired.rows)).astype(bool)
        yield (
            np.where(swapped, paired.of_second(rows), rows),
            np.where(swapped, rows, paired.of_second(rows)),
        )


def _over_folds(paired: _Paired, folds: Folds) -> tuple[Difference, ...]:
    """The corrected t test over the folds' differences."""
    found = [paired.measure(rows[None]) for rows in folds.rows]
    other = [paired.measure(paired.of_second(rows)[None]) for rows in folds.rows]

    def tested(name: str, value: float) -> tuple[float, float, float]:
        gaps = np.array([two[name][0] - one[name][0] for one, two in zip(found, other, strict=True)])
        error, freedom = corrected_error(gaps, folds.ratio), len(gaps) - 1
        reach = t_score(freedom) * error
        chance = t_chance(value / error, freedom) if error > 0 else float(value == 0)
        return value - reach, value + reach, chance

    return paired.differences(tested, "nadeau-bengio", "nadeau-bengio")
