"""A path of penalties of a logistic regression, against scikit-learn's LogisticRegressionCV at equal loss.

Twenty penalties and five folds on features of seeded noise around five centres, standardised as those of
images are. Ours is what a training fits heads with, from the features on: their directions are inside the
time. The rival has the same penalties and folds and fits nothing on all rows at the end. It runs at its usual
tolerance, where small penalties end far from their optimum, at its usual threads and at one, and at a
tolerance of 1e-6, where its losses are ours. `losses` says for each side how far our loss lies above its, as
a share, from the lowest to the highest among penalties and folds; the highest may be `MOST_ABOVE`.
"""

from __future__ import annotations

import argparse
import warnings
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from benchmarks._turns import Figures, Side, in_turn, spread
from benchmarks._turns import options as turns
from mindle.training.images.heads.candidates import fold_numbers
from mindle.training.images.heads.features import (
    ConcatFeatures,
    Floats,
    Ints,
    Singles,
    block_of,
    product,
)
from mindle.training.images.heads.logistic import LogisticPath

CLASSES, FOLDS = 5, 5
EXACT, MOST_ABOVE = 1e-6, 1e-4


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--features", type=int, default=1280)
    parser.add_argument("--penalties", type=int, default=20)
    turns(parser, rounds=3)


def measure(arguments: argparse.Namespace) -> Figures:
    """The sides in turn, and their losses compared."""
    if arguments.smoke:
        arguments.rows, arguments.features, arguments.penalties, arguments.rounds = 60, 12, 3, 1
    raw, truth = generate(arguments.rows, arguments.features)
    folds = fold_numbers(truth, np.arange(len(truth)), folds=FOLDS)
    grid = np.geomspace(10, 0.001, arguments.penalties)
    block = block_of(raw[None])
    solved: dict[str, Floats] = {}

    def ours() -> None:
        solved["mindle"] = weights_of_path(ConcatFeatures([block]), truth, folds, grid)

    def theirs(name: str, threads: int | None, tolerance: float = 1e-4) -> Side:
        def work() -> None:
            with _threads(threads):
                solved[name] = weights_of_rival(block.x, truth, folds, grid, tolerance)

        return Side(name, work)

    sides = [
        Side("mindle", ours, at_least=0 if arguments.smoke else 3),
        theirs("scikit-learn", None),
        theirs("scikit-learn, one thread", 1),
        theirs("scikit-learn, one thread, equal loss", 1, EXACT),
    ]
    found = in_turn(sides, rounds=arguments.rounds, warm_up=0 if arguments.smoke else 1)
    losses = {name: losses_of(weights, block.x, truth, folds, grid) for name, weights in solved.items()}
    mine = losses.pop("mindle")
    above = {name: spread((mine / one - 1).flatten().tolist()) for name, one in losses.items()}
    worst = max(each["highest"] for each in above.values())
    if worst > MOST_ABOVE and not arguments.smoke:
        raise SystemExit(f"Our loss must be at most {MOST_ABOVE:g} above the rival's. Received {worst:.2g}.")
    return {**found, "losses": above}


def generate(rows: int, features: int) -> tuple[Singles, Ints]:
    """Features above 0, as a backbone's are, around a centre for each class: (row, feature), (row,)."""
    rng = np.random.default_rng(0)
    truth = np.arange(rows) % CLASSES
    centres = rng.normal(size=(CLASSES, features))
    # A few strong directions and many weak ones.
    common = rng.normal(size=(rows, 32)) @ rng.normal(size=(32, features)) / 4
    noise = rng.normal(size=(rows, features)) * 2
    return np.maximum(0.5 * centres[truth] + common + noise, 0).astype(np.float32), truth


def weights_of_path(features: ConcatFeatures, truth: Ints, folds: Ints, grid: Floats) -> Floats:
    """Of ours, in the features' own directions, the bias last: (penalty, fold, class, feature + 1)."""
    learned = 1.0 * (folds != np.arange(FOLDS)[:, None])
    path = LogisticPath(features.directions, np.eye(CLASSES)[truth], learned, grid=grid.tolist())
    weights = np.stack([path.weights(penalty) for penalty in grid.tolist()])
    turned = product(weights[..., :-1].reshape(-1, weights.shape[-1] - 1), features.directions.turn.T)
    return np.concatenate([turned.reshape(*weights.shape[:-1], -1), weights[..., -1:]], axis=-1)


def weights_of_rival(x: Singles, truth: Ints, folds: Ints, grid: Floats, tolerance: float) -> Floats:
    """Of scikit-learn, the same."""
    from sklearn.linear_model import LogisticRegressionCV

    parts = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(FOLDS)]
    rival = LogisticRegressionCV(
        Cs=1 / grid, cv=parts, scoring="neg_log_loss", refit=False, tol=tolerance, max_iter=1000
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rival.fit(x, truth)
    paths = np.stack([rival.coefs_paths_[number] for number in range(CLASSES)])  # (class, fold, penalty, …)
    return np.asarray(paths.transpose(2, 1, 0, 3), np.float64)


def losses_of(weights: Floats, x: Singles, truth: Ints, folds: Ints, grid: Floats) -> Floats:
    """In float64, (penalty, fold)."""
    logits = np.asarray(weights[..., :-1], np.float64) @ x.T.astype(np.float64) + weights[..., -1:]
    logits -= logits.max(axis=-2, keepdims=True)
    rows = np.log(np.exp(logits).sum(axis=-2)) - logits[..., truth, np.arange(len(truth))]
    learned = folds != np.arange(FOLDS)[:, None]
    squares = np.square(weights[..., :-1], dtype=np.float64).sum(axis=(-2, -1))
    return np.asarray((rows * learned).sum(axis=-1) + grid[:, None] * squares / 2)


def _threads(limit: int | None) -> AbstractContextManager[object]:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limit) if limit else nullcontext()
