"""Gaussian processes of small tables: a Matérn kernel with a length for each column, fitted by evidence."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mindle.models.tables.scorers import Exponential, KernelMachine

Floats = NDArray[np.float64]
JITTER = 1e-6
# Lengths are drawn towards "as far as all columns together vary", by a normal prior on the logarithm this
# wide: a hundred columns would otherwise fit the evidence of two hundred rows by chance.
PRIOR_WIDTH = 1.0
STEPS = 40
# Lengths and noise are sought on no more rows than this; the answer remembers all.
SEARCH_ROWS = 400


def fit_process(x: Floats, y: Floats, *, seed: int = 0) -> KernelMachine:
    """The mean of a Gaussian process.

    Several outputs share lengths and noise; each has a scale of its own, which is integrated out.

    Args:
        x: (row, column), standardised.
        y: (row, output).
        seed: Draws the rows that lengths and noise are sought on, where there are more than 400.

    Source:
        Rasmussen & Williams 2006, eq. 5.8 for the evidence; section 6.5 for classes as targets.

    Example:
        >>> x = np.linspace(-2, 2, 30)[:, None]
        >>> machine = fit_process(x, np.sin(x))
        >>> bool(abs(machine.scores(np.array([[0.5]]))[0, 0] - np.sin(0.5)) < 0.01)
        True
    """
    offset = y.mean(axis=0)
    some = np.random.default_rng(seed).permutation(len(x))[:SEARCH_ROWS]
    lengths, noise = _search(x[some], y[some] - offset)
    points = x / lengths
    factor = _factor(torch.from_numpy(points), noise)
    coefficients = torch.cholesky_solve(torch.from_numpy(y - offset), factor).numpy()
    return KernelMachine(
        points=points, lengths=lengths, coefficients=coefficients, offset=offset, kernel="matern32"
    )


def fit_log_process(x: Floats, y: Floats, *, centre: float, scale: float, seed: int = 0) -> Exponential:
    """A process of the logarithms of positive numbers, which answers with standardised numbers.

    Prices and the like vary by shares rather than by sums.

    Args:
        x: (row, column), standardised.
        y: (row,), above zero.
        centre: What is taken from an answer.
        scale: What it is divided by then.
        seed: As for `fit_process`.

    Source:
        Snelson, Rasmussen & Ghahramani 2003, "Warped Gaussian processes"; the warp here is the logarithm.

    Example:
        >>> x = np.linspace(0, 3, 40)[:, None]
        >>> model = fit_log_process(x, np.exp(2 * x[:, 0]), centre=0.0, scale=1.0)
        >>> bool(abs(model.scores(np.array([[1.5]]))[0, 0] - np.exp(3)) < 0.1)
        True
    """
    logs = np.log(y)
    factor, shift = float(logs.std()) or 1.0, float(logs.mean())
    inner = fit_process(x, ((logs - shift) / factor)[:, None], seed=seed)
    return Exponential(inner=inner, factor=factor, shift=shift, centre=centre, scale=scale)


def _search(x: Floats, y: Floats) -> tuple[Floats, float]:
    """Lengths (column,) and the noise's variance against the signal's that the evidence is largest for."""
    from scipy.optimize import minimize

    columns = x.shape[1]
    middle = 0.5 * np.log(max(columns, 1))
    data, targets = torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(np.ascontiguousarray(y))

    def loss(values: Floats) -> tuple[float, Floats]:
        parameters = torch.from_numpy(values).requires_grad_(True)
        try:
            cost = _negative_evidence(data, targets, parameters)
        except RuntimeError:  # a covariance that is no longer positive: step back
            return 1e10, np.zeros_like(values)
        prior = ((parameters[:-1] - middle) ** 2).sum() / (2 * PRIOR_WIDTH**2)
        total = (cost + prior) / len(data)
        total.backward()
        return float(total.detach()), np.zeros(0) if parameters.grad is None else parameters.grad.numpy()

    start = np.append(np.full(columns, middle), np.log(0.1))
    bounds = [(-3.0, 6.0)] * columns + [(-9.0, 3.0)]
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS})
    return np.exp(best.x[:-1]), float(np.exp(best.x[-1]))


def _negative_evidence(x: Tensor, y: Tensor, parameters: Tensor) -> Tensor:
    """Minus the log evidence, the signal's variance at its best for each output."""
    factor = _factor(x / parameters[:-1].exp(), parameters[-1].exp())
    whitened = torch.linalg.solve_triangular(factor, y, upper=False)  # (row, output)
    variance = (whitened**2).mean(dim=0).clamp_min(1e-12)  # (output,)
    determinant = factor.diagonal().log().sum()
    cost: Tensor = 0.5 * len(x) * variance.log().sum() + determinant * y.shape[1]
    return cost


def _factor(x: Tensor, noise: Tensor | float) -> Tensor:
    """Cholesky factor of the covariance of rows that are divided by their lengths, under a Matérn kernel."""
    norms = (x**2).sum(dim=1)
    squared = (norms[:, None] + norms - 2 * x @ x.T).clamp_min(1e-12)
    d = (3 * squared).sqrt()
    covariance = (1 + d) * (-d).exp() + (noise + JITTER) * torch.eye(len(x), dtype=x.dtype)
    factor: Tensor = torch.linalg.cholesky(covariance)
    return factor
