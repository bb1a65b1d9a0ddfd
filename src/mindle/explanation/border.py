"""How much of an answer comes from the border of a picture, where the thing itself seldom is.

A model that tells classes by their background does so in every picture of a class, so that it shows in the
mean over a class, however much single maps differ. Two windows suffice for that: the border, and what
it frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation import tasks
from mindle.evaluation.intervals import Score as Interval
from mindle.explanation.checks import mean_score
from mindle.explanation.fading import Pixels, Score, blurred, faded, softened
from mindle.records import Answers

WIDTH = 0.15
"""Of the border, as a share of the side; such a border takes half of the picture."""

AREA = 1 - (1 - 2 * WIDTH) ** 2
TOO_MUCH = AREA + 0.15  # of the answer, lower end: what is warned of
AT_ONCE = 10  # pictures
ENOUGH = 10  # pictures of a class from which its mean says something


@dataclass(frozen=True, kw_only=True)
class Border:
    """The share of a class's answers that comes from the border.

    Attributes:
        name: Of the class, or of the number that is estimated.
        share: Mean over the pictures, with its interval.
        n: How many pictures.
    """

    name: str
    share: Interval
    n: int

    @property
    def is_too_much(self) -> bool:
        """Whether the background seems to give the answer."""
        low = self.share["low"]
        return self.n >= ENOUGH and low is not None and low > TOO_MUCH

    def document(self) -> dict[str, Any]:
        """As checks.json holds it."""
        return {**vars(self), "area": AREA, "warned": self.is_too_much}


def answered_well(answers: Answers, most: int, *, seed: int = 0) -> list[int]:
    """Some rows whose answer is right, drawn by chance; of numbers, which seldom are, the better half."""
    evaluation = tasks.of(answers.task)
    wrong = evaluation.worst(answers)
    well = sorted(set(range(len(answers))) - set(wrong)) or sorted(wrong[len(wrong) // 2 :])
    rows: list[int] = np.random.default_rng(seed).permutation(well)[:most].tolist()
    return rows


def borders(
    score: Score, pixels: Pixels, targets: NDArray[np.int64], names: Sequence[str], *, seed: int = 0
) -> list[Border]:
    """The share of the border by class.

    Args:
        score: What the model says.
        pixels: Pictures that it answers correctly, (image, height, width, channel).
        targets: (image,) what is explained of each.
        names: Of the targets.
        seed: Draws the resamples of the intervals.
    """
    shares = border_shares(score, pixels, targets)
    found = []
    for at, name in enumerate(names):
        known = shares[(targets == at) & ~np.isnan(shares)]
        found.append(Border(name=name, share=mean_score(known, seed), n=len(known)))
    return found


def border_shares(score: Score, pixels: Pixels, targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """(image,) of what a score loses with the border hidden and with the rest hidden, the border's part.

    NaN where it loses nothing with either.

    Example:
        >>> corner = lambda pixels: pixels[:, :2, :2].mean(axis=(1, 2)).astype(float)
        >>> picture = np.zeros((1, 32, 32, 1), np.uint8)
        >>> picture[:, :2, :2] = 255
        >>> bool(border_shares(corner, picture, np.array([0]))[0] > 0.95)
        True
    """
    height, width = pixels.shape[1:3]
    down, right = round(WIDTH * height), round(WIDTH * width)
    ring = np.ones((height, width), np.float32)
    ring[down : height - down, right : width - right] = 0
    masks = softened(np.stack([np.zeros_like(ring), ring, 1 - ring]))
    answered = []
    for begin in range(0, len(pixels), AT_ONCE):
        some = pixels[begin : begin + AT_ONCE]
        answered.append(score(np.concatenate([faded(each, blurred(each), masks) for each in some])))
    table = np.concatenate(answered).reshape(len(pixels), len(masks), -1)  # (image, mask, target)
    whole, *hidden = table[np.arange(len(pixels)), :, targets].T
    border, inside = (np.maximum(0.0, whole - each) for each in hidden)
    both = border + inside
    return np.where(both > 0, border / np.where(both > 0, both, 1), np.nan)
