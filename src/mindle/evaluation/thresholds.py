"""A threshold for each class: which class is named when the likeliest is not what one wants to hear.

Where a class is rare, the likeliest class is seldom it, and its recall suffers. Thresholds change what is
named and leave the probabilities alone: the class named is the one whose probability is largest against
its threshold. They are fitted for macro F1, which every class moves alike, on images not learned from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import Floats, Ints, bootstrap_rows

# Log-thresholds against those of the other classes: a class may be favoured or held back 50-fold.
_GRID = np.linspace(-3.9, 3.9, 79)
_SWEEPS = 6
_FLOOR = 1e-12
_RESAMPLES = 200


def named_classes(
    probabilities: NDArray[np.floating[Any]], thresholds: NDArray[np.float64] | None
) -> NDArray[np.int64]:
    """Which class is named for each image: the one whose probability is largest against its threshold.

    Of two classes whose thresholds add up to 1 that is the one whose probability exceeds its threshold.

    Args:
        probabilities: (image, class).
        thresholds: One a class, above 0; None names the likeliest.

    Example:
        >>> named_classes(np.array([[0.7, 0.3]]), np.array([0.8, 0.2])).tolist()
        [1]
    """
    return np.asarray((probabilities if thresholds is None else probabilities / thresholds).argmax(axis=1))


def macro_f1(labels: Ints, answers: Ints, classes: int) -> float:
    """Mean F1 of the classes that occur in the truth or among the answers.

    Example:
        >>> macro_f1(np.array([0, 0, 1]), np.array([0, 0, 1]), 3)
        1.0
    """
    confusion = np.bincount(labels * classes + answers, minlength=classes * classes).reshape(classes, classes)
    return float(_mean_f1(np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)))


def _mean_f1(right: NDArray[np.integer], truth: NDArray[np.integer], named: NDArray[np.integer]) -> Floats:
    """Macro-F1 from counts (…, class)."""
    total = truth + named
    f1 = 2 * right / np.maximum(total, 1)
    return np.asarray(f1.sum(axis=-1) / np.maximum((total > 0).sum(axis=-1), 1), np.float64)


def fit_thresholds(probabilities: Floats, labels: Ints) -> Floats:
    """Thresholds with the highest macro F1 on these images, one class after the other while it rises.

    Args:
        probabilities: (image, class), of images that the model had not learned from.
        labels: True class of each.

    Returns:
        One threshold a class, above 0, adding up to 1; all alike where nothing else names better. Macro-F1
        with them is never below that of the likeliest class, on these images.

    Raises:
        ValueError: If there is not one label an image, or no image.

    Source:
        One coordinate at a time as in Fan & Lin 2007, "A study on threshold selection for multi-label
        classification", section 3.2, with one answer an image.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
        >>> thresholds = fit_thresholds(p, np.array([0, 0, 1, 1]))
        >>> named_classes(p, thresholds).tolist()
        [0, 0, 1, 1]
    """
    if probabilities.ndim != 2 or len(probabilities) != len(labels) or not len(labels):
        raise ValueError(
            f"`probabilities` must be (image, class) with one label an image. Received {probabilities.shape} "
            f"and {len(labels)} labels."
        )
    classes = probabilities.shape[1]
    scores = np.log(np.maximum(probabilities, _FLOOR))
    gains = np.zeros(classes)  # what is added to each class's log-probability
    best = macro_f1(labels, probabilities.argmax(axis=1), classes)
    for _ in range(_SWEEPS):
        before = best
        for current in range(classes):
            gain, value = _best_gain(
                scores + np.where(np.arange(classes) == current, 0.0, gains), labels, current
            )
            if value > best + 1e-12:
                gains[current], best = gain, value
        if best <= before:
            break
    thresholds = np.exp(-gains + gains.min())
    thresholds /= thresholds.sum()
    plain = np.full(classes, 1 / classes)
    # Rounding may turn a tie: what is promised is looked at once more.
    reached = macro_f1(labels, named_classes(probabilities, thresholds), classes)
    return thresholds if reached > macro_f1(labels, probabilities.argmax(axis=1), classes) else plain


def _best_gain(scores: Floats, labels: Ints, current: int) -> tuple[float, float]:
    """What to add to one class's scores for the highest macro F1, and that macro F1.

    Every image goes to the class if what is added exceeds the image's distance to the best other class, so
    that counts for the whole grid are sums over sorted distances.
    """
    classes, points = scores.shape[1], len(_GRID)
    others = scores.copy()
    others[:, current] = -np.inf
    rival = others.argmax(axis=1)  # (image,)
    distance = others[np.arange(len(labels)), rival] - scores[:, current]
    first = np.searchsorted(_GRID, distance, side="right")  # the first grid point that takes the image

    def counts(rows: NDArray[np.bool_], of: Ints) -> Ints:
        """How many of some images each grid point takes from each class, (grid, class)."""
        flat = np.bincount(first[rows] * classes + of[rows], minlength=(points + 1) * classes)
        return np.asarray(flat.reshape(points + 1, classes)[:points].cumsum(axis=0), np.int64)

    everyone = np.ones(len(labels), bool)
    truth = np.bincount(labels, minlength=classes)
    taken = counts(everyone, rival)
    named = np.bincount(rival, minlength=classes) - taken
    right = np.bincount(labels[rival == labels], minlength=classes) - counts(rival == labels, rival)
    named[:, current] = taken.sum(axis=1)
    right[:, current] = counts(labels == current, labels)[:, current]
    values = _mean_f1(right, truth, named)
    # Of equals the one that changes least.
    chosen = np.lexsort((np.abs(_GRID), -values.round(12)))[0]
    return float(_GRID[chosen]), float(values[chosen])


def held_out_answers(probabilities: Floats, labels: Ints, folds: Ints) -> Ints:
    """What is named where each fold's thresholds are fitted on the other folds: an honest look ahead.

    Example:
        >>> p = np.array([[0.9, 0.1], [0.6, 0.4], [0.9, 0.1], [0.6, 0.4]])
        >>> held_out_answers(p, np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])).tolist()
        [0, 1, 0, 1]
    """
    answers: Ints = probabilities.argmax(axis=1)
    for fold in np.unique(folds):
        held_out = folds == fold
        if not held_out.all():
            thresholds = fit_thresholds(probabilities[~held_out], labels[~held_out])
            answers[held_out] = named_classes(probabilities[held_out], thresholds)
    return answers


def macro_f1_gain(labels: Ints, old: Ints, new: Ints, classes: int, *, seed: int = 0) -> tuple[float, float]:
    """By how much macro F1 rises from one set of answers to another, and the standard error of that.

    The error is that of the difference: both are resampled together, image by image.

    Example:
        >>> labels = np.arange(40) % 2
        >>> macro_f1_gain(labels, labels, labels, 2)
        (0.0, 0.0)
    """
    gain = macro_f1(labels, new, classes) - macro_f1(labels, old, classes)
    draws = [
        macro_f1(labels[row], new[row], classes) - macro_f1(labels[row], old[row], classes)
        for rows in bootstrap_rows(len(labels), resamples=_RESAMPLES, seed=seed)
        for row in rows
    ]
    return gain, float(np.std(draws))
