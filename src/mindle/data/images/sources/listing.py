"""CSV files that list images: columns path and label or target, with split and group where wanted."""

from __future__ import annotations

import math
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np

from mindle.data.common.filenames import infer_template
from mindle.data.common.findings import finding
from mindle.data.common.names import all_of, litter, name_of, nfc, split_of
from mindle.data.images.sources.entries import Entries
from mindle.data.images.sources.folder import walk
from mindle.data.images.sources.headings import (
    GROUP,
    NOTHING_SAID,
    PATH,
    SPLIT,
    ImageList,
    ListOptions,
    Truth,
    hot,
    image_list,
    truth_of,
)
from mindle.data.images.sources.layouts import Layout, settle_layout
from mindle.data.tables.parsing.columns import infer_columns, parse_cells
from mindle.data.tables.parsing.delimited import layout_findings, layout_of
from mindle.data.tables.roles import missing_words
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import FileImages, Finding, Texts
from mindle.text import uncell

_HELP = (
    "The first line must name the columns path and label, or path and target for numbers (and split or group "
    "where wanted), such as `path,label` followed by `cats/1.jpg,cat`."
)
_MOST_LISTS = 20
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

    def place(self, path: str) -> str:
        """The file with the lines that name it, and its labels where they differ."""
        lines, n = ", ".join(map(str, self.lines)), len(self.lines)
        if len(self.labels) == 1:
            return message("data.listing.at-lines", path=path, lines=lines, n=n)
        labels = all_of(sorted(map(repr, self.labels)))
        return message("data.listing.as-labels", path=path, labels=labels, lines=lines, n=n)


def read_listing(file: Path, options: ListOptions = NOTHING_SAID) -> Entries:
    """Read a CSV file with the columns path and label or target, and split and group where it has them.

    Paths are relative to the folder of the CSV, or absolute. UTF-8 with or without a byte-order mark and
    CP949 are read; columns are separated by commas, semicolons or tabs; further columns are ignored. One file
    is one row however often it is listed.

    A column `label` names classes, even where it holds numbers; a column `target` holds numbers to estimate.
    Where there are both, `label` counts.

    Returns:
        One image a file, in the order of their NFC paths.

    Raises:
        DataError: If the file is no such list, its split column is incomplete or contradicts itself, or the
            numbers to estimate are none.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "pets.csv")
        ...     with file.open("w", encoding="utf-8") as stream:
        ...         print("path,label", "a.jpg,cat", sep=chr(10), file=stream)
        ...     entries = read_listing(file)
        >>> entries.paths, entries.set_aside  # a.jpg does not exist
        (['a.jpg'], ['missing'])
    """
    listed = image_list(file, options)
    if listed is None:
        names = ", ".join(map(repr, layout_of(file).names[:12]))
        raise DataError(
            "A list of images must have the columns path and label, or path and target. Received "
            f"{str(file)!r} with {names}, none of which leads to pictures. {_HELP}"
        )
    return _entries([_Piece(listed=listed, truth=truth_of(listed))], file.parent)


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One list of a data set, and the split that all of its files belong to, or ""."""

    listed: ImageList
    truth: Truth
    split: str = ""


def _entries(pieces: Sequence[_Piece], root: Path) -> Entries:
    """The files that some lists name, with what they say of each."""
    listed, truth = pieces[0].listed, pieces[0].truth
    rows: dict[str, _Row] = {}
    incomplete: list[tuple[Path, int]] = []
    typed: list[str] = []
    for piece in pieces:
        incomplete += [(piece.listed.file, line) for line in _gather(piece, root, rows, typed)]
    if not rows:
        raise DataError(f"A list of images must have rows. Received {str(listed.file)!r} with none. {_HELP}")

    rows = dict(sorted(rows.items()))
    same = "two-targets" if truth.regression else "two-labels"
    numbers = _numbers(listed.file, truth.name, rows) if truth.regression else {}
    labels = {} if truth.regression else {path: _labels(row) for path, row in rows.items()}
    truths: Mapping[str, Sequence[str | float]] = numbers or labels
    set_aside = {path: _aside(row, truths[path], same) for path, row in rows.items()}
    splits = {word for row in rows.values() for word in row.splits}
    return Entries(
        kind="csv",
        images=FileImages(root=root, names=Texts(row.name for row in rows.values())),
        paths=list(rows),
        labels=[found[0] if len(found) == 1 else "" for found in labels.values()],
        targets=np.array(
            [math.nan if set_aside[path] else found[0] for path, found in numbers.items()], np.float64
        ),
        target=truth.name if truth.regression else "",
        given=_given(listed.file, rows) if splits != {""} else (),
        split_words=sorted(splits),
        groups=[row.group for row in rows.values()],
        set_aside=list(set_aside.values()),
        findings=(
            *chain.from_iterable(
                layout_findings(one.listed.file, one.listed.layout, settled=True) for one in pieces
            ),
            *_column_finding(pieces),
            *_incomplete_finding(incomplete),
            *_words_finding(truth.name, typed, listed.options.missing),
            *_row_findings(rows, set_aside, same),
        ),
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
        row.splits.add(piece.split or ("" if split is None else cells[split]))
        row.group = row.group or ("" if group is None else nfc(uncell(cells[group])))
        row.lines.append(line)
    return incomplete


def _labels(row: _Row) -> list[str]:
    """The different labels of a file; an empty one counts beside others."""
    return [] if row.labels == {""} else list(row.labels)


def _numbers(file: Path, column: str, rows: Mapping[str, _Row]) -> dict[str, list[float]]:
    """The different numbers of each file, in the writing that most of them are written in; NaN for none."""
    texts = sorted({text for row in rows.values() for text in row.labels})
    way = infer_columns({column: texts}, kinds={column: "number"})[0]
    values = dict(zip(texts, parse_cells(texts, way).tolist(), strict=True))
    if all(map(math.isnan, values.values())):
        raise DataError(
            f"The column {column!r} must hold numbers to estimate. Received {str(file)!r}, where "
            f"{next((repr(text) for text in texts if text), 'every cell is empty')}"
            f"{' stands' if any(texts) else ''}. Name another with --target, or take --task "
            "classification."
        )
    return {path: list({values[text] for text in row.labels if text}) for path, row in rows.items()}


def _aside(row: _Row, truths: Sequence[str | float], same: str) -> str:
    """Why a file takes no part; `same` where it has several truths."""
    if len(truths) > 1:
        return same
    if not row.exists:
        return "missing"
    if not truths:
        return "unlabelled"
    return "not-a-number" if truths[0] != truths[0] else ""


def _given(file: Path, rows: Mapping[str, _Row]) -> list[str]:
    """The split of every file, from a column that must be complete."""
    given: list[str] = []
    for path, row in rows.items():
        splits = {split_of(word) or "" for word in row.splits}
        if len(splits) > 1:
            raise DataError(
                f"A file must lie in one split. Received {str(file)!r}, where {path!r} stands in "
                f"{' and '.join(sorted(map(repr, row.splits)))} (lines {', '.join(map(str, row.lines))}). "
                f"Keep one of these lines."
            )
        if "" in splits:
            word = next(iter(row.splits))
            raise DataError(
                f"The split column must say train, val or test in every row. Received {word!r} in line "
                f"{row.lines[0]} of {str(file)!r}. Complete the column, or remove it to let mindle split."
            )
        given += splits
    return given


# ------------------------------------------------------------------------------------------------ findings


def _words_finding(column: str, texts: Sequence[str], missing: tuple[str, ...]) -> Iterator[Finding]:
    words = missing_words(texts, missing)
    if words:
        sentence = message("data.listing.missing-words", column=column, words=words)
        yield finding("missing-words", [column], sentence)


def _column_finding(pieces: Sequence[_Piece]) -> list[Finding]:
    """Say which columns are read how, where their headings alone do not."""
    listed, truth = pieces[0].listed, pieces[0].truth
    if listed.names[listed.image] == PATH and truth.said and listed.file.suffix and len(pieces) == 1:
        return []
    files = [name_of(piece.listed.file.name) for piece in pieces]
    if truth.name:
        code = "data.listing.holds-numbers" if truth.regression else "data.listing.holds-labels"
        labels = message(code, name=truth.name)
    else:
        labels = message("data.listing.one-hot", count=len(truth.columns))
    sentence = message(
        "data.listing.image-list",
        files=all_of(list(dict.fromkeys(files))),
        n=len(pieces),
        image=listed.layout.names[listed.image],
        labels=labels,
    )
    return [finding("image-list", files, sentence)]


def _incomplete_finding(lines: Sequence[tuple[Path, int]]) -> Iterator[Finding]:
    if lines:
        files = list(dict.fromkeys(name_of(file.name) for file, _ in lines))
        sentence = message("data.listing.incomplete-row", n=len(lines), file=files[0], line=lines[0][1])
        yield finding("incomplete-row", files, sentence)


# The sentences of what lists say of their files; where they hold numbers, some read otherwise.
_OF_LABELS = {"unlabelled": "unlabelled", "listed-twice": "twice-label"}
_OF_NUMBERS = {"unlabelled": "untargeted", "listed-twice": "twice-target"}


def _row_findings(rows: Mapping[str, _Row], set_aside: Mapping[str, str], same: str) -> Iterator[Finding]:
    """Files that do not exist, have no label or number, or are listed more than once."""
    found = {
        "missing": [path for path, row in rows.items() if not row.exists],
        "unlabelled": [path for path, why in set_aside.items() if why == "unlabelled"],
        "not-a-number": [path for path, why in set_aside.items() if why == "not-a-number"],
        "listed-twice": [
            path for path, row in rows.items() if len(row.lines) > 1 and set_aside[path] != same
        ],
        same: [path for path, why in set_aside.items() if why == same],
    }
    codes = _OF_NUMBERS if same == "two-targets" else _OF_LABELS
    for kind, files in found.items():
        if files:
            first = rows[files[0]].place(files[0])
            sentence = message(f"data.listing.{codes.get(kind, kind)}", n=len(files), first=first)
            decision = True if kind == "missing" else None  # someone meant the file to be there
            yield finding(kind, files, sentence, decision=decision)


# ------------------------------------------------------------------------------ lists that lie in a folder


def folder_lists(root: Path) -> Entries | None:
    """The images of a folder by the CSV files in it, None where folders name the classes or no list does.

    A list in a split (`train/_classes.csv`) is of that split, and so is one that is called so
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
    pictures = layout.pictures(found)
    if not layout.flat or not pictures:
        return None
    learned = layout.learned(pictures)
    named = infer_template(learned) is not None
    try:
        pieces = [piece for file in files if (piece := _piece(file, root, layout, learned)) is not None]
    except DataError:
        if named:
            return None
        raise
    whole = [piece for piece in pieces if not piece.split]
    if len(whole) > 1 or (whole and len(pieces) > 1):
        raise DataError(
            f"One list must say what the images in a folder are. Received {str(root)!r} with "
            f"{' and '.join(repr(piece.listed.file.name) for piece in pieces)}. Give one of them as DATA."
        )
    entries = _entries(pieces, root) if pieces else None
    if entries is None or (named and len(entries.paths) < _COVERING * len(learned)):
        return None
    unlisted = sorted({name_of(path) for path in pictures} - set(entries.paths))
    if not unlisted:
        return entries
    sentence = message("data.listing.unlisted", n=len(unlisted), first=unlisted[0])
    ignored = finding("unlabelled", unlisted, sentence, action="left out")
    return replace(entries, findings=(*entries.findings, ignored))


def _lists_near(root: Path) -> list[Path]:
    """CSV files in a folder, and in folders of it that are no classes."""
    files = []
    for depth in ("*", "*/*", "*/*/*"):
        files += [
            file
            for file in islice(root.glob(f"{depth}.[ct]sv"), _MOST_LISTS)
            if file.is_file() and not any(map(litter, file.relative_to(root).parts))
        ]
    return sorted(files)


def _piece(file: Path, root: Path, layout: Layout, learned: Sequence[str]) -> _Piece | None:
    """A list that labels images of the folder, or None."""
    try:
        listed = image_list(file)
    except DataError:  # some other file
        return None
    if listed is None or not listed.others():
        return None
    inside = layout.split(file.relative_to(root).as_posix())
    split = inside or split_of(file.stem) or ""
    named = [cells[listed.image] for _, cells in listed.rows if not listed.is_missing(cells[listed.image])]
    there = [place for place, spelled, exists in map(listed.locator.locate, named) if exists]
    near = name_of(os.path.relpath(file.parent, root).replace(os.sep, "/"))
    covered = {posixpath.normpath(f"{near}/{path}") for path in there}
    enough = len(covered & {name_of(path) for path in learned}) >= _COVERING * len(learned)
    if not there or (not enough and (not split or len(there) < _COVERING * len(named))):
        return None
    return _Piece(listed=listed, truth=truth_of(listed), split=split)
