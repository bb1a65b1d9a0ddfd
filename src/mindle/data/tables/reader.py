"""Tables: rows of cells with a target, read from a CSV file, a data frame or a built-in set."""

from __future__ import annotations

import difflib
import itertools
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeGuard, Unpack

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.classes import settle_given, sorted_classes
from mindle.data.common.findings import column_findings, listed
from mindle.data.common.names import count_of, name_of, nfc, part_of
from mindle.data.common.tasks import asks_numbers, require_task
from mindle.data.tables.parsing.cells import is_missing, label_of, missing_option, text_of
from mindle.data.tables.parsing.columns import kind_of, parse_cells
from mindle.data.tables.parsing.columns import row_name as row_name
from mindle.data.tables.parsing.delimited import (
    layout_findings,
    layout_of,
    records,
    require_whole_rows,
    whole_row,
)
from mindle.data.tables.parsing.dialect import Layout
from mindle.data.tables.parsing.opening import is_parquet
from mindle.data.tables.roles import SPLIT_NOTE, Asked, row_names_in, settle_columns
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import COLUMN_KINDS, Column, Finding, Table, Task

if TYPE_CHECKING:
    from pandas import DataFrame

BUILT_IN = ("breast-cancer", "diabetes", "iris", "wine")
"""Names of tables that come with scikit-learn and need no download; their target is the last column."""

ENDINGS = (".csv", ".tsv", ".txt", ".data")  # files of them are tables, or lists of images, unasked
MOST_CLASSES = 10  # different whole numbers that may be classes…
ROWS_PER_CLASS = 20  # …with at least so many rows each, on average


@dataclass(frozen=True, kw_only=True)
class _Raw:
    """The text of every cell, before anything is made of it."""

    name: str
    kind: str
    source: str
    texts: Mapping[str, Sequence[str]]
    set_aside: Sequence[str]
    kinds: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    separator: str = ""
    row_names: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    told: str = ""  # how its cells were found, for errors about its columns


def is_mapping_table(source: Any) -> bool:
    """Whether something is a table as plain Python holds it: columns by name, or rows that are mappings.

    Example:
        >>> is_mapping_table({"a": [1, 2]}), is_mapping_table([{"a": 1}]), is_mapping_table([1, 2])
        (True, True, False)
    """
    if isinstance(source, Mapping):
        return True
    listed = isinstance(source, (list, tuple)) and len(source) > 0
    return listed and all(isinstance(row, Mapping) for row in source)


def is_frame(source: Any) -> TypeGuard[DataFrame]:
    """Whether something is a data frame, told without importing pandas."""
    return hasattr(source, "iloc") and hasattr(source, "columns")


class WrittenOptions(TypedDict, total=False):
    """How a file of a table is written, where it does not show it; see `read_table`."""

    separator: str | None
    header: int | None
    missing: str | Sequence[str] | None


def read_table(
    source: Any,
    *,
    target: str | int | None = None,
    task: str | None = None,
    columns: Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    group: str | int | None = None,
    time: str | int | None = None,
    ids: Sequence[str | int] = (),
    **written: Unpack[WrittenOptions],
) -> Table:
    """Read a table, tell what each column is, and what there is to learn.

    A column is named as the header spells it, by its position from 1, or as "last".

    Args:
        source: A file of delimited text (packed or not) or Parquet, a built-in name, a data frame, lists of
            equal length by column name, or rows that are mappings. An existing path comes before a built-in
            name.
        target: The column to learn; of a built-in table the last where None.
        task: "classification" or "regression" ("binary" and "multiclass" mean the first); where None it is
            told from the target: texts are classes, and so are two whole numbers, and up to ten whole numbers
            with twenty rows each on average.
        columns: Names for a file without a header, whose columns are else c1…cN.
        kinds: "number", "category", "date" or "ignored" by column name, where the guess is wrong.
        group: A column whose equal values hold rows together in every split.
        time: A column of dates or numbers; the latest rows are judged.
        ids: Columns that name a row; they are carried through and never learned from.
        **written: `separator`, what stands between the cells of a file, and `header`, how many lines of
            header it has, where it does not show them; `missing`, texts that stand for a missing value
            instead of the usual ones: "?,-200", or a list of them. An empty cell always does.

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
    known = [str(name) for name in typed.values() if name is not None]
    raw = _raw(source, columns, known, separator=written.get("separator"), header=written.get("header"))
    if target is None and raw.kind == "builtin":
        typed["target"] = "last"
    roles = _roles(typed, raw)
    wanted = _wanted_kinds(raw, roles, kinds or {}, task)
    asked = Asked(
        roles=roles,
        wanted=wanted,
        typed=raw.kinds,
        missing=missing_option(written.get("missing")),
        row_names=raw.row_names,
    )
    found = settle_columns(raw.texts, _used(raw, roles, asked.missing), asked)
    read, cells = found.columns, found.cells
    _require_times(read)
    place = next(index for index, column in enumerate(read) if column.role == "target")
    settled, told = _settle_task(read[place], cells[read[place].name], task)
    given, held_out = _given(raw, read)
    table = Table(
        name=raw.name,
        kind=raw.kind,
        source=raw.source,
        task=Task("regression"),
        columns=read,
        cells=cells,
        rows_from=tuple(range(1, len(raw.set_aside) + 1)),
        targets=np.full(len(raw.set_aside), np.nan),
        given=given,
        groups=_groups(read, cells, len(raw.set_aside)),
        set_aside=tuple(raw.set_aside),
        findings=(*raw.findings, *held_out, *column_findings(found.noted, asked.missing), *told),
        separator=raw.separator,
    )
    if asks_numbers(settled):
        return replace(table, task=Task(settled), targets=np.asarray(cells[read[place].name], np.float64))
    return _with_classes(table, read[place], raw.texts[read[place].name])


# --------------------------------------------------------------------------------------------- sources


def _raw(
    source: Any,
    columns: Sequence[str] | None,
    known: Sequence[str],
    *,
    separator: str | None,
    header: int | None,
) -> _Raw:
    if is_frame(source):
        if columns is not None:
            raise ValueError("`columns` must be left out for a data frame. Rename its columns instead.")
        return _from_frame(source)
    if is_mapping_table(source):
        return _from_mapping(source)
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            "`source` must be a path, a built-in name, a data frame, or lists by column name. Received "
            f"{type(source).__name__}."
        )
    typed = os.fspath(source)
    place = Path(os.path.expanduser(typed))
    if not place.exists() and typed in BUILT_IN:
        return _built_in(typed)
    if not place.exists():
        raise DataError(
            f"A table must be a file or a built-in name ({', '.join(BUILT_IN)}). Received {typed!r}, which "
            "does not exist. Check the path."
        )
    if not is_parquet(place):
        return _from_file(place, typed, columns, known, separator=separator, header=header)
    said = {"columns": columns, "separator": separator, "header": header}
    given = next((name for name, value in said.items() if value is not None), None)
    if given:
        raise ValueError(
            f"`{given}` must be left out for Parquet, which names its columns. Received {typed!r}."
        )
    return _from_frame(frame_in(place), name=_stem(place), kind="csv", source=typed)


def _from_file(
    place: Path,
    typed: str,
    columns: Sequence[str] | None,
    known: Sequence[str],
    *,
    separator: str | None,
    header: int | None,
) -> _Raw:
    # A number may be a position as well as a name, so that it proves no header.
    named = [*(columns or ()), *(name for name in known if not name.isdecimal())]
    layout = layout_of(place, known=named, separator=separator, header=header)
    if columns is not None:
        layout = _renamed(layout, typed, columns, header)
    names, renamed = unique_names(layout.names)
    rows: list[Sequence[str]] = []
    ragged: list[tuple[int, int, int]] = []  # row, line, cells
    for line, cells in records(place, layout):
        row = whole_row(cells, len(names))
        if row is None:
            ragged.append((len(rows) + 1, line, len(cells)))
        rows.append(row or ("",) * len(names))
    require_whole_rows(typed, layout, [cells for _, _, cells in ragged], len(rows))
    aside = [""] * len(rows)
    for number, _, _ in ragged:
        aside[number - 1] = "ragged"
    texts = dict(zip(names, zip(*rows, strict=True), strict=True))
    row_names = names[:1] if layout.row_names else row_names_in(layout.names, texts)
    settled = header is not None or columns is not None
    return _Raw(
        name=_stem(place),
        kind="csv",
        source=typed,
        texts=texts,
        set_aside=aside,
        separator=layout.separator,
        findings=(
            *layout_findings(place, layout, settled=settled, separated=separator is not None),
            *(finding for finding in renamed if set(finding.files) - set(row_names)),
            *_ragged_finding(ragged, len(names)),
        ),
        row_names=row_names,
        aliases=dict(layout.aliases),
        told=layout.description,
    )


def _stem(place: Path) -> str:
    whole = Path(os.path.abspath(place))
    return (
        name_of(Path(whole.stem).stem if whole.suffix.lower() in (".gz", ".bz2") else whole.stem) or "table"
    )


def _renamed(layout: Layout, typed: str, columns: Sequence[str], header: int | None) -> Layout:
    """The same layout with the names that the user gives."""
    width = max(layout.width, len(layout.names)) if header is None else layout.width
    if layout.row_names and len(columns) == width - 1:
        return replace(layout, names=("", *columns))
    if len(columns) not in (layout.width, len(layout.names)):
        raise ValueError(
            f"`columns` must name each of the {width} columns of {typed!r}. Received "
            f"{count_of(len(columns), 'name', 'names')}. {layout.description}"
        )
    known = header is not None or layout.row_names or len(columns) != len(layout.names)
    if known:  # whether there is a header is said, or told by its length
        return replace(layout, names=tuple(columns), row_names=False)
    own = layout.header and set(layout.names) == set(columns)
    return layout if own else replace(layout, header=0, names=tuple(columns))


def unique_names(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Names of columns without blanks and repeats: a blank one gets its position, a repeated one a number.

    Example:
        >>> unique_names(["a", "", "a"])[0]
        ('a', 'c2', 'a (2)')
    """
    unique: list[str] = []
    for position, name in enumerate(names, start=1):
        plain = nfc(name.strip()) or f"c{position}"
        numbered = (f"{plain} ({number})" for number in itertools.count(2))
        unique.append(plain if plain not in unique else next(one for one in numbered if one not in unique))
    changed = [new for new, old in zip(unique, names, strict=True) if new != nfc(old.strip())]
    if not changed:
        return tuple(unique), ()
    return tuple(unique), (
        Finding(
            kind="renamed-column",
            files=tuple(changed),
            message=message("tables.read.renamed-column", n=len(changed), first=changed[0]),
            action="renamed",
        ),
    )


def _ragged_finding(ragged: Sequence[tuple[int, int, int]], width: int) -> Iterator[Finding]:
    if ragged:
        row, line, cells = ragged[0]
        yield Finding(
            kind="ragged",
            files=tuple(row_name(number) for number, _, _ in ragged),
            message=message(
                "tables.read.ragged", n=len(ragged), width=width, first=row_name(row), line=line, cells=cells
            ),
            action="set aside",
            decision=True,
        )


def _from_mapping(source: Any) -> _Raw:
    columns = mapping_columns(source)
    if len({len(cells) for cells in columns.values()}) > 1:
        lengths = listed([f"{name} with {len(cells)}" for name, cells in columns.items()])
        raise ValueError(f"A table must have columns of one length. Received {lengths}.")
    names, renamed = unique_names(list(columns))
    texts = {name: list(map(text_of, cells)) for name, cells in zip(names, columns.values(), strict=True)}
    rows = len(texts[names[0]]) if names else 0
    if not rows:
        raise DataError("A table must have rows. Received lists without any.")
    return _Raw(
        name="table",
        kind="frame",
        source="lists by column name",
        texts=texts,
        set_aside=[""] * rows,
        findings=renamed,
    )


def mapping_columns(source: Any) -> dict[str, list[Any]]:
    """The columns of a table as plain Python holds it: lists by column name, or rows that are mappings.

    Raises:
        TypeError: If what stands under a name is no list.

    Example:
        >>> mapping_columns({"a": (1, 2)}), mapping_columns([{"a": 1}, {"b": 2}])
        ({'a': [1, 2]}, {'a': [1, None], 'b': [None, 2]})
    """
    if not isinstance(source, Mapping):
        names = dict.fromkeys(name for row in source for name in row)
        return {str(name): [row.get(name) for row in source] for name in names}
    for name, cells in source.items():
        if isinstance(cells, (str, bytes)) or not hasattr(cells, "__len__"):
            raise TypeError(
                f"A table must have a list of cells for each column. Received {type(cells).__name__} for "
                f"{name!r}."
            )
    return {str(name): list(cells) for name, cells in source.items()}


def _from_frame(
    frame: DataFrame, *, name: str = "table", kind: str = "frame", source: str = "data frame"
) -> _Raw:
    if not len(frame):
        raise DataError(f"A table must have rows. Received {source} without any.")
    spelled = [str(title) for title in frame.columns]
    names, renamed = unique_names(spelled)
    texts = {title: frame_texts(frame, position) for position, title in enumerate(names)}
    types = [str(each) for each in frame.dtypes]
    kinds = {title: "category" for title, each in zip(names, types, strict=True) if each == "category"}
    return _Raw(
        name=name,
        kind=kind,
        source=source,
        texts=texts,
        set_aside=[""] * len(frame),
        kinds=kinds,
        findings=renamed,
        row_names=row_names_in(spelled, texts),
    )


def frame_in(place: Path) -> DataFrame:
    """The data frame in a file of Parquet; an index that has a name is a column of it.

    Raises:
        DataError: If the file is damaged, or the library that reads it is not installed.
    """
    import pandas

    try:
        frame = pandas.read_parquet(place)
    except ImportError as error:
        raise DataError(
            f"Parquet must have its library to be read. Received {str(place)!r}. Install pyarrow, or save "
            "the table as CSV in UTF-8."
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"A table must be readable. Received {str(place)!r}, which is damaged Parquet ({error}). Copy it "
            "again, or save it as CSV."
        ) from error
    return frame.reset_index() if any(name is not None for name in frame.index.names) else frame


def frame_texts(frame: DataFrame, position: int) -> list[str]:
    """The cells of one column of a data frame, as a CSV file would hold them."""
    return [text_of(value) for value in frame.iloc[:, position].tolist()]


def _built_in(name: str) -> _Raw:
    import sklearn.datasets

    bunch: Any = getattr(sklearn.datasets, f"load_{name.replace('-', '_')}")()
    texts: dict[str, Sequence[str]] = {
        str(title): [repr(value) for value in column.tolist()]
        for title, column in zip(bunch.feature_names, bunch.data.T, strict=True)
    }
    labels = getattr(bunch, "target_names", None)
    texts["target"] = [
        str(labels[value]) if labels is not None else repr(value) for value in bunch.target.tolist()
    ]
    return _Raw(name=name, kind="builtin", source=name, texts=texts, set_aside=[""] * len(bunch.target))


# --------------------------------------------------------------------------------------------- columns


def find_column(typed: str | int, names: Sequence[str], *, argument: str, told: str = "") -> str:
    """The column that a name, a position from 1 or "last" stands for; `told` ends the error.

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
        f"Received {argument}={typed!r}.{hint} The columns are {listed(names)}.{f' {told}' if told else ''}"
    )


def _column_of(typed: str | int, raw: _Raw, argument: str) -> str:
    """The column of a source that a user names; of a header of several lines one line may do."""
    names = tuple(raw.texts)
    alias = raw.aliases.get(nfc(str(typed).strip()), "")
    return (
        alias
        if alias and str(typed) not in names
        else find_column(typed, names, argument=argument, told=raw.told)
    )


def _roles(typed: Mapping[str, str | int | None], raw: _Raw) -> dict[str, str]:
    """The role of each column that an argument names."""
    if typed["target"] is None:
        raise ValueError(
            "`target` must name the column to learn. Received none. The columns are "
            f"{listed(tuple(raw.texts))}.{f' {raw.told}' if raw.told else ''}"
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


def _wanted_kinds(
    raw: _Raw, roles: Mapping[str, str], kinds: Mapping[str, str], task: str | None
) -> dict[str, str]:
    """The kinds that the roles and the user ask for, who comes last."""
    wanted = {name: "category" for name, role in roles.items() if role in ("group", "id")}
    for typed, kind in kinds.items():
        if kind not in (*COLUMN_KINDS, "ignored"):
            raise ValueError(
                f"`kinds` must be number, category, date or ignored. Received {kind!r} for {typed!r}."
            )
        wanted[_column_of(typed, raw, "kinds")] = kind
    target = next(name for name, role in roles.items() if role == "target")
    if wanted.get(target) == "ignored":
        raise ValueError(f"The target must not be ignored. Received kinds={dict(kinds)}.")
    if task is not None and asks_numbers(task):
        wanted[target] = "number"
    return wanted


def _used(raw: _Raw, roles: Mapping[str, str], missing: tuple[str, ...]) -> NDArray[np.int64]:
    """The rows that count: whole, and with something in the target."""
    truth = raw.texts[next(name for name, role in roles.items() if role == "target")]
    here = zip(raw.set_aside, truth, strict=True)
    return np.flatnonzero([not aside and not is_missing(text, missing) for aside, text in here])


def _given(raw: _Raw, columns: Sequence[Column]) -> tuple[tuple[str, ...], list[Finding]]:
    """The split that a column of that name gives."""
    name = next((column.name for column in columns if column.note == SPLIT_NOTE), None)
    if name is None:
        return (), []
    words = raw.texts[name]
    given = [part_of(word) or "" for word in words]
    for row, (part, aside) in enumerate(zip(given, raw.set_aside, strict=True)):
        if not part and not aside:
            raise DataError(
                f"The column {name!r} must say train, val or test in every row. Received {words[row]!r} in "
                f"{row_name(row + 1)} of {raw.source!r}. Complete it, or rename it to let mindle split."
            )
    settled, findings = settle_given(given, spelled=tuple(sorted(set(words))))
    return tuple(settled), findings


def _groups(columns: Sequence[Column], cells: Mapping[str, NDArray[Any]], rows: int) -> tuple[str, ...]:
    name = next((column.name for column in columns if column.role == "group"), None)
    return tuple(cell or "" for cell in cells[name]) if name is not None else ("",) * rows


def _require_times(columns: Sequence[Column]) -> None:
    for column in columns:
        if column.role == "time" and kind_of(column).is_text:
            raise DataError(
                f"The time column must hold dates or numbers. Received {column.name!r}, which holds texts. "
                "Write dates as 2024-12-31."
            )


# ------------------------------------------------------------------------------------------------ task


def _settle_task(column: Column, values: NDArray[Any], task: str | None) -> tuple[str, list[Finding]]:
    """Whether classes or numbers are to be learned; a finding where whole numbers may be either."""
    if kind_of(column).is_text:
        return "classification", []
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
    is_said = "classes" if classes else "quantities"
    return ("classification" if classes else "regression"), [
        Finding(
            kind="task",
            files=(column.name,),
            message=message(
                f"tables.read.task-{is_said}", target=column.name, n=len(different), rows=len(found)
            ),
            action=f"taken for {is_said}",
        )
    ]


def labels_of(texts: Sequence[str], column: Column, classes: Sequence[str]) -> NDArray[np.int64]:
    """The class that each cell of a target names, as an index; -1 where it names none of them.

    Classes that are numbers are compared as numbers, so that "1" and "1.0" are one class.

    Example:
        >>> labels_of(["yes", "?", "no"], Column(name="sold", kind="category", role="target"), ("no", "yes"))
        array([ 1, -1,  0])
    """
    index: dict[Any, int] = {_class_key(name, column): place for place, name in enumerate(classes)}
    keys = {text: _class_key(text, column) for text in set(texts)}
    return np.fromiter((index.get(keys[text], -1) for text in texts), np.int64, len(texts))


def _class_key(text: str, column: Column) -> Any:
    return (
        label_of(text, column.missing) if kind_of(column).is_text else float(parse_cells([text], column)[0])
    )


def _with_classes(table: Table, column: Column, texts: Sequence[str]) -> Table:
    """The same table with a class for each row; a class that training never sees is set aside."""
    parts = table.given or ("train",) * len(table)
    there = zip(table.set_aside, texts, strict=True)
    used = [
        row for row, (aside, text) in enumerate(there) if not aside and not is_missing(text, column.missing)
    ]
    learned = [row for row in used if "train" not in parts or parts[row] in ("train", "")]
    classes = _class_names([texts[row] for row in learned], column)
    labels = labels_of(texts, column, classes)
    extra = [row for row in used if labels[row] < 0 and _class_key(texts[row], column) is not None]
    aside = list(table.set_aside)
    for row in extra:
        aside[row] = "class-extra"
    return replace(
        table,
        task=Task("binary" if len(classes) == 2 else "multiclass"),
        targets=np.zeros(0),
        classes=classes,
        labels=labels,
        set_aside=tuple(aside),
        findings=(*table.findings, *_extra_finding(extra, texts)),
    )


def _class_names(texts: Collection[str], column: Column) -> tuple[str, ...]:
    """The classes in order, each as it is spelled most often."""
    if kind_of(column).is_text:
        return tuple(
            sorted_classes({label for text in set(texts) if (label := label_of(text, column.missing))})
        )
    spelled: dict[float, str] = {}
    for text, _ in Counter(map(str.strip, texts)).most_common():
        value = _class_key(text, column)
        if value == value:
            spelled.setdefault(value, text)
    return tuple(spelled[value] for value in sorted(spelled))


def _extra_finding(rows: Sequence[int], texts: Sequence[str]) -> Iterator[Finding]:
    if rows:
        yield Finding(
            kind="class-extra",
            files=tuple(row_name(row + 1) for row in rows),
            message=message(
                "tables.read.class-extra",
                n=len(rows),
                first=row_name(rows[0] + 1),
                label=texts[rows[0]].strip(),
            ),
            action="set aside",
            decision=True,
        )
