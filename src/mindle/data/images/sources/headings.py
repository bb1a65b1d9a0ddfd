"""What the columns of a list of images hold: which names files and which the labels, under any heading."""

from __future__ import annotations

import itertools
import math
import os
import posixpath
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from mindle.data.common.filenames import is_picture_name, stem
from mindle.data.common.names import litter, name_of, nfc
from mindle.data.common.tasks import asks_numbers, require_task
from mindle.data.images.decoding.decode import UndecodableImage, read_bytes, size_of
from mindle.data.tables.parsing.cells import is_missing, number_of
from mindle.data.tables.parsing.delimited import layout_of, records
from mindle.data.tables.parsing.dialect import Layout
from mindle.errors import DataError
from mindle.text import uncell, unspelled

PATH, LABEL, TARGET, SPLIT, GROUP = "path", "label", "target", "split", "group"
MOST_CLASSES = 10  # different whole numbers that may be classes
_KNOWN = (PATH, LABEL, TARGET, SPLIT, GROUP, "filename", "image")
_FILE_WORDS = ("image", "img", "file", "photo", "picture", "path")
_LOOKED_AT = 20
# Names alone are looked for so deep below the list's folder, and in so many folders.
_DEPTH, _MOST_FOLDERS = 2, 200
_UNITS = {"0": False, "1": True, "0.0": False, "1.0": True}


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """What a user may say of a list of images where the file does not show it.

    Attributes:
        target: The column of numbers to estimate, where it has another name, or stands beside `label`.
        task: "regression" or "classification" where the name of the column does not say it.
        separator: What stands between cells.
        header: How many lines of header there are.
        missing: Words that stand for nothing, instead of `MISSING`.
    """

    target: str | None = None
    task: str | None = None
    separator: str | None = None
    header: int | None = None
    missing: tuple[str, ...] = ()


NOTHING_SAID = ListOptions()


@dataclass(frozen=True)
class Locator:
    """Finds the files that a list in a folder names."""

    folder: Path

    def locate(self, typed: str) -> tuple[str, str, bool]:
        """NFC path of a row, the path as the disk spells it, and whether it is a file.

        Lists are often made on another system than they are read on: with backslashes, or with names that
        the disk spells with other Unicode characters. The spelling that exists is taken. A name without
        its folder, its ending or both, or in other capitals, is looked for below the folder, and taken where
        one file alone has it.
        """
        ours = (uncell(typed), unspelled(typed), unspelled(uncell(typed)))  # as mindle writes a name
        plain = [typed, typed.replace("\\", "/"), *ours]
        for spelled in (form for text in plain for form in _forms(text)):
            place = os.path.join(self.folder, spelled)
            if os.path.exists(place) and not os.path.isdir(place):
                break  # a pipe is there too; the check says what it is
        else:
            below = self._below.get(nfc(posixpath.normpath(plain[1])).casefold())
            if not below:
                return name_of(_relative(self.folder, plain[1])), plain[1], False
            spelled = below
        return name_of(_relative(self.folder, spelled)), spelled, True

    def is_picture(self, typed: str) -> bool:
        """Whether a cell leads to a file whose header is that of a picture."""
        _, spelled, exists = self.locate(typed)
        try:
            return exists and size_of(read_bytes(self.folder / spelled)) is not None
        except UndecodableImage:
            return False

    @cached_property
    def _below(self) -> dict[str, str]:
        """Files below the folder by path and by name, with and without ending; "" where several have it."""
        found: dict[str, str] = {}
        for path in self._files():
            whole = nfc(path).casefold()
            name = posixpath.basename(whole)
            for key in {name, stem(name), whole, f"{whole[: -len(name)]}{stem(name)}"}:
                found[key] = "" if key in found else path
        return found

    def _files(self) -> Iterator[str]:
        places = [""]
        for visited, place in enumerate(places):
            if visited == _MOST_FOLDERS:
                return
            try:
                with os.scandir(self.folder / place) as listing:
                    entries = [entry for entry in listing if not litter(entry.name)]
                folders = [entry.name for entry in entries if entry.is_dir()]
            except OSError:
                continue
            for entry in entries:
                if is_picture_name(entry.name) and entry.is_file():
                    yield posixpath.join(place, entry.name)
            if place.count("/") + bool(place) < _DEPTH:
                places += [posixpath.join(place, name) for name in sorted(folders)]


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


@dataclass(frozen=True, kw_only=True)
class ImageList:
    """A list of images: how its file is written, and what its columns hold.

    Attributes:
        file: The list.
        layout: How it is written.
        names: Of the columns, in small letters.
        image: Position of the column that names files.
        locator: Finds these files.
        options: What the user said of it.
    """

    file: Path
    layout: Layout
    names: tuple[str, ...]
    image: int
    locator: Locator = field(repr=False)
    options: ListOptions = NOTHING_SAID

    @cached_property
    def rows(self) -> list[tuple[int, list[str]]]:
        """Line and cells of each row, as many as there are columns."""
        width = len(self.names)
        return [
            (line, [*(cell.strip() for cell in cells), *[""] * (width - len(cells))])
            for line, cells in records(self.file, self.layout)
            if any(map(str.strip, cells))
        ]

    def is_missing(self, text: str) -> bool:
        """Whether a cell holds nothing."""
        return is_missing(text, self.options.missing)

    def leads_to_images(self) -> bool:
        """Whether one of the first files is an image, and the list no table that has such a column."""
        sample = [cells[self.image] for _, cells in self.rows[:_LOOKED_AT]]
        return any(self.locator.is_picture(cell) for cell in sample if cell)

    def position(self, name: str) -> int | None:
        """Where a column stands, None where there is none of that name."""
        if self.names.count(name) > 1:
            raise DataError(
                f"A column may stand in a list once. Received {str(self.file)!r} with two columns {name!r}. "
                f"Rename one of them."
            )
        return self.names.index(name) if name in self.names else None

    def others(self) -> list[int]:
        """Columns that may hold labels of the images."""
        return [
            place
            for place, name in enumerate(self.names)
            if place != self.image and name not in (SPLIT, GROUP) and name and not name.startswith("unnamed:")
        ]


def image_list(file: Path, options: ListOptions = NOTHING_SAID) -> ImageList | None:
    """A file as a list of images, None where no column names pictures.

    A column `path` does. So does any other whose cells lead to pictures, half of the first twenty or more,
    with or without their folder and ending; or one that is called after files and holds names of pictures.

    Raises:
        DataError: If the file is no text.
    """
    layout = layout_of(file, known=_KNOWN, separator=options.separator, header=options.header)
    names = tuple(name.lower() for name in layout.names)
    locator = Locator(file.parent)

    listed = partial(ImageList, file=file, layout=layout, names=names, locator=locator, options=options)
    if PATH in names:
        return listed(image=names.index(PATH))
    sample = [cells for _, cells in itertools.islice(records(file, layout), _LOOKED_AT)]
    for place, name in enumerate(names):
        cells = [
            row[place].strip()
            for row in sample
            if place < len(row) and not is_missing(row[place], options.missing)
        ]
        if cells and _names_pictures(locator, name, cells, others=len(names) - 1):
            return listed(image=place)
    return None


def _names_pictures(locator: Locator, heading: str, cells: Sequence[str], *, others: int) -> bool:
    if any("://" in cell or len(cell) > 4096 for cell in cells):
        return False
    ending = sum("." in cell and is_picture_name(cell) for cell in cells)
    if 2 * ending >= len(cells):
        leads = 2 * sum(map(locator.is_picture, cells)) >= len(cells)
        return leads or (ending == len(cells) and any(word in heading for word in _FILE_WORDS))
    # Names without ending: numbers that count rows may be called like files, too.
    if len(set(cells)) < len(cells) or (others > 1 and all(cell.isdecimal() for cell in cells)):
        return False
    return all(map(locator.is_picture, cells))


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Which columns hold the label or number of each image.

    Attributes:
        name: Of the column; "" where several stand for a class each.
        regression: Whether it holds numbers to estimate.
        columns: Positions: one, or one for each class.
        said: Whether the heading alone said so.
    """

    name: str
    regression: bool
    columns: tuple[int, ...]
    said: bool = True


def truth_of(listed: ImageList) -> Truth:
    """The column of what is learned: as asked, or label or target, or the only other column, or one-hot.

    Raises:
        DataError: If several columns may be meant.
        ValueError: If `target` names no column of the list, or `task` is none.
    """
    task = listed.options.task
    require_task(task)
    asked = None if task is None else asks_numbers(task)

    def truth(place: int, numbers: bool, *, said: bool = True) -> Truth:
        regression = numbers if asked is None else asked
        return Truth(name=listed.names[place], regression=regression, columns=(place,), said=said)

    if listed.options.target is not None:  # a column that is named holds numbers where the list has a path
        place = _asked_place(listed, listed.options.target)
        return truth(place, listed.names[listed.image] == PATH or _are_numbers(listed, place))
    for name in (LABEL, TARGET):
        if (known := listed.position(name)) is not None:
            return truth(known, name == TARGET)
    rows = [cells for _, cells in listed.rows]
    usable = [
        place for place in listed.others() if any(not listed.is_missing(cells[place]) for cells in rows)
    ]
    if len(usable) == 1:
        return truth(usable[0], _are_numbers(listed, usable[0]), said=False)
    if len(usable) > 1 and all(cells[place] in _UNITS for cells in rows for place in usable):
        return Truth(name="", regression=False, columns=tuple(usable), said=False)
    shown = ", ".join(repr(name) for name in listed.layout.names[:12])
    raise DataError(
        f"A list of images must have the columns path and label, or path and target. Received "
        f"{str(listed.file)!r} with {shown}, where {listed.layout.names[listed.image]!r} names the files and "
        f"{'no other column holds anything' if not usable else 'several columns may hold the labels'}. "
        f"{listed.layout.description} "
        f"{'Add a column label.' if not usable else 'Give the list as DATA, and name the one with --target.'}"
    )


def hot(listed: ImageList, truth: Truth, line: int, cells: Sequence[str]) -> str:
    """The class of a row with a column for each class: the one with a 1, "" where none has.

    Raises:
        DataError: If several have one.
    """
    names = [listed.layout.names[place] for place in truth.columns if _UNITS[cells[place]]]
    if len(names) > 1:
        raise DataError(
            f"Each picture must have one label. Received {str(listed.file)!r}, where line {line} has a 1 for "
            f"{' and '.join(map(repr, names))}. One label per picture is needed today: keep one 1 a row."
        )
    return nfc(names[0]) if names else ""


def _asked_place(listed: ImageList, target: str) -> int:
    """The column that a name, a position from 1 or "last" stands for."""
    names = listed.names
    wanted = nfc(target.strip()).lower()
    if wanted not in names and wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        wanted = names[int(wanted) - 1]
    elif wanted not in names and wanted == "last":
        wanted = names[-1]
    place = listed.position(wanted)
    if place is None or place == listed.image or wanted in (SPLIT, GROUP):
        others = [names[other] for other in listed.others()]
        image = names[listed.image]
        raise ValueError(
            f"`target` must be a column of the list besides {image}, split and group. Received "
            f"target={target!r}. {str(listed.file)!r} has {', '.join(map(repr, others[:12])) or 'none'}."
        )
    return place


def _are_numbers(listed: ImageList, place: int) -> bool:
    """Whether a column holds quantities: numbers with fractions, or more different ones than classes have."""
    cells = {row[place] for _, row in listed.rows if not listed.is_missing(row[place])}
    values = [number_of(cell) for cell in cells]
    if not values or any(map(math.isnan, values)):
        return False
    return len(values) > MOST_CLASSES or any(number % 1 for number in values)
