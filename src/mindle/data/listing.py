"""CSV files that list images: columns path and label or target, with split and group where wanted."""

from __future__ import annotations

import csv
import io
import itertools
import math
import os
import posixpath
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mindle.data.decode import UndecodableImage, read_bytes, size_of
from mindle.data.folder import Columns, count_of, nfc, part_of, settle_classes, settle_given
from mindle.data.tables.cells import is_missing
from mindle.data.tables.columns import infer_columns, parse_cells
from mindle.data.tables.roles import WORDS_ADVICE, missing_words
from mindle.errors import DataError
from mindle.records import Dataset, FileImages, Finding

LABEL, TARGET = "label", "target"
_COLUMNS = ("path", "split", "group")
TASKS = ("classification", "regression", "binary", "multiclass")
_HELP = (
    "The first line must name the columns path and label, or path and target for numbers (and split or group "
    "where wanted), such as `path,label` followed by `cats/1.jpg,cat`."
)
_PATHS_LOOKED_AT = 20


@dataclass
class _Row:
    """What the list says about one file, over all lines that name it."""

    name: str  # as the disk spells it, below the list's folder or absolute
    exists: bool
    labels: set[str] = field(default_factory=set)
    splits: set[str] = field(default_factory=set)
    group: str = ""
    lines: list[int] = field(default_factory=list)


def lists_images(file: Path) -> bool:
    """Whether a CSV file has a column `path` that leads to pictures: one of its first twenty does.

    So a listing with a numeric column is told from a table that merely has a column of that name.

    Raises:
        DataError: If the file is no text that can be read.
    """
    try:
        lines = _lines(file, _text(file)[0], ("path",))
        paths = [cells["path"] for _, cells in itertools.islice(lines, _PATHS_LOOKED_AT)]
    except DataError:
        return False
    return any(_is_picture(file.parent, path) for path in paths if path)


def _is_picture(folder: Path, typed: str) -> bool:
    _, spelled, exists = _locate(folder, typed)
    try:
        return exists and size_of(read_bytes(folder / spelled)) is not None
    except UndecodableImage:
        return False


def read_listing(
    file: Path,
    *,
    name: str,
    source: str,
    target: str | None = None,
    task: str | None = None,
    separator: str | None = None,
    header: int | None = None,
    missing: tuple[str, ...] = (),
) -> Dataset:
    """Read a CSV file with the columns path and label or target, and split and group where it has them.

    Paths are relative to the folder of the CSV, or absolute. UTF-8 with or without a byte-order mark and
    CP949 are read; columns are separated by commas, semicolons or tabs; further columns are ignored. One file
    is one row however often it is listed.

    A column `label` names classes, even where it holds numbers; a column `target` holds numbers to estimate.
    Where there are both, `label` counts.

    Args:
        file: The CSV file.
        name: Short name of the data set.
        source: What the user typed.
        target: The column of numbers to estimate, where it has another name, or stands beside `label`.
        task: "regression" or "classification" where the name of the column does not say it.
        separator: What stands between cells, where the file does not show it.
        header: How many lines of header there are, where the file does not show it.
        missing: Words that stand for no label, instead of `mindle.data.MISSING`.

    Returns:
        One row a file, in the order of their NFC paths.

    Raises:
        DataError: If the file is no such list, its split column is incomplete or contradicts itself, or the
            numbers to estimate are none.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "pets.csv")
        ...     with file.open("w", encoding="utf-8") as stream:
        ...         print("path,label", "a.jpg,cat", sep=chr(10), file=stream)
        ...     dataset = read_listing(file, name="pets", source="pets.csv")
        >>> dataset.paths, dataset.set_aside  # a.jpg does not exist
        (('a.jpg',), ('missing',))
    """
    text, encoding = _text(file)
    truth, regression = _truth_column(file, text, target, task)
    rows: dict[str, _Row] = {}
    incomplete: list[int] = []
    typed: list[str] = []
    has_split = False
    for line, cells in _lines(file, text, ("path", truth)):
        has_split = has_split or "split" in cells
        if not cells["path"]:
            incomplete.append(line)
            continue
        path, spelled, exists = _locate(file.parent, cells["path"])
        row = rows.setdefault(path, _Row(name=spelled, exists=exists))
        row.labels.add("" if is_missing(cells[truth], missing) else nfc(cells[truth]))
        typed.append(cells[truth])
        row.splits.add(cells.get("split", ""))
        row.group = row.group or nfc(cells.get("group", ""))
        row.lines.append(line)
    if not rows:
        raise DataError(f"A list of images must have rows. Received {str(file)!r} with none. {_HELP}")

    paths = sorted(rows)
    given, held_out = _given(file, paths, rows) if has_split else ([""] * len(paths), [])
    told = _Told.numbers(file, truth, paths, rows) if regression else _Told.classes(paths, rows, given)
    return Dataset(
        name=name,
        kind="csv",
        source=source,
        classes=told.names,
        paths=tuple(paths),
        labels=told.labels,
        given=tuple(given),
        groups=tuple(rows[path].group for path in paths),
        images=FileImages(root=file.parent, names=tuple(rows[path].name for path in paths)),
        set_aside=tuple(told.set_aside),
        findings=(
            *_encoding_finding(file, encoding),
            *held_out,
            *_incomplete_finding(file, incomplete),
            *_words_finding(truth, typed, missing),
            *told.findings,
        ),
        targets=told.targets,
        target=truth if regression else "",
    )


def require_task(task: str | None) -> None:
    """Refuse what is no task.

    Raises:
        ValueError: If it is none of `TASKS`.
    """
    if task not in (None, *TASKS):
        raise ValueError(f"`task` must be one of {', '.join(TASKS)}. Received task={task!r}.")


def _truth_column(file: Path, text: str, target: str | None, task: str | None) -> tuple[str, bool]:
    """The column that holds what is to be told, and whether it holds numbers to estimate."""
    require_task(task)
    names, _ = _header(file, text, ("path",))
    if target is not None:
        return _asked_column(file, target, names), task in (None, "regression")
    if LABEL in names:
        return LABEL, task == "regression"
    if TARGET in names:
        return TARGET, task in (None, "regression")
    _header(file, text, ("path", LABEL))  # says what is missing
    return LABEL, False


def _asked_column(file: Path, target: str, names: Sequence[str]) -> str:
    """The column that a name, a position from 1 or "last" stands for."""
    wanted = nfc(target.strip()).lower()
    if wanted not in names and wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        wanted = names[int(wanted) - 1]
    elif wanted not in names and wanted == "last":
        wanted = names[-1]
    if wanted not in names or wanted in _COLUMNS:
        others = [name for name in names if name not in _COLUMNS]
        raise ValueError(
            f"`target` must be a column of the list besides path, split and group. Received "
            f"target={target!r}. {str(file)!r} has {', '.join(map(repr, others[:12])) or 'none'}."
        )
    return wanted


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What a list tells of its files, as columns; classes or numbers."""

    labels: NDArray[np.int64]
    set_aside: list[str]
    findings: list[Finding]
    names: tuple[str, ...] = ()
    targets: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0, np.float64))

    @classmethod
    def classes(cls, paths: list[str], rows: dict[str, _Row], given: list[str]) -> _Told:
        """Classes, by their names."""
        set_aside = [_aside(rows[path]) for path in paths]
        labels = [next(iter(rows[path].labels)) if len(rows[path].labels) == 1 else "" for path in paths]
        columns = Columns(paths=paths, labels=labels, given=given, set_aside=set_aside)
        names, indices, set_aside, findings = settle_classes(columns)
        return cls(
            labels=indices,
            set_aside=set_aside,
            findings=[*_row_findings(paths, rows), *findings],
            names=names,
        )

    @classmethod
    def numbers(cls, file: Path, column: str, paths: list[str], rows: dict[str, _Row]) -> _Told:
        """Numbers, in the writing that most of them are written in."""
        texts = sorted({text for row in rows.values() for text in row.labels})
        values = dict(zip(texts, _numbers(texts, column), strict=True))
        if not any(value == value for value in values.values()):
            raise DataError(
                f"The column {column!r} must hold numbers to estimate. Received {str(file)!r}, where "
                f"{next((repr(text) for text in texts if text), 'every cell is empty')}"
                f"{' stands' if any(texts) else ''}. Name another with --target, or take --task "
                "classification."
            )
        found = {path: {values[text] for text in rows[path].labels if text} for path in paths}
        set_aside = [_number_aside(rows[path], found[path]) for path in paths]
        one = [
            next(iter(found[path])) if len(found[path]) == 1 and not aside else float("nan")
            for path, aside in zip(paths, set_aside, strict=True)
        ]
        return cls(
            labels=np.full(len(paths), -1, np.int64),
            set_aside=set_aside,
            findings=_number_findings(paths, rows, set_aside),
            targets=np.array(one, np.float64),
        )


def _numbers(texts: Sequence[str], column: str) -> list[float]:
    """The numbers that cells hold, NaN where they hold none, or none that is finite."""
    way = infer_columns({column: texts}, kinds={column: "number"})[0]
    numbers: list[float] = parse_cells(texts, way).tolist()
    return numbers


def _text(file: Path) -> tuple[str, str]:
    """The file's text and the encoding that read it: UTF-8, or CP949 as Korean Excel saves."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(
            f"A list of images must be readable. Received {str(file)!r} ({error.strerror}). Check its "
            f"permissions."
        ) from error
    for encoding in ("utf-8-sig", "cp949"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, encoding
    raise DataError(
        f"A list of images must be text in UTF-8 or CP949. Received {str(file)!r} with other content. Save "
        f"it anew as CSV in UTF-8."
    )


def _header(file: Path, text: str, required: Sequence[str]) -> tuple[list[str], str]:
    """Names of the columns, in small letters, and what separates them."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    for delimiter in (",", ";", "\t"):
        names = [nfc(cell.strip().lower()) for cell in next(csv.reader([header], delimiter=delimiter), [])]
        if set(required) <= set(names):
            return names, delimiter
    names = [cell.strip() for cell in next(csv.reader([header]), [])]
    raise DataError(
        f"A list of images must have the columns path and label, or path and target. Received {str(file)!r} "
        f"with {', '.join(map(repr, names[:12])) or 'no columns'}{', …' if len(names) > 12 else ''}. {_HELP}"
    )


def _lines(file: Path, text: str, required: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and the known cells of each data row."""
    names, delimiter = _header(file, text, required)
    wanted = list(dict.fromkeys((*required, *_COLUMNS)))
    for known in wanted:
        if names.count(known) > 1:
            raise DataError(
                f"A column may stand in a list once. Received {str(file)!r} with two columns {known!r}. "
                f"Rename one of them."
            )
    positions = {known: names.index(known) for known in wanted if known in names}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in itertools.islice((cells for cells in reader if any(map(str.strip, cells))), 1, None):
            padded = [*cells, *[""] * (len(names) - len(cells))]
            yield reader.line_num, {known: padded[position].strip() for known, position in positions.items()}
    except csv.Error as error:
        raise DataError(
            f"A list of images must be well-formed CSV. Received {str(file)!r}, line {reader.line_num}: "
            f"{error}. Correct that line."
        ) from error


def _locate(folder: Path, typed: str) -> tuple[str, str, bool]:
    """NFC path of a row, the path as the disk spells it, and whether it is a file.

    Lists are often made on another system than they are read on: with backslashes, or with names that the
    disk spells with other Unicode characters. The spelling that exists is taken.
    """
    plain = [typed, typed.replace("\\", "/")]
    for spelled in (form for text in plain for form in _forms(text)):
        place = os.path.join(folder, spelled)
        if os.path.exists(place) and not os.path.isdir(
            place
        ):  # a pipe is there too; the check says what it is
            break
    else:
        spelled = plain[1]
        return nfc(_relative(folder, spelled)), spelled, False
    return nfc(_relative(folder, spelled)), spelled, True


def _forms(text: str) -> Iterator[str]:
    yield text
    if not text.isascii():
        yield unicodedata.normalize("NFC", text)
        yield unicodedata.normalize("NFD", text)


def _relative(folder: Path, spelled: str) -> str:
    """The same path below the list's folder where it lies there, without `./` and with forward slashes."""
    if os.path.isabs(spelled):
        absolute = os.path.abspath(folder)
        inside = os.path.relpath(spelled, absolute) if _same_drive(spelled, absolute) else spelled
        spelled = spelled if inside.startswith(os.pardir) else inside
    return posixpath.normpath(spelled.replace(os.sep, "/"))


def _same_drive(one: str, other: str) -> bool:
    return os.path.splitdrive(one)[0].lower() == os.path.splitdrive(other)[0].lower()


def _given(file: Path, paths: list[str], rows: dict[str, _Row]) -> tuple[list[str], list[Finding]]:
    """The part of every row, from a split column that must be complete."""
    given: list[str] = []
    if all(row.splits == {""} for row in rows.values()):
        return [""] * len(paths), []
    for path in paths:
        row = rows[path]
        parts = {part_of(word) or "" for word in row.splits}
        if len(parts) > 1:
            raise DataError(
                f"A file must lie in one part of the split. Received {str(file)!r}, where {path!r} stands in "
                f"{' and '.join(sorted(map(repr, row.splits)))} (lines {', '.join(map(str, row.lines))}). "
                f"Keep one of these lines."
            )
        if "" in parts:
            word = next(iter(row.splits))
            raise DataError(
                f"The split column must say train, val or test in every row. Received {word!r} in line "
                f"{row.lines[0]} of {str(file)!r}. Complete the column, or remove it to let mindle split."
            )
        given += parts
    words = {word for row in rows.values() for word in row.splits}
    return settle_given(given, spelled=tuple(sorted(words)))


def _aside(row: _Row) -> str:
    if len(row.labels) > 1:
        return "two-labels"
    if not row.exists:
        return "missing"
    return "" if row.labels != {""} else "unlabelled"


def _number_aside(row: _Row, numbers: set[float]) -> str:
    if len(numbers) > 1:
        return "two-targets"
    if not row.exists:
        return "missing"
    if not numbers:
        return "unlabelled"
    return "" if all(map(math.isfinite, numbers)) else "not-a-number"


def _encoding_finding(file: Path, encoding: str) -> list[Finding]:
    if encoding == "utf-8-sig":
        return []
    return [
        Finding(
            kind="encoding",
            files=(nfc(file.name),),
            message=f"{nfc(file.name)} is not UTF-8 and was read as CP949 (Korean).",
            action="read as CP949",
        )
    ]


def _words_finding(column: str, texts: Sequence[str], missing: tuple[str, ...]) -> list[Finding]:
    words = missing_words(texts, missing)
    if not words:
        return []
    return [
        Finding(
            kind="missing-words",
            files=(column,),
            message=f"Words that stand for nothing are in the column {column!r} ({words}). {WORDS_ADVICE}",
            action="read as missing",
        )
    ]


def _incomplete_finding(file: Path, lines: list[int]) -> list[Finding]:
    if not lines:
        return []
    return [
        Finding(
            kind="incomplete-row",
            files=(nfc(file.name),),
            message=f"{count_of(len(lines), 'line of', 'lines of')} {nfc(file.name)} "
            f"{'names' if len(lines) == 1 else 'name'} no file; first: line {lines[0]}.",
            action="passed over",
            decision=True,
        )
    ]


def _row_findings(paths: list[str], rows: dict[str, _Row]) -> list[Finding]:
    """Files that do not exist, have no label, or are listed more than once."""
    missing = [path for path in paths if not rows[path].exists]
    unlabelled = [path for path in paths if rows[path].labels == {""} and rows[path].exists]
    twice = [path for path in paths if len(rows[path].lines) > 1 and len(rows[path].labels) == 1]
    two_labels = [path for path in paths if len(rows[path].labels) > 1]
    return _told_of(
        rows,
        ("missing", missing, "listed file does", "listed files do", "not exist", "set aside", True),
        ("unlabelled", unlabelled, "file has", "files have", "an empty label", "set aside", False),
        ("listed-twice", twice, "file is", "files are", "listed twice under one label", "used once", False),
        (
            "two-labels",
            two_labels,
            "file is",
            "files are",
            "listed under different labels",
            "set aside",
            True,
        ),
    )


def _number_findings(paths: list[str], rows: dict[str, _Row], set_aside: list[str]) -> list[Finding]:
    """Files that do not exist, have no number, or are listed more than once."""
    of = {
        kind: [path for path, why in zip(paths, set_aside, strict=True) if why == kind]
        for kind in ("unlabelled", "not-a-number", "two-targets")
    }
    missing = [path for path in paths if not rows[path].exists]
    twice = [path for path in paths if len(rows[path].lines) > 1 and path not in set(of["two-targets"])]
    cell = "a target that is no finite number"
    return _told_of(
        rows,
        ("missing", missing, "listed file does", "listed files do", "not exist", "set aside", True),
        ("unlabelled", of["unlabelled"], "file has", "files have", "an empty target", "set aside", False),
        ("not-a-number", of["not-a-number"], "file has", "files have", cell, "set aside", True),
        ("listed-twice", twice, "file is", "files are", "listed twice under one target", "used once", False),
        (
            "two-targets",
            of["two-targets"],
            "file is",
            "files are",
            "listed under different targets",
            "set aside",
            True,
        ),
    )


def _told_of(rows: dict[str, _Row], *kinds: tuple[str, list[str], str, str, str, str, bool]) -> list[Finding]:
    """A finding for each kind that has files."""
    findings = []
    for kind, files, one, many, rest, action, decision in kinds:
        if files:
            message = f"{count_of(len(files), one, many)} {rest}; first: {_named(files[0], rows[files[0]])}."
            findings.append(
                Finding(kind=kind, files=tuple(files), message=message, action=action, decision=decision)
            )
    return findings


def _named(path: str, row: _Row) -> str:
    lines = ", ".join(map(str, row.lines))
    labels = f" as {' and '.join(sorted(map(repr, row.labels)))}" if len(row.labels) > 1 else ""
    return f"{path}{labels} (line {lines})" if len(row.lines) == 1 else f"{path}{labels} (lines {lines})"
