"""Labels that are probably wrong: which, how many in all, and how sure that is.

Everything is counted from out-of-fold probabilities, which the model selection has anyway: nothing is trained
again. A label is questioned by the probability that it got from a model which had not seen it; how many are
wrong is counted by confident learning; how far the suggestions may be trusted is stated and tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import UNKNOWN, Floats, Ints, Score, wilson
from mindle.records import OutOfFold

# Stated precisions, in per cent, for which the number of suggestions is kept.
PRECISIONS = range(50, 100)


@dataclass(frozen=True, kw_only=True)
class Issues:
    """What was found out about the labels, or target values, of the rows of an `OutOfFold`.

    Attributes:
        scores: float64 (row,), the lower the more probably wrong.
        confirmed: bool (row,), whether somebody said that the label is right: it is not questioned again.
        suggested: (row,), what the model would say: a class index, -1 where that is the label; an estimate.
        share: How many labels are wrong, as a share with its interval.
        certain: The same among the half of the rows of which the model is most certain; unknown of numbers.
        per_class: The same for each class, with its `name` and `n`; nothing of numbers.
        suggestions: Per cent of stated precision to how many of the rows with a suggestion, the lowest score
            first, may be taken at that precision; absent where there are none, and None of numbers.
        accuracy: Share of the rows whose label the model named; None of numbers.
    """

    scores: Floats
    confirmed: NDArray[np.bool_]
    suggested: NDArray[Any]
    share: Score
    certain: Score = field(default_factory=lambda: dict(UNKNOWN))
    per_class: Sequence[Mapping[str, Any]] = ()
    suggestions: Mapping[int, int] | None
    accuracy: float | None = None

    @property
    def ranked(self) -> Ints:
        """The rows, the most probably wrong first, and last what was confirmed."""
        return np.lexsort((self.scores, self.confirmed))

    def document(self) -> dict[str, Any]:
        """What run.json keeps."""
        counts = self.suggestions
        stated = {} if counts is None else {"suggestions": {str(level): n for level, n in counts.items()}}
        return {
            "n": len(self.scores),
            "share": self.share,
            "certain": self.certain,
            "per_class": [dict(each) for each in self.per_class],
            "accuracy": self.accuracy,
            **stated,
        }


def self_confidence(probabilities: Floats, labels: Ints) -> Floats:
    """The probability of each label by a model that had not seen it, (row,).

    Source:
        Northcutt, Jiang & Chuang 2021, section 4.2, https://arxiv.org/abs/1911.00068.

    Example:
        >>> self_confidence(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1])).tolist()
        [0.9, 0.2]
    """
    return np.asarray(probabilities[np.arange(len(labels)), labels], np.float64)


def confident_joint(probabilities: Floats, labels: Ints) -> Ints:
    """How many rows of each label (first axis) are confidently of each class (second axis).

    A row is confidently of a class where its probability is at least the mean one of the rows that bear its
    label; of several such classes the likeliest counts, and a row without any is not counted.

    Source:
        Northcutt, Jiang & Chuang 2021, eq. 1, https://arxiv.org/abs/1911.00068.

    Example:
        >>> sure = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.95, 0.05]])
        >>> confident_joint(sure, np.array([0, 0, 1, 1])).tolist()
        [[1, 0], [1, 1]]
    """
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, self_confidence(probabilities, labels), classes)
    limits = np.divide(sums, counts, out=np.full(classes, np.inf), where=counts > 0)
    sure = probabilities >= limits - 1e-6  # (row, class)
    known = sure.any(axis=1)
    named = np.where(sure, probabilities, -1.0).argmax(axis=1)
    pairs = np.bincount(labels[known] * classes + named[known], minlength=classes**2)
    return pairs.reshape(classes, classes)


def calibrated_joint(joint: Ints, labels: Ints) -> Floats:
    """The confident joint with as many rows of each label as there are: also those that were not counted.

    Source:
        Northcutt, Jiang & Chuang 2021, eq. 3, https://arxiv.org/abs/1911.00068.

    Example:
        >>> calibrated_joint(np.array([[1, 0], [1, 1]]), np.array([0, 0, 1, 1])).tolist()
        [[2.0, 0.0], [1.0, 1.0]]
    """
    sums = joint.sum(axis=1, keepdims=True)
    shares = np.where(sums > 0, joint / np.maximum(sums, 1), np.eye(len(joint)))
    return np.asarray(shares * np.bincount(labels, minlength=len(joint))[:, None], np.float64)


def certain_share(probabilities: Floats, labels: Ints) -> Score:
    """How many labels are wrong, by the half of the rows of which the model is most certain.

    There the model hardly ever errs, and what it contradicts is the labels: where wrong labels are as
    frequent among easy rows as among others, this is their share, however weak the model. The calibrated
    joint counts some of the model's own mistakes: flowers5 (91 % right) 2.2 % untouched and 6.6 to 7.4 %
    where 5 % of the labels were changed; by the certain half 0.3 % and 4.9 to 5.9 %.

    Example:
        >>> certain_share(np.array([[0.99, 0.01], [0.97, 0.03], [0.6, 0.4], [0.5, 0.5]]), np.zeros(4, int))
        {'value': 0.0, 'low': 0.0, 'high': 0.657...}
    """
    certainty = probabilities.max(axis=1)
    half = np.argsort(-certainty, kind="stable")[: (len(labels) + 1) // 2]
    return share_of(float((probabilities[half].argmax(axis=1) != labels[half]).sum()), len(half))


def stated_precision(certainty: Floats, expected: float) -> Floats:
    """How many of the first one, two, three, … suggestions are right, as far as that can be known.

    Two bounds, of which the lower counts: the mean probability of the suggested classes, and how many wrong
    labels there are at all for so many suggestions. The first alone takes some of the model's mistakes for
    those of the labels: of dogs-vs-cats with 5 % of the labels changed, ten seeds, the list stated at 90 %
    held 82 to 88 % changed labels, and that of the untouched set 13 to 16 rows. With both: 93 to 98 %, and
    none; flowers5, of which 9 % are named wrong anyway, 84 to 89 %, and 3 rows of the untouched set.

    Args:
        certainty: Probability of each suggested class, the lowest score first.
        expected: How many labels are wrong, cautiously.

    Example:
        >>> stated_precision(np.array([0.9, 0.8, 0.7]), 2.1).round(2).tolist()
        [0.9, 0.85, 0.7]
    """
    taken = np.arange(1, len(certainty) + 1)
    return np.minimum(np.cumsum(certainty) / taken, expected / taken)


def suggestions_at(precision: Floats) -> dict[int, int]:
    """The longest list of suggestions for each per cent of stated precision at which there is any.

    Example:
        >>> suggestions_at(np.array([0.99, 0.9, 0.7]))[90]
        2
    """
    reached = {level: np.flatnonzero(precision >= level / 100 - 1e-9) for level in PRECISIONS}
    return {level: int(at[-1]) + 1 for level, at in reached.items() if len(at)}


def label_issues(
    found: OutOfFold, classes: Sequence[str], confirmed: NDArray[np.bool_] | None = None
) -> Issues:
    """What is wrong with the labels of classes.

    Where the model names fewer than about 95 % of the labels, the share is an upper bound: its own mistakes
    are counted with those of the labels, see `certain_share`.

    Args:
        found: Answers out of fold.
        classes: Class names in the order of the labels.
        confirmed: bool (row,), whose label somebody said to be right; none unless given.

    Example:
        >>> labels = np.repeat([0, 1], 50)
        >>> sure = 0.94 * np.eye(2)[labels] + 0.03
        >>> labels[7] = 1
        >>> rows, outputs = np.arange(100), {"probabilities": sure}
        >>> issues = label_issues(OutOfFold(rows=rows, outputs=outputs, truth=labels, folds=0 * rows,
        ...     groups=rows, learned_from=rows >= 0), ("cat", "dog"))
        >>> int(issues.ranked[0]), int(issues.suggested[7]), issues.share["value"]
        (7, 0, 0.01)
    """
    probabilities, labels = found.outputs["probabilities"], found.truth
    confirmed = np.zeros(len(labels), np.bool_) if confirmed is None else confirmed
    asked = ~confirmed
    joint = calibrated_joint(confident_joint(probabilities[asked], labels[asked]), labels[asked])
    sure = np.bincount(labels[confirmed], minlength=len(joint))
    counts, right = joint.sum(axis=1) + sure, np.diag(joint) + sure
    share = share_of(float(counts.sum() - right.sum()), len(labels))
    named = probabilities.argmax(axis=1)
    scores, other = self_confidence(probabilities, labels), (named != labels) & asked
    order = np.argsort(scores, kind="stable")
    certainty = probabilities.max(axis=1)[order[other[order]]]
    certain = certain_share(probabilities[asked], labels[asked])
    wrong = len(labels) * min(share["low"] or 0.0, certain["value"] or 0.0)
    precision = stated_precision(certainty, wrong)
    return Issues(
        scores=scores,
        confirmed=confirmed,
        suggested=np.where(other, named, -1),
        share=share,
        certain=certain,
        per_class=[
            {"name": name, "n": int(n), **share_of(float(n - of), int(n))}
            for name, n, of in zip(classes, counts.round(), right, strict=True)
        ],
        suggestions=suggestions_at(precision),
        accuracy=float((named == labels).mean()) if len(labels) else None,
    )


def share_of(wrong: float, n: int) -> Score:
    """A share of rows, which need not be a whole number, with Wilson's interval; unknown of nothing."""
    if n == 0:
        return dict(UNKNOWN)
    wrong = min(max(wrong, 0.0), float(n))
    low, high = wilson(wrong, n)
    return {"value": wrong / n, "low": low, "high": high}
