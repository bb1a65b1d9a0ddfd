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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import LEVEL, RESAMPLES, bootstrap_rows, percentiles, wilson
from mindle.evaluation.metrics import checked_predictions, log_losses, macro_scores, tally_resamples
from mindle.evaluation.regression import checked_estimates
from mindle.evaluation.repeated import (
    corrected_error,
    read_folds,
    require_same_rows,
    t_chance,
    t_score,
)
from mindle.records import Estimates, Predictions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Measure = Callable[[Ints], dict[str, Floats]]  # (draw, row) → score to (draw,)

SURE = 0.05  # a difference that luck makes less often than this is called clear
LOWER_IS_BETTER = ("log_loss", "mae", "rmse")
_DRAWS_AT_A_TIME = 200_000


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One score of two models on the same rows.

    Attributes:
        name: As in metrics.json.
        first, second: The score of each.
        value, low, high: Second minus first, with its 95 % interval.
        chance: How often luck alone would make a difference at least this large if both were equally good.
        interval: How the interval was made: "newcombe", "bootstrap" or "nadeau-bengio".
        test: How the chance was computed: "mcnemar", "swaps" or "nadeau-bengio".
    """

    name: str
    first: float
    second: float
    value: float
    low: float
    high: float
    chance: float
    interval: str
    test: str

    @property
    def better(self) -> str:
        """Which is clearly better, "first" or "second"; "" where luck alone does so in 1 of 20 tests."""
        if self.chance >= SURE or self.value == 0:
            return ""
        return "second" if (self.value > 0) != (self.name in LOWER_IS_BETTER) else "first"


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
    first: Predictions | Estimates,
    second: Predictions | Estimates,
    *,
    seed: int = 0,
    fold: NDArray[np.int64] | None = None,
) -> Comparison:
    """Compare two models that answered the same rows.

    Differences are second minus first: what changes when the second takes the first one's place. Rows are
    matched by name, classes too, whatever their order.

    Args:
        first: What one model said, with the truth.
        second: What the other said about the same rows, with the same truth.
        seed: Of the bootstrap and the swaps.
        fold: (row,), which fold of its repeat answered each row of `first`, where both were judged by the
            same cross-validation; what both say of their folds, where they agree, unless given.

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
        >>> truth = np.arange(40) % 2
        >>> def answers(wrong: int) -> Predictions:
        ...     said = np.where(np.arange(40) < wrong, 1 - truth, truth)
        ...     return Predictions(classes=("cat", "dog"), paths=tuple(map(str, range(40))),
        ...                        probabilities=0.8 * np.eye(2)[said] + 0.1, labels=truth)
        >>> found = compare(answers(9), answers(2)).main
        >>> round(found.value, 3), round(found.chance, 4), found.better
        (0.175, 0.0156, 'second')
    """
    second = _matched(first, second)
    rows, repeats = len(first.paths), first.repeats
    if isinstance(first, Predictions) and isinstance(second, Predictions):
        task = "binary" if len(first.classes) == 2 else "multiclass"
        measure = _measure_answers(first, second)
    else:
        task = "regression"
        measure = _measure_estimates(first, second)
    fold = _shared_folds(first, second) if fold is None else fold
    if fold is not None:
        differences = _over_folds(measure, rows, repeats, fold)
    else:
        differences = _over_rows(measure, rows, repeats, seed)
        if repeats == 1 and isinstance(first, Predictions) and isinstance(second, Predictions):
            differences = (_paired_accuracy(first, second), *differences[1:])
    return Comparison(task=task, n=rows // repeats, repeats=repeats, differences=differences)


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


# ---- the same rows -----------------------------------------------------------------------------------------


def _matched(first: Predictions | Estimates, second: Predictions | Estimates) -> Predictions | Estimates:
    """The second one's answers in the order of the first one's rows and classes."""
    if isinstance(first, Predictions) and isinstance(second, Predictions):
        _require_same_classes(first.classes, second.classes)
        (_, truth), (probabilities, labels) = checked_predictions(first), checked_predictions(second)
        order = _order(first, second)
        columns = [second.classes.index(name) for name in first.classes]
        place = np.argsort(columns)  # of the second one's class in the first one's list
        matched = Predictions(
            classes=first.classes,
            paths=first.paths,
            probabilities=probabilities[order][:, columns],
            labels=place[labels[order]],
            answers=None if second.answers is None else place[second.answers[order]],
            repeats=second.repeats,
            folds=None if second.folds is None else second.folds[order],
        )
        names = np.array(first.classes)
        _require_same_truth(first.paths, names[truth], names[place[labels[order]]])
        return matched
    if isinstance(first, Estimates) and isinstance(second, Estimates):
        (_, wanted), (values, targets) = checked_estimates(first), checked_estimates(second)
        order = _order(first, second)
        _require_same_truth(first.paths, wanted, targets[order])
        return Estimates(
            paths=first.paths,
            values=values[order],
            targets=targets[order],
            repeats=second.repeats,
            folds=None if second.folds is None else second.folds[order],
        )
    raise ValueError(
        "Both must name classes, or both must estimate numbers. Received one of each: they answer different "
        "questions."
    )


def _shared_folds(first: Predictions | Estimates, second: Predictions | Estimates) -> Ints | None:
    """The folds by which both were judged, rows in one order; None where they are not known or differ.

    With other folds the two models of a fold had other training rows, and the correction for what folds share
    does not hold.
    """
    if first.folds is None or second.folds is None or not np.array_equal(first.folds, second.folds):
        return None
    return first.folds


def _require_same_classes(first: Sequence[str], second: Sequence[str]) -> None:
    lost, new = [
        [name for name in one if name not in other] for one, other in ((first, second), (second, first))
    ]
    if lost or new:
        raise ValueError(
            f"Both must have the same classes. {_only('first', lost)}{_only('second', new)}"
            "Compare models of the same data."
        )


def _only(which: str, names: Sequence[str]) -> str:
    """What one side alone has, the first few by name."""
    if not names:
        return ""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"Only in the {which}: {', '.join(map(repr, names[:3]))}{more}. "


def _order(first: Predictions | Estimates, second: Predictions | Estimates) -> Ints:
    """Where each row of the first stands in the second; or what differs."""
    if first.repeats != second.repeats:
        raise ValueError(
            "Both must have been judged as many times. Received repeats="
            f"{first.repeats} and {second.repeats}. Compare models judged in the same way."
        )
    for each in (first, second):
        truth = each.labels if isinstance(each, Predictions) else each.targets
        require_same_rows(each.paths, np.asarray(truth), each.repeats)
    one, two = (each.paths[: len(each.paths) // each.repeats] for each in (first, second))
    if one != two:
        place = {name: at for at, name in enumerate(two)}
        here = set(one)
        lost, new = [name for name in one if name not in place], [name for name in two if name not in here]
        if lost or new or len(place) < len(two) or len(here) < len(one):
            raise ValueError(
                f"Both must answer the same rows. Received {len(one):,} and {len(two):,}. "
                f"{_only('first', lost)}{_only('second', new)}"
                "Compare models of the same data and the same --split-seed."
            )
        within = np.array([place[name] for name in one])
    else:
        within = np.arange(len(one))
    return (within + len(one) * np.arange(first.repeats)[:, None]).ravel()


def _require_same_truth(names: Sequence[str], first: NDArray[Any], second: NDArray[Any]) -> None:
    other = np.flatnonzero(first != second)
    if len(other):
        at = int(other[0])
        raise ValueError(
            f"Both must have the same truth. It differs in {len(other):,} of {len(names):,} rows, first in "
            f"{names[at]!r}: {first[at]} and {second[at]}. Compare models of the same data."
        )


# ---- scores of draws ---------------------------------------------------------------------------------------

# The answers of both lie one after the other, the first one's `rows` and then the second one's, so that a
# draw of row numbers can take a row's answer from either.


def _measure_answers(first: Predictions, second: Predictions) -> Measure:
    probabilities = np.concatenate([first.probabilities, second.probabilities])
    labels = np.concatenate([np.asarray(first.labels), np.asarray(second.labels)])
    answers = np.concatenate([first.predicted, second.predicted])
    right, losses, classes = answers == labels, log_losses(probabilities, labels), len(first.classes)

    def measure(at: Ints) -> dict[str, Floats]:
        return {
            "accuracy": right[at].mean(axis=1),
            "macro_f1": macro_scores(tally_resamples(at, labels, answers, right, classes))["macro_f1"],
            "log_loss": losses[at].mean(axis=1),
        }

    return measure


def _measure_estimates(first: Any, second: Any) -> Measure:
    errors = np.concatenate([first.values - first.targets, second.values - second.targets])

    def measure(at: Ints) -> dict[str, Floats]:
        drawn = errors[at]
        return {"mae": np.abs(drawn).mean(axis=1), "rmse": np.sqrt((drawn**2).mean(axis=1))}

    return measure


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


def _paired_accuracy(first: Predictions, second: Predictions) -> Difference:
    """Newcombe's interval and McNemar's exact test from the four counts of right and wrong."""
    one, two = (each.predicted == np.asarray(each.labels) for each in (first, second))
    both, gained, lost = int((one & two).sum()), int((~one & two).sum()), int((one & ~two).sum())
    low, high = paired_difference(both, gained, lost, len(one))
    return Difference(
        name="accuracy",
        first=float(one.mean()),
        second=float(two.mean()),
        value=(gained - lost) / len(one),
        low=low,
        high=high,
        chance=mcnemar(gained, lost),
        interval="newcombe",
        test="mcnemar",
    )


def mcnemar(gained: int, lost: int) -> float:
    """Chance of a split at least this uneven among the rows that only one of two got right, were both equal.

    Args:
        gained: Rows that only the second got right.
        lost: Rows that only the first got right.

    Example:
        >>> round(mcnemar(9, 1), 4), mcnemar(0, 0)
        (0.0215, 1.0)
    """
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5))) if gained + lost else 1.0


def paired_difference(
    both: int, gained: int, lost: int, n: int, *, level: float = LEVEL
) -> tuple[float, float]:
    """Ends of the interval of the second minus the first share of right answers to the same rows.

    Args:
        both: Rows that both got right.
        gained: Rows that only the second got right.
        lost: Rows that only the first got right.
        n: All rows.
        level: How often the interval holds the true difference.

    Source:
        Newcombe 1998, method 10 for paired data; the example is one of his table II.

    Example:
        >>> [round(end, 4) for end in paired_difference(36, 12, 2, 50)]
        [0.0569, 0.3404]
    """
    neither = n - both - gained - lost
    p1, p2 = (both + lost) / n, (both + gained) / n
    (low1, high1), (low2, high2) = (wilson(hits, n, level=level) for hits in (both + lost, both + gained))
    product = float((both + lost) * (neither + gained)) * float((both + gained) * (neither + lost))
    shared = float(both * neither - gained * lost)
    if shared > 0:
        shared = max(shared - n / 2, 0.0)  # his correction for continuity
    phi = shared / sqrt(product) if product else 0.0
    # The two shares' own intervals, joined as the sides of a triangle whose angle is their correlation.
    down1, up1, down2, up2 = p1 - low1, high1 - p1, p2 - low2, high2 - p2
    low = p2 - p1 - sqrt(max(0.0, down2**2 - 2 * phi * down2 * up1 + up1**2))
    high = p2 - p1 + sqrt(max(0.0, up2**2 - 2 * phi * up2 * down1 + down1**2))
    return low, high
