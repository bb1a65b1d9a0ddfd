"""Multinomial logistic regression with an L2 penalty."""

from __future__ import annotations

import numpy as np

from mindle.models.heads import Head, LinearHead
from mindle.training.images.heads.candidates import ClassCandidate, log_loss
from mindle.training.images.heads.data import (
    MOST_DIRECTIONS,
    ClassHeadData,
    ConcatFeatures,
    Directions,
    Floats,
)
from mindle.training.images.heads.solver import product, walk

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


def fit_logistic(data: ClassHeadData, features: ConcatFeatures, *, fixed: float = 0.0) -> ClassCandidate:
    """Multinomial logistic regression, its penalty chosen by cross-validation unless it is `fixed`."""
    folds, directions = data.row_folds, features.directions
    kept = np.stack([folds != fold for fold in np.unique(folds)], axis=1).astype(np.float64)  # (row, fold)
    known: dict[float, tuple[float, Floats]] = {}

    def evaluate(penalty: float) -> float:
        if penalty not in known:
            weights, biases = _logistic(data, directions, kept, penalty)
            scores = np.empty((len(data), data.classes))
            for number, fold in enumerate(np.unique(folds)):
                out = np.flatnonzero(data.folds == fold)
                scores[out] = directions.z[out] @ weights[number] + biases[number]
            known[penalty] = (log_loss(scores, data), scores)
        return known[penalty][0]

    if fixed:
        evaluate(fixed)
    penalty = fixed or walk(PENALTIES, 0.1, evaluate)

    def build(temperature: float) -> Head:
        weights, biases = _logistic(data, directions, np.ones((data.rows, 1)), penalty)
        weight = (directions.turn @ weights[0]).T / temperature  # (class, feature)
        return LinearHead(features.mean, features.scale, weight, biases[0] / temperature, root=True)

    return ClassCandidate.of("logistic", known[penalty][1], data.truth, build, settings={"penalty": penalty})


def logistic_flops(data: ClassHeadData, features: int) -> float:
    """Roughly how many multiplications and additions `fit_logistic` takes."""
    directions = min(data.rows, features, MOST_DIRECTIONS)
    parts = len(np.unique(data.folds))
    search = 4 * 40 * 4 * data.rows * directions * data.classes * parts
    return float(search + 12 * directions**3 + 2 * data.rows * features * directions)


def _logistic(
    data: ClassHeadData, directions: Directions, kept: Floats, penalty: float
) -> tuple[Floats, Floats]:
    """Weights (part, direction, class) and biases (part, class) of several fits at once.

    Each part learns from the rows that its column of `kept` (row, part) marks. In these directions the
    bound of Böhning on the curvature is diagonal; dividing by it leaves L-BFGS little to do.

    Source: Böhning 1992, "Multinomial logistic regression algorithm".
    """
    from scipy.optimize import minimize

    # Products in float32 take half the time; where the search ends moves by far less than it is exact.
    z, classes, parts = directions.single, data.classes, kept.shape[1]
    rows, width = z.shape
    if data.row_weights is not None:
        kept = kept * data.row_weights[:, None]
    ease = 1 / np.sqrt(0.25 * directions.strengths + penalty)[:, None]
    bias_ease = 1 / np.sqrt(0.25 * rows)
    truth = np.eye(classes)[data.row_truth][:, None, :]  # (row, 1, class)

    def loss_and_slope(flat: Floats) -> tuple[float, Floats]:
        free = flat.reshape(width + 1, parts * classes)
        weights, biases = free[:width] * ease, free[width] * bias_ease
        logits = (product(z, weights.astype(np.float32)) + biases).reshape(rows, parts, classes)
        logits -= logits.max(axis=2, keepdims=True)
        odds = np.exp(logits)
        sums = odds.sum(axis=2, keepdims=True)
        chosen = (logits * truth).sum(axis=2) - np.log(sums[:, :, 0])  # (row, part)
        care = kept
        if data.focal:
            care, chosen = _focal(chosen, kept, data.focal)
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
