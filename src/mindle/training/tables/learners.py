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
from typing import Any, Protocol

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
from mindle.training.settings import TableSettings
from mindle.training.tables.gaussian_process import fit_log_process, fit_process
from mindle.training.tables.nets import NetRows, foresee_nets, train_nets

Floats = NDArray[np.float64]

PROCESS_ROWS, VECTOR_ROWS, SLOW_ROWS = 2000, 5000, 200_000
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
        """Whether the target is a number."""
        return self.outputs == 1

    @property
    def raw_truth(self) -> NDArray[np.float64]:
        """The target in its own unit; class numbers are what they are."""
        return np.asarray(self.truth * self.scale + self.centre, np.float64)


class Fitted(Protocol):
    """A model as its library made it."""

    def scores(self, x: Floats) -> Floats:
        """(row, output): logits, or the standardised estimate, in the library's own way."""

    def freeze(self) -> Scorer:
        """The same as a record."""


@dataclass(frozen=True, kw_only=True)
class Learner:
    """A kind of model.

    Attributes:
        name: What people call it.
        view: Which view it looks at.
        fit: Training sets, seed and threads to fitted models, one a set, one at a time.
        most_rows: With more it is left out.
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


@dataclass(frozen=True)
class FrozenModel:
    """A model that is already a record."""

    record: Scorer

    def scores(self, x: Floats) -> Floats:
        """As the record does."""
        return self.record.scores(x)

    def freeze(self) -> Scorer:
        """The record."""
        return self.record


@dataclass(frozen=True)
class FittedTrees:
    """Trees of a library, with how it predicts and how it is read."""

    predict: Callable[[Floats], Floats]
    read: Callable[[], Scorer]

    def scores(self, x: Floats) -> Floats:
        """By the library."""
        return self.predict(x)

    def freeze(self) -> Scorer:
        """As `Trees`."""
        return self.read()


def learners(
    settings: TableSettings | None = None, *, installed: Callable[[str], bool] | None = None
) -> tuple[Learner, ...]:
    """Every learner that this machine has, baselines first.

    Args:
        settings: Of the forests, of boosting, of the SVM and of the nets.
        installed: Says whether a package is there; looks for itself unless given.
    """
    settings = settings or TableSettings()
    has = installed or (lambda package: importlib.util.find_spec(package) is not None)
    # Where time is short the first ones get it: boosting with ordered categories does more than forests do.
    boosting = [
        Learner(name=name, view="trees", fit=partial(fit, settings), library=package)
        for package, name, fit in (("lightgbm", "LightGBM", _lightgbm), ("catboost", "CatBoost", _catboost))
        if has(package)
    ]
    forests = [
        Learner(
            name=name,
            view="trees",
            fit=partial(fit, settings),
            most_rows=SLOW_ROWS,
            library="sklearn.ensemble",
        )
        for name, fit in (("extra trees", _extra_trees), ("random forest", _random_forest))
    ]
    return (
        Learner(name="baseline", view="linear", fit=_baseline),
        Learner(name="linear", view="linear", fit=_linear),
        *boosting,
        *forests,
        Learner(
            name="histogram boosting",
            view="trees",
            fit=partial(_histogram, settings),
            library="sklearn.ensemble",
        ),
        Learner(
            name="SVM",
            view="linear",
            fit=partial(_vectors, settings),
            most_rows=VECTOR_ROWS,
            library="sklearn.svm",
        ),
        Learner(name="Gaussian process", view="linear", fit=_process, most_rows=PROCESS_ROWS),
        Learner(
            name="log-target Gaussian process",
            view="linear",
            fit=_log_process,
            most_rows=PROCESS_ROWS,
            positive=True,
        ),
        Learner(
            name="nets",
            view=NET_VIEWS[settings.scale],
            fit=partial(_nets, settings),
            most_rows=SLOW_ROWS,
            foresee=partial(_nets_seconds, settings),
        ),
    )


# ---- baselines --------------------------------------------------------------------------------------------


def _baseline(sets: Sequence[TrainSet], seed: int, threads: int) -> Iterator[Fitted]:
    """How common each class is, or the mean: whatever the row."""
    for one in sets:
        yield _commonest(one, "linear")


def _commonest(one: TrainSet, view: str) -> Fitted:
    if one.regression:
        offset = np.zeros(1)
    else:
        counts = np.bincount(one.truth.astype(np.int64), minlength=one.outputs)
        offset = np.log((counts + 0.5) / (counts + 0.5).sum())
    columns = one.views[view].shape[1]
    return FrozenModel(Linear(weights=np.zeros((columns, one.outputs)), offset=offset))


def _linear(sets: Sequence[TrainSet], seed: int, threads: int) -> Iterator[Fitted]:
    """Ridge with its penalty by leave-one-out, or a logistic regression."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, RidgeCV

    for one in sets:
        x = one.views["linear"]
        if one.regression:
            ridge = RidgeCV(alphas=np.logspace(-2, 4, 13)).fit(x, one.truth)
            yield FrozenModel(
                Linear(weights=ridge.coef_.reshape(-1, 1), offset=np.atleast_1d(ridge.intercept_))
            )
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a little short of its best will do
            model = LogisticRegression(C=1.0, max_iter=200, tol=1e-3).fit(x, one.truth)
        yield FrozenModel(_spread(model, one.outputs))


def _spread(model: Any, outputs: int) -> Linear:
    """A logistic regression with one column a class, those it did not see far below the others."""
    coefficients, intercepts = model.coef_, model.intercept_
    if len(coefficients) == 1:  # two classes share one column
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros(1), intercepts])
    weights = np.zeros((coefficients.shape[1], outputs))
    offset = np.full(outputs, -20.0)
    weights[:, model.classes_] = coefficients.T
    offset[model.classes_] = intercepts
    return Linear(weights=weights, offset=offset)


# ---- trees ------------------------------------------------------------------------------------------------


def _random_forest(
    settings: TableSettings, sets: Sequence[TrainSet], seed: int, threads: int
) -> Iterator[Fitted]:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    for one in sets:
        kind = RandomForestRegressor if one.regression else RandomForestClassifier
        yield _forest(kind, one, seed, threads, settings, features=0.5 if one.regression else "sqrt")


def _extra_trees(
    settings: TableSettings, sets: Sequence[TrainSet], seed: int, threads: int
) -> Iterator[Fitted]:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    for one in sets:
        kind = ExtraTreesRegressor if one.regression else ExtraTreesClassifier
        yield _forest(kind, one, seed, threads, settings, features=1.0 if one.regression else "sqrt")


def _forest(
    kind: Any, one: TrainSet, seed: int, threads: int, settings: TableSettings, *, features: float | str
) -> Fitted:
    rows = len(one.truth)
    # Leaves grow with the table, so that a forest in a bundle stays below some ten megabytes.
    leaf = max(1 if one.regression or rows < 500 else 2, round(rows / 4000))
    forest = kind(
        n_estimators=200 if rows < 5000 else 100,
        min_samples_leaf=settings.forest_min_samples_leaf or leaf,
        max_features=settings.forest_max_features or features,
        n_jobs=threads,
        random_state=seed % 2**31,
    )
    forest.fit(one.views["trees"], one.truth)
    floor = forest_floor(len(forest.estimators_))

    def predict(x: Floats) -> Floats:
        if one.regression:
            return np.asarray(forest.predict(x), np.float64)[:, None]
        shares = np.zeros((len(x), one.outputs))
        shares[:, forest.classes_] = forest.predict_proba(x)
        return np.asarray(np.log(np.maximum(shares, floor)))

    return FittedTrees(predict, partial(read_forest, forest, outputs=one.outputs))


def _histogram(
    settings: TableSettings, sets: Sequence[TrainSet], seed: int, threads: int
) -> Iterator[Fitted]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    for one in sets:
        if not _all_classes(one):
            yield _commonest(one, "trees")  # where a fold lacks a class altogether
            continue
        kind = HistGradientBoostingRegressor if one.regression else HistGradientBoostingClassifier
        few = len(one.truth) < 2000
        model = kind(
            learning_rate=settings.boosting_learning_rate or 0.06,
            max_iter=settings.boosting_rounds or (150 if one.outputs > 1 else 250),
            max_leaf_nodes=settings.boosting_num_leaves or (15 if few else 31),
            min_samples_leaf=8 if few else 20,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=seed % 2**31,
        ).fit(one.views["trees"], one.truth)

        def predict(x: Floats, model: Any = model, one: TrainSet = one) -> Floats:
            answers = model.predict(x) if one.regression else model.decision_function(x)
            return _two_columns(np.asarray(answers, np.float64), one.outputs)

        yield FittedTrees(predict, partial(read_histogram, model, outputs=one.outputs))


def _lightgbm(settings: TableSettings, sets: Sequence[TrainSet], seed: int, threads: int) -> Iterator[Fitted]:
    import lightgbm

    for one in sets:
        few = len(one.truth) < 2000
        options: dict[str, Any] = {
            "objective": "regression" if one.regression else ("binary" if one.outputs == 2 else "multiclass"),
            "learning_rate": settings.boosting_learning_rate or 0.05,
            "num_leaves": settings.boosting_num_leaves or (15 if few else 31),
            "min_data_in_leaf": 8 if few else 20,
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
        rounds = (300 if few else 600) if one.regression else (200 if one.outputs == 2 else 120)
        rounds = settings.boosting_rounds or rounds
        data = lightgbm.Dataset(one.views["trees"], one.truth)
        booster = lightgbm.train(options, data, num_boost_round=rounds)

        def predict(x: Floats, booster: Any = booster, one: TrainSet = one) -> Floats:
            return _two_columns(np.asarray(booster.predict(x, raw_score=True), np.float64), one.outputs)

        yield FittedTrees(predict, partial(read_lightgbm, booster, outputs=one.outputs))


def _catboost(settings: TableSettings, sets: Sequence[TrainSet], seed: int, threads: int) -> Iterator[Fitted]:
    import catboost

    for one in sets:
        if not _all_classes(one):
            yield _commonest(one, "trees")  # where a fold lacks a class altogether
            continue
        kind = catboost.CatBoostRegressor if one.regression else catboost.CatBoostClassifier
        model = kind(
            loss_function="RMSE" if one.regression else ("Logloss" if one.outputs == 2 else "MultiClass"),
            # Its rate of learning follows the number of trees; classes need fewer before they are too sure.
            iterations=settings.boosting_rounds
            or (1000 if one.regression else (500 if one.outputs == 2 else 300)),
            learning_rate=settings.boosting_learning_rate or None,
            # Its trees are symmetric: twice as many leaves are one level more.
            depth=max(1, round(math.log2(settings.boosting_num_leaves)))
            if settings.boosting_num_leaves
            else None,
            thread_count=threads,
            random_seed=seed % 2**31,
            allow_writing_files=False,
            logging_level="Silent",
        ).fit(one.views["trees"], one.truth)

        def predict(x: Floats, model: Any = model, one: TrainSet = one) -> Floats:
            raw = model.predict(x, prediction_type="RawFormulaVal")
            return _two_columns(np.asarray(raw, np.float64), one.outputs)

        yield FittedTrees(predict, partial(read_catboost, model, outputs=one.outputs))


def _all_classes(one: TrainSet) -> bool:
    """Whether every class has a row; some libraries number classes by what they see."""
    return one.regression or len(np.unique(one.truth)) == one.outputs


def _two_columns(raw: Floats, outputs: int) -> Floats:
    """Scores (row, output); a single score of two classes is the second's, beside 0."""
    columns = raw.reshape(len(raw), -1)
    if outputs == 2 and columns.shape[1] == 1:
        return np.concatenate([np.zeros_like(columns), columns], axis=1)
    return columns


# ---- kernels and nets -------------------------------------------------------------------------------------


def _vectors(settings: TableSettings, sets: Sequence[TrainSet], seed: int, threads: int) -> Iterator[Fitted]:
    """Support vectors under a Gaussian kernel, one class against the rest."""
    from sklearn.svm import SVC, SVR

    for one in sets:
        x = one.views["linear"]
        width = settings.svm_gamma / (x.shape[1] * max(float(x.var()), 1e-12))  # scikit-learn's "scale"
        lengths = np.full(x.shape[1], width**-0.5)
        coefficients, offset = np.zeros((len(x), one.outputs)), np.zeros(one.outputs)
        if one.regression:
            machine = SVR(C=settings.svm_C or 10.0, epsilon=0.05, gamma=width, cache_size=500).fit(
                x, one.truth
            )
            coefficients[machine.support_, 0], offset[0] = machine.dual_coef_[0], machine.intercept_[0]
        else:
            for column in range(one.outputs):
                mine = one.truth == column
                if not mine.any() or mine.all():
                    offset[column] = 1.0 if mine.all() else -1.0
                    continue
                machine = SVC(C=settings.svm_C or 3.0, gamma=width, cache_size=500).fit(x, mine)
                coefficients[machine.support_, column] = machine.dual_coef_[0]
                offset[column] = machine.intercept_[0]
        used = coefficients.any(axis=1)
        yield FrozenModel(
            KernelMachine(
                points=x[used] / lengths,
                lengths=lengths,
                coefficients=coefficients[used],
                offset=offset,
                kernel="rbf",
            )
        )


def _process(sets: Sequence[TrainSet], seed: int, threads: int) -> Iterator[Fitted]:
    """A Gaussian process; classes are estimated as numbers, 1 for the own and 0 for the others."""
    for one in sets:
        x = one.views["linear"]
        if not one.regression:
            targets = np.eye(one.outputs)[one.truth.astype(np.int64)]
            yield FrozenModel(fit_process(x, targets, seed=seed))
            continue
        yield FrozenModel(fit_process(x, one.truth[:, None].astype(np.float64), seed=seed))


def _log_process(sets: Sequence[TrainSet], seed: int, threads: int) -> Iterator[Fitted]:
    """A Gaussian process of the target's logarithm."""
    for one in sets:
        yield FrozenModel(
            fit_log_process(one.views["linear"], one.raw_truth, centre=one.centre, scale=one.scale, seed=seed)
        )


def _nets(settings: TableSettings, sets: Sequence[TrainSet], seed: int, threads: int) -> Iterator[Fitted]:
    found = train_nets(_net_rows(settings, sets), outputs=sets[0].outputs, settings=settings, seed=seed)
    for one, nets in zip(sets, found, strict=True):
        yield FrozenModel(nets if settings.scale_target else _standardised(nets, one))


def _nets_seconds(settings: TableSettings, sets: Sequence[TrainSet]) -> float:
    return foresee_nets(_net_rows(settings, sets), outputs=sets[0].outputs, settings=settings)


def _net_rows(settings: TableSettings, sets: Sequence[TrainSet]) -> list[NetRows]:
    view = NET_VIEWS[settings.scale]
    raw = [one.truth if settings.scale_target else one.raw_truth for one in sets]
    return [
        NetRows(x=one.views[view], y=truth, blocks=one.encoder.blocks)
        for one, truth in zip(sets, raw, strict=True)
    ]


def _standardised(nets: DenseNets, one: TrainSet) -> DenseNets:
    """Nets that answer in the target's own unit, made to answer in the standardised one as all do."""
    weights, offset = nets.weights[-1] / one.scale, (nets.offsets[-1] - one.centre) / one.scale
    return replace(nets, weights=(*nets.weights[:-1], weights), offsets=(*nets.offsets[:-1], offset))
