"""Heads that estimate numbers from frozen features: ridge regression and a Gaussian kernel, and their mean.

    features -> signed root -> centred, one scale a backbone -> head -> standardised number

Both minimise squared errors with one penalty, which cross-validation chooses, and both keep beside the head
that learned from all images one for each fold that did not see it: a bundle carries them, for they say how
far estimates may be off (CV+, see `mindle.evaluation.conformal`). Every fold's head falls out of one
inversion.

Views of an image, and images of one group, are always in one fold; errors are those on plain images.

Source:
    Kernel ridge regression with folds from one inversion: Rifkin & Lippert 2007, "Notes on regularized least
    squares", section 4, with blocks for single rows. Fewer vectors than rows: Rudi et al. 2015, eq. 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mindle.models.heads import Head, KernelHead, LinearHead, MeanHead
from mindle.training.images.heads import (
    GAMMAS,
    MOST_VECTORS,
    ConcatFeatures,
    Distances,
    inverse_of,
    product,
    walk,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PENALTIES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
KINDS = ("ridge", "rbf")


@dataclass(frozen=True, kw_only=True)
class NumberHeadData:
    """The images that heads learn from, less their features.

    Attributes:
        targets: Standardised number of each image.
        folds: Part of the cross-validation that each image belongs to, 0, 1, 2…
        views: Augmented views of each image, besides the plain one; rows are (view, image).
    """

    targets: Floats
    folds: Ints
    views: int = 0

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def rows(self) -> int:
        """Rows of features: images times views."""
        return len(self.targets) * (self.views + 1)

    @property
    def row_targets(self) -> Floats:
        """Number of each row of features."""
        return np.tile(self.targets, self.views + 1)

    @property
    def row_folds(self) -> Ints:
        """Fold of each row of features."""
        return np.tile(self.folds, self.views + 1)


@dataclass(frozen=True, kw_only=True)
class NumberCandidate:
    """A kind of head with its settings, and what it estimated of images that it had not learned from.

    Attributes:
        kind: "ridge", "rbf" or "mean".
        estimates: Out-of-fold estimates (image,), standardised.
        targets: The truth.
        settings: What cross-validation chose.
        build: Fits the head on everything; its scores are (image, 1 + fold).
    """

    kind: str
    estimates: Floats
    targets: Floats
    settings: dict[str, float] = field(default_factory=dict)
    build: Callable[[], Head] = field(repr=False)

    @cached_property
    def errors(self) -> Floats:
        """Absolute error of each image."""
        return np.abs(self.estimates - self.targets)

    @property
    def mae(self) -> float:
        """Mean absolute error, in standard deviations of the target."""
        return float(self.errors.mean())


def clearly_closer(new: NumberCandidate, old: NumberCandidate) -> bool:
    """Whether errors are smaller by more than the standard error of the difference."""
    gain = old.errors - new.errors
    return bool(gain.mean() > gain.std() / max(len(gain), 1) ** 0.5)


def fit_ridge(pool: NumberHeadData, joined: ConcatFeatures) -> NumberCandidate:
    """Ridge regression, its penalty chosen by cross-validation.

    Example:
        >>> from mindle.training.images.heads import block_of
        >>> x = np.random.default_rng(0).uniform(1, 4, (1, 60, 3)).astype(np.float32)
        >>> y = np.sqrt(x[0]) @ [2.0, -1.0, 0.5]
        >>> pool = NumberHeadData(targets=(y - y.mean()) / y.std(), folds=np.arange(60) % 5)
        >>> fit_ridge(pool, ConcatFeatures([block_of(x)])).mae < 0.01
        True
    """
    if pool.rows <= MOST_VECTORS:
        x = joined.x.astype(np.float64)
        basis = _Basis.dual(pool, x @ x.T)
    else:
        basis = _Basis.primal(pool, joined.x.astype(np.float64), None)
    penalty, estimates = _searched(basis)

    def build() -> Head:
        coefficients = basis.solve(penalty)  # (row or feature, 1 + fold)
        if basis.is_dual:
            weights = joined.x.T.astype(np.float64) @ coefficients
            bias = coefficients.sum(axis=0)
        else:
            weights, bias = coefficients[:-1], coefficients[-1]
        return LinearHead(joined.mean, joined.scale, weights.T, bias, root=True)

    return NumberCandidate(
        kind="ridge", estimates=estimates, targets=pool.targets, settings={"penalty": penalty}, build=build
    )


def fit_kernel(
    pool: NumberHeadData, joined: ConcatFeatures, *, seed: int = 0, fixed: tuple[float, float] = (0.0, 0.0)
) -> NumberCandidate:
    """Ridge regression with a Gaussian kernel, gamma and penalty chosen by cross-validation.

    Gamma is in units of the median squared distance, so that 1 suits most features.

    Args:
        pool: Targets and folds.
        joined: Features.
        seed: Draws the support vectors where there are many images.
        fixed: Gamma and penalty that are not to be looked for; 0 where they are.
    """
    measured = Distances(pool, joined, seed)
    vectors = measured.vectors
    found: dict[float, tuple[float, Floats]] = {}

    def basis_of(gamma: float) -> _Basis:
        kernel = measured.kernel(gamma)
        if len(vectors) == pool.rows:
            return _Basis.dual(pool, kernel)
        return _Basis.primal(pool, kernel, kernel[vectors])

    def judge(gamma: float) -> float:
        if gamma not in found:
            found[gamma] = _searched(basis_of(gamma), fixed[1])
        return float(np.square(found[gamma][1] - pool.targets).mean())

    gamma = fixed[0] or walk(GAMMAS, 1.0, judge)
    judge(gamma)
    penalty, estimates = found[gamma]

    def build() -> Head:
        basis = basis_of(gamma)
        coefficients = basis.solve(penalty)
        intercept = coefficients.sum(axis=0) if basis.is_dual else coefficients[-1]
        support = coefficients if basis.is_dual else coefficients[:-1]
        outputs = support.shape[1]
        return KernelHead(
            joined.mean,
            joined.scale,
            joined.x[vectors],
            gamma / measured.unit,
            support,
            intercept,
            np.eye(outputs),
            np.zeros(outputs),
            root=True,
        )

    return NumberCandidate(
        kind="rbf",
        estimates=estimates,
        targets=pool.targets,
        settings={"gamma": gamma, "penalty": penalty},
        build=build,
    )


def average(one: NumberCandidate, two: NumberCandidate) -> NumberCandidate:
    """The mean of two heads' estimates."""
    return NumberCandidate(
        kind="mean",
        estimates=(one.estimates + two.estimates) / 2,
        targets=one.targets,
        build=lambda: MeanHead([one.build(), two.build()]),
    )


# ---- least squares ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Basis:
    """What estimates are sums of, and what their coefficients cost; a constant is one of them.

    Attributes:
        pool: Targets and folds.
        rows: (row, row) kernel with a constant added, or (row, function) with a column of ones.
        cost: (function, function), or None where coefficients are those of rows.
        sums: Of functions: products with each other (function, function) and with the targets (function,),
            over all rows and over all but each fold's.
    """

    pool: NumberHeadData
    rows: Floats
    cost: Floats | None = None
    sums: tuple[tuple[Floats, Floats], ...] = ()

    @classmethod
    def dual(cls, pool: NumberHeadData, kernel: Floats) -> _Basis:
        """A coefficient for each row of a kernel (row, row)."""
        return cls(pool=pool, rows=kernel + 1.0)

    @classmethod
    def primal(cls, pool: NumberHeadData, functions: Floats, among: Floats | None) -> _Basis:
        """A coefficient for each function (row, function); `among` is what they cost, else each costs 1."""
        count = functions.shape[1]
        cost = np.zeros((count + 1, count + 1))
        cost[:-1, :-1] = np.eye(count) if among is None else among
        rows = np.concatenate([functions, np.ones((len(functions), 1))], axis=1)
        targets, folds = pool.row_targets, pool.row_folds
        gram, right = rows.T @ rows, rows.T @ targets
        sums = [(gram, right)]
        for fold in np.unique(folds):
            held = rows[folds == fold]
            sums.append((gram - held.T @ held, right - held.T @ targets[folds == fold]))
        return cls(pool=pool, rows=rows, cost=cost, sums=tuple(sums))

    @property
    def is_dual(self) -> bool:
        """Whether coefficients are those of rows."""
        return self.cost is None

    def solve(self, penalty: float) -> Floats:
        """Coefficients (row or function, 1 + fold): learned from all rows, and from all but each fold's."""
        if self.cost is None:
            return _dual_coefficients(self.rows, self.pool, penalty)
        # A trace of ridge keeps the system solvable where two support vectors are the same picture.
        trace = 1e-8 * float(np.trace(self.sums[0][0])) / len(self.cost)
        system = penalty * self.cost + trace * np.eye(len(self.cost))
        return np.stack([np.linalg.solve(gram + system, right) for gram, right in self.sums], axis=1)


def _searched(basis: _Basis, fixed: float = 0.0) -> tuple[float, Floats]:
    """The penalty with the smallest squared error out of fold, and the estimates (image,)."""
    known: dict[float, Floats] = {}
    pool = basis.pool

    def judge(penalty: float) -> float:
        if penalty not in known:
            scores = basis.rows[: len(pool)] @ basis.solve(penalty)[:, 1:]  # (image, fold)
            known[penalty] = scores[np.arange(len(pool)), pool.folds]
        return float(np.square(known[penalty] - pool.targets).mean())

    penalty = fixed or walk(PENALTIES, 0.1, judge)
    judge(penalty)
    return penalty, known[penalty]


def _dual_coefficients(kernel: Floats, pool: NumberHeadData, penalty: float) -> Floats:
    from scipy.linalg import solve

    inverse = inverse_of(kernel.copy(), penalty)
    whole = product(inverse, pool.row_targets[:, None])[:, 0]  # (row,)
    columns, folds = [whole], pool.row_folds
    for fold in np.unique(folds):
        held = np.flatnonzero(folds == fold)
        # What is left where the coefficients of the held rows are forced to 0.
        own = solve(inverse[np.ix_(held, held)], whole[held], assume_a="gen", check_finite=False)
        part = whole - product(inverse[:, held], own[:, None])[:, 0]
        part[held] = 0.0
        columns.append(part)
    return np.stack(columns, axis=1)
