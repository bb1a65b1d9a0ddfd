"""What a bundle needs to know when not to answer, found on answers out of fold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.trust.abstention import Abstention
from mindle.evaluation.trust.costs import Costs
from mindle.evaluation.trust.label_sets import LEVEL, fit_label_sets, held_out_sets
from mindle.evaluation.trust.limits import Inputs, fit_limits
from mindle.records import OutOfFold

# Answers that one split held out are put into so many parts; the sets of each come from the others.
PARTS = 5


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What was found, and what it makes of the very answers that it was found on.

    Attributes:
        abstention: Of the bundle.
        abstain: (row,) the code of each row, or ""; None where nothing was asked.
        sets: (row, class) label sets, each by the answers of other folds; None of numbers.
    """

    abstention: Abstention
    abstain: NDArray[np.str_] | None = None
    sets: NDArray[np.bool_] | None = None


def fit_abstention(
    found: OutOfFold,
    *,
    level: float = LEVEL,
    per_class: bool = False,
    sets: str = "threshold",
    refuse: float = 0.0,
    inputs: Inputs | None = None,
    costs: Costs | None = None,
    seed: int = 0,
) -> Fitted:
    """Find out how sets are made and when to abstain.

    Args:
        found: Answers out of fold.
        level: How often the truth should be in its label set.
        per_class: Whether that is promised of each class.
        sets: How classes are scored, see `mindle.evaluation.trust.label_sets`.
        refuse: Share of rows like these that may be refused; 0 refuses none.
        inputs: Of the same rows, what is known beside features.
        costs: Of decisions, where somebody said them.
        seed: See `mindle.evaluation.trust.limits.fit_limits`.
    """
    if not len(found):
        return Fitted(abstention=Abstention(costs=costs))
    abstention, codes = Abstention(costs=costs), None
    if refuse:
        limits, codes = fit_limits(found, refuse=refuse, inputs=inputs, seed=seed)
        # Without any limit no answer has a code, not even an empty one.
        abstention, codes = (
            (replace(abstention, refuse=refuse, limits=limits), codes) if limits else (abstention, None)
        )
    probabilities = found.outputs.get("probabilities")
    if probabilities is None:
        return Fitted(abstention=abstention, abstain=codes)
    fitted = fit_label_sets(probabilities, found.truth, level=level, per_class=per_class, method=sets)
    return Fitted(
        abstention=replace(abstention, label_sets=fitted),
        abstain=codes,
        sets=held_out_sets(fitted, probabilities, found.truth, parts_of(found.folds)),
    )


def parts_of(folds: NDArray[Any]) -> NDArray[np.int64]:
    """Which rows share limits, those of the others: rows of a fold, or a fifth of the only one.

    Example:
        >>> parts_of(np.zeros(7)).tolist(), parts_of(np.array([1, 0])).tolist()
        ([0, 1, 2, 3, 4, 0, 1], [1, 0])
    """
    if len(folds) and (folds == folds[0]).all():
        return np.arange(len(folds)) % PARTS
    return np.asarray(folds, np.int64)
