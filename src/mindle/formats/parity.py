"""Proof that an exported model gives the answers of the model it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.answers import FEATURES

TOLERANCE = 1e-4
# Of features, which are numbers of any size before anything is decided by them.
FEATURE_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How two sets of answers to the same images, or rows, compare.

    Attributes:
        images: How many images both answered.
        same_top1: How many got the same first answer.
        largest_difference: Largest distance between two probabilities; of numbers, relative.
    """

    images: int
    same_top1: int
    largest_difference: float

    def within(self, tolerance: float) -> bool:
        """Whether all first answers are the same, and no two further apart than this."""
        return self.same_top1 == self.images and self.largest_difference <= tolerance

    def as_dict(self) -> dict[str, Any]:
        """As it stands in bundle.json."""
        return asdict(self)


def compare_answers(
    original: NDArray[np.floating[Any]],
    exported: NDArray[np.floating[Any]],
    *,
    tolerance: float = TOLERANCE,
) -> Parity:
    """Compare probabilities (image, class) of two forms of one model.

    A first answer counts as the same where the two best probabilities lie closer together than the two
    forms differ: which of them comes first is then no property of the model.

    Example:
        >>> compare_answers(np.array([[0.9, 0.1]]), np.array([[0.89999, 0.10001]])).same_top1
        1
    """
    gap = np.abs(original - exported).max(axis=1, initial=0.0)  # (image,)
    best = original.argmax(axis=1)
    other = exported.argmax(axis=1)
    rows = np.arange(len(original))
    tied = original[rows, best] - original[rows, other] <= 2 * np.minimum(gap, tolerance)
    return Parity(
        images=len(original),
        same_top1=int(np.count_nonzero((best == other) | tied)),
        largest_difference=float(gap.max(initial=0.0)),
    )


def compare_outputs(
    original: Mapping[str, NDArray[Any]],
    exported: Mapping[str, NDArray[Any]],
    *,
    scale: float,
    tolerance: float,
) -> Parity:
    """Compare all outputs of two forms of one model: probabilities as such, others as numbers.

    Differences of numbers are relative to the estimate, and near zero to how far targets spread. Features are
    none of the answers: whether they are alike says `features_differ`.

    Args:
        original: What the model answers, (image, …) by output.
        exported: What the other form answers.
        scale: Standard deviation of the target.
        tolerance: As for `compare_answers`.

    Example:
        >>> one = {"estimate": np.array([3.0]), "fold_estimates": np.array([[2.0, 4.0]])}
        >>> compare_outputs(one, one, scale=1.0, tolerance=1e-5)
        Parity(images=1, same_top1=1, largest_difference=0.0)
    """
    images = same = len(next(iter(original.values())))
    largest = []
    for name, rows in original.items():
        if name == FEATURES:
            continue
        if name == "probabilities":
            parity = compare_answers(rows, exported[name], tolerance=tolerance)
            same, difference = parity.same_top1, parity.largest_difference
        else:
            off = np.abs(rows - exported[name]) / np.maximum(np.abs(rows), scale)
            difference = float(off.max(initial=0.0))
        largest.append(difference)
    return Parity(images=images, same_top1=same, largest_difference=float(np.max(largest)))


def features_differ(original: Mapping[str, NDArray[Any]], exported: Mapping[str, NDArray[Any]]) -> bool:
    """Whether the features that two forms of one model give are not those of the same images.

    A form may give none; it cannot say what is unlike training.

    Example:
        >>> one, two = {"features": np.array([[3.0]])}, {"features": np.array([[3.001]])}
        >>> features_differ(one, two), features_differ(one, {"features": np.array([[3.1]])})
        (False, True)
    """
    if FEATURES not in original or FEATURES not in exported:
        return False
    rows = original[FEATURES]
    off = np.abs(rows - exported[FEATURES]) / np.maximum(np.abs(rows), 1.0)
    return not float(off.max(initial=0.0)) <= FEATURE_TOLERANCE
