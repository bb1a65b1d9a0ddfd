"""Multinomial logistic regression with an L2 penalty."""

from __future__ import annotations

from functools import cache

import numpy as np

from mindle.models.heads import Head, LinearHead
from mindle.training.images.heads.candidates import ClassCandidate, ClassHeadData, Pace
from mindle.training.images.heads.features import MOST_DIRECTIONS, ConcatFeatures, Directions, Floats
from mindle.training.images.heads.solver import product, walk
from mindle.training.settings import ProbeSettings


def fit_logistic(
    data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
) -> ClassCandidate:
    """Multinomial logistic regression; `logistic_l2` is its penalty, or cross-validation chooses one."""
    folds, directions = np.unique(data.row_folds), features.directions
    learned = (data.row_folds[:, None] != folds).astype(np.float64)  # (row, fold)

    @cache
    def scores_of(penalty: float) -> Floats:
        weights, biases = _logistic(data, directions, learned, penalty)
        scores = np.empty((len(data), data.classes))
        for number, fold in enumerate(folds):
            out = np.flatnonzero(data.folds == fold)
            scores[out] = directions.z[out] @ weights[number] + biases[number]
        return scores

    penalty = settings.logistic_l2 or walk(data.penalties, 0.1, lambda penalty: data.loss(scores_of(penalty)))

    def build(temperature: float) -> Head:
        weights, biases = _logistic(data, directions, np.ones((data.rows, 1)), penalty)
        weight = (directions.turn @ weights[0]).T / temperature  # (class, feature)
        return LinearHead(features.standardise(), weight, biases[0] / temperature)

    return data.candidate("logistic", scores_of(penalty), build, penalty=penalty)


def logistic_seconds(data: ClassHeadData, width: int, settings: ProbeSettings, pace: Pace) -> float:
    """Roughly what `fit_logistic` takes, by its multiplications and additions."""
    directions = min(data.rows, width, MOST_DIRECTIONS)
    search = 4 * 40 * 4 * data.rows * directions * data.classes * len(np.unique(data.folds))
    return pace.flop_seconds * float(search + 12 * directions**3 + 2 * data.rows * width * directions)


def _logistic(
    data: ClassHeadData, directions: Directions, learned: Floats, penalty: float
) -> tuple[Floats, Floats]:
    """Weights (fit, direction, class) and biases (fit, class) of several fits at once.

    Each fit learns from the rows that its column of `learned` (row, fit) marks. In these directions the
    bound of Böhning on the curvature is diagonal; dividing by it leaves L-BFGS little to do.

    Source: Böhning 1992, "Multinomial logistic regression algorithm".
    """
    from scipy.optimize import minimize

    # Products in float32 take half the time; where the search ends moves by far less than it is exact.
    z, classes, fits = directions.single, data.classes, learned.shape[1]
    rows, width = z.shape
    if data.row_weights is not None:
        learned = learned * data.row_weights[:, None]
    ease = 1 / np.sqrt(0.25 * directions.strengths + penalty)[:, None]
    bias_ease = 1 / np.sqrt(0.25 * rows)
    truth = np.eye(classes)[data.row_truth][:, None, :]  # (row, 1, class)

    def loss_and_slope(flat: Floats) -> tuple[float, Floats]:
        free = flat.reshape(width + 1, fits * classes)
        weights, biases = free[:width] * ease, free[width] * bias_ease
        logits = (product(z, weights.astype(np.float32)) + biases).reshape(rows, fits, classes)
        logits -= logits.max(axis=2, keepdims=True)
        odds = np.exp(logits)
        sums = odds.sum(axis=2, keepdims=True)
        chosen = (logits * truth).sum(axis=2) - np.log(sums[:, :, 0])  # (row, fit)
        care = learned
        if data.focal:
            care, chosen = _focal(chosen, learned, data.focal)
        slope = ((odds / sums - truth) * care[:, :, None]).reshape(rows, fits * classes)
        gradient = np.concatenate(
            [
                (product(z.T, slope.astype(np.float32)) + penalty * weights) * ease,
                slope.sum(0)[None] * bias_ease,
            ]
        )
        loss = -(learned * chosen).sum() + 0.5 * penalty * np.square(weights).sum()
        return float(loss), gradient.ravel()

    found = minimize(
        loss_and_slope,
        np.zeros((width + 1) * fits * classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 60, "ftol": 1e-5, "gtol": 1e-4, "maxcor": 8},
    )
    free = np.asarray(found.x).reshape(width + 1, fits, classes)
    weights = (free[:width] * ease[:, :, None]).transpose(1, 0, 2)
    return weights, free[width] * bias_ease


def _focal(log_p: Floats, learned: Floats, gamma: float) -> tuple[Floats, Floats]:
    """What each row's slope counts under the focal loss, and its loss with the sign turned, (row, fit).

    Source: Lin et al. 2017, https://arxiv.org/abs/1708.02002, eq. 4 and its derivative, appendix B.
    """
    p = np.exp(log_p)
    wrong = np.maximum(1 - p, 1e-9)
    return learned * (wrong**gamma - gamma * wrong ** (gamma - 1) * p * log_p), wrong**gamma * log_p
