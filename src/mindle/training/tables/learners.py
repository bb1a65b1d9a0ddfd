"""The models tried on a table: each learns from training sets and becomes a model of `mindle.models`.

A learner takes all training sets of a cross-validation at once: the nets train side by side, the others one
after another, and are asked for one at a time so that the selection can stop one that is too slow.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.models.tables.encoder import TableEncoder
from mindle.models.tables.model import Scorer
from mindle.models.tables.readers import (
    forest_floor,
    read_catboost,
    read_forest,
    read_histogram,
    read_lightgbm,
)
from mindle.models.tables.scorers import DenseNets, KernelMachine, Linear
from mindle.models.tables.trees import Trees
from mindle.training.settings import TableSettings
from mindle.training.tables.gaussian_process import fit_log_process, fit_process
from mindle.training.tables.nets import NetRows, foresee_nets, train_nets

Floats = NDArray[np.float64]

PROCESS_ROWS, VECTOR_ROWS, SLOW_ROWS = 2000, 5000, 200_000
# Tables of fewer rows get smaller trees.
FEW_ROWS = 2000
# The view that nets get, by what they are to be given.
NET_VIEWS = {"columns": "linear", "rows": "rows", "none": "plain"}


@dataclass(frozen=True, kw_only=True)
class TrainSet:
    """What one model learns from.

    Attributes:
        encoder: Fitted on these rows.
        views: Name of each view that is wanted to (row, column).
        truth: Class numbers, or the target with mean 0 and standard deviation 1.
        outputs: How many classes there are, or 1.
        centre, scale: Mean and standard deviation of the target before it was standardised.
    """

    encoder: TableEncoder
    views: Mapping[str, Floats]
    truth: NDArray[np.float64] | NDArray[np.int64]
    outputs: int
    centre: float = 0.0
    scale: float = 1.0

    @property
    def regression(self) -> bool:
        """Whether one number is learned rather than a logit for each class."""
        return self.outputs == 1

    @property
    def small(self) -> bool:
        """Whether there are few rows."""
        return len(self.truth) < FEW_ROWS

    @property
    def complete(self) -> bool:
        """Whether every class has a row; some libraries number classes by what they see."""
        return self.regression or len(np.unique(self.truth)) == self.outputs

    def unstandardised(self, scores: NDArray[Any]) -> Floats:
        """Standardised numbers in the target's own unit; scores of classes are what they are."""
        return np.asarray(scores * self.scale + self.centre, np.float64)

    def views_of(self, numbers: Floats, categories: NDArray[Any]) -> dict[str, Floats]:
        """The same views of other rows."""
        return {name: self.encoder.view(name, numbers, categories) for name in self.views}


@dataclass(frozen=True)
class FittedTrees:
    """Trees of a library: how it predicts, which is faster than `Trees` do, and how it is read."""

    scores: Callable[[Floats], Floats]
    read: Callable[[], Trees]


Fitted = Scorer | FittedTrees
Fit = Callable[[TrainSet, TableSettings, int, int], Fitted]


def frozen(model: Fitted) -> Scorer:
    """A fitted model as a record."""
    return model.read() if isinstance(model, FittedTrees) else model


@dataclass(frozen=True, kw_only=True)
class Learner:
    """A kind of model.

    Attributes:
        name: What people call it.
        view: Which view it looks at.
        fit: Training sets, seed and threads to fitted models, one a set, one at a time.
        most_rows: With more it is skipped.
        positive: Whether it is for numbers above zero only.
        foresee: About how many seconds `fit` would take, for one that fits all training sets before it gives
            the first, so that it can be stopped before it begins; None for one after the other.
        library: What is loaded with its first fit.
    """

    name: str
    view: str
    fit: Callable[[Sequence[TrainSet], int, int], Iterator[Fitted]]
    most_rows: int | None = None
    positive: bool = False
    foresee: Callable[[Sequence[TrainSet]], float] | None = None
    library: str = "sklearn.linear_model"

    def warm(self) -> None:
        """Load what it fits with, so that a fit can be timed."""
        importlib.import_module(self.library)


def learners(settings: TableSettings | None = None) -> tuple[Learner, ...]:
    """Every learner that this machine has, baselines first.

    Args:
        settings: Of the forests, of boosting, of the SVM and of the nets.
    """
    settings = settings or TableSettings()

    def one(name: str, fit: Fit, view: str = "linear", **details: Any) -> Learner:
        return Learner(name=name, view=view, fit=partial(_one_by_one, fit, settings), **details)

    forest: dict[str, Any] = {"view": "trees", "most_rows": SLOW_ROWS, "library": "sklearn.ensemble"}
    # Where time is short the first ones get it: boosting with ordered categories does more than forests do.
    every = (
        one("baseline", _baseline),
        one("linear", _linear),
        one("LightGBM", _lightgbm, "trees", library="lightgbm"),
        one("CatBoost", _catboost, "trees", library="catboost"),
        one("extra trees", partial(_forest, "ExtraTrees", 1.0), **forest),
        one("random forest", partial(_forest, "RandomForest", 0.5), **forest),
        one("histogram boosting", _histogram, "trees", library="sklearn.ensemble"),
        one("SVM", _vectors, most_rows=VECTOR_ROWS, library="sklearn.svm"),
        one("Gaussian process", _process, most_rows=PROCESS_ROWS),
        one("log-target Gaussian process", _log_process, most_rows=PROCESS_ROWS, positive=True),
        Learner(
            name="nets",
            view=NET_VIEWS[settings.scale],
            fit=partial(_nets, settings),
            most_rows=SLOW_ROWS,
            foresee=partial(_nets_seconds, settings),
        ),
    )
    absent = {name for name in ("lightgbm", "catboost") if importlib.util.find_spec(name) is None}
    return tuple(learner for learner in every if learner.library not in absent)


def _one_by_one(
    fit: Fit, settings: TableSettings, sets: Sequence[TrainSet], seed: int, threads: int
) -> Iterator[Fitted]:
    return (fit(one, settings, seed, threads) for one in sets)


# ---- linear models ----------------------------------------------------------------------------------------


def _baseline(
    one: TrainSet, settings: TableSettings, seed: int, threads: int, view: str = "linear"
) -> Linear:
    """How frequent each class is, or the mean: whatever the row."""
    offset = np.zeros(1)
    if not one.regression:
        counts = np.bincount(one.truth.astype(np.int64), minlength=one.outputs) + 0.5
        offset = np.log(counts / counts.sum())
    return Linear(weights=np.zeros((one.views[view].shape[1], one.outputs)), offset=offset)


def _linear(one: TrainSet, settings: TableSettings, seed: int, threads: int) -> Linear:
    """Ridge with its penalty by leave-one-out, or a logistic regression."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, RidgeCV

    x = one.views["linear"]
    if one.regression:
        ridge = RidgeCV(alphas=np.logspace(-2, 4, 13)).fit(x, one.truth)
        return Linear(weights=ridge.coef_.reshape(-1, 1), offset=np.atleast_1d(ridge.intercept_))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a little short of its best will do
        model = LogisticRegression(C=1.0, max_iter=200, tol=1e-3).fit(x, one.truth)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(coefficients) == 1:  # two classes share one column
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros(1), intercepts])
    weights = np.zeros((x.shape[1], one.outputs))
    offset = np.full(one.outputs, -20.0)  # far below the others where a class was not seen
    weights[:, model.classes_], offset[model.classes_] = coefficients.T, intercepts
    return Linear(weights=weights, offset=offset)


# ---- trees ------------------------------------------------------------------------------------------------


def _estimator(library: str, name: str, one: TrainSet) -> Any:
    """A library's class of models, of which it has one for numbers and one for classes."""
    kind = "Regressor" if one.regression else "Classifier"
    return getattr(importlib.import_module(library), name + kind)


def _forest(
    name: str, features: float, one: TrainSet, settings: TableSettings, seed: int, threads: int
) -> Fitted:
    """A forest of scikit-learn; `features` is the share that a split looks at where a number is learned."""
    rows = len(one.truth)
    # Leaves grow with the table, so that a forest in a bundle stays below some ten megabytes.
    leaf = max(1 if one.regression or rows < 500 else 2, round(rows / 4000))
    forest = _estimator("sklearn.ensemble", name, one)(
        n_estimators=200 if rows < 5000 else 100,
        min_samples_leaf=settings.forest_min_samples_leaf or leaf,
        max_features=settings.forest_max_features or (features if one.regression else "sqrt"),
        n_jobs=threads,
        random_state=seed % 2**31,
    ).fit(one.views["trees"], one.truth)
    floor = forest_floor(len(forest.estimators_))

    def scores(x: Floats) -> Floats:
        if one.regression:
            return np.asarray(forest.predict(x), np.float64)[:, None]
        shares = np.zeros((len(x), one.outputs))
        shares[:, forest.classes_] = forest.predict_proba(x)
        return np.asarray(np.log(np.maximum(shares, floor)))

    return FittedTrees(scores, partial(read_forest, forest, outputs=one.outputs))


def _histogram(one: TrainSet, settings: TableSettings, seed: int, threads: int) -> Fitted:
    if not one.complete:
        return _baseline(one, settings, seed, threads, "trees")
    model = _estimator("sklearn.ensemble", "HistGradientBoosting", one)(
        learning_rate=settings.boosting_learning_rate or 0.06,
        max_iter=settings.boosting_rounds or (250 if one.regression else 150),
        max_leaf_nodes=settings.boosting_num_leaves or (15 if one.small else 31),
        min_samples_leaf=8 if one.small else 20,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed % 2**31,
    ).fit(one.views["trees"], one.truth)
    raw = model.predict if one.regression else model.decision_function
    return _boosted(raw, partial(read_histogram, model, outputs=one.outputs), one)


def _lightgbm(one: TrainSet, settings: TableSettings, seed: int, threads: int) -> Fitted:
    import lightgbm

    options: dict[str, Any] = {
        "objective": _by_outputs(one, "regression", "binary", "multiclass"),
        "learning_rate": settings.boosting_learning_rate or 0.05,
        "num_leaves": settings.boosting_num_leaves or (15 if one.small else 31),
        "min_data_in_leaf": 8 if one.small else 20,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": 0.8,
        "lambda_l2": 1.0,
        "num_threads": threads,
        "seed": seed % 2**31,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    if one.outputs > 2:
        options["num_class"] = one.outputs
    rounds = settings.boosting_rounds or _by_outputs(one, 300 if one.small else 600, 200, 120)
    data = lightgbm.Dataset(one.views["trees"], one.truth)
    booster = lightgbm.train(options, data, num_boost_round=rounds)
    raw = partial(booster.predict, raw_score=True)
    return _boosted(raw, partial(read_lightgbm, booster, outputs=one.outputs), one)


def _catboost(one: TrainSet, settings: TableSettings, seed: int, threads: int) -> Fitted:
    if not one.complete:
        return _baseline(one, settings, seed, threads, "trees")
    leaves = settings.boosting_num_leaves
    model = _estimator("catboost", "CatBoost", one)(
        loss_function=_by_outputs(one, "RMSE", "Logloss", "MultiClass"),
        # Its learning rate follows the number of trees; classes need fewer before they are too sure.
        iterations=settings.boosting_rounds or _by_outputs(one, 1000, 500, 300),
        learning_rate=settings.boosting_learning_rate or None,
        # Its trees are symmetric: twice as many leaves are one level more.
        depth=max(1, round(math.log2(leaves))) if leaves else None,
        thread_count=threads,
        random_seed=seed % 2**31,
        allow_writing_files=False,
        logging_level="Silent",
    ).fit(one.views["trees"], one.truth)
    raw = partial(model.predict, prediction_type="RawFormulaVal")
    return _boosted(raw, partial(read_catboost, model, outputs=one.outputs), one)


def _by_outputs(one: TrainSet, number: Any, two_classes: Any, more_classes: Any) -> Any:
    return {1: number, 2: two_classes}.get(one.outputs, more_classes)


def _boosted(raw: Callable[[Floats], Any], read: Callable[[], Trees], one: TrainSet) -> FittedTrees:
    """Boosted trees; their single score of two classes is the second's, beside 0."""

    def scores(x: Floats) -> Floats:
        columns = np.asarray(raw(x), np.float64).reshape(len(x), -1)
        missing = np.zeros((len(x), one.outputs - columns.shape[1]))
        return np.concatenate([missing, columns], axis=1)

    return FittedTrees(scores, read)


# ---- kernels and nets -------------------------------------------------------------------------------------


def _vectors(one: TrainSet, settings: TableSettings, seed: int, threads: int) -> KernelMachine:
    """Support vectors under a Gaussian kernel, one class against the rest."""
    from sklearn.svm import SVC, SVR

    x = one.views["linear"]
    gamma = settings.svm_gamma / (x.shape[1] * max(float(x.var()), 1e-12))  # scikit-learn's "scale"
    coefficients, offset = np.zeros((len(x), one.outputs)), np.zeros(one.outputs)
    for column in range(one.outputs):
        y = one.truth if one.regression else one.truth == column
        if not one.regression and (not y.any() or y.all()):
            offset[column] = 1.0 if y.all() else -1.0
            continue
        machine = (
            SVR(C=settings.svm_C or 10.0, epsilon=0.05, gamma=gamma, cache_size=500)
            if one.regression
            else SVC(C=settings.svm_C or 3.0, gamma=gamma, cache_size=500)
        ).fit(x, y)
        coefficients[machine.support_, column] = machine.dual_coef_[0]
        offset[column] = machine.intercept_[0]
    used, lengths = coefficients.any(axis=1), np.full(x.shape[1], gamma**-0.5)
    return KernelMachine(
        points=x[used] / lengths,
        lengths=lengths,
        coefficients=coefficients[used],
        offset=offset,
        kernel="rbf",
    )


def _process(one: TrainSet, settings: TableSettings, seed: int, threads: int) -> KernelMachine:
    """A Gaussian process; classes are estimated as numbers, 1 for its own and 0 for the others."""
    targets = one.truth[:, None] if one.regression else np.eye(one.outputs)[one.truth.astype(np.int64)]
    return fit_process(one.views["linear"], targets.astype(np.float64), seed=seed)


def _log_process(one: TrainSet, settings: TableSettings, seed: int, threads: int) -> Fitted:
    """A Gaussian process of the target's logarithm."""
    target = one.unstandardised(one.truth)
    return fit_log_process(one.views["linear"], target, centre=one.centre, scale=one.scale, seed=seed)


def _nets(settings: TableSettings, sets: Sequence[TrainSet], seed: int, threads: int) -> Iterator[Fitted]:
    found = train_nets(_net_rows(settings, sets), outputs=sets[0].outputs, settings=settings, seed=seed)
    for one, nets in zip(sets, found, strict=True):
        yield nets if settings.scale_target else _standardised(nets, one)


def _nets_seconds(settings: TableSettings, sets: Sequence[TrainSet]) -> float:
    return foresee_nets(_net_rows(settings, sets), outputs=sets[0].outputs, settings=settings)


def _net_rows(settings: TableSettings, sets: Sequence[TrainSet]) -> list[NetRows]:
    view, scaled = NET_VIEWS[settings.scale], settings.scale_target
    return [
        NetRows(
            x=one.views[view],
            y=one.truth if scaled else one.unstandardised(one.truth),
            blocks=one.encoder.blocks,
        )
        for one in sets
    ]


def _standardised(nets: DenseNets, one: TrainSet) -> DenseNets:
    """Nets that answer in the target's own unit, made to answer in the standardised one as all do."""
    weights, offset = nets.weights[-1] / one.scale, (nets.offsets[-1] - one.centre) / one.scale
    return replace(nets, weights=(*nets.weights[:-1], weights), offsets=(*nets.offsets[:-1], offset))
