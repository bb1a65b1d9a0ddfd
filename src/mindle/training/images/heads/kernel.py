"""Heads by least squares: a Gaussian kernel for classes and for numbers, ridge regression for numbers.

An LS-SVM minimises squared errors with one penalty: every image is a support vector, and the solution,
cross-validation included, is one matrix inversion. What rare classes lose by squared errors is given back to
them by an offset a class (`fit_offsets`). Gamma is in units of the median squared distance, so that 1 suits
most features.

Source:
    Suykens & Vandewalle 1999, "Least squares support vector machine classifiers".
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mindle.models.heads import Head, KernelHead, LinearHead
from mindle.training.images.heads.candidates import C, HeadData, NumberCandidate, NumberHeadData, Pace
from mindle.training.images.heads.features import LANDMARKS, MOST_VECTORS, ConcatFeatures, Floats
from mindle.training.images.heads.solver import (
    Dual,
    Primal,
    Solution,
    Solver,
    kernel_solver,
    side_by_side,
    walk,
)
from mindle.training.settings import ProbeSettings

# Where a search begins and where it may go: the grid of gammas is walked while that helps.
GAMMA, PENALTY = 1.0, 0.1
GAMMAS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)


def fit_rbf(
    data: HeadData[C], features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
) -> C:
    """Ridge regression in a Gaussian kernel; of classes it makes an LS-SVM.

    Gamma and penalty are those of the settings, or chosen by cross-validation where these say 0.

    Args:
        data: Labels or numbers, and folds.
        features: Their features.
        settings: `rbf_gamma` and `rbf_l2`.
        search: Look for better ones than the usual ones.
    """
    measured = features.measured
    solvers: dict[float, Solver] = {}

    def solver_of(gamma: float) -> Solver:
        if gamma not in solvers:
            solvers.clear()  # a kernel is large
            solvers[gamma] = kernel_solver(data, measured, gamma)
        return solvers[gamma]

    @cache
    def evaluate(gamma: float, penalty: float) -> tuple[float, Floats, Floats]:
        scores = data.sharpness * solver_of(gamma).out_of_fold(penalty)
        offsets = data.offsets(scores)
        return data.loss(scores + offsets), scores + offsets, offsets

    @cache
    def penalty_of(gamma: float) -> float:
        if settings.rbf_l2 or not search:
            return settings.rbf_l2 or PENALTY
        return walk(data.penalties, PENALTY, lambda penalty: evaluate(gamma, penalty)[0])

    gamma = first = settings.rbf_gamma or GAMMA
    if search and not settings.rbf_gamma:
        # Of classes the penalty stays, of numbers each gamma has one that suits it.
        gamma = walk(
            GAMMAS, gamma, lambda each: evaluate(each, penalty_of(each if data.nested else first))[0]
        )
    penalty = penalty_of(gamma if data.nested else first)
    _, scores, offsets = evaluate(gamma, penalty)
    solvers.clear()

    def build(temperature: float) -> Head:
        solver = kernel_solver(data, measured, gamma)
        coefficients, intercept = _solution(data, solver, penalty)
        outputs = len(intercept)
        return KernelHead(
            features.standardise(),
            features.x[measured.vectors],
            gamma / measured.unit,
            coefficients,
            intercept,
            np.eye(outputs) * data.sharpness / temperature,
            np.zeros(outputs) + offsets / temperature,
        )

    return data.candidate("rbf", scores, build, gamma=gamma, penalty=penalty)


def fit_ridge(
    data: NumberHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
) -> NumberCandidate:
    """Ridge regression, its penalty chosen by cross-validation.

    Example:
        >>> from mindle.training.images.heads.features import block_of
        >>> x = np.random.default_rng(0).uniform(1, 4, (1, 60, 3)).astype(np.float32)
        >>> y = np.sqrt(x[0]) @ [2.0, -1.0, 0.5]
        >>> data = NumberHeadData(truth=(y - y.mean()) / y.std(), folds=np.arange(60) % 5)
        >>> fit_ridge(data, ConcatFeatures([block_of(x)]), ProbeSettings()).loss < 0.01
        True
    """
    x, dual = features.x.astype(np.float64), data.rows <= MOST_VECTORS
    solver: Solver = Dual(data, x @ x.T) if dual else Primal(data, x, np.eye(x.shape[1]))
    scores_of = cache(solver.out_of_fold)
    penalty = walk(data.penalties, PENALTY, lambda penalty: data.loss(scores_of(penalty)))

    def build(temperature: float) -> Head:
        coefficients, intercept = _solution(data, solver, penalty)
        weights = features.x.T.astype(np.float64) @ coefficients if dual else coefficients
        return LinearHead(features.standardise(), weights.T, intercept)

    return data.candidate("ridge", scores_of(penalty), build, penalty=penalty)


def _solution(data: HeadData[C], solver: Solver, penalty: float) -> Solution:
    """What is learned from all rows, and beside it, where heads keep that, from all but each fold's."""
    whole = solver.solution(penalty)
    return side_by_side([whole, *solver.fold_solutions(penalty)]) if data.fold_outputs else whole


def rbf_flops(rows: int) -> float:
    """Roughly how many multiplications and additions one pair of settings takes.

    Example:
        >>> rbf_flops(1000) < rbf_flops(2000)
        True
    """
    if rows <= MOST_VECTORS:
        return 3.0 * rows**3 + 2e3 * rows**2
    return 5.0 * rows * LANDMARKS**2 + 2e3 * rows * LANDMARKS


def rbf_seconds(data: HeadData[C], width: int, settings: ProbeSettings, pace: Pace) -> float:
    """Roughly what a search takes, which fits about seven pairs of settings."""
    return 7 * pace.rank_seconds
