"""`TableClassifier` and `TableRegressor`: the engine of tables as scikit-learn estimators."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from mindle.errors import DataError
from mindle.records import Table
from mindle.sklearn.base import LEVEL, Classifier, Estimator

if TYPE_CHECKING:
    from mindle.data import Features

_NO_TARGET = "no_validation"  # what scikit-learn calls it


@dataclass(kw_only=True, eq=False, repr=False)  # what scikit-learn asks of a constructor: to store
class _TableEstimator(Estimator):
    """What both have in common: how rows are read, and one pass of model selection over all of them."""

    models: Sequence[str] = ()
    folds: int = 5
    budget: str | float | None = None
    kinds: Mapping[str, str] | None = None
    settings: Mapping[str, Any] | None = None

    def _rows(self, X: Any, *, fitting: bool, y: Any = _NO_TARGET) -> Any:
        """A data frame, also of mappings, or an array; scikit-learn's own errors where it is neither."""
        from mindle.data.tables.sources import is_frame

        if isinstance(X, Mapping) and not hasattr(X, "shape"):  # a sparse matrix may be a mapping too
            X = _frame_of(X)
        y = None if y is None else _NO_TARGET  # it only has to be there; it is looked at elsewhere
        if not is_frame(X):
            return validate_data(self, X, y, reset=fitting, dtype=None, ensure_all_finite="allow-nan")
        validate_data(self, X, y, reset=fitting, skip_check_array=True)
        if not X.size:
            raise ValueError(
                f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s) while a minimum of 1 "
                "of each is required."
            )
        if any(getattr(cells.dtype, "kind", "") == "f" and np.isinf(cells).any() for _, cells in X.items()):
            raise ValueError("Input X contains infinity. Write NaN where a cell holds nothing.")
        return X

    def _features(self, X: Any) -> Features:
        """What the model takes of rows to answer."""
        from mindle.data import features

        check_is_fitted(self)
        return features(self._cells(self._rows(X, fitting=False)), self.columns_)

    def _cells(self, rows: Any) -> dict[str, NDArray[Any]]:
        """The cells, read as those that were learned from; a warning counts those that cannot be read."""
        from mindle.data.tables.frames import cells_in_memory
        from mindle.data.tables.parsing.unreadable import CellReport

        report = CellReport()
        try:
            cells = cells_in_memory(rows, self.columns_, report)
        except DataError as error:
            raise ValueError(str(error)) from error
        report.warn()
        return cells

    def _table(self, rows: Any, truth: NDArray[Any], classes: Sequence[str], groups: Any) -> Table:
        """The rows as a checked table; notes what each column is."""
        from mindle.data import check_table
        from mindle.data.tables.frames import columns_in_memory, table_in_memory

        self.columns_, found = columns_in_memory(rows, self.kinds)
        for finding in (one for one in found if one.kind == "id-like"):
            warnings.warn(finding.message + " `kinds` keeps a column that counts.", stacklevel=4)
        if all(column.role == "ignored" for column in self.columns_):
            raise ValueError(
                "`X` must have a column to learn from. Received "
                + ", ".join(f"{column.name!r} ({column.note})" for column in self.columns_)
                + ". Name the kind of those that count in `kinds`."
            )
        table = table_in_memory(
            self.columns_,
            self._cells(rows),
            truth,
            classes=classes,
            groups=_group_names(groups, len(truth)),
            findings=found,
        )
        return check_table(table)

    def _learn(self, X: Any, y: NDArray[Any], classes: Sequence[str], groups: Any) -> None:
        """Choose, weigh together and refit by one cross-validation over all rows."""
        from mindle.api.pipeline import fit_abstention
        from mindle.data.tables.summary import LEAST_ROWS, require_learnable_table
        from mindle.training.budget import Deadline, parse_budget
        from mindle.training.loop.job import TrainingContext
        from mindle.training.tables.passes import TableProblem
        from mindle.training.tables.selection import diagnosed, fit_table, settle_table

        asked = {"table.models": tuple(self.models), "table.folds": self.folds, **(self.settings or {})}
        recipe = settle_table(settings=asked)
        settings = recipe.table
        least = max(LEAST_ROWS, settings.folds)
        if len(y) < least:
            raise ValueError(f"`X` must have {least} rows or more. Received n_samples={len(y)}.")
        table = self._table(X, y, classes, groups)
        self.findings_ = table.findings
        context = TrainingContext(
            seed=self._seed(),
            deadline=Deadline(parse_budget(self.budget)),
            listener=self._hears(),
        )
        try:
            require_learnable_table(table, folds=settings.folds)
            problem = TableProblem.of(table)
            # Nothing is held out: scikit-learn does that.
            outcome = fit_table(problem, np.zeros(0, np.int64), settings=settings, context=context)
            outcome = diagnosed(outcome, problem, settings)
            found = replace(outcome.out_of_fold, relearn=None)  # an estimator may be pickled
            self.outcome_ = replace(outcome, out_of_fold=found)
        except DataError as error:
            raise ValueError(str(error)) from error
        self.abstention_ = fit_abstention(found, recipe.trust, seed=context.seed).abstention
        self.tried_ = self.outcome_.tried

    def abstains(self, X: Any) -> NDArray[np.str_]:
        """Why each row's answer should not be used alone, as in the column `abstain`; "" where it may."""
        found, limits = self._features(X), self._limits()
        return limits.codes(self.outcome_.model.outputs(found.numbers, found.categories))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags


class TableClassifier(Classifier, _TableEstimator):
    """mindle's classifier of tables as a scikit-learn estimator.

    Rows are a data frame, whose kinds of columns are inferred as `mindle train` does (numbers, categories,
    dates, missing values), or an array. Several models are cross-validated, the best combined into an
    ensemble, and refitted on all rows.

    Args:
        models: Names of the models to try, such as `("linear", "CatBoost")`; all unless given.
        folds: Of the cross-validation that chooses, and calibrates.
        budget: Time for one `fit`, such as "2m"; models that would not end are skipped. Where `models` names
            one of them, `fit` raises `DeviceError`.
        kinds: "number", "category", "date" or "ignored" by column name, where the guess is wrong; columns of
            an array are called c1…cN.
        settings: Settings of the recipe's `[table]` to change, such as `{"table.svm_gamma": 0.5}`.
        random_state: Seed, as everywhere in scikit-learn.
        listener: Hears progress; silent unless set.

    Attributes:
        classes_: The labels, sorted, in their own type.
        n_features_in_: How many columns there are.
        feature_names_in_: Their names, where `X` was a data frame whose columns all have one that is a text.
        columns_: What each column is taken for, and why one is not used.
        outcome_: The model and how it came about.
        abstention_: When an answer should not be used alone.
        tried_: One document a model that was tried: name, score out of fold with its interval, seconds, note.
        findings_: What was noticed about the rows.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> rows, labels = load_wine(return_X_y=True, as_frame=True)
        >>> model = TableClassifier(models=("linear",), random_state=0).fit(rows[::2], labels[::2])
        >>> bool(model.score(rows[1::2], labels[1::2]) > 0.9)
        True
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> TableClassifier:
        """Learn from labelled rows.

        Args:
            X: A data frame, or an array (row, column).
            y: The class of each row.
            groups: Rows that share a value stay together in the cross-validation inside.

        Raises:
            ValueError: If rows, labels or an argument are not what they must be.
        """
        rows = self._rows(X, fitting=True, y=y)
        numbers = self._numbered(rows, y)
        self._learn(rows, numbers, [str(name) for name in self.classes_], groups)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Calibrated probabilities (row, class), the columns as in `classes_`."""
        found = self._features(X)
        return self.outcome_.model.answers(found.numbers, found.categories)


class TableRegressor(RegressorMixin, _TableEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """mindle's estimator of numbers from tables, as scikit-learn knows regressors.

    Args:
        models: See `TableClassifier`, also for the six below.
        folds: Of the cross-validation that chooses, and that intervals rest on.
        budget: Time for one `fit`.
        kinds: Kinds of columns, where the guess is wrong.
        settings: Settings of the recipe to change.
        random_state: Seed.
        listener: Hears progress.

    Attributes:
        n_features_in_: See `TableClassifier`, also for the six below.
        feature_names_in_: Names of the columns.
        columns_: What each is taken for.
        outcome_: The model and how it came about.
        abstention_: When an estimate should not be used alone.
        tried_: One document a model that was tried.
        findings_: What was noticed about the rows.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> rows, targets = load_diabetes(return_X_y=True, as_frame=True)
        >>> model = TableRegressor(models=("linear",), random_state=0).fit(rows[::2], targets[::2])
        >>> low, high = model.predict_interval(rows[1::2])
        >>> bool(((low <= targets[1::2]) & (targets[1::2] <= high)).mean() > 0.8)
        True
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> TableRegressor:
        """Learn from rows with a number each.

        Args:
            X: A data frame, or an array (row, column).
            y: The number to estimate for each row.
            groups: Rows that share a value stay together in the cross-validation inside.

        Raises:
            ValueError: If rows, numbers or an argument are not what they must be.
        """
        rows = self._rows(X, fitting=True, y=y)
        targets = check_array(column_or_1d(y, warn=True), ensure_2d=False, dtype=np.float64, input_name="y")
        check_consistent_length(rows, targets)
        self._learn(rows, targets, (), groups)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """(row,) the estimates."""
        found = self._features(X)
        return self.outcome_.model.answers(found.numbers, found.categories)[:, 0]

    def predict_interval(self, X: Any, level: float = LEVEL) -> tuple[NDArray[Any], NDArray[Any]]:
        """Ends of an interval that holds the truth of a row as often as `level` says.

        Args:
            X: Rows to answer.
            level: How often the truth should lie inside.

        Returns:
            (low, high), each (row,); endless where there were too few rows to learn from for the level.

        Raises:
            ValueError: If `level` does not lie between 0 and 1.

        Source:
            CV+: Barber, Candès, Ramdas & Tibshirani 2021, https://arxiv.org/abs/1905.02928.
        """
        from mindle.evaluation.conformal import prediction_interval

        found, calibration = self._features(X), self.outcome_.calibration
        if calibration is None:
            raise ValueError("An interval needs the errors out of fold. Received a model without them.")
        answers = self.outcome_.model.outputs(found.numbers, found.categories)
        return prediction_interval(
            calibration, answers["fold_estimates"], level=level, features=answers.get("features")
        )


def _frame_of(rows: Mapping[Any, Any]) -> Any:
    """A data frame of columns, or of the cells of one row, by column name."""
    import pandas as pd

    from mindle.data.tables.parsing.mappings import mappings_of

    try:
        return pd.DataFrame(list(mappings_of(rows)))
    except DataError as error:
        raise ValueError(str(error)) from error


def _group_names(groups: Any, rows: int) -> tuple[str, ...]:
    if groups is None:
        return ()
    names = np.asarray(groups)
    if names.shape != (rows,):
        raise ValueError(f"`groups` must be ({rows},): one value a row. Received {names.shape}.")
    return tuple(f"group {name}" for name in names.tolist())
