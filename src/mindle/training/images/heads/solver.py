"""Penalised least squares with any number of outputs: over all rows, and with each fold held out.

    solver                  unknowns                 where
    Dual                    one coefficient a row    kernels of up to 4,000 rows
    Primal                  one a function           kernels to some landmarks, linear models of many rows

Views of an image, and images of one group, are always in one fold. The folds of a dual problem fall out of
one inversion.

Source:
    Folds from one inversion: Rifkin & Lippert 2007, "Notes on regularized least squares", section 4, with
    blocks for single rows. Fewer vectors than rows: Rudi et al. 2015, "Less is more: Nyström computational
    regularization", eq. 5. Weights of rows: Suykens et al. 2002, "Weighted least squares support vector
    machines", eq. 12.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mindle.training.images.heads.candidates import HeadData
from mindle.training.images.heads.features import Distances, Floats, Ints, product

# Coefficients (row or function, output) and intercept (output,).
Solution = tuple[Floats, Floats]


class Dual:
    """A coefficient for each row of a kernel.

    A constant is added to the kernel: the intercept is one more coefficient, hardly penalised.

    Args:
        data: Targets, folds, weights.
        kernel: (row, row).
    """

    def __init__(self, data: HeadData[Any], kernel: Floats) -> None:
        self.data, self.targets, self.folds = data, data.targets, data.row_folds
        self.kernel = kernel + 1.0

    def _inverse(self, penalty: float) -> Floats:
        """Of the kernel with its ridge: the less is added to the diagonal, the more a row counts."""
        weights, diagonal = self.data.row_weights, self.kernel.diagonal().copy()
        inverse = inverse_of(self.kernel, penalty if weights is None else penalty / weights)
        np.fill_diagonal(self.kernel, diagonal)
        return inverse

    def out_of_fold(self, penalty: float) -> Floats:
        """Scores (image, output) of the plain images, by what had not learned from their fold."""
        inverse = self._inverse(penalty)
        scores = product(inverse, self.targets)  # (row, output)
        for out in _each_fold(self.folds):
            scores[out] = self.targets[out] - _held_out(inverse, scores, out)
        return scores[: len(self.data)]

    def solution(self, penalty: float) -> Solution:
        """What is learned from all rows."""
        return _with_sum(product(self._inverse(penalty), self.targets))

    def fold_solutions(self, penalty: float) -> list[Solution]:
        """What is learned from all rows but those of each fold."""
        inverse = self._inverse(penalty)
        whole, found = product(inverse, self.targets), []
        for out in _each_fold(self.folds):
            # What is left where the coefficients of the rows held out are forced to 0.
            rest = whole - product(inverse[:, out], _held_out(inverse, whole, out))
            rest[out] = 0.0
            found.append(_with_sum(rest))
        return found


def _held_out(inverse: Floats, dual: Floats, out: Ints) -> Floats:
    from scipy.linalg import solve

    block = inverse[np.ix_(out, out)]
    return np.asarray(solve(block, dual[out], assume_a="gen", check_finite=False))


def _with_sum(coefficients: Floats) -> Solution:
    """The constant of the kernel makes the sum of the coefficients the intercept."""
    return coefficients, coefficients.sum(axis=0)


def _each_fold(folds: Ints) -> list[Ints]:
    """The rows of each fold."""
    return [np.flatnonzero(folds == fold) for fold in np.unique(folds)]


class Primal:
    """A coefficient for each function of a row.

    Args:
        data: Targets, folds, weights, and whether an intercept is fitted along with the coefficients
            (`constant`); else it is what the fit to centred targets leaves.
        functions: (row, function).
        cost: What coefficients cost, (function, function).
    """

    def __init__(self, data: HeadData[Any], functions: Floats, cost: Floats) -> None:
        self.data, self.targets = data, data.targets
        self.functions, self.cost = functions, cost
        if data.constant:
            self.functions = np.concatenate([functions, np.ones((len(functions), 1))], axis=1)
            self.cost = np.zeros((len(cost) + 1, len(cost) + 1))
            self.cost[:-1, :-1] = cost
        weights = data.row_weights
        self.weights = np.ones(len(functions)) if weights is None else weights
        self.folds = _each_fold(data.row_folds)

    @cached_property
    def _weighted(self) -> Floats:
        return self.functions if self.data.row_weights is None else self.functions * self.weights[:, None]

    @cached_property
    def _gram(self) -> Floats:
        return self._weighted.T @ self.functions

    @cached_property
    def _fold_grams(self) -> list[Floats]:
        """Products of the functions with each other, over all rows but those of each fold."""
        return [self._gram - self._weighted[out].T @ self.functions[out] for out in self.folds]

    def _solve(self, gram: Floats, rows: Ints, penalty: float) -> Solution:
        targets = self.targets[rows]
        mean = np.average(targets, axis=0, weights=self.weights[rows])
        # A trace of ridge keeps the system solvable where two support vectors are the same picture.
        trace = 1e-8 * float(np.trace(gram)) / len(gram)
        system = gram + penalty * self.cost + trace * np.eye(len(gram))
        found: Floats = np.asarray(
            np.linalg.solve(system, self._weighted[rows].T @ (targets - mean)), np.float64
        )
        rest = targets - self.functions[rows] @ found
        intercept = np.asarray(np.average(rest, axis=0, weights=self.weights[rows]))
        return (found[:-1], found[-1] + intercept) if self.data.constant else (found, intercept)

    def out_of_fold(self, penalty: float) -> Floats:
        """As `Dual.out_of_fold`."""
        scores = np.empty_like(self.targets)
        for out, (coefficients, intercept) in zip(self.folds, self.fold_solutions(penalty), strict=True):
            scores[out] = self.functions[out, : len(coefficients)] @ coefficients + intercept
        return scores[: len(self.data)]

    def solution(self, penalty: float) -> Solution:
        """As `Dual.solution`."""
        return self._solve(self._gram, np.arange(len(self.functions)), penalty)

    def fold_solutions(self, penalty: float) -> list[Solution]:
        """As `Dual.fold_solutions`."""
        every = np.arange(len(self.functions))
        return [
            self._solve(gram, np.delete(every, out), penalty)
            for gram, out in zip(self._fold_grams, self.folds, strict=True)
        ]


Solver = Dual | Primal


def kernel_solver(data: HeadData[Any], measured: Distances, gamma: float) -> Solver:
    """The problem of a Gaussian kernel: all rows are support vectors, or some where there are many."""
    kernel, vectors = measured.kernel(gamma), measured.vectors
    if len(vectors) == len(kernel):
        return Dual(data, kernel)
    return Primal(data, kernel, kernel[vectors])


def side_by_side(solutions: Sequence[Solution]) -> Solution:
    """Solutions of one output as one with as many outputs."""
    coefficients = np.concatenate([found for found, _ in solutions], axis=1)
    return coefficients, np.concatenate([intercept for _, intercept in solutions])


def walk(grid: Sequence[float], start: float, evaluate: Callable[[float], float]) -> float:
    """The value of a grid with the lowest loss, found by stepping from `start` while it falls, up first.

    Example:
        >>> walk((1, 2, 3, 4, 5), 2, lambda value: (value - 4) ** 2)
        4
    """
    best = grid.index(start)
    losses = {best: evaluate(start)}
    for step in (1, -1):
        while 0 <= best + step < len(grid):
            if best + step not in losses:
                losses[best + step] = evaluate(grid[best + step])
            if losses[best + step] >= losses[best]:
                break
            best += step
    return grid[best]


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
