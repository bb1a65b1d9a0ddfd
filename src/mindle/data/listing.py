"""CSV files that list images: columns path and label, with split and group where wanted."""

from __future__ import annotations

import csv
import io
import itertools
import os
import posixpath
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mindle.data.folder import Columns, count_of, nfc, part_of, settle_classes, settle_given
from mindle.errors import DataError
from mindle.records import Dataset, FileImages, Finding

_REQUIRED = ("path", "label")
_COLUMNS = (*_REQUIRED, "split", "group")
_HELP = (
    "The first line must name the columns path and label (and split or group where wanted), such as "
    "`path,label` followed by `cats/1.jpg,cat`."
)


@dataclass
class _Row:
    """What the list says about one file, over all lines that name it."""

    name: str  # as the disk spells it, below the list's folder or absolute
    exists: bool
    labels: set[str] = field(default_factory=set)
    splits: set[str] = field(default_factory=set)
    group: str = ""
    lines: list[int] = field(default_factory=list)


def read_listing(file: Path, *, name: str, source: str) -> Dataset:
    """Read a CSV file with the columns path and label, and split and group where it has them.

    Paths are relative to the folder of the CSV, or absolute. UTF-8 with or without a byte-order mark and
    CP949 are read; columns are separated by commas, semicolons or tabs; further columns are ignored. One file
    is one row however often it is listed.

    Args:
        file: The CSV file.
        name: Short name of the data set.
        source: What the user typed.

    Returns:
        One row a file, in the order of their NFC paths.

    Raises:
        DataError: If the file is no such list, or its split column is incomplete or contradicts itself.

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
    rows: dict[str, _Row] = {}
    incomplete: list[int] = []
    has_split = False
    for line, cells in _lines(file, text):
        has_split = has_split or "split" in cells
        if not cells["path"]:
            incomplete.append(line)
            continue
        path, spelled, exists = _locate(file.parent, cells["path"])
        row = rows.setdefault(path, _Row(name=spelled, exists=exists))
        row.labels.add(nfc(cells["label"]))
        row.splits.add(cells.get("split", ""))
        row.group = row.group or nfc(cells.get("group", ""))
        row.lines.append(line)
    if not rows:
        raise DataError(f"A list of images must have rows. Received {str(file)!r} with none. {_HELP}")

    paths = sorted(rows)
    given, held_out = _given(file, paths, rows) if has_split else ([""] * len(paths), [])
    set_aside = [_aside(rows[path]) for path in paths]
    labels = [next(iter(rows[path].labels)) if len(rows[path].labels) == 1 else "" for path in paths]
    columns = Columns(paths=paths, labels=labels, given=given, set_aside=set_aside)
    classes, indices, set_aside, findings = settle_classes(columns)
    return Dataset(
        name=name,
        kind="csv",
        source=source,
        classes=classes,
        paths=tuple(paths),
        labels=indices,
        given=tuple(given),
        groups=tuple(rows[path].group for path in paths),
        images=FileImages(root=file.parent, names=tuple(rows[path].name for path in paths)),
        set_aside=tuple(set_aside),
        findings=(
            *_encoding_finding(file, encoding),
            *held_out,
            *_incomplete_finding(file, incomplete),
            *_row_findings(paths, rows),
            *findings,
        ),
    )


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


def _lines(file: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and the known cells of each data row."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    for delimiter in (",", ";", "\t"):
        names = [cell.strip().lower() for cell in next(csv.reader([header], delimiter=delimiter), [])]
        if set(_REQUIRED) <= set(names):
            break
    else:
        names = [cell.strip() for cell in next(csv.reader([header]), [])]
        raise DataError(
            f"A list of images must have the columns path and label. Received {str(file)!r} with "
            f"{', '.join(map(repr, names[:12])) or 'no columns'}{', …' if len(names) > 12 else ''}. {_HELP}"
        )
    for known in _COLUMNS:
        if names.count(known) > 1:
            raise DataError(
                f"A column may stand in a list once. Received {str(file)!r} with two columns {known!r}. "
                f"Rename one of them."
            )
    positions = {known: names.index(known) for known in _COLUMNS if known in names}
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
        if os.path.isfile(os.path.join(folder, spelled)):
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
    findings = []
    for kind, files, one, many, rest, action, decision in (
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
    ):
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
