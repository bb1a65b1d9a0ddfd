"""Reading a table: what each column is, and what there is to learn."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.classes import settle_given
from mindle.data.common.findings import column_findings, finding, listed
from mindle.data.common.names import nfc, split_of
from mindle.data.common.tasks import asks_numbers, require_task
from mindle.data.tables import tasks
from mindle.data.tables.parsing.cells import is_missing, missing_option
from mindle.data.tables.parsing.columns import kind_of, row_name
from mindle.data.tables.roles import SPLIT_NOTE, Asked, settle_columns
from mindle.data.tables.sources import FileOptions, RawTable, raw_table
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import COLUMN_KINDS, Column, Finding, Table, Task

MOST_CLASSES = 10  # different whole numbers that may be classes…
ROWS_PER_CLASS = 20  # …with at least so many rows each, on average


def read_table(
    source: Any,
    *,
    target: str | int | None = None,
    task: str | None = None,
    kinds: Mapping[str, str] | None = None,
    group: str | int | None = None,
    time: str | int | None = None,
    ids: Sequence[str | int] = (),
    missing: str | Sequence[str] | None = None,
    **written: Unpack[FileOptions],
) -> Table:
    """Read a table, decide what each column is, and what there is to learn.

    A column is named as the header spells it, by its position from 1, or as "last".

    Args:
        source: A file of delimited text (packed or not) or Parquet, a built-in name, a data frame, lists of
            equal length by column name, or rows that are mappings. An existing path comes before a built-in
            name.
        target: The column to learn; of a built-in table the last where None.
        task: "classification" or "regression" ("binary" and "multiclass" mean the first), or a registered
            one; where None it is inferred from the target: texts are classes, and so are two whole numbers,
            and up to ten whole numbers with twenty rows each on average.
        kinds: "number", "category", "date" or "ignored" by column name, where the guess is wrong.
        group: A column whose equal values hold rows together in every split.
        time: A column of dates or numbers; the most recent rows form the test set.
        ids: Columns that name a row; they are carried through and never learned from.
        missing: Texts that stand for a missing value instead of the usual ones: "?,-200", or a list of them.
            An empty cell always does.
        **written: How a file is written, where it does not show it: `columns`, names for a file without a
            header, whose columns are else c1…cN; `separator`, what stands between cells; `header`, how many
            lines of header there are.

    Returns:
        The table with what was noticed as findings; `check_table` asks further.

    Raises:
        DataError: If the source cannot be read as a table, or its target cannot be learned.
        ValueError: If an argument names a column that is not there, or says what cannot be.

    Example:
        >>> table = read_table("wine")
        >>> table.task, len(table), len(table.features), table.classes
        ('multiclass', 178, 13, ('class_0', 'class_1', 'class_2'))
    """
    require_task(task)
    typed = {"target": target, "group": group, "time": time} | {
        f"ids[{i}]": name for i, name in enumerate(ids)
    }
    raw = raw_table(source, [str(name) for name in typed.values() if name is not None], **written)
    if target is None and raw.kind == "builtin":
        typed["target"] = "last"
    roles = _roles(typed, raw)
    asked = Asked(
        roles=roles,
        wanted=_wanted_kinds(raw, roles, kinds or {}, task),
        typed=raw.kinds,
        missing=missing_option(missing),
        row_names=raw.row_names,
    )
    name = next(name for name, role in roles.items() if role == "target")
    here = zip(raw.set_aside, raw.texts[name], strict=True)
    used = [not aside and not is_missing(text, asked.missing) for aside, text in here]
    found = settle_columns(raw.texts, np.flatnonzero(used), asked)
    _require_times(found.columns)
    column = next(column for column in found.columns if column.role == "target")
    settled, about_task = _settle_task(column, found.cells[name], task)
    given, held_out = _given(raw, found.columns)
    groups = next((found.cells[one.name] for one in found.columns if one.role == "group"), None)
    count = len(raw.set_aside)
    table = Table(
        name=raw.name,
        kind=raw.kind,
        source=raw.source,
        task=Task("regression"),
        columns=found.columns,
        cells=found.cells,
        rows_from=tuple(range(1, count + 1)),
        targets=np.full(count, np.nan),
        given=given,
        groups=("",) * count if groups is None else tuple(cell or "" for cell in groups),
        set_aside=tuple(raw.set_aside),
        findings=(*raw.findings, *held_out, *column_findings(found.noted, asked.missing), *about_task),
        separator=raw.layout.separator if raw.layout else "",
    )
    return tasks.named(settled).with_truth(table, settled, raw.texts[name])


# --------------------------------------------------------------------------------------------- columns


def find_column(typed: str | int, names: Sequence[str], *, argument: str, described: str = "") -> str:
    """The column that a name, a position from 1 or "last" stands for; `described` ends the error.

    Raises:
        ValueError: If there is none.

    Example:
        >>> find_column(2, ["age", "sex"], argument="target"), find_column("last", ["a"], argument="target")
        ('sex', 'a')
    """
    name = nfc(str(typed).strip())
    if name in names and not isinstance(typed, int):
        return name
    if name == "last":
        return names[-1]
    if name.isdecimal() and 1 <= int(name) <= len(names):
        return names[int(name) - 1]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"`{argument}` must be a column: its name, its position from 1 to {len(names)}, or last. "
        f"Received {argument}={typed!r}.{hint} The columns are {listed(names)}.{described}"
    )


def _column_of(typed: str | int, raw: RawTable, argument: str) -> str:
    """The column of a source that a user names; of a header of several lines one line may do."""
    names = tuple(raw.texts)
    aliases = dict(raw.layout.aliases) if raw.layout and str(typed) not in names else {}
    alias = aliases.get(nfc(str(typed).strip()))
    return alias or find_column(typed, names, argument=argument, described=raw.description)


def _roles(typed: Mapping[str, str | int | None], raw: RawTable) -> dict[str, str]:
    """The role of each column that an argument names."""
    if typed["target"] is None:
        raise ValueError(
            "`target` must name the column to learn. Received none. The columns are "
            f"{listed(tuple(raw.texts))}.{raw.description}"
        )
    roles: dict[str, str] = {}
    for argument, column in typed.items():
        if column is None:
            continue
        name = _column_of(column, raw, argument)
        if name in roles:
            raise ValueError(
                f"A column must have one role. Received {name!r} as {roles[name]} and {argument}."
            )
        roles[name] = "id" if argument.startswith("ids") else argument
    return roles


def require_kinds(kinds: Mapping[str, str]) -> None:
    """Refuse what is no kind of column.

    Raises:
        ValueError: Naming the first.
    """
    for name, kind in kinds.items():
        if kind not in (*COLUMN_KINDS, "ignored"):
            raise ValueError(
                f"`kinds` must be number, category, date or ignored. Received {kind!r} for {name!r}."
            )


def _wanted_kinds(
    raw: RawTable, roles: Mapping[str, str], kinds: Mapping[str, str], task: str | None
) -> dict[str, str]:
    """The kinds that the roles and the user ask for, who comes last."""
    require_kinds(kinds)
    wanted = {name: "category" for name, role in roles.items() if role in ("group", "id")}
    wanted |= {_column_of(typed, raw, "kinds"): kind for typed, kind in kinds.items()}
    target = next(name for name, role in roles.items() if role == "target")
    if wanted.get(target) == "ignored":
        raise ValueError(f"The target must not be ignored. Received kinds={dict(kinds)}.")
    return wanted | ({target: "number"} if task is not None and asks_numbers(task) else {})


def _given(raw: RawTable, columns: Sequence[Column]) -> tuple[tuple[str, ...], list[Finding]]:
    """The split that a column of that name gives."""
    name = next((column.name for column in columns if column.note == SPLIT_NOTE), None)
    if name is None:
        return (), []
    words = raw.texts[name]
    given = [split_of(word) or "" for word in words]
    for row, (split, aside) in enumerate(zip(given, raw.set_aside, strict=True)):
        if not split and not aside:
            raise DataError(
                f"The column {name!r} must say train, val or test in every row. Received {words[row]!r} in "
                f"{row_name(row + 1)} of {raw.source!r}. Complete it, or rename it to let mindle split."
            )
    settled, findings = settle_given(given, spelled=tuple(sorted(set(words))))
    return tuple(settled), findings


def _require_times(columns: Sequence[Column]) -> None:
    for column in columns:
        if column.role == "time" and kind_of(column).is_text:
            raise DataError(
                f"The time column must hold dates or numbers. Received {column.name!r}, which holds texts. "
                "Write dates as 2024-12-31."
            )


def _settle_task(column: Column, values: NDArray[Any], task: str | None) -> tuple[str, list[Finding]]:
    """What is to be learned; a finding where whole numbers may be classes or quantities."""
    if kind_of(column).is_text:
        return task if task is not None and not asks_numbers(task) else "classification", []
    found = values[~np.isnan(values)]
    if kind_of(column).is_time or not len(found):
        return "regression", []  # of which nothing can be learned, as `require_learnable_table` says
    if task is not None:
        return task, []
    different = np.unique(found)
    if len(different) > MOST_CLASSES or (different % 1).any():
        return "regression", []
    if len(different) <= 2:
        return "classification", []
    classes = len(found) >= ROWS_PER_CLASS * len(different)
    taken = "classes" if classes else "quantities"
    known = {"target": column.name, "n": len(different), "rows": len(found)}
    sentence = message(f"tables.read.task-{taken}", **known)
    about = finding("task", [column.name], sentence, action=f"taken for {taken}")
    return ("classification" if classes else "regression"), [about]
