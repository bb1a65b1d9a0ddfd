"""What was wrong with a training on a table, in words, each with the figure that shows it and what to try.

Two rules are about what the table had been through before it came, two about how the nets were fed, and three
about the answers to rows that had not been learned from. Like those for images they rather stay silent than
raise a false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import difference, wilson
from mindle.models.tables.model import TableModel
from mindle.models.tables.scorers import DenseNets, Linear
from mindle.records import Diagnosis
from mindle.training.diagnoses import FEWEST_ANSWERS, LARGE_INPUT, figure
from mindle.training.settings import TableSettings
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
# Nets and sums that explain this much more of what they learned from than of what they did not.
FAR_EXPLAINED, FAR_RIGHT = 0.25, 0.10


@dataclass(frozen=True, kw_only=True)
class TableCase:
    """What a diagnosis is made from.

    Attributes:
        problem: Every row of the table.
        model: The model that is kept.
        rows: The rows it learned from.
        answers: For these rows, by models that had not seen them: (row, class) or (row,).
        held: Rows that judged: the test part, or one fold of a nested cross-validation.
        settings: How nets were fed.
    """

    problem: TableProblem
    model: TableModel
    rows: NDArray[np.int64]
    answers: Floats
    held: NDArray[np.int64]
    settings: TableSettings

    @property
    def netted(self) -> bool:
        """Whether nets have a share in the answer."""
        return any(isinstance(member.model, DenseNets) for member in self.model.members)

    @property
    def parametric(self) -> bool:
        """Whether nets and sums alone answer: trees and kernels know their rows by heart and mean no harm."""
        return all(isinstance(member.model, DenseNets | Linear) for member in self.model.members)

    def seen(self, view: str) -> Floats:
        """What a view showed of the rows that were learned from."""
        features = self.problem.features
        return self.model.encoder.view(view, features.numbers[self.rows], features.categories[self.rows])


def diagnose_table(case: TableCase) -> tuple[Diagnosis, ...]:
    """Say what was wrong; nothing for a healthy training.

    A cause takes its consequences along: the message of the first one says how bad the answers are.
    """
    causes = [
        found for rule in (_rows_normalised, _fitted_on_test, _inputs_unscaled) if (found := rule(case))
    ]
    failure = _below_majority(case) if case.problem.classes else _worse_than_mean(case)
    if failure and causes:
        causes[0] = replace(causes[0], message=f"{causes[0].message} {failure.message}")
    elif failure:
        causes.append(failure)
    gap = None if failure else _overfitting(case)
    return tuple([*causes, gap] if gap else causes)


# ---- what had been done to the table ----------------------------------------------------------------------


def _rows_normalised(case: TableCase) -> Diagnosis | None:
    names = case.problem.features.number_names
    before = rows_normalised(case.problem.features.numbers, columns=names)
    if before or not (case.netted and case.settings.scale == "rows") or len(names) < 2:
        return before
    spread = case.seen("rows")[:, : len(names)].std(axis=0)
    return _mixed(
        spread,
        names,
        f"Each of the {len(case.rows):,} rows was divided by its own length before the nets saw it "
        '(table.scale = "rows")',
        'Give the nets standardised columns (table.scale = "columns").',
    )


def rows_normalised(cells: Floats, *, columns: Sequence[str] = ()) -> Diagnosis | None:
    """Whether rows of a table had each been divided by their own length: the largest column drowns others.

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
    return _mixed(
        whole.std(axis=0),
        columns,
        f"Each of the {len(whole):,} rows had been divided by its own length before it came",
        "Take the table as it was measured, or standardise each column by its own mean and deviation: mindle "
        "does so itself, on training rows alone.",
    )


def _mixed(spread: Floats, columns: Sequence[str], said: str, remedy: str) -> Diagnosis:
    """The diagnosis, with what dividing rows has left of each column."""
    least, most = int(spread.argmin()), int(spread.argmax())
    return Diagnosis(
        kind="rows-normalised",
        message=f"{said}, which mixes columns of unlike units: {_named(columns, most)} now has a deviation "
        f"of {spread[most]:.2g} and {_named(columns, least)} one of {spread[least]:.1e}, which a net can "
        "hardly see.",
        remedy=remedy,
        evidence=figure(
            "What is left of each column",
            "column",
            "log10 of its deviation",
            {
                "this run": [(i, math.log10(max(s, 1e-12))) for i, s in enumerate(spread.tolist(), 1)],
                "standardised": [(1, 0.0), (len(spread), 0.0)],
            },
        ),
    )


def _fitted_on_test(case: TableCase) -> Diagnosis | None:
    numbers = case.problem.features.numbers
    rest = np.setdiff1d(np.arange(len(numbers)), case.held)
    return fitted_on_test(numbers[rest], numbers[case.held], columns=case.problem.features.number_names)


def fitted_on_test(train: Floats, test: Floats, *, columns: Sequence[str] = ()) -> Diagnosis | None:
    """Whether columns had been standardised over all rows, those that judge included.

    Such a column has mean 0 and deviation 1 over all rows, to rounding, and not over the training rows; or
    over the test rows by themselves. Columns of two values may be so by nature (-1 and 1), and so may columns
    that were brought to another size, such as a length of 1: these are passed over.

    Args:
        train: Numbers of the rows that may be learned from, (row, column); NaN where a cell is missing.
        test: Those of the rows that judge.
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
    everything, own = np.concatenate([train, test]), _means(train)
    measured = np.array([len(np.unique(column[~np.isnan(column)])) > 2 for column in everything.T], bool)
    over_all = measured & _standardised(everything) & (np.abs(own) > CLEARLY_OFF * ROUNDED_MOMENT)
    over_test = measured & _standardised(test)
    guilty, count = over_all | over_test, int((over_all | over_test).sum())
    if not count or count < min(2, int(measured.sum())):
        return None
    worst = int(np.where(guilty, np.abs(own), -1).argmax())
    where = f"all {len(everything):,} rows" if over_all.any() else f"the {len(test):,} rows that judge"
    return Diagnosis(
        kind="fitted-on-test",
        message=f"{count} of {len(own)} columns of numbers had been standardised before they came, by means "
        f"that rows which judge went into: mean 0 and deviation 1 over {where}, while "
        f"{_named(columns, worst)} has a mean of {own[worst]:.3g} over the rows to learn from. Scores then "
        "promise a little more than new rows will keep.",
        remedy="Take the table as it was measured; mindle standardises by itself, on training rows alone.",
        evidence=figure(
            "Mean of each column",
            "column",
            "mean",
            {
                "rows to learn from": list(enumerate(own.tolist(), 1)),
                "all rows": list(enumerate(_means(everything).tolist(), 1)),
            },
        ),
    )


def _standardised(cells: Floats) -> NDArray[np.bool_]:
    """(column,) whether its mean is 0 and its deviation 1, counted by n or by n - 1."""
    present = (~np.isnan(cells)).sum(axis=0)
    enough = present >= 2
    means = _means(cells)
    squares = np.nansum((cells - means) ** 2, axis=0)
    found = np.zeros(cells.shape[1], bool)
    for freedom in (present, present - 1):
        deviation = np.sqrt(squares / np.maximum(freedom, 1))
        found |= np.abs(deviation - 1) < ROUNDED_MOMENT
    return np.asarray(enough & found & (np.abs(means) < ROUNDED_MOMENT), np.bool_)


def _means(cells: Floats) -> Floats:
    """(column,) mean of what is there; 0 where nothing is."""
    present = (~np.isnan(cells)).sum(axis=0)
    return np.asarray(np.nansum(cells, axis=0) / np.maximum(present, 1), np.float64)


# ---- how nets were fed ------------------------------------------------------------------------------------


def _inputs_unscaled(case: TableCase) -> Diagnosis | None:
    """Columns of hundreds beside columns of hundredths, where the weights expect numbers around 1."""
    if not (case.netted and case.settings.scale == "none"):
        return None
    given = case.seen("plain")
    sizes = np.sqrt((given**2).mean(axis=0))
    most = int(sizes.argmax())
    if sizes[most] <= LARGE_INPUT:
        return None
    return Diagnosis(
        kind="inputs-unscaled",
        message=f"The inputs were not scaled: the nets are given columns as large as "
        f"{_named(case.problem.features.number_names, most)} ({sizes[most]:.3g} on average) beside ones of "
        f"{sizes.min():.2g}, where initial weights expect about 1.",
        remedy='Give the nets standardised columns (table.scale = "columns").',
        evidence=figure(
            "What the nets are given",
            "column",
            "log10 of its root mean square",
            {
                "this run": [(i, math.log10(max(s, 1e-12))) for i, s in enumerate(sizes.tolist(), 1)],
                "standardised": [(1, 0.0), (len(sizes), 0.0)],
            },
        ),
    )


# ---- answers ----------------------------------------------------------------------------------------------


def _below_majority(case: TableCase) -> Diagnosis | None:
    """Fewer right than by always naming the commonest class, by more than chance."""
    labels, classes = case.problem.truth[case.rows].astype(np.int64), case.problem.classes
    counts = np.bincount(labels, minlength=len(classes))
    n, commonest = len(labels), int(counts.argmax())
    right, majority = int((case.answers.argmax(axis=1) == labels).sum()), counts[commonest] / n
    _, high = wilson(right, n)
    if n < FEWEST_ANSWERS or high >= majority:
        return None
    return Diagnosis(
        kind="val-below-majority",
        message=f"Out of fold {right / n:.1%} of {n:,} rows are right (at most {high:.1%} with 95 % "
        f"confidence), fewer than the {majority:.1%} of always answering {classes[commonest]!r}.",
        remedy="Look at some rows with their target, and let all models answer (leave out --model).",
        evidence=_bars("Out of fold", "share right", "always the commonest class", right / n, majority),
    )


def _worse_than_mean(case: TableCase) -> Diagnosis | None:
    """Further from the truth than the mean, in squares, by more than chance."""
    truth = case.problem.truth[case.rows].astype(np.float64)
    own, mean = (case.answers - truth) ** 2, (truth - truth.mean()) ** 2
    worse, n = own - mean, len(truth)
    if n < FEWEST_ANSWERS or worse.mean() <= 1.96 * worse.std() / n**0.5:
        return None
    return Diagnosis(
        kind="worse-than-mean",
        message=f"Out of fold the {n:,} estimates have a root mean squared error of {own.mean() ** 0.5:.4g}, "
        f"more than the {mean.mean() ** 0.5:.4g} of always answering the mean.",
        remedy="Lower the rate (table.learning_rate), standardise columns and target (table.scale, "
        "table.scale_target), or let all models answer (leave out --model).",
        evidence=_bars(
            "Out of fold",
            "root mean squared error",
            "always the mean",
            own.mean() ** 0.5,
            mean.mean() ** 0.5,
        ),
    )


def _overfitting(case: TableCase) -> Diagnosis | None:
    """Nets or sums that know far more of the rows they learned from."""
    n = len(case.rows)
    if n < FEWEST_ANSWERS or not case.parametric:
        return None
    numbers, categories = (
        case.problem.features.numbers[case.rows],
        case.problem.features.categories[case.rows],
    )
    if case.problem.classes:
        labels = case.problem.truth[case.rows].astype(np.int64)
        learned = case.model.answers(numbers, categories)
        train, own = (float((told.argmax(axis=1) == labels).mean()) for told in (learned, case.answers))
        _, low, _ = difference((train, n), (own, n))
        word, far = "right", low >= FAR_RIGHT
    else:
        truth = case.problem.truth[case.rows].astype(np.float64)
        errors, spread = (case.answers - truth) ** 2, max(float(truth.var()), 1e-12)
        train = 1 - float(((case.model.answers(numbers, categories)[:, 0] - truth) ** 2).mean()) / spread
        own = 1 - float(errors.mean()) / spread
        high = own + 1.96 * float(errors.std()) / n**0.5 / spread
        word, far = "explained", train - high >= FAR_EXPLAINED
    if not far:
        return None
    return Diagnosis(
        kind="overfitting",
        message=f"Training stands {100 * (train - own):.0f} points above the answers out of fold: "
        f"{train:.0%} {word} of what was learned from, {own:.0%} of what was not.",
        remedy="Fewer epochs (table.epochs), smaller layers (table.hidden_layer_sizes), dropout "
        "(table.dropout), more decay (table.weight_decay), or let all models answer (leave out --model).",
        evidence=_bars("Learned and not learned", f"share {word}", "rows it learned from", own, train),
    )


def _bars(title: str, y: str, other: str, value: float, against: float) -> dict[str, object]:
    """Two level lines to compare."""
    return figure(
        title, "", y, {"out of fold": [(0, value), (1, value)], other: [(0, against), (1, against)]}
    )


def _named(columns: Sequence[str], place: int) -> str:
    return columns[place] if place < len(columns) else f"column {place + 1}"
