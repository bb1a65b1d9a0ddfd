"""What any model must beat: the majority or mean baseline, and colour alone.

A model that is hardly better than its colours has learned the backgrounds, not the things.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data import Pixels, pixels
from mindle.data.images.pixels import in_threads
from mindle.records import Dataset, InputSpec
from mindle.training.images.attempts import log_softmax

# A colour falls into one of 6 x 6 x 6 boxes (gray: one of 32); finer boxes are emptier, not better.
BOXES_RGB, BOXES_GRAY = 6, 32
MOST_TRAIN = 4000
# Shares of pixels are small numbers: 58 % of the test photos of flowers5 are right with 1, 61 % with 10.
WEAK_PENALTY = 10.0
PENALTIES = tuple(np.logspace(-3, 3, 13).tolist())
LARGE_SIDE = 64

Floats = NDArray[np.float64]
Predict = Callable[[Floats], NDArray[Any]]  # of rows (row, column)
Fit = Callable[[Floats, NDArray[Any]], Predict]


def baselines(dataset: Dataset, spec: InputSpec, *, seed: int = 0) -> dict[str, float]:
    """Accuracy on the test split of two models that do not look at shapes.

    Args:
        dataset: Checked and split.
        spec: Pixels that are already decoded.
        seed: Draws the training images where there are more than 4,000.

    Returns:
        {"majority": …, "colour": …}: always the most frequent class of the train split; and a logistic
        regression on colour histograms.

    Source:
        Colour histograms as an index of images: Swain & Ballard 1991, "Color indexing".
    """
    truth = dataset.truth[dataset.rows("test")]
    majority = np.bincount(dataset.truth[dataset.rows("train")]).argmax()
    train = drawn_of_each(dataset, MOST_TRAIN, seed)
    predicted = _by_colour(_logistic, dataset, train, spec)
    return {"majority": float((truth == majority).mean()), "colour": float((truth == predicted).mean())}


def number_baselines(dataset: Dataset, spec: InputSpec, *, seed: int = 0) -> dict[str, float]:
    """As `baselines`, for numbers: mean absolute errors.

    Returns:
        {"mean": …, "colour": …}: always the mean of the train split; and a ridge regression on colour
        histograms.
    """
    truth = dataset.truth[dataset.rows("test")]
    mean, train = float(dataset.truth[dataset.rows("train")].mean()), drawn(dataset, MOST_TRAIN, seed)
    predicted = _by_colour(_ridge, dataset, train, spec)
    return {"mean": float(np.abs(truth - mean).mean()), "colour": float(np.abs(truth - predicted).mean())}


def _by_colour(fit: Fit, dataset: Dataset, train: NDArray[np.int64], spec: InputSpec) -> NDArray[Any]:
    """What a model of colour histograms predicts for the test split."""
    from threadpoolctl import threadpool_limits

    learned, test = (colour_histograms(pixels(dataset, rows, spec)) for rows in (train, dataset.rows("test")))
    mean = learned.mean(axis=0)
    with threadpool_limits(1, user_api="blas"):  # products so small take longer on several threads
        return fit(learned - mean, dataset.truth[train])(test - mean)


def _logistic(x: Floats, labels: NDArray[np.int64]) -> Predict:
    """Multinomial logistic regression on centred columns (row, column).

    scikit-learn fits the same, and takes a second to be imported.
    """
    from scipy.optimize import minimize

    truth, wide = np.eye(labels.max() + 1)[labels], np.column_stack([x, np.ones(len(x))])
    penalty = np.append(np.full(x.shape[1], 1 / WEAK_PENALTY), 0.0)[:, None]  # none on the intercept

    def loss_and_slope(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(wide.shape[1], -1)  # (column, class)
        log_p = log_softmax(wide @ weights)
        slope = wide.T @ (np.exp(log_p) - truth) + penalty * weights
        return float(0.5 * (penalty * weights**2).sum() - (truth * log_p).sum()), slope.ravel()

    start = np.zeros(wide.shape[1] * truth.shape[1])
    weights = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B").x.reshape(wide.shape[1], -1)
    return lambda rows: np.asarray((rows @ weights[:-1] + weights[-1]).argmax(axis=1))


def _ridge(x: Floats, targets: Floats) -> Predict:
    """Ridge regression on centred columns (row, column), with the penalty that errs least on rows left out.

    Source:
        Errors of rows left out without fitting again: Golub, Heath & Wahba 1979, "Generalized
        cross-validation as a method for choosing a good ridge parameter", eq. 1.2.
    """
    centre = targets.mean()
    u, sizes, turn = np.linalg.svd(x, full_matrices=False)
    along = u.T @ (targets - centre)

    def left_out(penalty: float) -> float:
        kept = sizes**2 / (sizes**2 + penalty)
        own = np.maximum(1 - 1 / len(x) - u**2 @ kept, 1e-9)  # of a row's error, what it does not take itself
        return float(np.square((targets - centre - (u * kept) @ along) / own).mean())

    penalty = min(PENALTIES, key=left_out)
    weights = turn.T @ (along * sizes / (sizes**2 + penalty))
    return lambda rows: np.asarray(rows @ weights + centre)


def some_of(dataset: Dataset, rows: NDArray[np.int64], count: int = 64) -> tuple[Dataset, float]:
    """The data with some rows of the train split, and a few of val in the place of the test split.

    Returns:
        These, and how many times as many images the baselines of the whole data look at.
    """
    train, test = dataset.rows("train"), dataset.rows("test")
    splits = np.full(len(dataset), "", object)
    splits[rows], splits[dataset.rows("val")[: count // 4]] = "train", "test"
    few = replace(dataset, splits=tuple(splits))
    whole = min(len(train), MOST_TRAIN) + len(test)
    return few, whole / max(len(few.rows("train")) + len(few.rows("test")), 1)


def drawn(dataset: Dataset, most: int, seed: int = 0) -> NDArray[np.int64]:
    """Up to `most` rows of the train split, drawn at random."""
    train = dataset.rows("train")
    if len(train) <= most:
        return train
    return np.sort(np.random.default_rng(seed).choice(train, most, replace=False))


def drawn_of_each(dataset: Dataset, most: int, seed: int = 0) -> NDArray[np.int64]:
    """As `drawn`, with at least one row of each class."""
    train = dataset.rows("train")
    if len(train) <= most:
        return train
    order = np.random.default_rng(seed).permutation(len(train))
    _, first = np.unique(dataset.labels[train][order], return_index=True)
    rest = np.delete(order, first)
    return np.sort(train[np.concatenate([order[first], rest[: max(most - len(first), 0)]])])


def colour_histograms(images: Pixels, *, batch: int = 64) -> NDArray[np.float64]:
    """Square roots of the share of each image's pixels in each colour box, (image, box).

    The square root makes the dot product of two histograms their Bhattacharyya coefficient.

    Example:
        >>> white = np.full((2, 4, 4, 1), 255, np.uint8)
        >>> colour_histograms(Pixels.of(white))[:, -1].tolist()
        [1.0, 1.0]
    """
    batches = np.array_split(np.arange(len(images)), len(images) // batch + 1)
    found = in_threads(lambda rows: _histograms(images[rows]), batches)
    return np.asarray(np.sqrt(np.concatenate(list(found))))


def _histograms(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    if min(images.shape[1:3]) >= LARGE_SIDE:
        images = images[:, ::2, ::2]  # every fourth pixel has the same colours
    channels = images.shape[-1]
    boxes = BOXES_RGB if channels == 3 else BOXES_GRAY
    step = (np.arange(256) * boxes >> 8).astype(np.uint8)  # of a value
    code = np.zeros(images.shape[:3], np.uint8)  # 6 x 6 x 6 boxes: (image, height, width)
    for channel in range(channels):
        code = code * np.uint8(boxes) + step[images[..., channel]]
    count, size = boxes**channels, math.prod(code.shape[1:])
    totals = [np.bincount(each.ravel(), minlength=count) for each in code]
    return np.asarray(np.reshape(totals, (len(images), count)) / max(size, 1))
