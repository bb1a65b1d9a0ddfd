"""What was wrong with a training on a table, each with the figure that shows it and what to try.

Two rules are about what the table had been through before it was read, two about how the nets were fed, and
three about the answers to rows that had not been learned from. Like those for images they rather stay silent
than raise a false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.messages import message
from mindle.models.tables.model import TableModel
from mindle.models.tables.scorers import DenseNets
from mindle.records import Diagnosis
from mindle.training.diagnoses import FEWEST_ANSWERS, LARGE_INPUT, figure
from mindle.training.settings import TableSettings
from mindle.training.tables import tasks
from mindle.training.tables.passes import TableProblem

Floats = NDArray[np.float64]

# ---- thresholds, each with its reason ---------------------------------------------------------------------

# Rows of length 1 that were written with four decimals have lengths off by up to a few ten-thousandths.
ROUNDED_LENGTH = 1e-3
# Unit vectors by nature (embeddings, directions) have numbers of both signs and columns of one size; tables
# of measured things have neither. Counts of words have mostly zeros.
UNLIKE_COLUMNS, FEWEST_FILLED = 10.0, 0.5
# Standardised columns that were written with four decimals have means and deviations off by far less; of a
# column that nobody standardised, neither comes this close by chance (1 in 100,000), let alone two columns.
ROUNDED_MOMENT = 1e-4
# The training rows' own mean has to be this many times further off than rounding makes it.
CLEARLY_OFF = 10.0


@dataclass(frozen=True, kw_only=True)
class TableCase:
    """What a diagnosis is made from.

    Attributes:
        problem: Every row of the table.
        model: The final model.
        rows: The rows it learned from.
        answers: For these rows, by models that had not seen them: (row, class) or (row,).
        held_out: Rows that evaluated: the test split, or one fold of a nested cross-validation.
        settings: How nets were fed.
    """

    problem: TableProblem
    model: TableModel
    rows: NDArray[np.int64]
    answers: Floats
    held_out: NDArray[np.int64]
    settings: TableSettings

    def fed(self, scale: str) -> bool:
        """Whether nets have a share in the answer, and were fed this way."""
        nets = any(isinstance(member.model, DenseNets) for member in self.model.members)
        return nets and self.settings.scale == scale

    def seen(self, view: str) -> Floats:
        """What a view showed of the rows that were learned from."""
        return self.model.encoder.view(view, *self.problem.cells(self.rows))


def diagnose_table(case: TableCase) -> tuple[Diagnosis, ...]:
    """Say what was wrong; nothing for a healthy training.

    A cause takes its consequences along: the message of the first one says how bad the answers are.
    """
    causes = [found for rule in CAUSES if (found := rule(case))]
    failure = _failure(case)
    if failure is None:
        gap = _overfitting(case)
        return tuple([*causes, gap] if gap else causes)
    if not causes:
        return (failure,)
    said = message("selection.sentences", first=causes[0].message, second=failure.message)
    return (replace(causes[0], message=said), *causes[1:])


def _said(code: str, **values: Any) -> str:
    return message(f"table_diagnosis.{code}", **values)


def _diagnosis(
    kind: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    seen: str = "seen",
    remedy: str = "",
    x: str = "",
    y: str = "y",
    **values: Any,
) -> Diagnosis:
    """A diagnosis with its sentences, and those of its figure, from the catalogue."""
    evidence = figure(_said(f"{kind}.title"), x and _said(f"x.{x}"), _said(f"{kind}.{y}"), series)
    return Diagnosis(
        kind=kind,
        message=_said(f"{kind}.{seen}", **values),
        remedy=_said(f"{kind}.{remedy or f'{seen}-remedy'}"),
        evidence=evidence,
    )


# ---- what had been done to the table ----------------------------------------------------------------------


def _rows_normalised(case: TableCase) -> Diagnosis | None:
    names = case.problem.features.number_names
    before = rows_normalised(case.problem.features.numbers, columns=names)
    if before or not case.fed("rows") or len(names) < 2:
        return before
    return _mixed("setting", case.seen("rows")[:, : len(names)], names)


def rows_normalised(cells: Floats, *, columns: Sequence[str] = ()) -> Diagnosis | None:
    """Whether rows of a table had each been divided by their norm: the largest column drowns others.

    Args:
        cells: The numbers of a table, (row, column), NaN where missing; incomplete rows are not looked at.
        columns: Their names.

    Returns:
        A diagnosis where every row has the length 1 and the columns are not of one kind.

    Example:
        >>> rows = np.array([[3.0, 400.0], [5.0, 300.0], [4.0, 310.0]])
        >>> rows_normalised(rows) is None
        True
        >>> rows_normalised(rows / np.linalg.norm(rows, axis=1, keepdims=True)).kind
        'rows-normalised'
    """
    whole = cells[~np.isnan(cells).any(axis=1)]
    if len(whole) < 3 or whole.shape[1] < 2:
        return None
    if np.abs(np.linalg.norm(whole, axis=1) - 1).max() > ROUNDED_LENGTH:
        return None
    sizes = np.sqrt((whole**2).mean(axis=0))
    unlike = sizes.max() >= UNLIKE_COLUMNS * sizes[sizes > 0].min()
    if np.count_nonzero(whole) < FEWEST_FILLED * whole.size or not (unlike or whole.min() >= 0):
        return None
    return _mixed("given", whole, columns)


def _mixed(seen: str, cells: Floats, columns: Sequence[str]) -> Diagnosis:
    """The diagnosis, with what dividing rows has left of each column."""
    spread = cells.std(axis=0)
    least, most = int(spread.argmin()), int(spread.argmax())
    return _diagnosis(
        "rows-normalised",
        _logarithms(spread),
        seen=seen,
        x="column",
        rows=len(cells),
        most=_named(columns, most),
        large=float(spread[most]),
        least=_named(columns, least),
        small=float(spread[least]),
    )


def _fitted_on_test(case: TableCase) -> Diagnosis | None:
    numbers = case.problem.features.numbers
    rest = np.setdiff1d(np.arange(len(numbers)), case.held_out)
    return fitted_on_test(numbers[rest], numbers[case.held_out], columns=case.problem.features.number_names)


def fitted_on_test(train: Floats, test: Floats, *, columns: Sequence[str] = ()) -> Diagnosis | None:
    """Whether columns had been standardised over all rows, held-out rows included.

    Such a column has mean 0 and deviation 1 over all rows, to rounding, and not over the training rows; or
    over the test rows by themselves. Columns of two values may be so by nature (-1 and 1), and so may columns
    that were brought to another size, such as a length of 1: these are passed over.

    Args:
        train: Numbers of the rows that may be learned from, (row, column); NaN where a cell is missing.
        test: Those of the held-out rows.
        columns: Their names.

    Returns:
        A diagnosis where two columns are like that, or the only one is.

    Example:
        >>> rows = np.random.default_rng(0).normal(5, 2, (60, 3))
        >>> fitted_on_test(rows[:40], rows[40:]) is None
        True
        >>> rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
        >>> fitted_on_test(rows[:40], rows[40:]).kind
        'fitted-on-test'
    """
    if len(train) < 2 or len(test) < 2 or not train.shape[1]:
        return None
    everything, means = np.concatenate([train, test]), _means(train)
    measured = np.array([len(np.unique(column[~np.isnan(column)])) > 2 for column in everything.T], bool)
    over_all = measured & _standardised(everything) & (np.abs(means) > CLEARLY_OFF * ROUNDED_MOMENT)
    found = over_all | (measured & _standardised(test))
    count = int(found.sum())
    if not count or count < min(2, int(measured.sum())):
        return None
    worst = int(np.where(found, np.abs(means), -1).argmax())
    over, rows = ("all-rows", everything) if over_all.any() else ("held-out-rows", test)
    return _diagnosis(
        "fitted-on-test",
        {
            _said("fitted-on-test.learned"): list(enumerate(means.tolist(), 1)),
            _said("fitted-on-test.everything"): list(enumerate(_means(everything).tolist(), 1)),
        },
        x="column",
        columns=count,
        all=len(means),
        where=_said(f"fitted-on-test.{over}", rows=len(rows)),
        worst=_named(columns, worst),
        mean=float(means[worst]),
    )


def _standardised(cells: Floats) -> NDArray[np.bool_]:
    """(column,) whether its mean is 0 and its deviation 1, counted by n or by n - 1."""
    present = (~np.isnan(cells)).sum(axis=0)
    means = _means(cells)
    squares = np.nansum((cells - means) ** 2, axis=0)
    freedom = np.maximum([present, present - 1], 1)
    unit = (np.abs(np.sqrt(squares / freedom) - 1) < ROUNDED_MOMENT).any(axis=0)
    return np.asarray((present >= 2) & unit & (np.abs(means) < ROUNDED_MOMENT), np.bool_)


def _means(cells: Floats) -> Floats:
    """(column,) mean of what is there; 0 where nothing is."""
    present = (~np.isnan(cells)).sum(axis=0)
    return np.asarray(np.nansum(cells, axis=0) / np.maximum(present, 1), np.float64)


# ---- how nets were fed ------------------------------------------------------------------------------------


def _inputs_unscaled(case: TableCase) -> Diagnosis | None:
    """Columns of hundreds beside columns of hundredths, where the weights expect numbers around 1."""
    if not case.fed("none"):
        return None
    sizes = np.sqrt((case.seen("plain") ** 2).mean(axis=0))
    most = int(sizes.argmax())
    if sizes[most] <= LARGE_INPUT:
        return None
    return _diagnosis(
        "inputs-unscaled",
        _logarithms(sizes),
        x="column",
        most=_named(case.problem.features.number_names, most),
        large=float(sizes[most]),
        small=float(sizes.min()),
    )


def _logarithms(sizes: Floats) -> dict[str, list[tuple[float, float]]]:
    """A size of each column, and what it is where columns are standardised."""
    return {
        _said("this-run"): [(i, math.log10(max(size, 1e-12))) for i, size in enumerate(sizes.tolist(), 1)],
        _said("standardised"): [(1, 0.0), (len(sizes), 0.0)],
    }


def _named(columns: Sequence[str], index: int) -> str:
    return columns[index] if index < len(columns) else _said("column", number=index + 1)


CAUSES = (_rows_normalised, _fitted_on_test, _inputs_unscaled)

# ---- answers ----------------------------------------------------------------------------------------------


def _failure(case: TableCase) -> Diagnosis | None:
    """Answers that are worse than the best constant one, by more than chance."""
    if len(case.rows) < FEWEST_ANSWERS:
        return None
    truth, classes = case.problem.truth[case.rows], case.problem.classes
    found = tasks.of(case.problem.task).failure(truth, case.answers, classes)
    if found is None:
        return None
    series = _bars(found.kind, found.value, found.against)
    return _diagnosis(found.kind, series, rows=len(truth), **found.values)


def _overfitting(case: TableCase) -> Diagnosis | None:
    """Nets or sums that know far more of the rows they learned from.

    Trees and kernels fit their own rows closely by construction, and are exempt.
    """
    exempt = any(member.model.parameters is None for member in case.model.members)
    if len(case.rows) < FEWEST_ANSWERS or exempt:
        return None
    task, learned = tasks.of(case.problem.task), case.model.answers(*case.problem.cells(case.rows))
    truth = case.problem.truth[case.rows]
    gap = task.overfitting(truth, learned.reshape(case.answers.shape), case.answers)
    if gap is None:
        return None
    train, val = gap
    return _diagnosis(
        "overfitting",
        _bars("overfitting", val, train),
        seen=task.share_name,
        remedy="remedy",
        y=f"{task.share_name}-y",
        points=100 * (train - val),
        train=train,
        val=val,
    )


def _bars(kind: str, value: float, against: float) -> dict[str, list[tuple[float, float]]]:
    """Two level lines to compare."""
    return {
        _said("out-of-fold"): [(0, value), (1, value)],
        _said(f"{kind}.other"): [(0, against), (1, against)],
    }
