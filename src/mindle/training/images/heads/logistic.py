"""Multinomial logistic regression with an L2 penalty: all folds at once, along a path of penalties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import log

import numpy as np
from numpy.typing import NDArray

from mindle.models.heads import Head, LinearHead
from mindle.training.images.heads.candidates import ClassCandidate, ClassHeadData, Pace
from mindle.training.images.heads.features import (
    MOST_DIRECTIONS,
    ConcatFeatures,
    Directions,
    Floats,
    Ints,
    Singles,
    product,
)
from mindle.training.images.heads.solver import walk
from mindle.training.settings import ProbeSettings

Real = NDArray[np.floating]
# A fit ends where its loss is expected to fall by no more than this share.
TOLERANCE, MOST_STEPS, MOST_PAIRS = 1e-5, 100, 8
# A logit further above that of the true class costs no more; exp() of it is still a number.
HIGHEST = 80.0


def fit_logistic(
    data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
) -> ClassCandidate:
    """Multinomial logistic regression; `logistic_l2` is its penalty, or cross-validation chooses one."""
    folds, directions = np.unique(data.row_folds), features.directions
    learned = 1.0 * (data.row_folds != folds[:, None])  # (fold, row)
    path = features.once(data, lambda: _path(data, directions, learned))

    @cache
    def scores_of(penalty: float) -> Floats:
        weights = path.weights(penalty)
        scores = np.empty((len(data), data.classes))
        for number, fold in enumerate(folds):
            out = np.flatnonzero(data.folds == fold)
            scores[out] = product(path.z[out], weights[number].T)
        return scores

    penalty = settings.logistic_l2 or walk(data.penalties, 0.1, lambda penalty: data.loss(scores_of(penalty)))

    def build(temperature: float) -> Head:
        weights = _path(data, directions, np.ones((1, data.rows))).weights(penalty)[0]
        weight = product(weights[:, :-1], directions.turn.T) / temperature  # (class, feature)
        return LinearHead(features.standardise(), weight, weights[:, -1] / temperature)

    return data.candidate("logistic", scores_of(penalty), build, penalty=penalty)


def logistic_seconds(data: ClassHeadData, width: int, settings: ProbeSettings, pace: Pace) -> float:
    """Roughly what `fit_logistic` takes, by its multiplications and additions."""
    directions = min(data.rows, width, MOST_DIRECTIONS)
    search = 7 * 7 * 4 * data.rows * directions * data.classes * len(np.unique(data.folds))
    return pace.flop_seconds * float(search + 12 * directions**3 + 2 * data.rows * width * directions)


def _path(data: ClassHeadData, directions: Directions, learned: Floats) -> LogisticPath:
    weights = 1.0 if data.row_weights is None else data.row_weights
    truth = np.eye(data.classes)[data.row_truth]
    return LogisticPath(directions, truth, learned * weights, grid=data.penalties, focal=data.focal)


@dataclass(frozen=True)
class Point:
    """Weights of all fits, and what the loss is there.

    Attributes:
        weights: (fit, class, direction + 1), the bias last.
        slope: Of the loss, the same.
        losses: Of each fit, its penalty included.
        squares: Half the sum of squared weights of each fit, which the penalty multiplies.
        curvature: Mean second derivative by a logit, (fit, class, 1).
    """

    weights: Singles
    slope: Singles
    losses: Floats
    squares: Floats
    curvature: Singles

    def where(self, chosen: NDArray[np.bool_], other: Point) -> Point:
        """This for the chosen fits, the other one for the rest."""
        pairs = ((vars(self)[name], vars(other)[name]) for name in vars(self))
        return Point(*(np.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in pairs))


class LogisticPath:
    """Logistic regressions on several sets of rows, for one penalty after another.

    All sets are fitted in the same matrix products. A penalty begins where the two next larger ones of the
    grid point, so that three to ten steps of L-BFGS do; what it comes to depends on nothing else that was
    asked. In directions without correlation the second derivative is nearly diagonal, and the steps are
    measured by it. Products are in float32; losses are summed in float64.

    Args:
        directions: Of the features.
        truth: 1 for the class of each row, 0 for the others, (row, class).
        learned: What each row counts in each fit, (fit, row); 0 holds it out.
        grid: Penalties to pass on the way to smaller ones.
        focal: Gamma of the focal loss; 0 is plain cross-entropy.

    Source:
        Paths of warm starts: Friedman, Hastie & Tibshirani 2010, "Regularization paths for generalized linear
        models", section 2.5. L-BFGS: Nocedal & Wright 2006, algorithm 7.4.
    """

    def __init__(
        self,
        directions: Directions,
        truth: Floats,
        learned: Floats,
        *,
        grid: Sequence[float],
        focal: float = 0.0,
    ) -> None:
        rows = len(truth)
        self.z = directions.with_bias
        self.strengths = np.append(directions.strengths, rows).astype(np.float32)
        self.truth = np.ascontiguousarray(truth.T, np.float32)  # (class, row)
        self.learned, self.focal = np.asarray(learned, np.float32), focal
        self.grid = sorted(grid, reverse=True)
        self.penalised = np.append(np.ones(self.z.shape[1] - 1, np.float32), np.float32(0))
        self._known: dict[float, Point] = {}

    def weights(self, penalty: float) -> Singles:
        """Of all fits, (fit, class, direction + 1), the bias last."""
        return self._point(penalty, [each for each in self.grid if each > penalty]).weights

    def _point(self, penalty: float, larger: Sequence[float]) -> Point:
        """The solution for a penalty; those of the grid, which others begin at, are kept."""
        if penalty in self._known:
            return self._known[penalty]
        for number, each in enumerate(larger):
            self._point(each, larger[:number])
        found = self._descend(self._start(penalty, larger[-2:]), penalty)
        if penalty in self.grid:
            self._known[penalty] = found
        return found

    def _start(self, penalty: float, larger: Sequence[float]) -> Point:
        """Where the solutions for one or two larger penalties point, or those of the last, or nothing."""
        fits, classes = len(self.learned), len(self.truth)
        if not larger:
            zeros = np.zeros((fits, classes, self.z.shape[1]), np.float32)
            return self._evaluate(zeros, penalty, np.arange(fits))
        last, more = self._known[larger[-1]], np.float32(penalty - larger[-1])
        slope = last.slope + more * last.weights * self.penalised
        losses = last.losses + more * last.squares
        near = Point(last.weights, slope, losses, last.squares, last.curvature)
        if len(larger) < 2:
            return near
        further = np.float32(log(penalty / larger[-1]) / log(larger[-1] / larger[-2]))
        ahead = last.weights + further * (last.weights - self._known[larger[-2]].weights)
        found = self._evaluate(ahead, penalty, np.arange(fits))
        return found.where(found.losses < near.losses, near)

    def _evaluate(self, weights: Singles, penalty: float, fits: Ints) -> Point:
        """The losses of some fits at these weights."""
        learned, truth = self.learned[fits], self.truth
        shape = (len(fits), *truth.shape)
        logits = product(weights.reshape(-1, weights.shape[2]), self.z.T).reshape(shape)
        # Against the true class: what is hardly wrong any more keeps its digits, which 1 - p would lose.
        logits -= np.einsum("fcr,cr->fr", logits, truth)[:, None]
        odds = np.exp(np.minimum(logits, HIGHEST, out=logits), out=logits)
        odds *= 1 - truth
        sums = odds.sum(axis=1)  # (fit, row)
        care: Real = learned
        log_p: Real = -np.log1p(sums)
        if self.focal:
            care, log_p = _focal(log_p, learned, self.focal)
        right = 1 / (1 + sums)
        odds *= right[:, None]  # probabilities of the wrong classes
        wrong = sums * right
        bend = odds * (1 - odds) + truth * (wrong * right)[:, None]
        curvature = np.einsum("fcr,fr->fc", bend, care)[:, :, None] / truth.shape[1]
        odds -= truth * wrong[:, None]
        odds *= care[:, None]
        slope = product(odds.reshape(-1, truth.shape[1]), self.z).reshape(weights.shape)
        shrunk = weights * self.penalised
        squares = np.einsum("fcd,fcd->f", shrunk, shrunk, dtype=np.float64) / 2
        losses = penalty * squares - np.einsum("fr,fr->f", learned, log_p, dtype=np.float64)
        return Point(weights, slope + np.float32(penalty) * shrunk, losses, squares, curvature)

    def _descend(self, at: Point, penalty: float) -> Point:
        """L-BFGS on all fits at once, each until nothing is left to gain."""
        rows = self.learned.sum(axis=1)[:, None, None]
        # A trace for a bias that nobody is unsure of.
        bends = at.curvature * self.strengths + np.float32(penalty) * self.penalised + 1e-6 * rows
        unit = (1 / np.sqrt(bends)).astype(np.float32)
        pairs: list[tuple[Singles, Singles, Singles]] = []
        for _ in range(MOST_STEPS):
            slope = at.slope * unit
            going = np.flatnonzero(_dot(slope, slope) > 2 * TOLERANCE * at.losses)
            if not len(going):
                break
            towards = _direction(slope, pairs)
            new = self._step(at, towards * unit, -_dot(slope, towards), penalty, going)
            moved, change = (new.weights - at.weights) / unit, (new.slope - at.slope) * unit
            product_of = _dot(moved, change)
            inverse = np.where(product_of > 0, 1 / np.where(product_of > 0, product_of, 1), 0)
            pairs = [*pairs, (moved, change, _each(inverse))][-MOST_PAIRS:]
            at = new
        return at

    def _step(self, at: Point, towards: Singles, fall: Singles, penalty: float, going: Ints) -> Point:
        """One step of the fits that go on, shortened until the loss falls as the slope lets expect."""
        new = Point(**{name: array.copy() for name, array in vars(at).items()})
        size = np.ones(len(self.learned))
        for _ in range(10):
            tried = at.weights[going] - _each(size[going]) * towards[going]
            found = self._evaluate(tried, penalty, going)
            for name, array in vars(found).items():
                vars(new)[name][going] = array
            most = at.losses + 1e-4 * size * fall + 1e-7 * at.losses
            going = going[~(new.losses[going] <= most[going])]
            if not len(going):
                break
            size[going] *= 0.3
        return new


def _direction(slope: Singles, pairs: Sequence[tuple[Singles, Singles, Singles]]) -> Singles:
    """The two-loop recursion, for each fit by itself."""
    towards, shares = slope.copy(), []
    for moved, change, inverse in reversed(pairs):
        shares.append(inverse * _each(_dot(moved, towards)))
        towards -= shares[-1] * change
    if pairs:
        _, change, inverse = pairs[-1]
        scale = inverse * _each(_dot(change, change))
        towards /= np.where(scale > 0, scale, 1)
    for (moved, change, inverse), share in zip(pairs, reversed(shares), strict=True):
        towards += (share - inverse * _each(_dot(change, towards))) * moved
    return towards


def _dot(a: Singles, b: Singles) -> Singles:
    return np.asarray(np.einsum("fcd,fcd->f", a, b))


def _each(values: NDArray[np.floating]) -> Singles:
    """A value for each fit, to be multiplied with its weights."""
    return values.astype(np.float32)[:, None, None]


def _focal(log_p: Real, learned: Real, gamma: float) -> tuple[Real, Real]:
    """What each row's slope counts under the focal loss, and its loss with the sign turned, (fit, row).

    Source: Lin et al. 2017, https://arxiv.org/abs/1708.02002, eq. 4 and its derivative, appendix B.
    """
    p = np.exp(log_p)
    wrong = np.maximum(1 - p, 1e-9)
    return learned * (wrong**gamma - gamma * wrong ** (gamma - 1) * p * log_p), wrong**gamma * log_p
