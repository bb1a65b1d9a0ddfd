"""Methods against class imbalance, by their names at the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.thresholds import macro_f1, macro_f1_gain
from mindle.messages import message

# The largest class against the smallest; below this nothing is tried. `check` speaks of it from 3 on.
WORTH_TRYING = 1.5

# What these methods set, and its value where they are off.
OFF: Mapping[str, Any] = {
    "train.balance": "none",
    "train.oversample": 0.0,
    "train.focal_gamma": 0.0,
    "train.thresholds": False,
}
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "auto": {"train.balance": "auto"},
    "none": {},
    "weights": {"train.balance": "weights"},
    "sampling": {"train.balance": "sampling"},
    "augment": {"train.oversample": 1.0},
    "smote": {"train.balance": "smote"},
    "focal": {"train.focal_gamma": 2.0},
    "thresholds": {"train.thresholds": True},
}
METHODS = tuple(_SETTINGS)


def imbalance_settings(method: str) -> dict[str, Any]:
    """The settings of a recipe that a method stands for; every other method is switched off.

    Raises:
        ValueError: If there is no such method.

    Example:
        >>> imbalance_settings("focal")["train.focal_gamma"]
        2.0
    """
    if method not in METHODS:
        raise ValueError(f"`imbalance` must be one of {', '.join(METHODS)}. Received imbalance={method!r}.")
    return {**OFF, **_SETTINGS[method]}


def rarity(labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """How rare each class is: 0 for the most frequent, nearly 1 for one with hardly an image.

    Example:
        >>> rarity(np.array([0, 0, 0, 0, 1]), 2).tolist()
        [0.0, 0.75]
    """
    counts = np.bincount(labels, minlength=classes)
    return np.asarray(1 - counts / max(int(counts.max(initial=0)), 1), np.float64)


def balanced_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Weights that make each class count the same in all; their mean over the images is 1.

    Example:
        >>> balanced_weights(np.array([0, 0, 0, 1]), 2).round(3).tolist()
        [0.667, 2.0]
    """
    counts = np.bincount(labels, minlength=classes)
    present = max(1, int((counts > 0).sum()))
    return np.where(counts > 0, len(labels) / np.maximum(counts, 1) / present, 0.0)


def ratio(labels: NDArray[np.int64]) -> float:
    """Images of the largest class for each of the smallest that has any.

    Example:
        >>> ratio(np.array([0, 0, 0, 2]))
        3.0
    """
    counts = np.bincount(labels)
    return float(counts.max(initial=1) / max(counts[counts > 0].min(initial=len(labels)), 1))


def choose_method(
    labels: NDArray[np.int64],
    plain: NDArray[np.int64],
    answers: Mapping[str, NDArray[np.int64]],
    classes: int,
    *,
    seed: int = 0,
) -> tuple[str, str]:
    """The method that is clearly better than none by macro F1, and why: by more than the error of the gain.

    Args:
        labels: True class of images that were not learned from.
        plain: What is answered without any method.
        answers: What each method answers.
        classes: How many classes.
        seed: Of the resampling that tells the error.

    Returns:
        The method, "none" where no gain is larger than its standard error, and a sentence.

    Example:
        >>> labels, plain = np.arange(100) % 2, np.zeros(100, np.int64)
        >>> choose_method(labels, plain, {"weights": labels}, 2)[0]
        'weights'
        >>> choose_method(labels, labels, {"weights": labels}, 2)[0]
        'none'
    """
    gains = {name: macro_f1_gain(labels, plain, named, classes, seed=seed) for name, named in answers.items()}
    clear = {name: gain for name, (gain, error) in gains.items() if gain > error}
    best = max(clear, key=lambda name: clear[name]) if clear else "none"
    said = message(
        f"training.imbalance.{'best' if clear else 'none'}",
        plain=macro_f1(labels, plain, classes),
        gains=", ".join(f"{name} {gain:+.3f} \u00b1 {error:.3f}" for name, (gain, error) in gains.items()),
        best=best,
    )
    return best, said
