"""Heads on frozen features: fitted in seconds, judged by cross-validation, blended where that helps.

    features -> signed root -> centred, one scale a backbone -> head -> scores

The root matters most: the features of a ReLU net are long-tailed, and a scale for each feature (the usual
standardisation) blows up the rare ones. Cross-validated on 1,500 photos of flowers, EfficientNet-Lite0:
88.5 % with a scale a feature, 90.8 % with the root and one scale for all, at the best settings of either.

Three kinds of head:

    rbf       least-squares support vectors with a Gaussian kernel: every image is a support vector, and
              the solution, cross-validation included, is one matrix inversion. What rare classes lose by
              squared errors is given back to them by an offset a class (`fit_offsets`)
    logistic  multinomial logistic regression with an L2 penalty
    net       one small hidden layer with dropout, on the strongest 256 directions

Everything here is chosen by the cross-entropy of out-of-fold answers. Views of an image, and images of one
group, are always in one fold.

Source:
    Signed roots: Perronnin et al. 2010, "Improving the Fisher kernel", section 3.1. Least-squares support
    vectors: Suykens & Vandewalle 1999. Folds from one inversion: Rifkin & Lippert 2007, "Notes on
    regularized least squares", section 4, with blocks for single rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mindle.data.common.splits import deal_folds
from mindle.evaluation import fit_offsets, fit_temperature
from mindle.models.heads import ROOT_FLOOR, BlendHead, Head, KernelHead, LinearHead, NetHead
from mindle.training.images.attempts import log_softmax
from mindle.training.loop.batches import draw
from mindle.training.loop.objectives import focal_loss

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

# Up to this many rows every one is a support vector; 4,000 take a matrix of 128 MB and some seconds.
MOST_VECTORS, LANDMARKS = 4000, 2000
# The logistic head works in as many directions as there are rows or features, but in no more than these.
MOST_DIRECTIONS = 2500
NET_DIRECTIONS, NET_UNITS, NET_BATCH, NET_STEPS, NET_DROPOUT = 256, 64, 64, 1500, 0.5
FORESEEN_STEPS = 5
# Scores of the kernel head lie within -1 and 1; times this, their temperature is near 1.
KERNEL_SHARPNESS = 10.0
# Where the search for settings begins, and where it may go: each ladder is walked while that helps.
GAMMAS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
KERNEL_PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
LOGISTIC_PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


# ---- what heads learn from --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class HeadData:
    """The images that heads learn from, less their features.

    Attributes:
        labels: Class index of each image.
        classes: How many classes.
        folds: Part of the cross-validation that each image belongs to.
        views: Augmented views of each image, besides the plain one; rows are (view, image).
        further_labels, further_folds: Class and fold of rows beyond these: more views of scarce classes, or
            rows made up between real ones.
        weights: What a row of each class counts, (class,); None counts all alike.
        focal: Gamma of the focal loss, for heads that have a loss; 0 is plain cross-entropy.
    """

    labels: NDArray[np.int64]
    classes: int
    folds: NDArray[np.int64]
    views: int = 0
    further_labels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    further_folds: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: Floats | None = None
    focal: float = 0.0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def rows(self) -> int:
        """Rows of features: images times views, and further ones."""
        return len(self.labels) * (self.views + 1) + len(self.further_labels)

    @property
    def row_labels(self) -> NDArray[np.int64]:
        """Class index of each row of features."""
        return np.concatenate([np.tile(self.labels, self.views + 1), self.further_labels])

    @property
    def row_folds(self) -> NDArray[np.int64]:
        """Fold of each row of features."""
        return np.concatenate([np.tile(self.folds, self.views + 1), self.further_folds])

    @property
    def evened(self) -> bool:
        """Whether scarce classes count more than their images do."""
        return self.weights is not None or bool(len(self.further_labels))

    @property
    def row_weights(self) -> Floats | None:
        """What each row of features counts, or None where all count alike."""
        return None if self.weights is None else self.weights[self.row_labels]

    @property
    def targets(self) -> Floats:
        """1 - 1/classes for the true class, -1/classes for the others: (row, class)."""
        return np.eye(self.classes)[self.row_labels] - 1 / self.classes


def fold_numbers(
    labels: NDArray[np.int64], groups: NDArray[np.int64], *, folds: int = 5, seed: int = 0
) -> NDArray[np.int64]:
    """Which fold each image belongs to: whole groups, every class spread evenly."""
    return deal_folds(labels, groups, folds=folds, seed=draw(seed, folds))


@dataclass(frozen=True, kw_only=True)
class BackboneFeatures:
    """The features of one backbone, ready for a head.

    Attributes:
        x: float32 (row, feature): rooted, centred, with a mean squared length of 1.
        mean: What was subtracted, (feature,).
        scale: What was divided by.
    """

    x: Singles
    mean: Floats
    scale: float

    def with_rows(self, features: Singles) -> BackboneFeatures:
        """This block with further rows below, from raw features (row, feature), as its own were made."""
        further = ((signed_root(features) - self.mean) / self.scale).astype(np.float32)
        return BackboneFeatures(x=np.concatenate([self.x, further]), mean=self.mean, scale=self.scale)

    @cached_property
    def squares(self) -> Singles:
        """Squared length of each row."""
        return np.asarray(np.einsum("ij,ij->i", self.x, self.x), np.float32)


def block_of(features: Singles) -> BackboneFeatures:
    """Root, centre and scale raw features (view, image, feature); the plain view says how.

    Example:
        >>> block = block_of(np.array([[[0.0, 4.0], [4.0, 0.0]]], np.float32))
        >>> block.x.astype(float).round(3).tolist()
        [[-0.707, 0.707], [0.707, -0.707]]
    """
    rooted = signed_root(features)
    mean: Floats = rooted[0].mean(axis=0, dtype=np.float64)
    spread = float(np.square(rooted[0] - mean).sum(axis=1).mean())
    scale = spread**0.5 if spread > 0 else 1.0
    x = (rooted.reshape(-1, rooted.shape[-1]) - mean) / scale
    return BackboneFeatures(x=x.astype(np.float32), mean=mean, scale=scale)


def signed_root(features: Singles) -> Singles:
    """As `mindle.models.heads.signed_root`, for arrays."""
    return np.asarray(features / np.sqrt(np.abs(features) + np.float32(ROOT_FLOOR)), np.float32)


class ConcatFeatures:
    """The blocks of one backbone or several, side by side, each of the same weight.

    Shapes: x (row, feature); mean and scale (feature,), as heads take them.
    """

    def __init__(self, blocks: Sequence[BackboneFeatures]) -> None:
        self.blocks = tuple(blocks)
        self._share = len(self.blocks) ** 0.5

    @cached_property
    def x(self) -> Singles:
        """Standardised features, (row, feature)."""
        joined = np.concatenate([block.x for block in self.blocks], axis=1)
        return np.asarray(joined / self._share, np.float32)

    @property
    def mean(self) -> Floats:
        """Mean of each rooted feature."""
        return np.concatenate([block.mean for block in self.blocks])

    @property
    def scale(self) -> Floats:
        """What each rooted and centred feature is divided by."""
        return np.concatenate([np.full(len(block.mean), block.scale * self._share) for block in self.blocks])

    def distances(self, vectors: NDArray[np.int64]) -> Singles:
        """Squared distances of all rows to some of them, (row, vector)."""
        total = np.zeros((len(self.blocks[0].x), len(vectors)), np.float32)
        for block in self.blocks:
            total += block.squares[:, None] + block.squares[vectors] - 2 * (block.x @ block.x[vectors].T)
        return np.asarray(np.maximum(total, 0) / len(self.blocks), np.float32)


# ---- candidates -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A kind of head with its settings, and how it answered images that it had not learned from.

    Attributes:
        kind: "rbf", "logistic", "net" or "blend".
        scores: Out-of-fold scores (image, class).
        offsets: What is added to each class's score, (class,).
        temperature: What makes the softmax of both honest.
        settings: What cross-validation chose.
        build: Fits the head on everything; its logits are the scores divided by what it is given.
    """

    kind: str
    scores: Floats
    labels: NDArray[np.int64]
    offsets: Floats
    temperature: float
    settings: dict[str, float] = field(default_factory=dict)
    build: Callable[[float], Head] = field(repr=False)

    @cached_property
    def log_probabilities(self) -> Floats:
        """Calibrated, (image, class)."""
        return log_softmax((self.scores + self.offsets) / self.temperature)

    @cached_property
    def losses(self) -> Floats:
        """Cross-entropy of each image."""
        return -self.log_probabilities[np.arange(len(self.labels)), self.labels]

    @property
    def log_loss(self) -> float:
        """Mean cross-entropy."""
        return float(self.losses.mean())

    @cached_property
    def answers(self) -> NDArray[np.int64]:
        """The class that is named for each image."""
        return np.asarray((self.scores + self.offsets).argmax(axis=1))

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which images were answered right."""
        return np.asarray(self.answers == self.labels)


def clearly_better(new: Candidate, old: Candidate) -> bool:
    """Whether the cross-entropy is lower by more than the standard error of the difference.

    What costs more (a second backbone, a second head) has to show that much.
    """
    gain = old.losses - new.losses
    return bool(gain.mean() > gain.std() / max(len(gain), 1) ** 0.5)


def blend_helps(mixed: Candidate, best: Candidate) -> bool:
    """Whether a blend is worth a second head: clearly better, and not wrong more often."""
    return bool(mixed.right.sum() >= best.right.sum()) and clearly_better(mixed, best)


def _candidate(
    kind: str,
    scores: Floats,
    labels: NDArray[np.int64],
    build: Callable[[float], Head],
    *,
    settings: dict[str, float] | None = None,
    offsets: Floats | None = None,
) -> Candidate:
    offsets = np.zeros(scores.shape[1]) if offsets is None else offsets
    return Candidate(
        kind=kind,
        scores=scores,
        labels=labels,
        offsets=offsets,
        temperature=fit_temperature(scores + offsets, labels),
        settings=settings or {},
        build=build,
    )


def walk(ladder: Sequence[float], start: float, judge: Callable[[float], float]) -> float:
    """The rung with the lowest value, found by stepping from `start` while it gets better, up first.

    Example:
        >>> walk((1, 2, 3, 4, 5), 2, lambda rung: (rung - 4) ** 2)
        4
    """
    best = ladder.index(start)
    values = {best: judge(start)}
    for step in (1, -1):
        while 0 <= best + step < len(ladder):
            if best + step not in values:
                values[best + step] = judge(ladder[best + step])
            if values[best + step] >= values[best]:
                break
            best += step
    return ladder[best]


# ---- support vectors --------------------------------------------------------------------------------------


class Counted(Protocol):
    """A pool of classes or of numbers."""

    @property
    def rows(self) -> int:
        """How many rows there are, views included."""


def vectors_for(pool: Counted, seed: int = 0) -> NDArray[np.int64]:
    """Rows that become support vectors: all of them, or where there are many, 2,000 drawn at random.

    Example:
        >>> labels = np.zeros(6, np.int64)
        >>> len(vectors_for(HeadData(labels=labels, classes=2, folds=labels)))
        6
    """
    if pool.rows <= MOST_VECTORS:
        return np.arange(pool.rows)
    drawn = np.random.default_rng(draw(seed, pool.rows)).choice(pool.rows, LANDMARKS, replace=False)
    return np.sort(drawn)


class Distances:
    """Squared distances of all rows to the support vectors, and their usual size.

    Attributes:
        vectors: Rows that are support vectors.
        squares: float32 (row, vector).
        unit: Median of what is not 0; gamma is counted in it.
    """

    def __init__(self, pool: Counted, joined: ConcatFeatures, seed: int = 0) -> None:
        self.vectors = vectors_for(pool, seed)
        self.squares = joined.distances(self.vectors)
        some = self.squares[:: max(1, pool.rows // 1000)]
        self.unit = float(np.median(some[some > 0])) if np.any(some > 0) else 1.0

    def kernel(self, gamma: float) -> Floats:
        """The Gaussian kernel (row, vector), made in one piece of memory."""
        kernel = self.squares.astype(np.float64)
        kernel *= -gamma / self.unit
        return np.exp(kernel, out=kernel)


def fit_rbf(
    pool: HeadData,
    joined: ConcatFeatures,
    *,
    seed: int = 0,
    start: tuple[float, float] = (1.0, 0.1),
    search: bool = True,
    fixed: tuple[float, float] = (0.0, 0.0),
    measured: Distances | None = None,
) -> Candidate:
    """Support vectors with a Gaussian kernel, gamma and penalty chosen by cross-validation.

    Gamma is in units of the median squared distance, so that 1 suits most features.

    Args:
        pool: Labels and folds.
        joined: Their features.
        seed: Draws the support vectors where there are many images.
        start: Gamma and penalty to begin with.
        search: Look for better ones.
        fixed: Gamma and penalty that are not to be looked for; 0 where they are.
        measured: The distances, where many heads share them.
    """
    measured = measured or Distances(pool, joined, seed)
    vectors = measured.vectors
    known: dict[tuple[float, float], tuple[float, Floats, Floats]] = {}

    def judge(gamma: float, penalty: float) -> float:
        if (gamma, penalty) not in known:
            kernel = measured.kernel(gamma)
            scores = KERNEL_SHARPNESS * _kernel_scores(kernel, vectors, pool, penalty)
            # Where classes were evened out on purpose, offsets would bring their old shares back.
            offsets = np.zeros(pool.classes) if pool.evened else fit_offsets(scores, pool.labels)  # (class,)
            loss = _loss(scores + offsets, pool.labels)
            known[gamma, penalty] = (loss, scores, offsets)
        return known[gamma, penalty][0]

    gamma, penalty = fixed[0] or start[0], fixed[1] or start[1]
    judge(gamma, penalty)
    if search and not fixed[1]:
        penalty = walk(KERNEL_PENALTIES, penalty, lambda rung: judge(gamma, rung))
    if search and not fixed[0]:
        gamma = walk(GAMMAS, gamma, lambda rung: judge(rung, penalty))

    def build(temperature: float) -> Head:
        kernel = measured.kernel(gamma)
        coefficients = _kernel_coefficients(kernel, vectors, pool, penalty)
        sharp = np.eye(pool.classes) * KERNEL_SHARPNESS / temperature
        return KernelHead(
            joined.mean,
            joined.scale,
            joined.x[vectors],
            gamma / measured.unit,
            coefficients,
            coefficients.sum(axis=0) if len(vectors) == pool.rows else _bias(kernel, coefficients, pool),
            sharp,
            offsets / temperature,
            root=True,
        )

    _, scores, offsets = known[gamma, penalty]
    settings = {"gamma": gamma, "penalty": penalty}
    return _candidate("rbf", scores, pool.labels, build, settings=settings, offsets=offsets)


def rbf_flops(rows: int) -> float:
    """Roughly how many multiplications and additions one pair of settings takes.

    Example:
        >>> rbf_flops(1000) < rbf_flops(2000)
        True
    """
    if rows <= MOST_VECTORS:
        return 3.0 * rows**3 + 2e3 * rows**2
    return 5.0 * rows * LANDMARKS**2 + 2e3 * rows * LANDMARKS


def _loss(scores: Floats, labels: NDArray[np.int64]) -> float:
    log_probabilities = log_softmax(scores / fit_temperature(scores, labels))
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def _kernel_scores(kernel: Floats, vectors: NDArray[np.int64], pool: HeadData, penalty: float) -> Floats:
    """Out-of-fold scores of the plain images, (image, class)."""
    if len(vectors) < pool.rows:
        return _landmark_scores(kernel, vectors, pool, penalty)
    from scipy.linalg import solve

    # With a constant added to the kernel the intercept is one more coefficient, hardly penalised.
    inverse = inverse_of(kernel + 1.0, _ridge(pool, penalty))
    dual = product(inverse, pool.targets)  # (row, class)
    scores, folds = np.empty_like(dual), pool.row_folds
    for fold in np.unique(folds):
        held = np.flatnonzero(folds == fold)
        own = solve(inverse[np.ix_(held, held)], dual[held], assume_a="gen", check_finite=False)
        scores[held] = pool.targets[held] - own
    return scores[: len(pool)]


def _kernel_coefficients(
    kernel: Floats, vectors: NDArray[np.int64], pool: HeadData, penalty: float
) -> Floats:
    if len(vectors) == pool.rows:
        return product(inverse_of(kernel + 1.0, _ridge(pool, penalty)), pool.targets)
    weighed = _weighed(kernel, pool.row_weights)
    gram, right = weighed.T @ kernel, weighed.T @ (pool.targets - _mean(pool.targets, pool.row_weights))
    return np.asarray(np.linalg.solve(_landmark_system(gram, kernel[vectors], penalty), right), np.float64)


def _bias(kernel: Floats, coefficients: Floats, pool: HeadData) -> Floats:
    # The landmark solution is fitted to centred targets; what is left of the mean is the intercept.
    return _mean(pool.targets - kernel @ coefficients, pool.row_weights)


def _ridge(pool: HeadData, penalty: float) -> float | Floats:
    """What is added to the kernel's diagonal: the less, the more a row counts.

    Source: Suykens et al. 2002, "Weighted least squares support vector machines", eq. 12.
    """
    return penalty if pool.row_weights is None else penalty / pool.row_weights


def _weighed(rows: Floats, weights: Floats | None) -> Floats:
    return rows if weights is None else rows * weights[:, None]


def _mean(rows: Floats, weights: Floats | None) -> Floats:
    return np.asarray(rows.mean(axis=0) if weights is None else np.average(rows, axis=0, weights=weights))


def _landmark_scores(kernel: Floats, vectors: NDArray[np.int64], pool: HeadData, penalty: float) -> Floats:
    """As `_kernel_scores` with fewer vectors than rows: one small system for each fold.

    Source: Rudi et al. 2015, "Less is more: Nyström computational regularization", eq. 5.
    """
    weights = pool.row_weights
    weighed = _weighed(kernel, weights)
    gram, among = weighed.T @ kernel, kernel[vectors]
    scores, folds = np.empty((pool.rows, pool.classes)), pool.row_folds
    for fold in np.unique(folds):
        held, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        own = None if weights is None else weights[rest]
        mean = _mean(pool.targets[rest], own)
        left = gram - weighed[held].T @ kernel[held]
        right = weighed[rest].T @ (pool.targets[rest] - mean)
        coefficients = np.linalg.solve(_landmark_system(left, among, penalty), right)
        offset = _mean(pool.targets[rest] - kernel[rest] @ coefficients, own)
        scores[held] = kernel[held] @ coefficients + offset
    return scores[: len(pool)]


def _landmark_system(gram: Floats, among: Floats, penalty: float) -> Floats:
    # A trace of ridge keeps the system solvable where two support vectors are the same picture.
    trace = 1e-8 * float(np.trace(gram)) / len(gram)
    return np.asarray(gram + penalty * among + trace * np.eye(len(gram)))


def inverse_of(kernel: Floats, ridge: float | Floats) -> Floats:
    """(kernel + ridge * I)^-1 by Cholesky, half the work of a general inversion.

    Args:
        kernel: Symmetric, (row, row); its diagonal is changed.
        ridge: Above 0, one for all rows or one for each.

    Example:
        >>> inverse_of(np.full((2, 2), 1.0), 1.0).round(3).tolist()
        [[0.667, -0.333], [-0.333, 0.667]]
    """
    from scipy.linalg.lapack import dpotrf, dpotri

    np.fill_diagonal(kernel, kernel.diagonal() + ridge)
    system = kernel.T  # itself, in the order of LAPACK
    factor, failed = dpotrf(system, lower=1)
    if failed:
        return np.asarray(np.linalg.inv(system))
    inverse, _ = dpotri(factor, lower=1, overwrite_c=1)
    # Only the lower half is there; it is mirrored block by block, for the sake of the processor's cache.
    for start in range(0, len(inverse), 256):
        end = start + 256
        inverse[start:end, end:] = inverse[end:, start:end].T
        block = np.tril(inverse[start:end, start:end])
        inverse[start:end, start:end] = block + np.tril(block, -1).T
    return np.asarray(inverse)


def product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """The product a @ b by the library that SciPy's solvers call.

    NumPy and SciPy each bring a BLAS with threads of its own, which keep their cores busy for a while after
    every call, in wait of the next. Where calls to the two alternate each waits for the other's: on two cores
    a fit took 1.5 (kernel) to 2.5 (logistic) times as long.

    Example:
        >>> product(np.eye(2), np.array([[1.0], [2.0]])).tolist()
        [[1.0], [2.0]]
    """
    from scipy.linalg import get_blas_funcs

    # BLAS keeps columns together: (a @ b).T = b.T @ a.T, whose operands are there without a copy.
    left, turned_left = (b.T, False) if b.flags.c_contiguous else (b, True)
    right, turned_right = (a.T, False) if a.flags.c_contiguous else (a, True)
    gemm = get_blas_funcs("gemm", (left, right))
    return np.asarray(gemm(1.0, left, right, trans_a=turned_left, trans_b=turned_right).T)


# ---- directions -------------------------------------------------------------------------------------------


class Directions:
    """The features turned so that their directions are uncorrelated, the strongest first.

    Attributes:
        z: (row, direction), float64.
        turn: (feature, direction): z = x @ turn.
        strengths: Sum of squares of each direction.
    """

    def __init__(self, joined: ConcatFeatures, seed: int = 0) -> None:
        x = joined.x.astype(np.float64)
        rows, features = x.shape
        if features <= min(rows, MOST_DIRECTIONS):
            strengths, turn = np.linalg.eigh(x.T @ x)
        else:
            # As many directions as rows; of many rows a sample spans what matters.
            some = x
            if rows > MOST_DIRECTIONS:
                drawn = np.random.default_rng(draw(seed, rows)).choice(rows, MOST_DIRECTIONS, replace=False)
                some = x[np.sort(drawn)]
            strengths, sides = np.linalg.eigh(some @ some.T)
            turn = some.T @ sides / np.sqrt(np.maximum(strengths, 1e-12))
        keep = np.flatnonzero(strengths >= 1e-9 * strengths[-1])[::-1]  # all where all are 0
        self.turn = np.ascontiguousarray(turn[:, keep])
        self.z = x @ self.turn
        self.strengths = np.einsum("ij,ij->j", self.z, self.z)

    @cached_property
    def single(self) -> Singles:
        """`z` in float32."""
        return np.asarray(self.z, np.float32)


# ---- logistic ---------------------------------------------------------------------------------------------


def fit_logistic(
    pool: HeadData, joined: ConcatFeatures, directions: Directions, *, fixed: float = 0.0
) -> Candidate:
    """Multinomial logistic regression, its penalty chosen by cross-validation unless it is `fixed`."""
    folds = pool.row_folds
    kept = np.stack([folds != fold for fold in np.unique(folds)], axis=1).astype(np.float64)  # (row, fold)
    known: dict[float, tuple[float, Floats]] = {}

    def judge(penalty: float) -> float:
        if penalty not in known:
            weights, biases = _logistic(pool, directions, kept, penalty)
            scores = np.empty((len(pool), pool.classes))
            for number, fold in enumerate(np.unique(folds)):
                held = np.flatnonzero(pool.folds == fold)
                scores[held] = directions.z[held] @ weights[number] + biases[number]
            known[penalty] = (_loss(scores, pool.labels), scores)
        return known[penalty][0]

    if fixed:
        judge(fixed)
    penalty = fixed or walk(LOGISTIC_PENALTIES, 0.1, judge)

    def build(temperature: float) -> Head:
        weights, biases = _logistic(pool, directions, np.ones((pool.rows, 1)), penalty)
        weight = (directions.turn @ weights[0]).T / temperature  # (class, feature)
        return LinearHead(joined.mean, joined.scale, weight, biases[0] / temperature, root=True)

    return _candidate("logistic", known[penalty][1], pool.labels, build, settings={"penalty": penalty})


def logistic_flops(pool: HeadData, features: int) -> float:
    """Roughly how many multiplications and additions `fit_logistic` takes."""
    directions = min(pool.rows, features, MOST_DIRECTIONS)
    parts = len(np.unique(pool.folds))
    search = 4 * 40 * 4 * pool.rows * directions * pool.classes * parts
    return float(search + 12 * directions**3 + 2 * pool.rows * features * directions)


def _logistic(pool: HeadData, directions: Directions, kept: Floats, penalty: float) -> tuple[Floats, Floats]:
    """Weights (part, direction, class) and biases (part, class) of several fits at once.

    Each part learns from the rows that its column of `kept` (row, part) marks. In these directions the
    bound of Böhning on the curvature is diagonal; dividing by it leaves L-BFGS little to do.

    Source: Böhning 1992, "Multinomial logistic regression algorithm".
    """
    from scipy.optimize import minimize

    # Products in float32 take half the time; where the search ends moves by far less than it is exact.
    z, classes, parts = directions.single, pool.classes, kept.shape[1]
    rows, width = z.shape
    if pool.row_weights is not None:
        kept = kept * pool.row_weights[:, None]
    ease = 1 / np.sqrt(0.25 * directions.strengths + penalty)[:, None]
    bias_ease = 1 / np.sqrt(0.25 * rows)
    truth = np.eye(classes)[pool.row_labels][:, None, :]  # (row, 1, class)

    def loss_and_slope(flat: Floats) -> tuple[float, Floats]:
        free = flat.reshape(width + 1, parts * classes)
        weights, biases = free[:width] * ease, free[width] * bias_ease
        logits = (product(z, weights.astype(np.float32)) + biases).reshape(rows, parts, classes)
        logits -= logits.max(axis=2, keepdims=True)
        odds = np.exp(logits)
        sums = odds.sum(axis=2, keepdims=True)
        chosen = (logits * truth).sum(axis=2) - np.log(sums[:, :, 0])  # (row, part)
        care = kept
        if pool.focal:
            care, chosen = _focal(chosen, kept, pool.focal)
        slope = ((odds / sums - truth) * care[:, :, None]).reshape(rows, parts * classes)
        gradient = np.concatenate(
            [
                (product(z.T, slope.astype(np.float32)) + penalty * weights) * ease,
                slope.sum(0)[None] * bias_ease,
            ]
        )
        loss = -(kept * chosen).sum() + 0.5 * penalty * np.square(weights).sum()
        return float(loss), gradient.ravel()

    found = minimize(
        loss_and_slope,
        np.zeros((width + 1) * parts * classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 60, "ftol": 1e-5, "gtol": 1e-4, "maxcor": 8},
    )
    free = np.asarray(found.x).reshape(width + 1, parts, classes)
    weights = (free[:width] * ease[:, :, None]).transpose(1, 0, 2)
    return weights, free[width] * bias_ease


def _focal(log_p: Floats, kept: Floats, gamma: float) -> tuple[Floats, Floats]:
    """What each row's slope counts under the focal loss, and its loss with the sign turned, (row, part).

    Source: Lin et al. 2017, https://arxiv.org/abs/1708.02002, eq. 4 and its derivative, appendix B.
    """
    p = np.exp(log_p)
    wrong = np.maximum(1 - p, 1e-9)
    return kept * (wrong**gamma - gamma * wrong ** (gamma - 1) * p * log_p), wrong**gamma * log_p


# ---- small net --------------------------------------------------------------------------------------------


def fit_net(
    pool: HeadData,
    joined: ConcatFeatures,
    directions: Directions,
    *,
    seed: int = 0,
    units: int = NET_UNITS,
    dropout: float = NET_DROPOUT,
) -> Candidate:
    """One hidden layer with dropout on the strongest directions; all folds are trained at once."""
    folds = np.unique(pool.folds)
    kept = [np.flatnonzero(pool.row_folds != fold) for fold in folds]
    z, stretch = _net_inputs(directions)
    nets = _train_nets(z, pool, kept, seed, units, dropout)
    scores = np.empty((len(pool), pool.classes))
    for number, fold in enumerate(folds):
        held = np.flatnonzero(pool.folds == fold)
        scores[held] = _net_answers(nets, number, z[held])

    def build(temperature: float) -> Head:
        whole = [np.arange(pool.rows)]
        first, first_bias, last, last_bias = _train_nets(z, pool, whole, seed, units, dropout)
        layers: list[dict[str, Any]] = [
            {"kind": "dense", "units": units, "activation": "relu"},
            {"kind": "dropout", "rate": dropout},
            {"kind": "dense", "units": "classes"},
        ]
        head = NetHead(joined.mean, joined.scale, layers, classes=pool.classes, seed=seed, root=True)
        hidden, output = [module for module in head.modules() if isinstance(module, nn.Linear)]
        turn = torch.from_numpy(directions.turn[:, : z.shape[1]] * stretch).float()  # (feature, direction)
        with torch.no_grad():
            hidden.weight.copy_((turn @ first[0]).T)
            hidden.bias.copy_(first_bias[0, 0])
            output.weight.copy_(last[0].T / temperature)
            output.bias.copy_(last_bias[0, 0] / temperature)
        return head.eval()

    return _candidate("net", scores, pool.labels, build)


Nets = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def _net_inputs(directions: Directions) -> tuple[torch.Tensor, float]:
    """The strongest directions (row, direction), stretched to a mean square of 1, and by how much."""
    z = directions.z[:, :NET_DIRECTIONS]
    stretch = float(1 / max(np.sqrt(np.mean(z**2)), 1e-12))
    return torch.from_numpy(z * stretch).float(), stretch


def _train_nets(
    z: torch.Tensor,
    pool: HeadData,
    kept: Sequence[NDArray[np.int64]],
    seed: int,
    units: int,
    dropout: float,
    *,
    steps: int | None = None,
) -> Nets:
    """Train one net a part, all in the same matrix products: (part, in, unit), (part, unit, class)."""
    threads = torch.get_num_threads()
    # Products this small are slower on several threads, and very much so where other programs run too.
    torch.set_num_threads(1)
    try:
        return _trained_nets(z, pool, kept, seed, units, dropout, steps or _net_steps(pool))
    finally:
        torch.set_num_threads(threads)


def _trained_nets(
    z: torch.Tensor,
    pool: HeadData,
    kept: Sequence[NDArray[np.int64]],
    seed: int,
    units: int,
    dropout: float,
    steps: int,
) -> Nets:
    parts, width = len(kept), z.shape[1]
    generator = torch.Generator().manual_seed(draw(seed, parts, width))
    labels = torch.from_numpy(pool.row_labels)
    rows = [torch.from_numpy(part) for part in kept]
    nets = (
        torch.randn(parts, width, units, generator=generator) * (2 / width) ** 0.5,
        torch.zeros(parts, 1, units),
        torch.randn(parts, units, pool.classes, generator=generator) * units**-0.5,
        torch.zeros(parts, 1, pool.classes),
    )
    for tensor in nets:
        tensor.requires_grad_(True)
    optimizer = torch.optim.AdamW(nets, lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        picks = torch.stack(
            [part[torch.randint(len(part), (NET_BATCH,), generator=generator)] for part in rows]
        )
        hidden = torch.relu(torch.baddbmm(nets[1], z[picks], nets[0]))  # (part, row, unit)
        alive = torch.rand(hidden.shape, generator=generator) >= dropout
        logits = torch.baddbmm(nets[3], hidden * alive / (1 - dropout), nets[2])  # (part, row, class)
        loss = _net_loss(logits.flatten(0, 1), labels[picks].flatten(), pool)
        optimizer.zero_grad()
        (loss * parts).backward()  # type: ignore[no-untyped-call]  # torch's stub
        optimizer.step()
        schedule.step()
    return tuple(tensor.detach() for tensor in nets)  # type: ignore[return-value]  # four of them


def foresee_net(pool: HeadData, directions: int, *, units: int = NET_UNITS) -> float:
    """About how many seconds `fit_net` and its build would take, from a few steps that are thrown away."""
    z = torch.zeros(pool.rows, min(directions, NET_DIRECTIONS))
    kept = [np.flatnonzero(pool.row_folds != fold) for fold in np.unique(pool.folds)]

    def seconds(steps: int) -> float:
        began = time.perf_counter()
        _train_nets(z, pool, kept, 0, units, NET_DROPOUT, steps=steps)
        return time.perf_counter() - began

    seconds(1)  # the first step pays for what the others find
    return seconds(FORESEEN_STEPS) / FORESEEN_STEPS * _net_steps(pool) * (1 + 1 / len(kept))


def _net_steps(pool: HeadData) -> int:
    return min(NET_STEPS, max(100, 40 * pool.rows // NET_BATCH))


def _net_loss(logits: torch.Tensor, labels: torch.Tensor, pool: HeadData) -> torch.Tensor:
    """Smoothed cross-entropy of (row, class); each class counts as the pool says."""
    weights = None if pool.weights is None else torch.from_numpy(pool.weights).float()
    if not pool.focal:
        return nn.functional.cross_entropy(logits, labels, weights, label_smoothing=0.1)
    soft = nn.functional.one_hot(labels, pool.classes).float().lerp(torch.tensor(1 / pool.classes), 0.1)
    return focal_loss(logits, soft, pool.focal, weights)


def _net_answers(nets: Nets, number: int, z: torch.Tensor) -> Floats:
    hidden = torch.relu(z @ nets[0][number] + nets[1][number])
    return np.asarray((hidden @ nets[2][number] + nets[3][number]).double().numpy())


# ---- blends -----------------------------------------------------------------------------------------------


def blend(one: Candidate, two: Candidate) -> Candidate:
    """The mean of two heads' calibrated log-probabilities."""
    scores = (one.log_probabilities + two.log_probabilities) / 2

    def build(temperature: float) -> Head:
        # A blend's logits are log-probabilities; the temperature stays outside of it.
        if temperature != 1.0:
            raise ValueError(f"A blend must keep its temperature outside. Received {temperature}.")
        return BlendHead([one.build(one.temperature), two.build(two.temperature)], np.ones(2))

    return _candidate("blend", scores, one.labels, build)
