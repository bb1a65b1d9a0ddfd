"""CSV files that list images: columns path and label or target, with split and group where wanted."""

from __future__ import annotations

import itertools
import math
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.classes import Columns, settle_classes, settle_given
from mindle.data.common.filenames import infer_template, is_picture_name
from mindle.data.common.names import all_of, litter, name_of, nfc, part_of
from mindle.data.images.sources.folder import walk
from mindle.data.images.sources.headings import (
    GROUP,
    PATH,
    SPLIT,
    ImageList,
    Truth,
    hot,
    image_list,
    truth_of,
)
from mindle.data.images.sources.layouts import Layout, settle_layout
from mindle.data.tables.parsing.columns import infer_columns, parse_cells
from mindle.data.tables.parsing.delimited import layout_of
from mindle.data.tables.parsing.layouts import layout_findings
from mindle.data.tables.roles import missing_words
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import Dataset, FileImages, Finding
from mindle.text import uncell

_HELP = (
    "The first line must name the columns path and label, or path and target for numbers (and split or group "
    "where wanted), such as `path,label` followed by `cats/1.jpg,cat`."
)
_COVERING = 0.5  # a list beside pictures counts where it names half of them, or half of its names are theirs


@dataclass
class _Row:
    """What the list says about one file, over all lines that name it."""

    name: str  # as the disk spells it, below the list's folder or absolute
    exists: bool
    labels: set[str] = field(default_factory=set)
    splits: set[str] = field(default_factory=set)
    group: str = ""
    lines: list[int] = field(default_factory=list)


def lists_images(file: Path, *, separator: str | None = None, header: int | None = None) -> bool:
    """Whether a column of a CSV file leads to pictures: one of its first twenty cells does.

    So a listing is told from a table that merely has a column of such a name.

    Raises:
        DataError: If the file is no text that can be read.
    """
    listed = image_list(file, separator=separator, header=header)
    if listed is None or listed.names[listed.image] != PATH:
        return listed is not None
    sample = [cells[listed.image] for _, cells in listed.rows[:20]]
    return any(listed.locator.is_picture(cell) for cell in sample if cell)


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
    listed = image_list(file, separator=separator, header=header, missing=missing)
    if listed is None:
        names = ", ".join(map(repr, layout_of(file).names[:12]))
        raise DataError(
            "A list of images must have the columns path and label, or path and target. Received "
            f"{str(file)!r} with {names}, none of which leads to pictures. {_HELP}"
        )
    piece = _Piece(listed=listed, truth=truth_of(listed, target, task))
    return _dataset([piece], file.parent, name=name, source=source)


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One list of a data set, and the part of the split that all of its files belong to, or ""."""

    listed: ImageList
    truth: Truth
    part: str = ""


def _dataset(pieces: Sequence[_Piece], root: Path, *, name: str, source: str) -> Dataset:
    """The files that some lists name, with what they say of each."""
    file, truth = pieces[0].listed.file, pieces[0].truth
    rows: dict[str, _Row] = {}
    incomplete: list[tuple[Path, int]] = []
    typed: list[str] = []
    for piece in pieces:
        incomplete += [(piece.listed.file, line) for line in _gather(piece, root, rows, typed)]
    if not rows:
        raise DataError(f"A list of images must have rows. Received {str(file)!r} with none. {_HELP}")

    paths = sorted(rows)
    has_split = any(any(row.splits - {""}) for row in rows.values())
    given, held_out = _given(file, paths, rows) if has_split else ([""] * len(paths), [])
    told = (
        _Told.numbers(file, truth.name, paths, rows)
        if truth.regression
        else _Told.classes(paths, rows, given)
    )
    return Dataset(
        name=name,
        kind="csv",
        source=source,
        classes=told.names,
        paths=tuple(paths),
        labels=told.labels,
        given=tuple(given),
        groups=tuple(rows[path].group for path in paths),
        images=FileImages(root=root, names=tuple(rows[path].name for path in paths)),
        set_aside=tuple(told.set_aside),
        findings=(
            *(one for piece in pieces for one in _layout_findings(piece.listed)),
            *_column_finding(pieces),
            *held_out,
            *_incomplete_finding(incomplete),
            *_words_finding(truth.name, typed, pieces[0].listed.missing),
            *told.findings,
        ),
        targets=told.targets,
        target=truth.name if truth.regression else "",
    )


def _gather(piece: _Piece, root: Path, rows: dict[str, _Row], truths: list[str]) -> list[int]:
    """Add what a list says to the rows, and the texts of its truths; the lines that name no file."""
    listed, truth = piece.listed, piece.truth
    split, group = listed.position(SPLIT), listed.position(GROUP)
    above = os.path.relpath(listed.file.parent, root).replace(os.sep, "/")
    incomplete = []
    for line, cells in listed.rows:
        typed = cells[listed.image]
        if listed.is_missing(typed):
            incomplete.append(line)
            continue
        path, spelled, exists = listed.locator.locate(typed)
        if above != "." and not os.path.isabs(spelled):
            path, spelled = posixpath.normpath(f"{name_of(above)}/{path}"), f"{above}/{spelled}"
        row = rows.setdefault(path, _Row(name=spelled, exists=exists))
        several = len(truth.columns) > 1
        text = hot(listed, truth, line, cells) if several else nfc(uncell(cells[truth.columns[0]]))
        row.labels.add("" if listed.is_missing(text) else text)
        truths.append(text)
        row.splits.add(piece.part or ("" if split is None else cells[split]))
        row.group = row.group or ("" if group is None else nfc(uncell(cells[group])))
        row.lines.append(line)
    return incomplete


def folder_lists(root: Path, *, name: str, source: str) -> Dataset | None:
    """The images of a folder by the CSV files in it, None where folders name the classes or no list does.

    A list in a part of a split (`train/_classes.csv`) is of that part, and so is one that is called so
    (`train.csv`, `val.csv`).

    Raises:
        DataError: If several lists name the same images, or one gives a picture several labels, or has
            several columns that may be labels.
    """
    files = _lists_near(root)
    if not files:
        return None
    found = list(walk(root))
    layout = settle_layout(found)
    pictures = [
        one.path
        for one in found
        if one.kind == "file" and not one.aside and is_picture_name(one.path) and layout.place(one.path)[0]
    ]
    if not layout.flat or not pictures:
        return None
    learned = [path for path in pictures if layout.part(path) == "train"] or pictures
    named = infer_template(learned) is not None
    try:
        pieces = [piece for file in files if (piece := _piece(file, root, layout, learned)) is not None]
    except DataError:
        if named:
            return None
        raise
    whole = [piece for piece in pieces if not piece.part]
    if len(whole) > 1 or (whole and len(pieces) > 1):
        raise DataError(
            f"One list must say what the images in a folder are. Received {str(root)!r} with "
            f"{' and '.join(repr(piece.listed.file.name) for piece in pieces)}. Give one of them as DATA."
        )
    dataset = _dataset(pieces, root, name=name, source=source) if pieces else None
    if dataset is None or (named and len(dataset) < _COVERING * len(learned)):
        return None
    return _with_unlisted(dataset, {name_of(path) for path in pictures})


def _lists_near(root: Path) -> list[Path]:
    """CSV files in a folder, and in folders of it that are no classes."""
    files = []
    for depth in ("*", "*/*", "*/*/*"):
        files += [
            file
            for file in itertools.islice(root.glob(f"{depth}.[ct]sv"), _MOST_LISTS)
            if file.is_file() and not any(map(litter, file.relative_to(root).parts))
        ]
    return sorted(files)


_MOST_LISTS = 20


def _piece(file: Path, root: Path, layout: Layout, learned: Sequence[str]) -> _Piece | None:
    """A list that tells what pictures are, or None."""
    try:
        listed = image_list(file)
    except DataError:  # some other file
        return None
    if listed is None or not listed.others():
        return None
    inside = layout.part(file.relative_to(root).as_posix())
    part = inside or part_of(file.stem) or ""
    named = [cells[listed.image] for _, cells in listed.rows if not listed.is_missing(cells[listed.image])]
    there = [place for place, spelled, exists in map(listed.locator.locate, named) if exists]
    near = name_of(os.path.relpath(file.parent, root).replace(os.sep, "/"))
    covered = {posixpath.normpath(f"{near}/{path}") for path in there}
    enough = len(covered & {name_of(path) for path in learned}) >= _COVERING * len(learned)
    if not there or (not enough and (not part or len(there) < _COVERING * len(named))):
        return None
    return _Piece(listed=listed, truth=truth_of(listed, None, None), part=part)


def _with_unlisted(dataset: Dataset, pictures: set[str]) -> Dataset:
    """Say how many pictures of the folder no list names."""
    unlisted = sorted(pictures - set(dataset.paths))
    if not unlisted:
        return dataset
    finding = Finding(
        kind="unlabelled",
        files=tuple(unlisted),
        message=message("data.listing.unlisted", n=len(unlisted), first=unlisted[0]),
        action="left out",
    )
    return replace(dataset, findings=(*dataset.findings, finding))


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


def _number_aside(row: _Row, values: set[float]) -> str:
    if len(values) > 1:
        return "two-targets"
    if not row.exists:
        return "missing"
    if not values:
        return "unlabelled"
    return "" if all(map(math.isfinite, values)) else "not-a-number"


def _layout_findings(listed: ImageList) -> Iterator[Finding]:
    return layout_findings(listed.file, listed.layout, settled=True)


def _words_finding(column: str, texts: Sequence[str], missing: tuple[str, ...]) -> list[Finding]:
    words = missing_words(texts, missing)
    if not words:
        return []
    return [
        Finding(
            kind="missing-words",
            files=(column,),
            message=message("data.listing.missing-words", column=column, words=words),
            action="read as missing",
        )
    ]


def _column_finding(pieces: Sequence[_Piece]) -> list[Finding]:
    """Say which columns are read how, where their headings alone do not."""
    listed, truth = pieces[0].listed, pieces[0].truth
    image = listed.layout.names[listed.image]
    if listed.names[listed.image] == PATH and truth.said and listed.file.suffix and len(pieces) == 1:
        return []
    files = tuple(name_of(piece.listed.file.name) for piece in pieces)
    if truth.name:
        code = "data.listing.holds-numbers" if truth.regression else "data.listing.holds-labels"
        labels = message(code, name=truth.name)
    else:
        labels = message("data.listing.one-hot", count=len(truth.columns))
    return [
        Finding(
            kind="image-list",
            files=files,
            message=message(
                "data.listing.image-list",
                files=all_of(list(dict.fromkeys(files))),
                n=len(pieces),
                image=image,
                labels=labels,
            ),
            action="read as a list of images",
        )
    ]


def _incomplete_finding(lines: Sequence[tuple[Path, int]]) -> list[Finding]:
    if not lines:
        return []
    file, line = lines[0]
    return [
        Finding(
            kind="incomplete-row",
            files=tuple(dict.fromkeys(name_of(file.name) for file, _ in lines)),
            message=message("data.listing.incomplete-row", n=len(lines), file=name_of(file.name), line=line),
            action="passed over",
            decision=True,
        )
    ]


# Code of the sentence, action and decision of each kind of finding, for classes and for numbers.
_OF_CLASSES = {
    "missing": ("missing", "set aside", True),
    "unlabelled": ("unlabelled", "set aside", False),
    "listed-twice": ("twice-label", "used once", False),
    "two-labels": ("two-labels", "set aside", True),
}
_OF_NUMBERS = {
    "missing": ("missing", "set aside", True),
    "unlabelled": ("untargeted", "set aside", False),
    "not-a-number": ("not-a-number", "set aside", True),
    "listed-twice": ("twice-target", "used once", False),
    "two-targets": ("two-targets", "set aside", True),
}
_Outcomes = Mapping[str, tuple[str, str, bool]]


def _row_findings(paths: list[str], rows: dict[str, _Row]) -> list[Finding]:
    """Files that do not exist, have no label, or are listed more than once."""
    found = {
        "missing": [path for path in paths if not rows[path].exists],
        "unlabelled": [path for path in paths if rows[path].labels == {""} and rows[path].exists],
        "listed-twice": [path for path in paths if len(rows[path].lines) > 1 and len(rows[path].labels) == 1],
        "two-labels": [path for path in paths if len(rows[path].labels) > 1],
    }
    return _findings(rows, found, _OF_CLASSES)


def _number_findings(paths: list[str], rows: dict[str, _Row], set_aside: list[str]) -> list[Finding]:
    """Files that do not exist, have no number, or are listed more than once."""
    found = {
        kind: [path for path, why in zip(paths, set_aside, strict=True) if why == kind]
        for kind in ("unlabelled", "not-a-number", "two-targets")
    }
    found["missing"] = [path for path in paths if not rows[path].exists]
    differing = set(found["two-targets"])
    found["listed-twice"] = [path for path in paths if len(rows[path].lines) > 1 and path not in differing]
    return _findings(rows, found, _OF_NUMBERS)


def _findings(rows: dict[str, _Row], found: Mapping[str, list[str]], outcomes: _Outcomes) -> list[Finding]:
    """A finding for each kind that has files."""
    return [
        Finding(
            kind=kind,
            files=tuple(found[kind]),
            message=message(
                f"data.listing.{code}",
                n=len(found[kind]),
                first=_named(found[kind][0], rows[found[kind][0]]),
            ),
            action=action,
            decision=decision,
        )
        for kind, (code, action, decision) in outcomes.items()
        if found[kind]
    ]


def _named(path: str, row: _Row) -> str:
    lines = ", ".join(map(str, row.lines))
    if len(row.labels) == 1:
        return message("data.listing.at-lines", path=path, lines=lines, n=len(row.lines))
    labels = all_of(sorted(map(repr, row.labels)))
    return message("data.listing.as-labels", path=path, labels=labels, lines=lines, n=len(row.lines))
