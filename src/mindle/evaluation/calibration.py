"""Whether "90 % sure" is right nine times in ten, and the one number that corrects it: the temperature."""

from __future__ import annotations

from math import exp, log
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import Floats, Ints

BINS = 15
COLDEST, HOTTEST = 0.05, 20.0
_FLOOR = -700.0  # of log-probabilities: below it exp() is 0, and a true -inf would make every loss infinite
_DRAWS = 200
_BEND = 0.3  # deviation of the logarithms of factors by class, a priori


class ReliabilityBin(NamedTuple):
    """The images whose confidence lies in [low, high); the last bin holds 1 as well.

    Attributes:
        low, high: Ends of the bin.
        n: How many images fell into it, at least one.
        confidence: Their mean confidence.
        accuracy: Their share of right answers.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def _checked(name: str, values: NDArray[np.floating], labels: NDArray[np.integer]) -> Floats:
    """Values (image, class) that belong to labels, or the reason why they do not."""
    found = np.asarray(values, np.float64)
    if found.ndim != 2 or len(found) != len(labels) or not len(labels):
        raise ValueError(
            f"`{name}` must be (image, class) with one row a label, and at least one. "
            f"Received {found.shape} and {len(labels)} labels."
        )
    if not np.isfinite(found).all():
        raise ValueError(f"`{name}` must be finite numbers. Received NaN or infinity.")
    return found


def confidence_bins(probabilities: Floats) -> tuple[Floats, Ints]:
    """Confidence of each image, and the number of its bin: of `BINS` of equal width, closed on the left."""
    confidence: Floats = probabilities.max(axis=1)
    return confidence, np.clip((confidence * BINS).astype(np.int64), 0, BINS - 1)


def reliability_bins(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer]
) -> list[ReliabilityBin]:
    """Confidence against accuracy in bins of equal width, with the count of each.

    Args:
        probabilities: (image, class), rows summing to 1.
        labels: True class of each image.

    Returns:
        The bins that hold an image, from low to high confidence.

    Raises:
        ValueError: If the arrays disagree in length or hold nothing.

    Example:
        >>> sure = np.array([[0.9, 0.1], [0.2, 0.8]])
        >>> [round(bin.confidence, 1) for bin in reliability_bins(sure, np.array([0, 1]))]
        [0.8, 0.9]
    """
    probabilities = _checked("probabilities", probabilities, labels)
    confidence, number = confidence_bins(probabilities)
    right = probabilities.argmax(axis=1) == labels
    members = [(at, number == at) for at in np.unique(number).tolist()]
    return [
        ReliabilityBin(
            at / BINS, (at + 1) / BINS, int(of.sum()), float(confidence[of].mean()), float(right[of].mean())
        )
        for at, of in members
    ]


def expected_calibration_error(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Mean gap between confidence and accuracy in 15 bins, weighted by how often it occurs.

    Shapes: probabilities (image, class), rows summing to 1; labels (image,).
    Units: a probability; 0.03 reads "off by three percentage points". Few images push it up: a perfectly
    calibrated model of five classes shows about 0.1 on a hundred; see `error_by_chance`.

    Args:
        probabilities: Predicted class probabilities.
        labels: True class of each image, an index in [0, class).

    Returns:
        A number in [0, 1]; 0 is perfectly calibrated.

    Raises:
        ValueError: If the arrays disagree in length or hold nothing.

    Source:
        Guo et al. 2017, eq. 3, https://arxiv.org/abs/1706.04599; bins here are closed on the left.

    Example:
        >>> sure = np.array([[0.9, 0.1], [0.2, 0.8]])
        >>> round(expected_calibration_error(sure, np.array([0, 1])), 3)
        0.15
    """
    bins = reliability_bins(probabilities, labels)
    return sum(each.n * abs(each.confidence - each.accuracy) for each in bins) / len(labels)


def error_by_chance(probabilities: NDArray[np.floating[Any]]) -> float:
    """The expected calibration error that a perfectly calibrated model exceeds only by chance.

    Right and wrong are drawn again and again with just the confidences that were stated; of the errors that
    this chance alone makes, 95 % lie below the returned one.

    Args:
        probabilities: (image, class).

    Example:
        >>> few, many = (np.tile([[0.8, 0.2]], (n, 1)) for n in (50, 5000))
        >>> error_by_chance(few) > 5 * error_by_chance(many)
        True
    """
    return float(np.quantile(chance_errors(probabilities), 0.95))


def chance_errors(probabilities: NDArray[np.floating[Any]]) -> Floats:
    """Expected calibration errors that a perfectly calibrated model of these confidences shows, (draw,)."""
    confidence, number = confidence_bins(np.asarray(probabilities, np.float64))
    generator = np.random.default_rng(0)
    errors = [
        np.abs(np.bincount(number, confidence - (generator.random(len(number)) < confidence), BINS)).sum()
        for _ in range(_DRAWS)
    ]
    return np.array(errors) / max(1, len(number))


def classwise_error(probabilities: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> float:
    """The calibration error of each class's probability, whichever class is named, and its mean over classes.

    Args:
        probabilities: (image, class).
        labels: (image,).

    Source:
        Kull et al. 2019, eq. 3, https://arxiv.org/abs/1910.12656.

    Example:
        >>> round(classwise_error(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])), 3)
        0.15
    """
    found = _checked("probabilities", probabilities, labels)
    number = np.clip((found * BINS).astype(np.int64), 0, BINS - 1)  # (image, class)
    gaps = found - (labels[:, None] == np.arange(found.shape[1]))
    errors = [
        np.abs(np.bincount(bins, gap, BINS)).sum() / len(found)
        for bins, gap in zip(number.T, gaps.T, strict=True)
    ]
    return float(np.mean(errors))


def uncalibrated(probabilities: NDArray[np.floating[Any]], temperature: float) -> Floats:
    """The probabilities before their logits were divided by the temperature.

    Example:
        >>> uncalibrated(np.array([[0.8, 0.2]]), 0.5).round(3).tolist()
        [[0.667, 0.333]]
    """
    logits = temperature * np.log(np.maximum(np.asarray(probabilities, np.float64), np.exp(_FLOOR)))
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def fit_temperature(log_probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature that makes held-out log-probabilities (or logits) agree with how often they are right.

    Minimises the cross-entropy of softmax(log_probabilities / temperature) over the logarithm of the
    temperature, in [0.05, 20]; the loss has one valley, so a bounded search finds it. Each label gives up
    1 / (n + 2) of its weight to all classes alike: where every held-out image is right the plain optimum is
    "always 100 % sure", which no finite number of images can vouch for. With a thousand images it moves the
    temperature by about a hundredth.

    Args:
        log_probabilities: (image, class) of images that the model was not fitted on; -inf is allowed.
        labels: True class of each image.

    Returns:
        The temperature: above 1 where the model was too sure of itself, below 1 where it was too modest.

    Raises:
        ValueError: If shapes disagree, there is no image, or a value is NaN or +inf.

    Source:
        Guo et al. 2017, section 4.2, https://arxiv.org/abs/1706.04599; the softened labels follow Platt 1999,
        section 2.2, who does the same for two classes.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> logits = generator.normal(size=(4000, 3))
        >>> labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)  # a calibrated model
        >>> round(fit_temperature(3 * logits, labels), 1)  # made three times too sure
        3.0
    """
    logits = _checked("log_probabilities", np.maximum(log_probabilities, _FLOOR), labels)  # (image, class)
    count, classes = logits.shape
    logits = logits - logits.max(axis=1, keepdims=True)
    given = 1 / (count + 2)
    truth = (1 - given) * logits[np.arange(count), labels] + given / classes * logits.sum(axis=1)  # (image,)

    def loss(log_temperature: float) -> float:
        coolness = exp(-log_temperature)
        return float(np.mean(np.log(np.exp(logits * coolness).sum(axis=1)) - coolness * truth))

    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        loss, bounds=(log(COLDEST), log(HOTTEST)), method="bounded", options={"xatol": 1e-6}
    )
    return float(exp(found.x))


def fit_offsets(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """What to add to each class's score, so that held-out probabilities add up to how often it occurs.

    Regression on one-hot labels, which least-squares support vectors are, pulls a rare class's scores towards
    never; a temperature moves all classes alike and cannot correct that. Temperature and offsets are found
    together by minimising the cross-entropy of softmax(scores / temperature + offsets); a standard normal
    prior on the offsets keeps those of a class with few images near 0. On 2,142 images of rubbish, 6 % of
    them of the rarest class, the cross-entropy of unseen images fell from 0.181, 0.282 and 0.199 to 0.177,
    0.270 and 0.191 (three splits), and that class's mean recall rose from 0.68 to 0.81.

    Args:
        scores: (image, class) of images that the model was not fitted on.
        labels: True class of each image.

    Returns:
        (class,), in the unit of the scores, summing to 0: softmax((scores + offsets) / temperature).

    Raises:
        ValueError: If shapes disagree, there is no image, or a score is not a number.

    Source:
        Bias-corrected temperature scaling: Alexandari, Kundaje & Shrikumar 2020, section 3,
        https://arxiv.org/abs/1901.06852.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> logits = generator.normal(size=(4000, 2))
        >>> labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
        >>> fit_offsets(logits - [0.8, 0.0], labels).round(1).tolist()  # the first class was held back
        [0.4, -0.4]
    """
    scores = _checked("scores", scores, labels)  # (image, class)
    rows, truth = np.arange(len(scores)), np.eye(scores.shape[1])[labels]

    def loss_and_slope(free: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        coolness, offsets = exp(free[0]), free[1:]
        logits = coolness * scores + offsets
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        sums = odds.sum(axis=1, keepdims=True)
        error = odds / sums - truth  # (image, class)
        loss = np.log(sums[:, 0]).sum() - logits[rows, labels].sum() + 0.5 * offsets @ offsets
        slope = np.concatenate([[coolness * (error * scores).sum()], error.sum(axis=0) + offsets])
        return float(loss), slope

    from scipy.optimize import minimize

    found = minimize(
        loss_and_slope,
        np.zeros(scores.shape[1] + 1),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-log(HOTTEST), -log(COLDEST)), *[(None, None)] * scores.shape[1]],
    )
    offsets = np.asarray(found.x[1:] - found.x[1:].mean(), np.float64)
    return offsets / exp(found.x[0])


def fit_scaling(
    scores: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What to multiply each class's score by, and to add to it, so that softmax of that is calibrated.

    A temperature is one factor for all classes and no offsets. Normal priors keep the logarithms of factors
    near their mean (deviation 0.3) and offsets near 0 (deviation 1), so that a class with few images keeps
    what the others show. On flowers and pets it gains nothing over a temperature.

    Args:
        scores: (image, class) of images that the model was not fitted on.
        labels: True class of each image.

    Returns:
        (factors, offsets), each (class,).

    Raises:
        ValueError: If shapes disagree, there is no image, or a score is not a number.

    Source:
        Guo et al. 2017, section 4.2, https://arxiv.org/abs/1706.04599.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> logits = 2 * generator.normal(size=(4000, 2))
        >>> labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
        >>> factors, _ = fit_scaling(logits * [3.0, 1.0], labels)  # of the first class three times too large
        >>> (factors * [3.0, 1.0]).round(1).tolist()
        [1.0, 1.0]
    """
    scores = _checked("scores", np.maximum(scores, _FLOOR), labels)  # (image, class)
    classes = scores.shape[1]
    truth = np.eye(classes)[labels]

    def loss_and_slope(free: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        bends, offsets = free[:classes], free[classes:]
        factors, spread = np.exp(bends), (bends - bends.mean()) / _BEND**2
        logits = factors * scores + offsets
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        sums = odds.sum(axis=1, keepdims=True)
        error = odds / sums - truth
        loss = np.log(sums[:, 0]).sum() - (logits * truth).sum()
        loss += 0.5 * (spread @ (bends - bends.mean()) + offsets @ offsets)
        slope = np.concatenate([factors * (error * scores).sum(axis=0) + spread, error.sum(axis=0) + offsets])
        return float(loss), slope

    from scipy.optimize import minimize

    begin = np.concatenate([np.full(classes, -log(fit_temperature(scores, labels))), np.zeros(classes)])
    found = minimize(loss_and_slope, begin, jac=True, method="L-BFGS-B").x
    return np.exp(found[:classes]), np.asarray(found[classes:], np.float64)
