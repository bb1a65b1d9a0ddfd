"""What is wrong, odd or worth knowing about a table, and what follows from it.

`read_table` finds what a cell or a column is; `check_table` asks what rows and columns have to do with each
other and with the target. Each question adds findings, sets rows aside, or binds rows that a split keeps
together. Columns are never removed here: what gives the target away only its owner knows.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common import tasks as common
from mindle.data.common.classes import alike_names, lookalikes
from mindle.data.common.findings import about_columns, finding
from mindle.data.common.groups import GROUP_FRACTION, GROUP_LEAST, bind_groups
from mindle.data.common.names import all_of
from mindle.data.tables import tasks
from mindle.data.tables.parsing.columns import kind_of, missing_cells, row_name
from mindle.data.tables.roles import answer_ids
from mindle.messages import message
from mindle.records import SILENT, Column, Finding, Listener, Table

MISSING_FRACTION = 0.5
NO_TARGET_FRACTION = 0.05  # more rows than that without a target are worth a decision
_LEAK_FOLDS = 5
_LEAK_ROWS = 20


def check_table(table: Table, listener: Listener = SILENT) -> Table:
    """Ask what is wrong or odd about a table; its source is not looked at again.

    Args:
        table: What `read_table` gave.
        listener: Hears progress of the stage "columns", one a feature.

    Returns:
        The table with the hash of each row, rows set aside, groups that a split keeps together, and the
        findings, those that need a decision first.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> checked = check_table(read_table("iris"))
        >>> [(finding.kind, finding.files) for finding in checked.findings]
        [('duplicate', ('row 102', 'row 143'))]
    """
    draft = _Draft(
        table=table, set_aside=list(table.set_aside or ("",) * len(table)), hashes=row_hashes(table)
    )
    found = [finding for question in QUESTIONS for finding in question(draft)]
    found += _target_leaks(draft, listener)
    found += [*common.of(table.task).findings(table, draft.good()), *lookalikes(table.classes)]
    contents = _with_answers(draft.hashes, table.truth)
    return replace(
        table,
        groups=bind_groups(table.groups or ("",) * len(table), draft.bound, contents),
        set_aside=tuple(draft.set_aside),
        sha256=tuple(contents),
        findings=tuple(sorted((*table.findings, *found), key=lambda finding: not finding.decision)),
    )


@dataclass(kw_only=True)
class _Draft:
    """A table while it is being checked."""

    table: Table
    set_aside: list[str]
    hashes: list[str]
    bound: list[list[int]] = field(default_factory=list)  # rows that a split keeps together

    def good(self) -> NDArray[np.int64]:
        """Rows that take part so far."""
        return np.flatnonzero([not aside for aside in self.set_aside])

    def categories(self) -> Iterator[tuple[str, list[str]]]:
        """The cells that hold anything of each feature of categories, of the rows that take part."""
        rows = self.good()
        for column in self.table.features:
            if kind_of(column).is_text:
                yield column.name, [cell for cell in self.table.cells[column.name][rows] if cell is not None]

    def name(self, row: int) -> str:
        """What people call a row."""
        return row_name(self.table.rows_from[row])

    def named(self, rows: Sequence[int]) -> str:
        """Some rows by their names: "row 1 and row 7 and 3 more"."""
        shown = all_of([self.name(row) for row in rows[:2]])
        return shown if len(rows) <= 2 else message("data.list.and_more", names=shown, n=len(rows) - 2)

    def is_cut(self, rows: Sequence[int]) -> bool:
        """Whether the given split puts some rows on several sides."""
        return bool(self.table.given) and len({self.table.given[row] for row in rows}) > 1

    def about_groups(
        self, kind: str, groups: Sequence[Sequence[int]], *, action: str = "", **values: Any
    ) -> Iterator[Finding]:
        """A finding about groups of rows, whose sentence names the first; none where there are none."""
        if groups:
            rows = [row for group in groups for row in group]
            known = {"n": len(groups), "rows": len(rows), "first": self.named(groups[0])}
            sentence = message(f"tables.check.{kind}", **known | values)
            decision = False if kind == "large-group" else None  # of images, which are rarely so alike
            yield finding(kind, map(self.name, rows), sentence, action=action, decision=decision)


# ---------------------------------------------------------------------------------------------- rows


def _rows_without_target(draft: _Draft) -> Iterator[Finding]:
    """Nothing can be learned from a row without a target, and nothing can be evaluated on it."""
    table, target = draft.table, draft.table.target
    lacking = ~common.of(table.task).known(table)
    rows = [row for row in draft.good().tolist() if lacking[row]]
    if rows:
        for row in rows:
            draft.set_aside[row] = "no-target"
        code = "tables.check.no-target-noted" if target.note else "tables.check.no-target"
        first = draft.name(rows[0])
        sentence = message(code, n=len(rows), first=first, target=target.name, note=target.note)
        many = len(rows) > NO_TARGET_FRACTION * len(table)
        yield finding("no-target", map(draft.name, rows), sentence, decision=many)


def row_hashes(table: Table) -> list[str]:
    """SHA-256 of the features of each row, whatever its place, its id and the columns that are ignored.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> hashes = row_hashes(read_table("iris"))
        >>> hashes[101] == hashes[142], len(set(hashes))
        (True, 149)
    """
    return _feature_hashes(table.features, table.cells, len(table))


def content_hashes(
    columns: Sequence[Column], cells: Mapping[str, NDArray[Any]], truth: NDArray[Any]
) -> list[str]:
    """SHA-256 of what each row holds, features and answer, as it stands in the manifest.

    Args:
        columns: The columns to learn from, in the order of the table.
        cells: Their values.
        truth: (row,) class index or number.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> iris = read_table("iris")
        >>> content_hashes(iris.features, iris.cells, iris.truth) == list(check_table(iris).sha256)
        True
    """
    return _with_answers(_feature_hashes(columns, cells, len(truth)), truth)


def _with_answers(hashes: Sequence[str], truth: NDArray[Any]) -> list[str]:
    return [
        hashlib.sha256(f"{features} {answer}".encode()).hexdigest()
        for features, answer in zip(hashes, truth.tolist(), strict=True)
    ]


def _feature_hashes(columns: Sequence[Column], cells: Mapping[str, NDArray[Any]], rows: int) -> list[str]:
    numbers = [cells[column.name] for column in columns if not kind_of(column).is_text]
    texts = [cells[column.name] for column in columns if kind_of(column).is_text]
    # One bit pattern for each number: 0 and -0 are equal, and so are all kinds of NaN.
    stacked = np.stack(numbers, axis=1) + 0.0 if numbers else np.zeros((rows, 0))
    stacked[np.isnan(stacked)] = np.nan
    categories = zip(*(each.tolist() for each in texts), strict=True) if texts else itertools.repeat(())
    return [
        hashlib.sha256(row.tobytes() + repr(some).encode()).hexdigest()
        for row, some in zip(stacked.astype("<f8"), categories, strict=False)
    ]


def _copies(draft: _Draft) -> Iterator[Finding]:
    """Rows that are alike in every feature: under one target or several, on both sides of a given split."""
    table, alike = draft.table, defaultdict[str, list[int]](list)
    for row in draft.good().tolist() if table.features else []:
        alike[draft.hashes[row]].append(row)
    copies = [rows for rows in alike.values() if len(rows) > 1]
    same = [some for rows in copies for some in _by_target(table, rows) if len(some) > 1]
    yield from draft.about_groups("duplicate", same)
    yield from draft.about_groups("leak", list(filter(draft.is_cut, same)), action="kept as given")
    opposed = [rows for rows in copies if len(_by_target(table, rows)) > 1]
    if opposed:
        text = common.of(table.task).text
        first = all_of([f"{draft.name(row)} ({text(table, row)})" for row in opposed[0][:3]])
        yield from draft.about_groups("contradiction", opposed, first=first)
    # Copies stay together, but for those so common that they are no copies: a table of few categories.
    limit = max(GROUP_LEAST, int(GROUP_FRACTION * len(draft.good())))
    draft.bound += [group for group in copies if len(group) <= limit]
    large = [group for group in copies if len(group) > limit]
    yield from draft.about_groups("large-group", large, action="kept, not held together", limit=limit)


def _by_target(table: Table, rows: Sequence[int]) -> list[list[int]]:
    found: dict[float, list[int]] = defaultdict(list)
    for row in rows:
        found[float(table.truth[row])].append(row)
    return list(found.values())


def _cut_groups(draft: _Draft) -> Iterator[Finding]:
    """Groups that came with the data and that the given split does not respect."""
    members: dict[str, list[int]] = defaultdict(list)
    for row in draft.good().tolist() if draft.table.groups else []:
        if draft.table.groups[row]:
            members[draft.table.groups[row]].append(row)
    cut = {name: rows for name, rows in members.items() if draft.is_cut(rows)}
    yield from draft.about_groups("group-cut", list(cut.values()), name=next(iter(cut), ""))


# ------------------------------------------------------------------------------------------- columns


def _mostly_missing(draft: _Draft) -> Iterator[Finding]:
    """Columns that are half empty or more."""
    rows = draft.good()
    missing = {
        column.name: float(missing_cells(draft.table.cells[column.name][rows]).mean()) if len(rows) else 0.0
        for column in draft.table.features
    }
    mostly = {name: f"{share:.0%}" for name, share in missing.items() if share >= MISSING_FRACTION}
    yield from about_columns("mostly-missing", mostly)


def _same_columns(draft: _Draft) -> Iterator[Finding]:
    """Columns of the same values: one of them is enough."""
    rows = draft.good()
    alike: dict[bytes, list[str]] = defaultdict(list)
    for column in draft.table.features:
        cells = draft.table.cells[column.name][rows]
        content = repr(cells.tolist()).encode() if kind_of(column).is_text else (cells + 0.0).tobytes()
        alike[hashlib.sha256(content).digest()].append(column.name)
    for names in alike.values():
        if len(names) > 1:
            yield finding("same-column", names, message("tables.check.same-column", names=_quoted(names)))


def _quoted(names: Sequence[str]) -> str:
    return all_of([repr(name) for name in names])


def _rare_categories(draft: _Draft) -> Iterator[Finding]:
    """Categories that occur once say nothing about the next row."""
    counts = {name: Counter(cells) for name, cells in draft.categories()}
    once = {name: sum(count == 1 for count in found.values()) for name, found in counts.items()}
    rare = {
        name: message("tables.column.rare", once=number, n=len(counts[name]))
        for name, number in once.items()
        if number
    }
    yield from about_columns("rare-categories", rare)


def _collisions(draft: _Draft) -> Iterator[Finding]:
    """Names of columns, and categories within a column, that differ only in case, width or spaces."""
    for names in alike_names(column.name for column in draft.table.columns):
        sentence = message("tables.check.name-collision", names=_quoted(names))
        yield finding("name-collision", names, sentence, action="kept as different columns", decision=False)
    alike = {name: alike_names(sorted(set(cells))) for name, cells in draft.categories()}
    spelled = {name: _quoted(found[0]) for name, found in alike.items() if found}
    yield from about_columns("name-collision", spelled, action="kept as different categories")


def _renamed_ids(draft: _Draft) -> Iterator[Finding]:
    """Ids that answers call otherwise, since they have a column of that name."""
    ids = [column.name for column in draft.table.columns if column.role == "id"]
    names = answer_ids(ids, draft.table.classes).items()
    renamed = {name: message("tables.column.renamed", new=new) for name, new in names if new != name}
    yield from about_columns("renamed-id", renamed)


QUESTIONS: tuple[Callable[[_Draft], Iterator[Finding]], ...] = (
    *(_rows_without_target, _copies, _cut_groups),
    *(_mostly_missing, _same_columns, _rare_categories, _collisions, _renamed_ids),
)
"""What is asked of every table, in this order; the first ones set rows aside."""


# ------------------------------------------------------------------------------------- leaking target


def _target_leaks(draft: _Draft, listener: Listener) -> Iterator[Finding]:
    """A column that alone gives the target away: often a copy of it, or something known only afterwards."""
    table, rows = draft.table, draft.good()
    if len(rows) < _LEAK_ROWS:
        return
    truth, task = table.truth[rows], tasks.of(table.task)
    folds = np.random.default_rng(0).permutation(len(rows)) % _LEAK_FOLDS
    for done, column in enumerate(table.features, start=1):
        name = column.name
        skill = _skill_alone(column, table.cells[name][rows], truth, folds, task)
        if skill >= task.leak_skill:
            measure = message(task.leak_measure)
            sentence = message("tables.check.target-leak", column=name, skill=skill, measure=measure)
            if kind_of(column).is_time:
                by_time = message("tables.check.by-time", column=name)
                sentence = message("selection.sentences", first=sentence, second=by_time)
            yield finding("target-leak", [name], sentence)
        listener.progress("columns", done, len(table.features))


def _skill_alone(
    column: Column,
    cells: NDArray[Any],
    truth: NDArray[Any],
    folds: NDArray[np.int64],
    task: tasks.TableTarget,
) -> float:
    """How much of the error without features one column removes, on held-out rows; 1 is all of it.

    The answer to a value is what rows of that value had in training, or of the nearest value: the mean, or
    the most frequent class. It takes no model, and follows any curve.
    """
    values, codes = _ranked(column, cells)
    answers = np.empty(len(truth))
    guesses = np.empty(len(truth))
    for fold in range(_LEAK_FOLDS):
        test = folds == fold
        seen, place = np.unique(codes[~test], return_inverse=True)
        by_value = task.constants(truth[~test], place, len(seen))
        guess = task.constants(truth[~test], np.zeros(len(place), np.int64), 1)[0]
        guesses[test] = guess
        nearest = _nearest(values[seen], values[codes[test]])
        known = seen[nearest] == codes[test]
        fits = known | (not kind_of(column).is_text)  # categories have no neighbours
        answers[test] = np.where(fits, by_value[nearest], guess)
    wrong, without = task.errors(answers, truth), task.errors(guesses, truth)
    return float(1 - wrong / without) if without > 0 else 0.0


def _ranked(column: Column, cells: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The different values in order, as numbers, missing last, and the place of each cell among them."""
    if kind_of(column).is_text:
        numbers: dict[Any, int] = {}
        codes = np.fromiter((numbers.setdefault(cell, len(numbers)) for cell in cells), np.int64, len(cells))
        return np.arange(len(numbers), dtype=np.float64), codes
    values, codes = np.unique(cells, return_inverse=True)  # NaNs become one value
    finite = values[~np.isnan(values)]
    values[np.isnan(values)] = finite[-1] + np.ptp(finite) + 1 if len(finite) else 0.0
    return values, codes


def _nearest(seen: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """The place of the nearest of some sorted values."""
    right = np.clip(np.searchsorted(seen, wanted), 0, len(seen) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(wanted - seen[left]) <= np.abs(seen[right] - wanted), left, right)
