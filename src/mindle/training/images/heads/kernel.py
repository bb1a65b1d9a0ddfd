"""Heads by least squares: a Gaussian kernel for classes and for numbers, ridge regression for numbers.

An LS-SVM minimises squared errors with one penalty: every image is a support vector, and the solution,
cross-validation included, is one matrix inversion. What rare classes lose by squared errors is given back to
them by an offset a class (`fit_offsets`). Gamma is in units of the median squared distance, so that 1 suits
most features.

Source:
    Suykens & Vandewalle 1999, "Least squares support vector machine classifiers".
"""

from __future__ import annotations

import numpy as np

from mindle.evaluation import fit_offsets
from mindle.models.heads import Head, KernelHead, LinearHead
from mindle.training.images.heads.candidates import (
    ClassCandidate,
    NumberCandidate,
    log_loss,
    squared_error,
)
from mindle.training.images.heads.data import (
    LANDMARKS,
    MOST_VECTORS,
    ClassHeadData,
    ConcatFeatures,
    Floats,
    HeadData,
    NumberHeadData,
)
from mindle.training.images.heads.solver import (
    Dual,
    Primal,
    Solution,
    Solver,
    kernel_solver,
    side_by_side,
    walk,
)

# Scores of the kernel head lie within -1 and 1; times this, their temperature is near 1.
KERNEL_SHARPNESS = 10.0
# Where the search for settings may go: each grid is walked while that helps.
GAMMAS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
CLASS_PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
NUMBER_PENALTIES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def fit_rbf(
    data: ClassHeadData,
    features: ConcatFeatures,
    *,
    start: tuple[float, float] = (1.0, 0.1),
    search: bool = True,
    fixed: tuple[float, float] = (0.0, 0.0),
) -> ClassCandidate:
    """An LS-SVM with a Gaussian kernel, gamma and penalty chosen by cross-validation.

    Args:
        data: Labels and folds.
        features: Their features.
        start: Gamma and penalty to begin with.
        search: Look for better ones.
        fixed: Gamma and penalty that are not to be looked for; 0 where they are.
    """
    measured = features.measured
    known: dict[tuple[float, float], tuple[float, Floats, Floats]] = {}
    solvers: dict[float, Solver] = {}

    def solver_of(gamma: float) -> Solver:
        if gamma not in solvers:
            solvers.clear()  # a kernel is large
            solvers[gamma] = kernel_solver(data, measured, gamma, constant=False)
        return solvers[gamma]

    def evaluate(gamma: float, penalty: float) -> float:
        if (gamma, penalty) not in known:
            scores = KERNEL_SHARPNESS * solver_of(gamma).out_of_fold(penalty)
            # Where classes were rebalanced on purpose, offsets would bring their old shares back.
            offsets = np.zeros(data.classes) if data.rebalanced else fit_offsets(scores, data.truth)
            known[gamma, penalty] = (log_loss(scores + offsets, data), scores, offsets)
        return known[gamma, penalty][0]

    gamma, penalty = fixed[0] or start[0], fixed[1] or start[1]
    evaluate(gamma, penalty)
    if search and not fixed[1]:
        penalty = walk(CLASS_PENALTIES, penalty, lambda value: evaluate(gamma, value))
    if search and not fixed[0]:
        gamma = walk(GAMMAS, gamma, lambda value: evaluate(value, penalty))
    solvers.clear()
    _, scores, offsets = known[gamma, penalty]

    def build(temperature: float) -> Head:
        solution = kernel_solver(data, measured, gamma, constant=False).solution(penalty)
        sharp = np.eye(data.classes) * KERNEL_SHARPNESS / temperature
        return _kernel_head(features, gamma, solution, sharp, offsets / temperature)

    settings = {"gamma": gamma, "penalty": penalty}
    return ClassCandidate.of("rbf", scores, data.truth, build, settings=settings, offsets=offsets)


def _kernel_head(
    features: ConcatFeatures, gamma: float, solution: Solution, mapping: Floats, offset: Floats
) -> KernelHead:
    measured = features.measured
    return KernelHead(
        features.mean,
        features.scale,
        features.x[measured.vectors],
        gamma / measured.unit,
        *solution,
        mapping,
        offset,
        root=True,
    )


def rbf_flops(rows: int) -> float:
    """Roughly how many multiplications and additions one pair of settings takes.

    Example:
        >>> rbf_flops(1000) < rbf_flops(2000)
        True
    """
    if rows <= MOST_VECTORS:
        return 3.0 * rows**3 + 2e3 * rows**2
    return 5.0 * rows * LANDMARKS**2 + 2e3 * rows * LANDMARKS


# ---- numbers ----------------------------------------------------------------------------------------------


def fit_ridge(data: NumberHeadData, features: ConcatFeatures) -> NumberCandidate:
    """Ridge regression, its penalty chosen by cross-validation.

    Example:
        >>> from mindle.training.images.heads.data import block_of
        >>> x = np.random.default_rng(0).uniform(1, 4, (1, 60, 3)).astype(np.float32)
        >>> y = np.sqrt(x[0]) @ [2.0, -1.0, 0.5]
        >>> data = NumberHeadData(truth=(y - y.mean()) / y.std(), folds=np.arange(60) % 5)
        >>> fit_ridge(data, ConcatFeatures([block_of(x)])).loss < 0.01
        True
    """
    x, dual = features.x.astype(np.float64), data.rows <= MOST_VECTORS
    solver: Solver = Dual(data, x @ x.T) if dual else Primal(data, x, np.eye(x.shape[1]), constant=True)
    penalty, scores = _best_penalty(data, solver)

    def build(temperature: float) -> Head:
        coefficients, intercept = _with_folds(solver, penalty)
        weights = features.x.T.astype(np.float64) @ coefficients if dual else coefficients
        return LinearHead(features.mean, features.scale, weights.T, intercept, root=True)

    return NumberCandidate(
        kind="ridge", scores=scores, truth=data.truth, settings={"penalty": penalty}, build=build
    )


def fit_kernel(
    data: NumberHeadData, features: ConcatFeatures, *, fixed: tuple[float, float] = (0.0, 0.0)
) -> NumberCandidate:
    """Ridge regression with a Gaussian kernel, gamma and penalty chosen by cross-validation.

    Args:
        data: Targets and folds.
        features: Their features.
        fixed: Gamma and penalty that are not to be looked for; 0 where they are.
    """
    measured = features.measured
    found: dict[float, tuple[float, Floats]] = {}

    def evaluate(gamma: float) -> float:
        if gamma not in found:
            solver = kernel_solver(data, measured, gamma, constant=True)
            found[gamma] = _best_penalty(data, solver, fixed[1])
        return squared_error(found[gamma][1], data)

    gamma = fixed[0] or walk(GAMMAS, 1.0, evaluate)
    evaluate(gamma)
    penalty, scores = found[gamma]

    def build(temperature: float) -> Head:
        solution = _with_folds(kernel_solver(data, measured, gamma, constant=True), penalty)
        outputs = len(solution[1])
        return _kernel_head(features, gamma, solution, np.eye(outputs), np.zeros(outputs))

    settings = {"gamma": gamma, "penalty": penalty}
    return NumberCandidate(kind="rbf", scores=scores, truth=data.truth, settings=settings, build=build)


def _best_penalty(data: HeadData, solver: Solver, fixed: float = 0.0) -> tuple[float, Floats]:
    """The penalty with the smallest squared error out of fold, and the scores (image, 1)."""
    known: dict[float, Floats] = {}

    def evaluate(penalty: float) -> float:
        if penalty not in known:
            known[penalty] = solver.out_of_fold(penalty)
        return squared_error(known[penalty], data)

    penalty = fixed or walk(NUMBER_PENALTIES, 0.1, evaluate)
    evaluate(penalty)
    return penalty, known[penalty]


def _with_folds(solver: Solver, penalty: float) -> Solution:
    """Outputs (1 + fold): learned from all rows, and from all but each fold's."""
    return side_by_side([solver.solution(penalty), *solver.fold_solutions(penalty)])
