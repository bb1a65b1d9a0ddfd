"""Proof that an exported model gives the answers of the model it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-4


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


def compare_numbers(
    original: NDArray[np.floating[Any]], exported: NDArray[np.floating[Any]], *, scale: float
) -> Parity:
    """Compare estimates (image, estimate) of two forms of one model.

    Differences are relative to the estimate, and near zero to how far targets spread.

    Args:
        original: What the model answers.
        exported: What the other form answers.
        scale: Standard deviation of the target.

    Example:
        >>> compare_numbers(np.array([[200.0]]), np.array([[200.001]]), scale=1.0).largest_difference < 1e-5
        True
    """
    off = np.abs(original - exported) / np.maximum(np.abs(original), scale)
    largest = float(off.max(initial=0.0))
    return Parity(images=len(original), same_top1=len(original), largest_difference=largest)


def compare_outputs(
    original: Mapping[str, NDArray[Any]],
    exported: Mapping[str, NDArray[Any]],
    *,
    scale: float,
    tolerance: float,
) -> Parity:
    """Compare all outputs of two forms of one model: probabilities as such, others as numbers.

    Example:
        >>> one = {"estimate": np.array([3.0]), "fold_estimates": np.array([[2.0, 4.0]])}
        >>> compare_outputs(one, one, scale=1.0, tolerance=1e-5)
        Parity(images=1, same_top1=1, largest_difference=0.0)
    """
    found = [
        compare_answers(rows, exported[name], tolerance=tolerance)
        if name == "probabilities"
        else compare_numbers(rows, exported[name], scale=scale)
        for name, rows in original.items()
    ]
    return Parity(
        images=found[0].images,
        same_top1=min(each.same_top1 for each in found),
        largest_difference=float(np.max([each.largest_difference for each in found])),
    )
