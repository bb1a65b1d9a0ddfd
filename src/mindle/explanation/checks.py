"""Whether a map can be trusted: it must find what the model needs, and change when the model does.

Two questions, which the look of a map does not answer:

- Deletion and insertion: does the score fall faster when what the map names fades away than when random
  places do, and rise faster when that alone is shown? An edge detector often passes, because objects have
  edges where the background has none.
- Shuffled weights: is the map of a model whose weights were shuffled another one? An edge detector's is not.

Both are measured once for a model, on some pictures that it answers correctly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mindle.evaluation.intervals import UNKNOWN, bootstrap_rows, counted, percentiles
from mindle.evaluation.intervals import Score as Interval
from mindle.explanation.fading import Map, Pixels, Score, blurred, scores, softened

Floats = NDArray[np.float64]

STEPS, MOST = 6, 0.5  # masks of a curve, the largest of which covers so much of the picture
ORDERS = 8  # random masks that a map is compared with
CELLS = 14  # of these along the shorter side
LEAST_RANGE = 1e-6  # a map that varies less is none
LEAST_SHARE = 0.5  # of pictures, lower end: what a map must beat random places in
MOST_ALIKE = 0.5  # correlation with the map of shuffled weights, lower end: what a map must stay below
_CENTRED = 5  # maps from which their mean tells what they have in common


@dataclass(frozen=True)
class Curves:
    """Mean score while a picture fades by a map, or by some, and while it appears by it.

    Attributes:
        deletion: The less, the more of what the model needs was named first.
        insertion: The more, the better.
    """

    deletion: float
    insertion: float


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """The curves of a map beside those of others that know nothing.

    Attributes:
        found: Of the map.
        random: Of places drawn by chance, the mean.
        moved: Deletion by the same map moved and mirrored, the mean; None where that was not asked.
        pixels: Deletion of single pixels by the map and by chance, each filled from its neighbours; None
            where that was not asked.
    """

    found: Curves
    random: Curves
    moved: float | None = None
    pixels: tuple[float, float] | None = None

    @property
    def deletes(self) -> bool:
        """Whether the score falls faster than by chance."""
        return self.found.deletion < self.random.deletion

    @property
    def inserts(self) -> bool:
        """Whether it rises faster than by chance."""
        return self.found.insertion > self.random.insertion


class Picture:
    """A picture with what a model says of it, that maps are tried on.

    Attributes:
        pixels: uint8 (height, width, channel).
        target: Which score is explained.
        random: Curves of places drawn by chance, the same for every map.
    """

    def __init__(self, score: Score, pixels: Pixels, target: int, *, seed: int = 0) -> None:
        self.pixels, self.target, self._score = pixels, target, score
        self._blurred, self._seed = blurred(pixels), seed
        self.random = self._curves([random_order(pixels.shape[:2], [seed, at]) for at in range(ORDERS)])

    def compared(self, found: Map, *, closely: bool = False) -> Faithfulness:
        """A map against chance.

        Args:
            found: The map.
            closely: Compare with its own moved copies and pixel by pixel too, at five times the cost.
        """
        return Faithfulness(
            found=self._curves([found]),
            random=self.random,
            moved=self._mean_score(_masks(moved(found))) if closely else None,
            pixels=self._pixel_deletion(found) if closely else None,
        )

    def _curves(self, maps: Sequence[Map]) -> Curves:
        masks = _masks(maps)
        return Curves(deletion=self._mean_score(masks), insertion=self._mean_score(1 - masks))

    def _mean_score(self, masks: NDArray[np.float32]) -> float:
        answered = scores(self._score, self.target, self.pixels, self._blurred, masks)
        return float(np.concatenate([found for _, found in answered]).mean())

    def _pixel_deletion(self, found: Map) -> tuple[float, float]:
        rng = np.random.default_rng([self._seed, ORDERS])
        chance = rng.random(found.shape).astype(np.float32)
        holes = [top_shares(each) > 0 for each in (found, chance)]
        filled = [np.stack([filled_in(self.pixels, hole) for hole in each]) for each in holes]
        mapped, random = (float(self._score(each)[:, self.target].mean()) for each in filled)
        return mapped, random


def _masks(maps: Sequence[Map]) -> NDArray[np.float32]:
    """The soft masks (mask, height, width) of the curves of some maps; as many of each."""
    return np.concatenate([softened(top_shares(each)) for each in maps])


def top_shares(found: Map) -> NDArray[np.float32]:
    """Masks (step, height, width) of the places that a map names first, up to half of the picture.

    Example:
        >>> top_shares(np.array([[3.0, 1.0, 2.0, 0.0]], np.float32))[-1].tolist()
        [[1.0, 0.0, 1.0, 0.0]]
    """
    ranks = np.empty(found.size, np.int64)
    ranks[np.argsort(-found, axis=None, kind="stable")] = np.arange(found.size)
    shares = MOST * np.arange(1, STEPS + 1) / STEPS
    return (ranks.reshape(found.shape) < (shares * found.size)[:, None, None]).astype(np.float32)


def random_order(shape: tuple[int, ...], seed: Sequence[int]) -> Map:
    """A map of cells in an order drawn by chance; softened, it has the edges of a map's own masks."""
    cell = -(-min(shape) // CELLS)
    rows, columns = (-(-side // cell) for side in shape)
    cells = np.random.default_rng(seed).random((rows, columns)).astype(np.float32)
    return cells.repeat(cell, 0).repeat(cell, 1)[: shape[0], : shape[1]]


def moved(found: Map) -> list[Map]:
    """A map moved and mirrored: of the same shape, elsewhere."""
    down, right = found.shape[0] // 2, found.shape[1] // 2
    rolled = [np.roll(found, by, (0, 1)) for by in ((down, 0), (0, right), (down, right))]
    return [*rolled, found[::-1], found[:, ::-1], found[::-1, ::-1]]


def filled_in(pixels: Pixels, hole: NDArray[np.bool_]) -> Pixels:
    """A picture whose hole holds what its edges suggest: a smooth fill, from coarse to fine.

    Source:
        Why a fill: Rong et al. 2022, ROAD, https://arxiv.org/abs/2202.00449; holes of another colour are
        edges, and give away by their shape what they hide. The fill: Gortler et al. 1996, The Lumigraph,
        section 3.4.

    Example:
        >>> hole = np.zeros((4, 4), bool)
        >>> hole[1, 1] = True
        >>> int(filled_in(np.full((4, 4, 1), 9, np.uint8), hole)[1, 1, 0])
        9
    """
    known = (~hole).astype(np.float32)[..., None]
    filled = _pulled(pixels.astype(np.float32), known)
    return np.asarray(np.clip(np.rint(filled), 0, 255), np.uint8)


def _pulled(values: NDArray[np.floating], known: NDArray[np.floating]) -> NDArray[np.floating]:
    """Values where they are known, elsewhere those of the picture at half its size, filled likewise."""
    height, width = known.shape[:2]
    if min(height, width) < 2 or known.all():
        return values
    pad = ((0, height % 2), (0, width % 2), (0, 0))
    weights = _halved(np.pad(known, pad))
    coarse = _halved(np.pad(values * known, pad)) / np.maximum(weights, 1e-6)
    fill = _doubled(_pulled(coarse, np.minimum(weights, 1)))[:height, :width]
    return np.asarray(values * known + fill * (1 - known))


def _halved(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2])


def _doubled(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Twice as high and wide, with values between the neighbours."""
    for axis in (0, 1):
        sides, count = list(values.shape), values.shape[axis]
        sides[axis] *= 2
        edged = np.concatenate([values.take([0], axis), values, values.take([-1], axis)], axis)
        beside = [edged.take(range(start, start + count), axis) for start in (0, 2)]
        mixed = [0.75 * values + 0.25 * each for each in beside]
        values = np.stack(mixed, axis + 1).reshape(sides)
    return values


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the maps of one method were worth, over some pictures.

    Attributes:
        n: How many pictures.
        deletion, insertion: In what share of them the score fell, or rose, faster by the map than by chance.
        moved: In what share it fell faster than by the map's own moved copies.
        pixels: In what share it fell faster than by single pixels drawn by chance, each filled from its
            neighbours.
        shuffled: Mean correlation with the maps of shuffled weights; 0 is another map, 1 the same.
        empty: How many of the maps vary too little to be maps.
    """

    n: int
    deletion: Interval
    insertion: Interval
    moved: Interval
    pixels: Interval
    shuffled: Interval
    empty: int = 0

    @property
    def failures(self) -> tuple[str, ...]:
        """Codes of what speaks against the maps: "deletion", "shuffled", "empty"; none where they pass."""
        below = self.deletion["low"]
        alike = self.shuffled["value"]
        found = {
            "deletion": below is not None and below < LEAST_SHARE,
            "shuffled": alike is not None and alike >= MOST_ALIKE,
            "empty": 2 * self.empty > self.n,
        }
        return tuple(code for code, holds in found.items() if holds)

    def document(self) -> dict[str, Any]:
        """As checks.json holds it."""
        return {**vars(self), "passed": not self.failures, "failures": list(self.failures)}


def check(
    pictures: Sequence[Picture], maps: Sequence[Map], shuffled: Sequence[Map], *, seed: int = 0
) -> Checked:
    """Check the maps of one method.

    Args:
        pictures: That the model answers correctly.
        maps: Of each.
        shuffled: What the method draws of the first of them for the model with its weights shuffled.
        seed: Draws the resamples of an interval.
    """
    compared = [picture.compared(found, closely=True) for picture, found in zip(pictures, maps, strict=True)]
    n = len(compared)
    alike = correlations(maps[: len(shuffled)], shuffled) if shuffled else np.empty(0)
    return Checked(
        n=n,
        deletion=counted(sum(each.deletes for each in compared), n),
        insertion=counted(sum(each.inserts for each in compared), n),
        moved=counted(
            sum(each.moved is not None and each.found.deletion < each.moved for each in compared), n
        ),
        pixels=counted(
            sum(each.pixels is not None and each.pixels[0] < each.pixels[1] for each in compared), n
        ),
        shuffled=mean_score(alike, seed),
        empty=sum(float(np.ptp(found)) < LEAST_RANGE for found in maps),
    )


def correlations(maps: Sequence[Map], others: Sequence[Map]) -> Floats:
    """(map,) size of the rank correlation of each map with its counterpart, what all share taken off.

    Maps of any network have something in common, such as a frame where convolutions pad; where there are
    enough of them, their mean is taken off first, so that what is compared is what differs from picture to
    picture.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> maps = [rng.random((8, 8)).astype(np.float32) for _ in range(2)]
        >>> correlations(maps, [3 * maps[0], np.zeros((8, 8), np.float32)]).round(6).tolist()
        [1.0, 0.0]
    """
    first, second = (_ranked([_standardised(found) for found in each]) for each in (maps, others))
    return np.asarray(np.abs((first * second).mean(axis=1)))


def _ranked(rows: Sequence[Floats]) -> Floats:
    """Ranks (map, place) with mean 0 and deviation 1; 0 throughout where a map has no range."""
    values = np.stack(rows)
    if len(values) >= _CENTRED:
        values = values - values.mean(axis=0)
    ranks = values.argsort(axis=1, kind="stable").argsort(axis=1).astype(np.float64)
    ranks = (ranks - ranks.mean(axis=1, keepdims=True)) / ranks.std(axis=1, keepdims=True)
    return np.asarray(ranks * np.array([np.ptp(row) > 0 for row in rows])[:, None])


def _standardised(found: Map) -> Floats:
    """A map as a row of some hundred places, with mean 0 and deviation 1; zeros where it has no range."""
    side = 2 * CELLS
    small = Image.fromarray(found).resize((side, side), Image.Resampling.BOX)
    values = np.asarray(small, np.float64).ravel()
    deviation = values.std()
    # No range is no map, whatever rounding made of it.
    return (values - values.mean()) / deviation if np.ptp(found) >= LEAST_RANGE else np.zeros_like(values)


def mean_score(values: Floats, seed: int) -> Interval:
    """A mean with its bootstrap interval."""
    if not len(values):
        return dict(UNKNOWN)
    draws = np.concatenate([values[rows].mean(axis=1) for rows in bootstrap_rows(len(values), seed=seed)])
    low, high = percentiles(draws)
    return {"value": float(values.mean()), "low": low, "high": high}
