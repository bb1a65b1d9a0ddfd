"""What a comparison of two models on the same rows is made of: rows matched, differences, exact tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import LEVEL, Floats, Ints, wilson
from mindle.evaluation.repeated import require_same_rows
from mindle.records import Answers

Measure = Callable[[Ints], dict[str, Floats]]  # (draw, row) → score to (draw,)

SURE = 0.05  # a difference that chance makes less often than this is called clear
LOWER_IS_BETTER = ("log_loss", "mae", "rmse")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One score of two models on the same rows.

    Attributes:
        name: As in metrics.json.
        first, second: The score of each.
        value, low, high: Second minus first, with its 95 % interval.
        chance: How often chance alone would make a difference at least this large if both were equally good.
        interval: How the interval was made: "newcombe", "bootstrap" or "nadeau-bengio".
        test: How the chance was computed: "mcnemar", "swaps" or "nadeau-bengio".
    """

    name: str
    first: float
    second: float
    value: float
    low: float
    high: float
    chance: float
    interval: str
    test: str

    @property
    def better(self) -> str:
        """Which is clearly better, "first" or "second"; "" where chance alone does so in 1 of 20 tests."""
        if self.chance >= SURE or self.value == 0:
            return ""
        return "second" if (self.value > 0) != (self.name in LOWER_IS_BETTER) else "first"


# ---- the same rows -----------------------------------------------------------------------------------------


def require_same_classes(first: Sequence[str], second: Sequence[str]) -> None:
    """Refuse other classes; their order does not matter."""
    lost, new = [
        [name for name in one if name not in other] for one, other in ((first, second), (second, first))
    ]
    if lost or new:
        raise ValueError(
            f"Both must have the same classes. {_only('first', lost)}{_only('second', new)}"
            "Compare models of the same data."
        )


def _only(which: str, names: Sequence[str]) -> str:
    """What one side alone has, the first few by name."""
    if not names:
        return ""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"Only in the {which}: {', '.join(map(repr, names[:3]))}{more}. "


def row_order(first: Answers, second: Answers) -> Ints:
    """Where each row of the first stands in the second; or what differs."""
    if first.repeats != second.repeats:
        raise ValueError(
            "Both must have been answered as many times. Received repeats="
            f"{first.repeats} and {second.repeats}. Compare models evaluated in the same way."
        )
    for each in (first, second):
        require_same_rows(each.paths, np.asarray(each.truth), each.repeats)
    one, two = (each.paths[: len(each.paths) // each.repeats] for each in (first, second))
    within = np.arange(len(one))
    if one != two:
        index = {name: at for at, name in enumerate(two)}
        here = set(one)
        lost, new = [name for name in one if name not in index], [name for name in two if name not in here]
        if lost or new or len(index) < len(two) or len(here) < len(one):
            raise ValueError(
                f"Both must answer the same rows. Received {len(one):,} and {len(two):,}. "
                f"{_only('first', lost)}{_only('second', new)}"
                "Compare models of the same data and the same --split-seed."
            )
        within = np.array([index[name] for name in one])
    return (within + len(one) * np.arange(first.repeats)[:, None]).ravel()


def require_same_truth(names: Sequence[str], first: NDArray[Any], second: NDArray[Any]) -> None:
    """Refuse rows whose truth differs, naming the first."""
    other = np.flatnonzero(first != second)
    if len(other):
        at = int(other[0])
        raise ValueError(
            f"Both must have the same truth. It differs in {len(other):,} of {len(names):,} rows, first in "
            f"{names[at]!r}: {first[at]} and {second[at]}. Compare models of the same data."
        )


# ---- exact tests -------------------------------------------------------------------------------------------


def mcnemar(gained: int, lost: int) -> float:
    """Chance of a split at least this uneven among the rows that only one of two got right, were both equal.

    Args:
        gained: Rows that only the second got right.
        lost: Rows that only the first got right.

    Example:
        >>> round(mcnemar(9, 1), 4), mcnemar(0, 0)
        (0.0215, 1.0)
    """
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5))) if gained + lost else 1.0


def paired_difference(
    both: int, gained: int, lost: int, n: int, *, level: float = LEVEL
) -> tuple[float, float]:
    """Ends of the interval of the second minus the first share of right answers to the same rows.

    Args:
        both: Rows that both got right.
        gained: Rows that only the second got right.
        lost: Rows that only the first got right.
        n: All rows.
        level: How often the interval holds the true difference.

    Source:
        Newcombe 1998, method 10 for paired data; the example is one of his table II.

    Example:
        >>> [round(end, 4) for end in paired_difference(36, 12, 2, 50)]
        [0.0569, 0.3404]
    """
    neither = n - both - gained - lost
    p1, p2 = (both + lost) / n, (both + gained) / n
    (low1, high1), (low2, high2) = (wilson(hits, n, level=level) for hits in (both + lost, both + gained))
    product = float((both + lost) * (neither + gained)) * float((both + gained) * (neither + lost))
    shared = float(both * neither - gained * lost)
    if shared > 0:
        shared = max(shared - n / 2, 0.0)  # his correction for continuity
    phi = shared / sqrt(product) if product else 0.0
    # The intervals of the two shares, joined as the sides of a triangle whose angle is their correlation.
    down1, up1, down2, up2 = p1 - low1, high1 - p1, p2 - low2, high2 - p2
    low = p2 - p1 - sqrt(max(0.0, down2**2 - 2 * phi * down2 * up1 + up1**2))
    high = p2 - p1 + sqrt(max(0.0, up2**2 - 2 * phi * up2 * down1 + down1**2))
    return low, high
