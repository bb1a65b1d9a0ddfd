"""The table engine against LightGBM, CatBoost, XGBoost and a random forest at their defaults.

    python -m benchmarks tables DIR boston             the figures of boston-housing.csv, seeds 0 1 2
    python -m benchmarks tables DIR rivals [NAME…]     the engine and its rivals on the same outer folds

DIR holds the CSV files. Rivals get the same columns, with missing cells and categories as each of them takes
them; XGBoost is installed by hand, for it does not come with mindle. Every outer fold is answered by models
that had not seen it; differences are paired row by row.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mindle import data
from mindle.data.tables.summary import NESTED_BELOW
from mindle.training.budget import Deadline
from mindle.training.loop.job import TrainingContext
from mindle.training.settings import TableSettings
from mindle.training.tables.passes import TableProblem
from mindle.training.tables.selection import fit_table

SETS: dict[str, tuple[str, str | int]] = {
    "california-housing": ("california-housing.csv", "median_house_value"),
    "titanic": ("titanic-train.csv", "Survived"),
    "adult": ("adult-test.csv", "last"),
    "wine": ("wine.csv", "last"),
    "winequality": ("winequality-red.csv", "last"),
}


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    parser.add_argument("what", nargs="?", choices=["boston", "rivals"], default="rivals")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SETS)}; all unless given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folds", type=int, default=5, help="outer folds")
    parser.add_argument("--first", type=int, help="only so many of the outer folds")
    parser.add_argument("--budget", type=float, default=300.0, help="seconds of the engine for one model")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures that were asked for."""
    if arguments.smoke:
        arguments.first, arguments.budget = 1, 16.0
        return {"built-in wine": rivals("wine", None, arguments)}
    if arguments.what == "boston":
        return boston(arguments.folder, arguments.seeds)
    chosen = {name: SETS[name] for name in arguments.names or SETS}
    return {
        name: rivals(str(arguments.folder / file), target, arguments)
        for name, (file, target) in chosen.items()
    }


# ---- boston -----------------------------------------------------------------------------------------------


def boston(folder: Path, seeds: Sequence[int]) -> dict[str, Any]:
    """Nested five-fold cross-validation, the outer folds those of scikit-learn's KFold with the seed."""
    from sklearn.model_selection import KFold

    table = data.read_table(folder / "boston-housing.csv", target="last", task="regression")
    features, truth = data.features(table.cells, table.columns), table.targets
    found = []
    for seed in seeds:
        outer = np.zeros(len(truth), np.int64)
        folds = KFold(5, shuffle=True, random_state=seed).split(features.numbers)
        for fold, (_, held_out) in enumerate(folds):
            outer[held_out] = fold

        def assign(rows: Any, folds: int, own_seed: int, outer: Any = outer) -> Any:
            if len(rows) == len(outer):
                return outer
            return data.folds(table, rows, folds=folds, seed=own_seed)

        began = time.perf_counter()
        problem = replace(TableProblem.of(table), assign_folds=assign)
        context = TrainingContext(seed=seed)
        outcome = fit_table(problem, settings=TableSettings(repeats=1), context=context)
        errors = outcome.test.answers - truth[outcome.test.rows]
        inside = (outcome.test.low <= truth[outcome.test.rows]) & (
            truth[outcome.test.rows] <= outcome.test.high
        )
        found.append(
            {
                "seed": seed,
                "mae": float(np.abs(errors).mean()),
                "rmse": float((errors**2).mean() ** 0.5),
                "r": float(np.corrcoef(outcome.test.answers, truth[outcome.test.rows])[0, 1]),
                "coverage": float(inside.mean()),
                "seconds": time.perf_counter() - began,
            }
        )
    means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    return {"seeds": found, "mean": means}


# ---- rivals -----------------------------------------------------------------------------------------------


def rivals(source: str, target: str | int | None, asked: argparse.Namespace) -> dict[str, Any]:
    """The engine and every rival that is installed on the same outer folds."""
    table = data.check_table(data.read_table(source, target=target))
    features = data.features(table.cells, table.columns)
    rows, classes = table.rows(), table.classes
    truth = table.labels if classes else table.targets
    rows = rows[truth[rows] >= 0] if classes else rows[~np.isnan(truth[rows])]
    outer = data.folds(table, rows, folds=asked.folds, seed=0)
    losses: dict[str, list[Any]] = {}
    seconds: dict[str, list[float]] = {}
    for fold in range(asked.first or asked.folds):
        learn, held_out = rows[outer != fold], rows[outer == fold]
        contenders = {"mindle": engine(table, features, truth, asked), **defaults()}
        for contender, answer in contenders.items():
            began = time.perf_counter()
            answers = answer(features, truth, classes, learn, held_out)
            seconds.setdefault(contender, []).append(time.perf_counter() - began)
            losses.setdefault(contender, []).append(losses_of(answers, truth[held_out], classes))
    return compared(losses, seconds)


def losses_of(answers: Any, truth: Any, classes: Sequence[str]) -> dict[str, Any]:
    """Loss of each row, two kinds; smaller is better."""
    if not classes:
        return {"mae": np.abs(answers - truth), "mse": (answers - truth) ** 2}
    known = np.maximum(answers[np.arange(len(truth)), truth], 1e-6)
    return {"error": (answers.argmax(axis=1) != truth).astype(float), "log_loss": -np.log(known)}


def compared(losses: dict[str, Any], seconds: dict[str, Any]) -> dict[str, Any]:
    """Mean losses, and how far the engine's lies below each rival's, with two standard errors."""
    found: dict[str, Any] = {}
    whole = {
        contender: {kind: np.concatenate([fold[kind] for fold in folds]) for kind in folds[0]}
        for contender, folds in losses.items()
    }
    for contender, kinds in whole.items():
        own = {kind: float(values.mean()) for kind, values in kinds.items()}
        if "mse" in own:
            own["rmse"] = own.pop("mse") ** 0.5
        document: dict[str, Any] = {**own, "seconds_a_fold": float(np.mean(seconds[contender]))}
        for kind, values in kinds.items():
            gap = whole["mindle"][kind] - values
            document[f"{kind}_against_mindle"] = [float(gap.mean()), 2 * float(gap.std()) / len(gap) ** 0.5]
        found[contender] = document
    return found


def engine(table: Any, features: Any, truth: Any, asked: argparse.Namespace) -> Callable[..., Any]:
    """Mindle on the rows of one outer fold."""

    def answer(features: Any, truth: Any, classes: Any, learn: Any, held_out: Any) -> Any:
        # A small table takes this time once an outer fold and once more for the model that is kept.
        passes = 16 if len(learn) < NESTED_BELOW else 1
        rows = np.sort(np.concatenate([learn, held_out]))
        context = TrainingContext(deadline=Deadline(asked.budget / passes))
        outcome = fit_table(TableProblem.of(table, rows), np.searchsorted(rows, held_out), context=context)
        return outcome.test.answers

    return answer


def defaults() -> dict[str, Callable[..., Any]]:
    """The rivals, as they come out of the box."""
    every = {
        "LightGBM": lambda *a: boosted("lightgbm", *a),
        "CatBoost": lambda *a: boosted("catboost", *a),
        "XGBoost": lambda *a: boosted("xgboost", *a),
        "random forest": lambda *a: boosted("forest", *a),
    }
    packages = {
        "LightGBM": "lightgbm",
        "CatBoost": "catboost",
        "XGBoost": "xgboost",
        "random forest": "sklearn",
    }
    return {name: answer for name, answer in every.items() if find_spec(packages[name])}


def boosted(kind: str, features: Any, truth: Any, classes: Any, learn: Any, held_out: Any) -> Any:
    """What a rival answers to the held-out rows."""
    train, test, categories = frames(features, learn, held_out, kind)
    model = model_of(kind, bool(classes), categories)
    model.fit(train, truth[learn])
    if not classes:
        return model.predict(test)
    found = np.zeros((len(held_out), len(classes)))
    found[:, np.unique(truth[learn])] = model.predict_proba(test)
    return found


def frames(features: Any, learn: Any, held_out: Any, kind: str) -> tuple[Any, Any, list[str]]:
    """Columns as a rival takes them: categories as such, or as numbers for the forest."""
    import pandas as pd

    frame = pd.DataFrame(features.numbers, columns=list(features.number_names))
    for index, name in enumerate(features.category_names):
        cells = pd.Series(features.categories[:, index], dtype=object)
        if kind == "catboost":
            frame[name] = cells.fillna("").astype(str)
        else:
            known = sorted({cell for cell in cells.iloc[learn] if cell is not None})
            frame[name] = pd.Categorical(cells.where(cells.isin(known), None), categories=known)
            if kind == "forest":
                frame[name] = frame[name].cat.codes
    frame.columns = [f"column {i}" for i in range(frame.shape[1])]
    category_names = [f"column {i}" for i in range(len(features.number_names), frame.shape[1])]
    return frame.iloc[learn], frame.iloc[held_out], category_names


def model_of(kind: str, classes: bool, categories: list[str]) -> Any:
    """A rival with nothing set but how it reads categories."""
    if kind == "lightgbm":
        import lightgbm

        return (lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor)(verbosity=-1)
    if kind == "catboost":
        import catboost

        made = catboost.CatBoostClassifier if classes else catboost.CatBoostRegressor
        return made(cat_features=categories, allow_writing_files=False, logging_level="Silent", random_seed=0)
    if kind == "xgboost":
        import xgboost

        return (xgboost.XGBClassifier if classes else xgboost.XGBRegressor)(enable_categorical=True)
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    return (RandomForestClassifier if classes else RandomForestRegressor)(random_state=0)
