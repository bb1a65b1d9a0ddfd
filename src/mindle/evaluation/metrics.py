"""Predictions in, scores with intervals out: the block that stands as "test" and "val" in metrics.json.

How each interval is made, as the block itself says under `intervals`:

    wilson      accuracy, top-5 accuracy, precision, recall: counts out of n. F1 too: with the proportion
                j = tp / (tp + fp + fn), F1 = 2j / (1 + j)
    bootstrap   whatever averages over classes or images: balanced accuracy, the macro scores, log loss and
                expected calibration error; 2,000 resamples of the images, the middle 95 %
    jackknife   ROC AUC and average precision: what one image more or less would change, summed up; the same
                spread that the bootstrap finds, at a thousandth of its cost
    widened     overall scores where the images or rows were answered in cross-validation and the folds are
                known: the intervals above, by Nadeau and Bengio's factor; see `mindle.evaluation.repeated`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.calibration import BINS, confidence_bins
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
    logit_interval,
    percentiles,
    wilson,
)
from mindle.evaluation.repeated import Rows, require_rows, score_repeats
from mindle.records import Predictions

MACRO = ("balanced_accuracy", "macro_precision", "macro_recall", "macro_f1")
METHODS = {
    **dict.fromkeys(("accuracy", "top5_accuracy", "precision", "recall", "f1"), "wilson"),
    **dict.fromkeys((*MACRO, "log_loss", "ece"), "bootstrap"),
    **dict.fromkeys(("roc_auc", "average_precision"), "jackknife"),
}
# The scores whose intervals know that folds share training rows, with their ranges.
SCALES = {
    **dict.fromkeys(("accuracy", *MACRO, "roc_auc", "average_precision", "top5_accuracy"), "share"),
    "log_loss": "positive",
}
_SUM_TOLERANCE = 1e-3  # half-precision probabilities of a thousand classes still pass


def score(predictions: Predictions, *, seed: int = 0) -> dict[str, Any]:
    """Score predictions whose truth is known.

    Every score is `{"value", "low", "high"}`, a 95 % interval; `ece` is a plain number with `ece_interval`
    beside it. None stands where there is nothing to measure: the recall of a class without images, the
    precision of a class that was never predicted, ROC AUC where only one class occurs. Log loss and ECE of a
    single image have no interval.

    Two classes: `roc_auc` and `average_precision` are those of the second class, `positive_class`. More:
    the plain mean over the classes that occur in the truth, each against the rest.
    `macro_f1` and `macro_precision` average over the classes that occur in the truth or among the answers; a
    class that is never predicted counts as 0 there, so that nothing is gained by never naming it.
    `confusion[i][j]` counts images of class i (rows: truth) that were called class j (columns: answers).

    Repeated cross-validation (`repeats` above 1, or `folds`): the mean over the repeats of the
    pooled score; see `mindle.evaluation.repeated` for the interval. `n` counts each image once, `confusion`
    once a repeat.

    Args:
        predictions: With labels; at least one image.
        seed: Of the bootstrap.

    Returns:
        A dictionary that JSON can hold.

    Raises:
        ValueError: If labels are missing or out of range, probabilities are NaN, negative or off 1 in sum, or
            the repeats hold different images.

    Example:
        >>> block = score(Predictions(
        ...     classes=("cat", "dog"), paths=("a", "b", "c"),
        ...     probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), labels=np.array([0, 1, 1])))
        >>> round(block["accuracy"]["value"], 3), block["confusion"]
        (0.667, [[1, 0], [1, 1]])
    """
    probabilities, labels = checked_predictions(predictions)
    answers, classes = predictions.predicted, predictions.classes

    def score_rows(rows: Rows) -> dict[str, Any]:
        return _block(probabilities[rows], labels[rows], answers[rows], classes, seed)

    return score_repeats(score_rows, predictions, SCALES)


def _block(
    probabilities: Floats, labels: Ints, answers: Ints, names: tuple[str, ...], seed: int
) -> dict[str, Any]:
    """The scores of some images."""
    count, classes = probabilities.shape
    confusion = np.bincount(labels * classes + answers, minlength=classes * classes).reshape(classes, classes)
    tallies = [each.tolist() for each in (np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0))]
    ranked = _ranking(probabilities, labels)
    block: dict[str, Any] = {
        "n": count,
        "accuracy": counted(sum(tallies[0]), count),
        **_averages(probabilities, labels, answers, seed),
        **_overall_ranking(ranked, count, classes),
    }
    if classes > 5:
        block["top5_accuracy"] = counted(_among_top(probabilities, labels, 5), count)
    if classes == 2:
        block["positive_class"] = names[1]
    block["per_class"] = [
        {"name": name, **_class_scores(*tally), **_class_ranking(of_class)}
        for name, of_class, *tally in zip(names, ranked, *tallies, strict=True)
    ]
    block["confusion"] = confusion.tolist()
    block["intervals"] = {"level": LEVEL, "resamples": RESAMPLES, "seed": seed, "methods": dict(METHODS)}
    return block


def checked_predictions(predictions: Predictions) -> tuple[Floats, Ints]:
    """Probabilities and labels, or the reason why they cannot be scored.

    Raises:
        ValueError: If labels are missing or out of range, or probabilities are NaN, negative or off 1 in sum.
    """
    if predictions.labels is None:
        raise ValueError("`predictions` must carry `labels` to be scored. Received labels=None.")
    probabilities = np.asarray(predictions.probabilities, np.float64)
    labels = np.asarray(predictions.labels, np.int64)
    if not len(labels):
        raise ValueError("`predictions` must hold at least one image. Received none.")
    numbers = np.asarray((np.isfinite(probabilities) & (probabilities >= 0)).all(axis=1))
    rule = "`probabilities` must be numbers of at least 0."
    require_rows(numbers, rule, probabilities, predictions.paths)
    sums = np.asarray(probabilities.sum(axis=1))
    rule = "Each row of `probabilities` must sum to 1."
    require_rows(np.abs(sums - 1) <= _SUM_TOLERANCE, rule, sums.round(6), predictions.paths)
    if labels.min() < 0 or labels.max() >= len(predictions.classes):
        raise ValueError(
            f"`labels` must lie in 0 to {len(predictions.classes) - 1}. "
            f"Received {int(labels.min())} to {int(labels.max())}."
        )
    return probabilities, labels


# ---- counts ------------------------------------------------------------------------------------------------


def _class_scores(right: int, truth: int, answers: int) -> dict[str, Any]:
    """The scores of a class of which so many images were answered correctly, occur, and are answers."""
    overlap = counted(right, truth + answers - right)  # the Jaccard index, a proportion
    return {
        "n": truth,
        "precision": counted(right, answers),
        "recall": counted(right, truth),
        "f1": {end: None if j is None else 2 * j / (1 + j) for end, j in overlap.items()},
    }


def _among_top(probabilities: Floats, labels: Ints, k: int) -> int:
    """How many images have the truth among the k likeliest classes; ties go to the earlier."""
    of_truth = probabilities[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > of_truth) | ((probabilities == of_truth) & earlier)
    return int((ahead.sum(axis=1) < k).sum())


# ---- averages, with the bootstrap --------------------------------------------------------------------------


def macro_scores(right: Ints, truth: Ints, answers: Ints) -> dict[str, Floats]:
    """Averages over classes, the last axis of their counts; a class counts where it occurs."""
    both = truth + answers
    recall = (right / np.maximum(truth, 1)).sum(axis=-1) / (truth > 0).sum(axis=-1)
    occurs = (both > 0).sum(axis=-1)
    return {
        "balanced_accuracy": recall,
        "macro_precision": (right / np.maximum(answers, 1)).sum(axis=-1) / occurs,
        "macro_recall": recall,
        "macro_f1": (2 * right / np.maximum(both, 1)).sum(axis=-1) / occurs,
    }


def measured(probabilities: Floats, labels: Ints, answers: Ints) -> Callable[[Ints], dict[str, Floats]]:
    """Accuracy, macro scores, log loss and ECE of draws of rows: (draw, image) to (draw,) each."""
    classes, of_truth = probabilities.shape[1], probabilities[np.arange(len(labels)), labels]
    losses = -np.log(np.clip(of_truth, np.finfo(np.float64).eps, 1.0))  # as scikit-learn's log_loss
    right, (confidence, number) = answers == labels, confidence_bins(probabilities)
    gaps = confidence - right
    hits = np.where(right, labels, classes)  # wrong answers fall into one group too many

    def measure(rows: Ints) -> dict[str, Floats]:
        counts = (_grouped(rows, hits, classes + 1)[:, :classes], _grouped(rows, labels, classes))
        return {
            "accuracy": right[rows].mean(axis=1),
            **macro_scores(*counts, _grouped(rows, answers, classes)),
            "log_loss": losses[rows].mean(axis=1),
            "ece": np.abs(_grouped(rows, number, BINS, gaps)).sum(axis=1) / rows.shape[1],
        }

    return measure


def _grouped(rows: Ints, number: Ints, groups: int, weights: Floats | None = None) -> NDArray[Any]:
    """Sum of weights (or count) of each group in each resample: (resample, group)."""
    cells = number[rows] + groups * np.arange(len(rows))[:, None]
    drawn = None if weights is None else weights[rows].ravel()
    return np.bincount(cells.ravel(), drawn, minlength=len(rows) * groups).reshape(len(rows), groups)


def _averages(probabilities: Floats, labels: Ints, answers: Ints, seed: int) -> dict[str, Any]:
    """Macro scores, log loss and ECE, their intervals from one and the same set of resamples."""
    count, measure = len(labels), measured(probabilities, labels, answers)
    values = {name: float(value[0]) for name, value in measure(np.arange(count)[None]).items()}
    spread = collected(measure, bootstrap_rows(count, seed=seed))
    low, high = percentiles(spread["log_loss"]) if count > 1 else (None, None)
    return {
        **{name: _resampled_score(values[name], spread[name], count) for name in MACRO},
        "log_loss": {"value": values["log_loss"], "low": low, "high": high},
        "ece": values["ece"],
        "ece_interval": _ece_interval(values["ece"], spread["ece"], count),
    }


def _resampled_score(value: float, draws: Floats, n: int) -> Score:
    low, high = percentiles(draws)
    if low == high:  # all right or all wrong: resampling cannot vary, though new images would
        low, high = wilson(value * n, n)
    return {"value": value, "low": low, "high": high}


def _ece_interval(value: float, draws: Floats, n: int) -> dict[str, float | None]:
    """The spread of the resamples around the value: resampling adds noise, and noise only raises an ECE."""
    if n == 1:
        return {"low": None, "high": None}
    low, high = percentiles(draws - draws.mean() + value)
    return {"low": min(max(0.0, low), value), "high": max(high, value)}


# ---- ranking, with the infinitesimal jackknife -------------------------------------------------------------


@dataclass(frozen=True)
class _Ranked:
    """A score of one class against the rest, and what each image's weight adds to it."""

    value: float
    influence: Floats  # (image,)
    trials: int  # a worst case of the variance is that of a proportion in so many trials

    def score(self) -> Score:
        error = sqrt(float(self.influence @ self.influence))
        low, high = logit_interval(self.value, error, self.trials)
        return {"value": self.value, "low": low, "high": high}


def areas(scores: Floats, labels: Ints, classes: Sequence[int]) -> tuple[list[Score], Score]:
    """ROC AUC of each class against the others, and the mean over the classes, with their intervals.

    Args:
        scores: (row, class).
        labels: (row,).
        classes: Those that some rows belong to, and not all.

    Example:
        >>> found, mean = areas(np.eye(2)[[0, 0, 1, 1]], np.array([0, 0, 1, 1]), [0, 1])
        >>> found[1]["value"], mean["value"]
        (1.0, 1.0)
    """
    ranked = tuple(_area(scores[:, at], labels == at) for at in classes)
    return [each.score() for each in ranked], _mean_ranked(ranked, len(labels)).score()


def _ranking(probabilities: Floats, labels: Ints) -> list[tuple[_Ranked, _Ranked] | None]:
    """(ROC AUC, average precision) of each class; None where all images or none belong to it."""
    return [
        _rank(probabilities[:, at], positive) if 0 < (positive := labels == at).sum() < len(labels) else None
        for at in range(probabilities.shape[1])
    ]


def _rank(scores: Floats, positive: NDArray[np.bool_]) -> tuple[_Ranked, _Ranked]:
    """ROC AUC and average precision of one class, ties counted as scikit-learn counts them.

    Source:
        ROC AUC and its variance: DeLong et al. 1988, https://doi.org/10.2307/2531595. Average precision:
        the derivative of its definition by each image's weight; Efron 1982, chapter 6, for why the sum of
        squares is the variance.
    """
    positives, negatives = np.sort(scores[positive]), np.sort(scores[~positive])
    p, n = len(positives), len(negatives)
    influence_ap = np.empty(len(scores))

    # Average precision: the mean, over positives, of the precision among all that score at least as high.
    tp = p - np.searchsorted(positives, positives, "left")
    fp = n - np.searchsorted(negatives, positives, "left")
    precision = tp / (tp + fp)  # of each positive, by ascending score
    ap = float(precision.mean())
    gain = np.concatenate([[0.0], np.cumsum(fp / (tp + fp) ** 2)]) / p
    harm = np.concatenate([[0.0], np.cumsum(tp / (tp + fp) ** 2)]) / p
    first, after = (np.searchsorted(positives, scores[positive], side) for side in ("left", "right"))
    influence_ap[positive] = (precision[first] - ap) / p + gain[after]
    influence_ap[~positive] = -harm[np.searchsorted(positives, scores[~positive], "right")]
    if p == 1:
        influence_ap[:] = 0.0
    return _area(scores, positive), _Ranked(ap, influence_ap, p)


def _area(scores: Floats, positive: NDArray[np.bool_]) -> _Ranked:
    """ROC AUC of one class, from how many negatives lie below each positive and positives above."""
    positives, negatives = np.sort(scores[positive]), np.sort(scores[~positive])
    p, n = len(positives), len(negatives)
    influence = np.empty(len(scores))
    below = _below(negatives, scores[positive]) / n
    above = 1 - _below(positives, scores[~positive]) / p
    auc = float(below.mean())
    influence[positive] = (below - auc) / sqrt(p * max(1, p - 1))
    influence[~positive] = (above - auc) / sqrt(n * max(1, n - 1))
    if min(p, n) == 1:  # one image cannot vary: fall back on the worst case
        influence[:] = 0.0
    return _Ranked(auc, influence, min(p, n))


def _below(ordered: Floats, values: Floats) -> Floats:
    """How many lie below each value; equals count as half."""
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2


def _class_ranking(ranked: Iterable[_Ranked] | None) -> dict[str, Score]:
    names = ("roc_auc", "average_precision")
    if ranked is None:
        return {name: dict(UNKNOWN) for name in names}
    return {name: each.score() for name, each in zip(names, ranked, strict=True)}


def _overall_ranking(
    ranked: list[tuple[_Ranked, _Ranked] | None], count: int, classes: int
) -> dict[str, Score]:
    """The second class's scores where there are two classes, else the mean over the classes that occur."""
    if classes == 2:
        return _class_ranking(ranked[1])
    present = [pair for pair in ranked if pair is not None]
    return _class_ranking(
        (_mean_ranked(pairs, count) for pairs in zip(*present, strict=True)) if present else None
    )


def _mean_ranked(of_classes: tuple[_Ranked, ...], count: int) -> _Ranked:
    influence = np.mean([each.influence for each in of_classes], axis=0)
    return _Ranked(float(np.mean([each.value for each in of_classes])), influence, count)
