"""What a table holds, in words: its columns, its target by split, and what was set aside."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mindle.data.common.counts import aligned, aside_of, headings, require_test
from mindle.data.common.names import count_of
from mindle.data.common.summary import aside_lines, truth_lines
from mindle.data.tables import tasks
from mindle.data.tables.parsing.columns import describe_columns, kind_of, missing_cells
from mindle.data.tables.reader import ROWS_PER_CLASS
from mindle.data.tables.splits import group_count, split_table
from mindle.errors import DataError
from mindle.messages import known_message, message
from mindle.records import Table

# Below this many rows one split says too little, and nested cross-validation is still affordable.
NESTED_BELOW = 2000
LEAST_ROWS = 10
FOLDS = 5
_HEAD = ("column", "kind", "role", "missing", "different", "example", "note")


def describe_table(table: Table, *, most_columns: int = 40, most_classes: int = 20) -> list[str]:
    """Lines that say what there is to learn from: every column, the target by split, what was set aside.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> for line in describe_table(read_table("iris"), most_columns=1):
        ...     print(line)
        iris: 150 rows, 4 features, to predict target (3 classes)
          column             kind    role     missing  different  example  note
          sepal length (cm)  number  feature                  35  5.1
          … and 4 more columns
          class       rows  set aside
          setosa        50          0
          versicolor    50          0
          virginica     50          0
    """
    lines: list[str] = [tasks.of(table.task).headline(table)]
    columns = [headings(*_HEAD), *_column_rows(table)]
    lines += aligned(columns[: most_columns + 1], right=(3, 4))
    if len(table.columns) > most_columns:
        lines.append(message("tables.summary.more-columns", n=len(table.columns) - most_columns))
    return [*lines, *truth_lines(table, most_classes), *aside_lines(table)]


def _column_rows(table: Table) -> Iterator[tuple[str, ...]]:
    for facts in describe_columns(table):
        missing = f"{facts.missing_fraction:.1%}" if facts.missing_fraction else ""
        different = f"{facts.distinct:,}"
        kind = known_message(f"report.columnkind.{facts.kind}", facts.kind)
        role = known_message(f"report.columnrole.{facts.role}", facts.role)
        yield facts.name, kind, role, missing, different, facts.example, facts.note


def ready_table(table: Table, *, seed: int = 0, folds: int = FOLDS) -> Table:
    """A checked table as a training takes it: split where it has rows enough, or came with a split.

    The one rule that `check` and `train` share: what raises here is a decision there.

    Args:
        table: What `check_table` gave.
        seed: Of the split.
        folds: Of the cross-validation.

    Returns:
        The table, with `splits` unless it is small enough for nested cross-validation.

    Raises:
        DataError: If nothing can be learned from it, or nothing is left to evaluate on.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> any(ready_table(read_table("iris")).splits)
        False
    """
    nested = len(table.rows()) < NESTED_BELOW and not any(table.given)
    require_learnable_table(table, folds=folds, nested=nested)
    if nested:
        return table
    table = split_table(table, seed=seed)
    require_learnable_table(table, folds=folds)
    return table


def require_learnable_table(table: Table, *, folds: int = FOLDS, nested: bool = False) -> None:
    """Refuse a table that nothing can be learned from, or that leaves nothing to evaluate on.

    Args:
        table: The rows, split or not.
        folds: Of the cross-validation, each of which needs rows.
        nested: Whether the cross-validation is one within another.

    Raises:
        DataError: If the target is none, no feature is left, a feature cannot be read, too few rows are
            usable, fewer than two classes have training rows, the target never varies, or the test set is
            empty.

    Example:
        >>> from mindle.data.tables.reader import read_table
        >>> from mindle.data.tables.splits import split_table
        >>> require_learnable_table(split_table(read_table("iris")))
    """
    _require_target(table)
    _require_features(table)
    _require_rows(table, folds)
    _require_groups(table, folds, nested)


def _require_target(table: Table) -> None:
    target, rows = table.target, len(table.rows())
    if kind_of(target).is_time:
        raise DataError(
            f"A target must hold numbers or classes. Received {target.name!r}, which holds dates. Add a "
            "column of the days until then, or of the class."
        )
    if table.cells and missing_cells(table.cells[target.name]).all():
        raise DataError(
            f"A target must hold numbers or classes. Received {target.name!r} without any"
            f"{f' ({target.note})' if target.note else ''}. Name another column as the target."
        )
    many = len(table.classes)
    if rows >= ROWS_PER_CLASS and 2 * many > rows and kind_of(target).is_text:
        raise DataError(
            f"A target must hold classes that come again, or numbers. Received {target.name!r} with "
            f"{many:,} different values in {count_of(rows, 'row', 'rows')}. Name another column as the "
            "target."
        )


def _require_features(table: Table) -> None:
    if not table.features:
        left = ", ".join(f"{column.name} ({column.note or column.role})" for column in table.columns)
        raise DataError(
            f"A table must have a column to learn from. Received {table.source!r} without any: {left}. Name "
            "the kind of a column to keep it."
        )
    unreadable = {name for one in table.findings if one.kind == "mixed-cells" for name in one.files}
    for column in table.features:
        if column.name in unreadable and missing_cells(table.cells[column.name]).all():
            raise DataError(
                f"A feature must have cells that can be read. Received {column.name!r} as a {column.kind} "
                f"({column.note}). Give it another --kind, or leave it out: --kind {column.name}=ignored."
            )


def _require_rows(table: Table, folds: int) -> None:
    aside = aside_of(table)
    learned = np.setdiff1d(table.rows(), table.rows("test"))
    least = max(LEAST_ROWS, folds)
    if len(learned) < least:
        raise DataError(
            f"A table must have at least {least} rows with a target to learn from. Received {len(learned)} "
            f"in {table.source!r}.{aside} Give more rows."
        )
    train = table.rows("train" if any(table.splits) else None)
    different = len(np.unique(table.truth[train]))
    if different < 2:
        raise DataError(
            f"At least two {tasks.of(table.task).things} must have usable training rows. Received "
            f"{different} in {table.source!r}.{aside} `mindle check` names every row and its reason."
        )
    if any(table.splits):
        require_test(table)


def _require_groups(table: Table, folds: int, nested: bool) -> None:
    """Refuse what leaves a fold without rows, or a fold without a second class; groups are never divided."""
    aside, learned = aside_of(table), np.setdiff1d(table.rows(), table.rows("test"))
    needed = folds + 2 * nested  # inner folds divide what an outer fold leaves
    units = group_count(table, learned)
    if units < needed:
        raise DataError(
            f"Cross-validation over {folds} folds must have {needed} groups of rows, which it never divides. "
            f"Received {units} in {table.source!r}.{aside} Give more rows, finer groups, or fewer --folds."
        )
    tasks.of(table.task).require_groups(table, learned, nested, aside)
