"""What is wrong, odd or worth knowing about a table, and what follows from it.

`read_table` tells what a cell or a column is; `check_table` asks what rows and columns have to do with each
other and with the target. Each question adds findings, sets rows aside, or binds rows that a split keeps
together. Columns are never removed here: what gives the target away only its owner knows.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common import tasks as common
from mindle.data.common.class_checks import GROUP_FRACTION, GROUP_LEAST
from mindle.data.common.classes import alike_names
from mindle.data.common.findings import column_finding
from mindle.data.common.groups import bind_groups
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
    draft = _Draft(table=table, set_aside=list(table.set_aside or ("",) * len(table)))
    _find_rows_without_target(draft)
    hashes = row_hashes(table)
    _find_copies(draft, hashes)
    _find_cut_groups(draft)
    _find_mostly_missing(draft)
    _find_same_columns(draft)
    _find_rare_categories(draft)
    _find_collisions(draft)
    _find_renamed_ids(draft)
    _find_target_leaks(draft, listener)
    draft.findings += tasks.of(table.task).findings(table, draft.good())
    return _finished(draft, hashes)


@dataclass(kw_only=True)
class _Draft:
    """A table while it is being checked."""

    table: Table
    set_aside: list[str]
    findings: list[Finding] = field(default_factory=list)
    bound: list[list[int]] = field(default_factory=list)  # rows that a split keeps together

    def good(self) -> NDArray[np.int64]:
        """Rows that take part so far."""
        return np.flatnonzero([not aside for aside in self.set_aside])

    def target(self, row: int) -> str:
        """The target of a row as people write it."""
        return common.of(self.table.task).text(self.table, row)

    def name(self, row: int) -> str:
        """What people call a row."""
        return row_name(self.table.rows_from[row])

    def named(self, rows: Sequence[int]) -> str:
        """Some rows by their names: "row 1 and row 7 and 3 more"."""
        shown = all_of([self.name(row) for row in rows[:2]])
        return shown if len(rows) <= 2 else message("data.list.and_more", names=shown, n=len(rows) - 2)

    def add(
        self, kind: str, files: Iterable[str], sentence: str, action: str, *, decision: bool = False
    ) -> None:
        """Note a finding about some rows or columns."""
        self.findings.append(
            Finding(kind=kind, files=tuple(files), message=sentence, action=action, decision=decision)
        )


# ---------------------------------------------------------------------------------------------- rows


def _find_rows_without_target(draft: _Draft) -> None:
    """Nothing can be learned from a row without a target, and nothing can be judged by it."""
    table = draft.table
    lacking = ~common.of(table.task).known(table)
    rows = [row for row in np.flatnonzero(lacking).tolist() if not draft.set_aside[row]]
    if not rows:
        return
    target = table.target
    for row in rows:
        draft.set_aside[row] = "no-target"
    draft.add(
        "no-target",
        map(draft.name, rows),
        message(
            "tables.check.no-target-noted" if target.note else "tables.check.no-target",
            n=len(rows),
            first=draft.name(rows[0]),
            target=target.name,
            note=target.note,
        ),
        "set aside",
        decision=len(rows) > NO_TARGET_FRACTION * len(table),
    )


def row_hashes(table: Table) -> list[str]:
    """SHA-256 of the features of each row, whatever its place, its id and the columns that are ignored.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> hashes = row_hashes(read_table("iris"))
        >>> hashes[101] == hashes[142], len(set(hashes))
        (True, 149)
    """
    numbers = [table.cells[column.name] for column in table.features if not kind_of(column).is_text]
    texts = [table.cells[column.name] for column in table.features if kind_of(column).is_text]
    # One bit pattern for each number: 0 and -0 are equal, and so are all kinds of NaN.
    stacked = np.stack(numbers, axis=1) + 0.0 if numbers else np.zeros((len(table), 0))
    stacked[np.isnan(stacked)] = np.nan
    words = zip(*(cells.tolist() for cells in texts), strict=True) if texts else itertools.repeat(())
    return [
        hashlib.sha256(row.tobytes() + repr(some).encode()).hexdigest()
        for row, some in zip(stacked.astype("<f8"), words, strict=False)
    ]


def _find_copies(draft: _Draft, hashes: Sequence[str]) -> None:
    """Rows that are alike in every feature: under one target or several, on both sides of a given split."""
    if not draft.table.features:
        return
    alike: dict[str, list[int]] = defaultdict(list)
    for row in draft.good().tolist():
        alike[hashes[row]].append(row)
    copies = [rows for rows in alike.values() if len(rows) > 1]
    same = [some for rows in copies for some in _by_target(draft, rows) if len(some) > 1]
    opposed = [rows for rows in copies if len(_by_target(draft, rows)) > 1]
    given = draft.table.given
    leaks = [rows for rows in same if given and len({given[row] for row in rows}) > 1]
    for kind, groups, action in (("duplicate", same, "kept together"), ("leak", leaks, "kept as given")):
        if groups:
            rows = [row for group in groups for row in group]
            draft.add(
                kind,
                map(draft.name, rows),
                message(f"tables.check.{kind}", n=len(groups), rows=len(rows), first=draft.named(groups[0])),
                action,
                decision=kind == "leak",
            )
    if opposed:
        rows = [row for group in opposed for row in group]
        first = all_of([f"{draft.name(row)} ({draft.target(row)})" for row in opposed[0][:3]])
        draft.add(
            "contradiction",
            map(draft.name, rows),
            message("tables.check.contradiction", n=len(opposed), rows=len(rows), first=first),
            "kept together",
        )
    _bind(draft, copies)


def _by_target(draft: _Draft, rows: Sequence[int]) -> list[list[int]]:
    found: dict[float, list[int]] = defaultdict(list)
    for row in rows:
        found[float(draft.table.truth[row])].append(row)
    return list(found.values())


def _bind(draft: _Draft, groups: Sequence[list[int]]) -> None:
    """Keep copies together, but for those so common that they are no copies: a table of few categories."""
    limit = max(GROUP_LEAST, int(GROUP_FRACTION * len(draft.good())))
    draft.bound += [group for group in groups if len(group) <= limit]
    large = [group for group in groups if len(group) > limit]
    if large:
        rows = [row for group in large for row in group]
        draft.add(
            "large-group",
            map(draft.name, rows),
            message("tables.check.large-group", n=len(large), limit=limit, first=draft.named(large[0])),
            "kept, not held together",
        )


def _find_cut_groups(draft: _Draft) -> None:
    """Groups that came with the data and that the given split does not respect."""
    table = draft.table
    members: dict[str, list[int]] = defaultdict(list)
    for row in draft.good().tolist() if table.given and table.groups else []:
        if table.groups[row]:
            members[table.groups[row]].append(row)
    cut = {name: rows for name, rows in members.items() if len({table.given[row] for row in rows}) > 1}
    if cut:
        name, first = next(iter(cut.items()))
        draft.add(
            "group-cut",
            (draft.name(row) for rows in cut.values() for row in rows),
            message("data.images.group-cut", n=len(cut), name=name, first=draft.named(first)),
            "kept as given",
            decision=True,
        )


# ------------------------------------------------------------------------------------------- columns


def _find_mostly_missing(draft: _Draft) -> None:
    rows = draft.good()
    missing = {
        column.name: float(missing_cells(draft.table.cells[column.name][rows]).mean()) if len(rows) else 0.0
        for column in draft.table.features
    }
    mostly = {name: f"{share:.0%}" for name, share in missing.items() if share >= MISSING_FRACTION}
    if mostly:
        action = "kept; that a cell is missing may tell something"
        draft.findings.append(column_finding("mostly-missing", mostly, action))


def _find_same_columns(draft: _Draft) -> None:
    """Columns of the same values: one of them is enough."""
    rows = draft.good()
    alike: dict[bytes, list[str]] = defaultdict(list)
    for column in draft.table.features:
        cells = draft.table.cells[column.name][rows]
        content = repr(cells.tolist()).encode() if kind_of(column).is_text else (cells + 0.0).tobytes()
        alike[hashlib.sha256(content).digest()].append(column.name)
    for names in alike.values():
        if len(names) > 1:
            draft.add(
                "same-column",
                names,
                message("tables.check.same-column", names=all_of([repr(name) for name in names])),
                "kept; ignore all but one to save time",
            )


def _find_rare_categories(draft: _Draft) -> None:
    """Categories that occur once say nothing about the next row."""
    rows = draft.good()
    rare = {}
    for column in draft.table.features:
        if kind_of(column).is_text:
            counts = Counter(cell for cell in draft.table.cells[column.name][rows] if cell is not None)
            once = sum(count == 1 for count in counts.values())
            if once:
                rare[column.name] = message("tables.column.rare", once=once, n=len(counts))
    if rare:
        draft.findings.append(column_finding("rare-categories", rare, action="kept"))


def _find_collisions(draft: _Draft) -> None:
    """Names of columns, and categories within a column, that differ only in case, width or spaces."""
    table = draft.table
    for names in alike_names(column.name for column in table.columns):
        sentence = message("tables.check.name-collision", names=all_of([repr(name) for name in names]))
        draft.add("name-collision", names, sentence, "kept as different columns")
    spelled = {}
    for column in table.features:
        if kind_of(column).is_text:
            found = alike_names(sorted({cell for cell in table.cells[column.name] if cell is not None}))
            if found:
                spelled[column.name] = all_of([repr(name) for name in found[0]])
    if spelled:
        draft.findings.append(
            column_finding("name-collision", spelled, action="kept as different categories")
        )


def _find_renamed_ids(draft: _Draft) -> None:
    """Ids that answers call otherwise, since they have a column of that name."""
    table = draft.table
    ids = [column.name for column in table.columns if column.role == "id"]
    names = answer_ids(ids, table.classes).items()
    renamed = {name: message("tables.column.renamed", new=new) for name, new in names if new != name}
    if renamed:
        draft.findings.append(column_finding("renamed-id", renamed, action="renamed"))


# ------------------------------------------------------------------------------------- leaking target


def _find_target_leaks(draft: _Draft, listener: Listener) -> None:
    """A column that alone gives the target away: often a copy of it, or something known only afterwards."""
    table, rows = draft.table, draft.good()
    if len(rows) < _LEAK_ROWS:
        return
    truth, task = table.truth[rows], tasks.of(table.task)
    folds = np.random.default_rng(0).permutation(len(rows)) % _LEAK_FOLDS
    for done, column in enumerate(table.features, start=1):
        skill = _skill_alone(column, table.cells[column.name][rows], truth, folds, task)
        if skill >= task.leak_skill:
            measure = message(task.leak_measure)
            sentence = message("tables.check.target-leak", column=column.name, skill=skill, measure=measure)
            if kind_of(column).is_time:
                by_time = message("tables.check.by-time", column=column.name)
                sentence = message("selection.sentences", first=sentence, second=by_time)
            draft.add(
                "target-leak",
                [column.name],
                sentence,
                "kept; ignore it if it is not",
                decision=True,
            )
        listener.progress("columns", done, len(table.features))


def _skill_alone(
    column: Column,
    cells: NDArray[Any],
    truth: NDArray[Any],
    folds: NDArray[np.int64],
    task: tasks.TableTarget,
) -> float:
    """How much of the error without features one column removes, on rows held out; 1 is all of it.

    The answer to a value is what rows of that value had in training, or of the nearest value: the mean, or
    the commonest class. It takes no model, and follows any curve.
    """
    values, codes = _ranked(column, cells)
    answers = np.empty(len(truth))
    guesses = np.empty(len(truth))
    for fold in range(_LEAK_FOLDS):
        held = folds == fold
        seen, place = np.unique(codes[~held], return_inverse=True)
        by_value = task.constants(truth[~held], place, len(seen))
        guess = task.constants(truth[~held], np.zeros(len(place), np.int64), 1)[0]
        guesses[held] = guess
        nearest = _nearest(values[seen], values[codes[held]])
        known = seen[nearest] == codes[held]
        fits = known | (not kind_of(column).is_text)  # categories have no neighbours
        answers[held] = np.where(fits, by_value[nearest], guess)
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


# ------------------------------------------------------------------------------------------- the whole


def _finished(draft: _Draft, hashes: Sequence[str]) -> Table:
    """The checked table."""
    table = draft.table
    truth: list[float] = table.truth.tolist()
    contents = [
        hashlib.sha256(f"{features} {answer}".encode()).hexdigest()
        for features, answer in zip(hashes, truth, strict=True)
    ]
    findings = sorted((*table.findings, *draft.findings), key=lambda finding: not finding.decision)
    return replace(
        table,
        groups=bind_groups(table.groups or ("",) * len(table), draft.bound, contents),
        set_aside=tuple(draft.set_aside),
        sha256=tuple(contents),
        findings=tuple(findings),
    )
