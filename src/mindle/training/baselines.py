"""What any model must beat: always the commonest class, and colour alone.

A model that is hardly better than its colours has learned the backgrounds, not the things.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mindle.data import Pixels, pixels
from mindle.records import Dataset, InputSpec

# A colour falls into one of 6 x 6 x 6 boxes (gray: one of 32); finer boxes are emptier, not better.
BOXES_RGB, BOXES_GRAY = 6, 32
MOST_TRAIN = 4000
PENALTIES = (0.1, 1.0, 10.0)


def baselines(
    dataset: Dataset, spec: InputSpec, *, cache: Path | None = None, seed: int = 0
) -> dict[str, float]:
    """Accuracy on the test part of two models that do not look at shapes.

    Args:
        dataset: Checked and split.
        spec: Pixels that are already decoded.
        cache: The cache folder; the user's unless set.
        seed: Draws the training images where there are more than 4,000.

    Returns:
        {"majority": …, "colour": …}: always the commonest class of the train part; and a logistic regression
        on colour histograms, its penalty chosen by cross-validation inside the train part.

    Source:
        Colour histograms as an index of images: Swain & Ballard 1991, "Color indexing".
    """
    train, test = dataset.rows("train"), dataset.rows("test")
    truth = dataset.labels[test]
    commonest = np.bincount(dataset.labels[train]).argmax()
    if len(train) > MOST_TRAIN:
        train = _some(train, dataset.labels[train], seed)
    learned = colour_histograms(pixels(dataset, train, spec, cache=cache))
    judged = colour_histograms(pixels(dataset, test, spec, cache=cache))
    answers = _logistic_answers(learned, dataset.labels[train], judged)
    return {"majority": float((truth == commonest).mean()), "colour": float((truth == answers).mean())}


def _some(rows: NDArray[np.int64], labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """`MOST_TRAIN` of the rows, drawn at random, with at least one of each class."""
    order = np.random.default_rng(seed).permutation(len(rows))
    _, first = np.unique(labels[order], return_index=True)
    rest = np.delete(order, first)
    return np.sort(rows[np.concatenate([order[first], rest[: max(MOST_TRAIN - len(first), 0)]])])


def colour_histograms(images: Pixels, *, batch: int = 256) -> NDArray[np.float64]:
    """Square roots of the share of each image's pixels in each colour box, (image, box).

    The square root makes the dot product of two histograms their Bhattacharyya coefficient.

    Example:
        >>> white = np.full((2, 4, 4, 1), 255, np.uint8)
        >>> colour_histograms(Pixels.of(white))[:, -1].tolist()
        [1.0, 1.0]
    """
    rows = [
        _histograms(images[part]) for part in np.array_split(np.arange(len(images)), len(images) // batch + 1)
    ]
    return np.sqrt(np.concatenate(rows))


def _histograms(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    boxes = BOXES_RGB if images.shape[-1] == 3 else BOXES_GRAY
    steps = images.astype(np.int64) * boxes // 256  # (image, height, width, channel)
    code = np.zeros(images.shape[:3], np.int64)
    for channel in range(images.shape[-1]):
        code = code * boxes + steps[..., channel]
    count = boxes ** images.shape[-1]
    flat = (
        code.reshape(len(images), -1) + count * np.arange(len(images))[:, None]
    )  # one range of codes an image
    totals = np.bincount(flat.ravel(), minlength=count * len(images)).reshape(len(images), count)
    return totals / flat.shape[1] if flat.size else totals.astype(np.float64)


def _logistic_answers(
    learned: NDArray[np.float64], labels: NDArray[np.int64], judged: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Answers of a logistic regression whose penalty is chosen inside the training images."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    smallest = int(np.bincount(labels)[np.unique(labels)].min())
    model = LogisticRegression(max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline may be a little short of its best
        if smallest >= 3:
            folds = StratifiedKFold(3, shuffle=True, random_state=0)
            search = GridSearchCV(model, {"C": PENALTIES}, cv=folds).fit(learned, labels)
            return np.asarray(search.predict(judged), np.int64)
        return np.asarray(model.fit(learned, labels).predict(judged), np.int64)
