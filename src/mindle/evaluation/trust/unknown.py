"""How unlike anything that a model learned from an input is: three nearest-neighbour scores of its features.

    features -> signed root (images) -> centred, one scale a body -> squared distances to the vectors

    distance    to the fifth nearest vector
    angle       the same of vectors of length 1
    relative    that distance over the mean distance of those vectors to their own fifth nearest

Each is counted as the negative logarithm of how rarely it is reached in training, and the three are added.
Ranks alone end at the logarithm of how many there are, so that one score could never refuse by itself: beyond
the 90 % quantile the tail is exponential.

No single score will do. Trained on flowers and refusing 5 % of flowers, distance alone refused no mosaic of
coloured squares, angle alone let 16 % of rubbish pass, relative alone half of the pets; the maximum
probability refused 36 % of rubbish, the energy 41 %, Mahalanobis' distance no noise. The three together
refused 91 to 95 % of rubbish, 94 to 97 % of pets and all noise.

Source:
    Nearest neighbours: Sun et al. 2022, https://arxiv.org/abs/2204.06507. Relative to the neighbours' own
    distance: Breunig et al. 2000, https://doi.org/10.1145/335191.335388. Sums of logarithms: Fisher 1925.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import log
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import Floats, Ints
from mindle.records import OutOfFold

SCORES = ("distance", "angle", "relative")
NEIGHBOURS = 5
# 3.8 MB of a backbone; of 300 vectors mosaics of noise are no longer seen for certain.
MOST_VECTORS = 1_500
# Of fewer rows no limit can be set: 5 % of 60 are three.
FEWEST_ROWS = 60
# Where the tail begins, and so many quantiles are kept of what lies below.
TAIL, POINTS = 0.9, 256
# Vectors that occur twice are no measure of how dense it is around them.
OWN_FLOOR = 0.01
ROOT_FLOOR = 1e-6
_TINY = 1e-12
_ROWS_AT_A_TIME = 1_024

Singles = NDArray[np.float32]
Distances = tuple[Singles, Singles]  # squared, plain and of unit vectors, (row, vector) each


@dataclass(frozen=True, kw_only=True)
class UnknownScore:
    """What says of features how unlike training they are.

    Attributes:
        mean, scale: (feature,) what is subtracted, and then divided by.
        root: Whether the signed root of features is taken first.
        vectors: (vector, feature) what was learned from, standardised so.
        own: (vector,) the distance of each to its own fifth nearest.
        held_out: (3, point) quantiles of each score of rows that were held out, up to where the tail begins.
        tails: (3, 2) where it begins, and the mean excess over that.
        neighbours: Which nearest one counts.
        limit: Above it an input is unlike training.
        parts: Which of the three count.
    """

    mean: Floats
    scale: Floats
    root: bool
    vectors: NDArray[np.float16]
    own: NDArray[np.float32]
    held_out: NDArray[np.float32]
    tails: Floats
    neighbours: int = NEIGHBOURS
    limit: float = float("inf")
    parts: tuple[str, ...] = SCORES

    def __post_init__(self) -> None:
        features, vectors = self.vectors.shape[1], len(self.vectors)
        shapes = {
            "mean": (features,),
            "scale": (features,),
            "own": (vectors,),
            "tails": (len(SCORES), 2),
            "held_out": (len(SCORES), self.held_out.shape[-1]),
        }
        for name, shape in shapes.items():
            found = getattr(self, name)
            if found.shape != shape or not np.isfinite(found).all():
                raise ValueError(f"`{name}` must be {shape}, and finite. Received {found.shape}.")
        if min(self.scale.min(), self.own.min(), self.tails[:, 1].min()) <= 0:
            raise ValueError("`scale`, `own` and the excess in `tails` must be above 0. Received others.")
        if not self.parts or set(self.parts) - set(SCORES):
            raise ValueError(f"`parts` must be some of {', '.join(SCORES)}. Received {self.parts}.")
        if not np.isfinite(self.vectors).all() or self.neighbours < 1 or vectors < self.neighbours:
            raise ValueError(
                f"`vectors` must be finite, and at least `neighbours`. Received {vectors} of them, "
                f"neighbours={self.neighbours}."
            )

    def scores(self, features: NDArray[np.floating[Any]]) -> Floats:
        """How unlike training each row (row, feature) is; larger is less like it."""
        found = [self.combined(self._three(*pair)) for _, pair in self._distances(features)]
        return np.concatenate(found) if found else np.zeros(0)

    def nearest(self, features: NDArray[np.floating[Any]], k: int) -> tuple[Ints, Floats]:
        """Numbers of the k nearest vectors of each row, the nearest first, and their distances."""
        at, far = [], []
        for _, (plain, _) in self._distances(features):
            some = np.argsort(plain, axis=1, kind="stable")[:, :k]
            at.append(some)
            far.append(np.sqrt(np.take_along_axis(plain, some, axis=1), dtype=np.float64))
        return (
            (np.concatenate(at), np.concatenate(far))
            if at
            else (np.zeros((0, k), np.int64), np.zeros((0, k)))
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What an NPZ file carries."""
        names = ("mean", "scale", "vectors", "own", "held_out", "tails")
        return {name: getattr(self, name) for name in names} | {"root": np.array(self.root, np.uint8)}

    def combined(self, three: Floats) -> Floats:
        """Scores (3, row) as one: the sum of the negative logarithms of how rare they are."""
        columns = zip(SCORES, three, self.held_out, self.tails, strict=True)
        rare = [_rarity(*each) for name, *each in columns if name in self.parts]
        return np.asarray(np.sum(rare, axis=0), np.float64)

    def standardised(self, features: NDArray[np.floating[Any]]) -> Singles:
        """Features as the vectors are."""
        return standardised(features, self.mean, self.scale, root=self.root)

    def _distances(self, features: NDArray[np.floating[Any]]) -> Iterator[tuple[slice, Distances]]:
        return pairs(self.standardised(features), self._base)

    @cached_property
    def _base(self) -> Base:
        return Base.of(self.vectors)  # for one row it takes a hundred times as long as the rest

    def _three(self, plain: Singles, angle: Singles) -> Floats:
        return _three(plain, angle, self.own, self.neighbours)


def read_unknown(
    arrays: Mapping[str, NDArray[Any]], *, neighbours: int, limit: float, parts: tuple[str, ...] = SCORES
) -> UnknownScore:
    """The score that `UnknownScore.arrays` wrote.

    Raises:
        ValueError: If arrays are missing, or do not fit each other.
    """
    types = {"mean": "f8", "scale": "f8", "vectors": "f2", "own": "f4", "held_out": "f4", "tails": "f8"}
    missing = [name for name in (*types, "root") if name not in arrays]
    if missing:
        raise ValueError(
            f"The arrays of a score must hold {', '.join(types)}. Received no {', '.join(missing)}."
        )
    if any(np.ndim(arrays[name]) != 2 for name in ("vectors", "held_out", "tails")):
        raise ValueError("`vectors`, `held_out` and `tails` must have two axes. Received others.")
    made: dict[str, Any] = {name: np.asarray(arrays[name], kind) for name, kind in types.items()}
    return UnknownScore(**made, root=bool(arrays["root"]), neighbours=neighbours, limit=limit, parts=parts)


def fit_unknown(found: OutOfFold, *, seed: int = 0) -> tuple[UnknownScore, Floats] | None:
    """Draw the vectors, and score every row as if it had not been learned from.

    Vectors come from rows that the model learned from; where it answers none of them out of fold, as a net
    trained by epochs, from those that it did not. Either way a row is scored without itself and its group.

    Args:
        found: With `features`.
        seed: Of the draw.

    Returns:
        The score, without a limit, and its three parts for each row of `found`, (3, row), which
        `UnknownScore.combined` makes one of; None where there are too few rows.
    """
    if found.features is None or len(found.features) < FEWEST_ROWS:
        return None
    mean, scale, root = standard(found.features, found.blocks)
    x = standardised(found.features, mean, scale, root=root)  # (row, feature)
    drawn = drawn_evenly(found.truth, MOST_VECTORS, seed=seed)
    vectors = x[drawn].astype(np.float16)  # rounded before anything is fitted
    groups = found.groups
    own = _own(vectors, groups[drawn])
    three = np.empty((len(SCORES), len(x)))
    for rows, (plain, angle) in pairs(x, Base.of(vectors)):
        same = groups[rows, None] == groups[drawn]
        plain[same], angle[same] = np.inf, np.inf
        three[:, rows] = _three(plain, angle, own, NEIGHBOURS)
    known = np.isfinite(three).all(axis=0)
    if known.sum() < FEWEST_ROWS:
        return None
    held_out, tails = held_out_of(three[:, known])
    score = UnknownScore(
        mean=mean, scale=scale, root=root, vectors=vectors, own=own, held_out=held_out, tails=tails
    )
    three[:, ~known] = held_out[:, :1]  # of a group that holds nearly all rows nothing is known
    return score, three


def limit_of(values: Floats, refused: NDArray[np.bool_], share: float) -> float:
    """The least limit above which, with what is refused already, no more than a share of the rows lies.

    Args:
        values: (row,) of rows that were held out.
        refused: (row,) those that are refused for another reason already.
        share: Of all rows.

    Example:
        >>> values, refused = np.arange(10.0), np.arange(10) == 9
        >>> limit_of(values, refused, 0.1), limit_of(values, refused, 0.3)
        (8.0, 6.0)
    """
    rest = np.sort(values[~refused])
    room = int(share * len(values) + 1e-9) - int(refused.sum())
    if room <= 0 or not len(rest):
        return float(rest[-1]) if len(rest) else float("inf")
    return float(rest[max(len(rest) - room - 1, 0)])


def held_out_of(three: Floats) -> tuple[NDArray[np.float32], Floats]:
    """Quantiles of each score (3, row) up to where the tail begins, and the tail."""
    begins = np.quantile(three, TAIL, axis=1)
    points = np.quantile(three, np.linspace(0, TAIL, POINTS + 1), axis=1).T
    excess = [
        float((each[each > at] - at).mean()) if (each > at).any() else 0.0
        for each, at in zip(three, begins, strict=True)
    ]
    spread = np.maximum(excess, np.maximum(np.abs(begins), 1.0) * 1e-9)
    return points.astype(np.float32), np.stack([begins, spread], axis=1)


def drawn_evenly(truth: NDArray[Any], most: int, *, seed: int = 0) -> Ints:
    """Up to `most` rows, in which every class, or every range of a number, has its share.

    Example:
        >>> rows = drawn_evenly(np.array([0] * 90 + [1] * 10), 20)
        >>> int((rows >= 90).sum())
        2
    """
    count = len(truth)
    if count <= most:
        return np.arange(count)
    generator = np.random.default_rng(seed)
    order = np.lexsort((generator.random(count), truth))
    return np.sort(order[(np.arange(most) * count + generator.integers(count)) // most % count])


def standard(features: NDArray[Any], blocks: Sequence[int]) -> tuple[Floats, Floats, bool]:
    """What centres and scales features: of each body by one number, of a table nothing (it is scaled)."""
    width, root = features.shape[1], bool(blocks)
    if not root:
        return np.zeros(width), np.ones(width), False
    rooted = _rooted(features)
    mean = rooted.mean(axis=0, dtype=np.float64)
    spread = np.square(rooted - mean).mean(axis=0)  # (feature,)
    parts = np.split(spread, np.cumsum(blocks)[:-1])
    scale = [np.full(len(part), (float(part.sum()) * len(parts)) ** 0.5 or 1.0) for part in parts]
    return mean, np.concatenate(scale), True


def _rooted(features: NDArray[Any]) -> Singles:
    return np.asarray(features / np.sqrt(np.abs(features) + np.float32(ROOT_FLOOR)), np.float32)


def standardised(features: NDArray[Any], mean: Floats, scale: Floats, *, root: bool) -> Singles:
    """Features (row, feature) as vectors are, float32."""
    found = _rooted(features) if root else features
    # What lies beyond the range of a vector is as far away as anything can be.
    return np.clip((found - mean) / scale, -6e4, 6e4).astype(np.float32)


class Base(NamedTuple):
    """Vectors as distances to them are computed."""

    vectors: Singles
    squares: Singles
    lengths: Singles

    @classmethod
    def of(cls, vectors: NDArray[np.float16]) -> Base:
        """Of vectors as a bundle has them."""
        base = vectors.astype(np.float32)
        squares = np.einsum("ij,ij->i", base, base)
        return cls(base, squares, np.sqrt(np.maximum(squares, _TINY)))


def _products(x: Singles, vectors: Singles) -> Singles:
    """(row, vector), on one thread: several wait busily beside an engine, 2.4 ms a row and not 0.1."""
    with _libraries().limit(limits=1, user_api="blas"):
        products: Singles = x @ vectors.T
    return products


@cache
def _libraries() -> Any:
    """What threads NumPy multiplies on; looking for it takes a millisecond."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def pairs(x: Singles, base: Base) -> Iterator[tuple[slice, Distances]]:
    """Squared distances of some rows at a time, and those of unit vectors."""
    for start in range(0, len(x), _ROWS_AT_A_TIME):
        rows = slice(start, min(start + _ROWS_AT_A_TIME, len(x)))
        some = x[rows]
        own = np.einsum("ij,ij->i", some, some)[:, None]
        products = _products(some, base.vectors)
        plain = np.maximum(own + base.squares - 2 * products, 0)
        angle = np.maximum(2 - 2 * products / np.sqrt(np.maximum(own, _TINY)) / base.lengths, 0)
        yield rows, (plain, angle)


def _three(plain: Singles, angle: Singles, own: NDArray[np.float32], k: int) -> Floats:
    """The three scores (3, row); endless where fewer than k vectors are left."""
    nearest = np.argpartition(plain, k - 1, axis=1)[:, :k]
    distance = np.sqrt(np.take_along_axis(plain, nearest, axis=1).max(axis=1), dtype=np.float64)
    turned = np.sqrt(np.partition(angle, k - 1, axis=1)[:, k - 1], dtype=np.float64)
    return np.stack([distance, turned, distance / own[nearest].mean(axis=1, dtype=np.float64)])


def _own(vectors: NDArray[np.float16], groups: Ints) -> NDArray[np.float32]:
    """The distance of each vector to its own fifth nearest, floored."""
    own = np.empty(len(vectors))
    for rows, (plain, _) in pairs(vectors.astype(np.float32), Base.of(vectors)):
        plain[groups[rows, None] == groups] = np.inf
        own[rows] = np.sqrt(np.partition(plain, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1])
    known = own[np.isfinite(own)]
    above = known[known > 0]
    least = float(above.min()) if len(above) else 1.0
    floor = max(float(np.quantile(known, OWN_FLOOR)) if len(known) else 0.0, least)
    own = np.where(np.isfinite(own), own, floor)
    return np.maximum(own, floor).astype(np.float32)


def _rarity(values: Floats, points: NDArray[np.float32], tail: Floats) -> Floats:
    """Minus the logarithm of the share of held-out rows that lie above each value."""
    begins, excess = tail
    below = np.interp(values, points, np.linspace(0, TAIL, len(points)))
    beyond = np.minimum((np.maximum(values, begins) - begins) / excess, 1e6)
    return np.where(values > begins, -log(1 - TAIL) + beyond, -np.log1p(-np.minimum(below, TAIL)))
