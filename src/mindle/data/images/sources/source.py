"""What a user may give as data to learn from, recognised."""

from __future__ import annotations

import difflib
import os
from dataclasses import replace
from pathlib import Path

from mindle.data.common.names import name_of
from mindle.data.images.sources import arrays
from mindle.data.images.sources.entries import Entries
from mindle.data.images.sources.folder import LAYOUT_HELP, read_folder
from mindle.data.images.sources.headings import ListOptions
from mindle.data.images.sources.listing import folder_lists, read_listing
from mindle.data.images.sources.pictures import ARCHIVE, LISTINGS
from mindle.errors import DataError
from mindle.records import Dataset


def read(
    source: str | os.PathLike[str],
    *,
    name: str | None = None,
    target: str | int | None = None,
    task: str | None = None,
    separator: str | None = None,
    header: int | None = None,
    missing: tuple[str, ...] = (),
    label_from: str | None = None,
) -> Dataset:
    """Read what images there are and what they are labelled; no image is decoded.

    Args:
        source: A folder of class folders, flat or below train and test; a CSV file with the columns path and
            label, or path and target for numbers; an .npz file; a folder of idx or CIFAR files; or a built-in
            name ("digits"). An existing path comes before a built-in name.
        name: Short name of the data set; from the source where None.
        target: Of a CSV file: the column of numbers to estimate, where it is not called target.
        task: Of a CSV file: "regression" or "classification" where the column's name does not say it; of an
            .npz file where the numbers do not, which are classes unless some have fractions.
        separator: Of a CSV file: what stands between cells, where the file does not show it.
        header: Of a CSV file: how many lines of header it has, where the file does not show it.
        missing: Of a CSV file: words that stand for nothing, instead of `mindle.data.MISSING`.
        label_from: Of a folder: a template such as "{class}_{n}" by which file names hold their labels.

    Returns:
        The data set, with what was noticed on the way as findings.

    Raises:
        DataError: If nothing is there, or nothing that is known.
        ValueError: If `target` or `task` is said of something that has none, or names no column.

    Example:
        >>> dataset = read("digits")
        >>> dataset.name, dataset.kind, len(dataset)
        ('digits', 'builtin', 1797)
    """
    if not isinstance(source, (str, os.PathLike)):
        raise TypeError(
            "Data must be a path, a built-in name, a data frame, or lists by column name. Received "
            f"{type(source).__name__}. Save images as files, or as an .npz of x and y."
        )
    typed = os.fspath(source)
    place = Path(os.path.expanduser(typed))
    options = ListOptions(
        target=None if target is None else str(target),
        task=task,
        separator=separator,
        header=header,
        missing=missing,
    )
    entries = _entries(typed, place, options, label_from)
    return entries.dataset(name=name or _name(place), source=typed, task=task)


def _entries(typed: str, place: Path, options: ListOptions, label_from: str | None) -> Entries:
    """The images of whatever lies at a place, or has a built-in name."""
    require_there(typed)
    file, ending = place.is_file(), place.suffix.lower()
    if not (file and ending in LISTINGS):
        _require_nothing_asked(typed, replace(options, task=None) if file and ending == ARCHIVE else options)
    if label_from is not None and not place.is_dir():
        raise ValueError(
            f"`label_from` must be left out for images that are not files of a folder. Received "
            f"label_from={label_from!r} for {typed!r}."
        )
    if not place.exists():
        return arrays.read_built_in(typed)
    if place.is_dir():
        return _directory_entries(place, label_from)
    if file and ending == ARCHIVE:
        return arrays.read_npz(place, options.task)
    if file and ending in LISTINGS:
        return read_listing(place, options)
    raise DataError(
        f"Data must be a folder, a .csv or an .npz file. Received the file {typed!r}. {LAYOUT_HELP} To "
        f"classify images with a trained model, use `mindle predict`."
    )


def require_there(source: object) -> None:
    """Refuse a path at which nothing lies, before anything that was asked about what lies there.

    Raises:
        DataError: If nothing is there, with the nearest thing that is.
    """
    if not isinstance(source, (str, os.PathLike)):
        return
    typed = os.fspath(source)
    place = Path(os.path.expanduser(typed))
    if not typed or (not os.path.exists(place) and typed not in arrays.BUILT_IN):
        raise DataError(_unknown(typed, place))


def _require_nothing_asked(typed: str, options: ListOptions) -> None:
    """Only a list has columns and separators, only it and an archive numbers that may be classes."""
    for argument, value in vars(options).items():
        if value not in (None, ()):
            raise ValueError(
                f"`{argument}` must be left out for images that are not listed in a CSV file: it is about a "
                f"table, {'an .npz file, ' if argument == 'task' else ''}or a list with a column `path`. "
                f"Received {argument}={value!r} for {typed!r}."
            )


def _directory_entries(place: Path, label_from: str | None) -> Entries:
    try:
        packed = arrays.read_idx(place) or arrays.read_cifar(place)
    except PermissionError as error:
        raise DataError(
            f"A data folder must be readable. Received {str(place)!r} ({error.strerror}). Check its "
            "permissions."
        ) from error
    listed = folder_lists(place) if packed is None and label_from is None else None
    return packed or listed or read_folder(place, label_from)


def _name(place: Path) -> str:
    """Short name from a path: of a file without its ending, of `.` the folder it stands for."""
    whole = Path(os.path.abspath(place))
    return name_of(whole.stem if whole.is_file() else whole.name) or "data"


def _unknown(typed: str, place: Path) -> str:
    """Say that nothing is there, with the nearest thing that is."""
    try:
        beside = sorted(
            entry.name
            for entry in os.scandir(place.parent)
            if entry.is_dir() or Path(entry.name).suffix.lower() in (".csv", ".tsv", ARCHIVE)
        )
    except OSError:
        beside = []
    near = difflib.get_close_matches(place.name, [*arrays.BUILT_IN, *beside], n=1)
    if near and near[0] in beside:
        near = [os.path.join(os.path.dirname(typed), near[0])]
    elif near and os.path.dirname(typed):
        near = []
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return (
        f"Data must be an existing folder or file, or a built-in name ({', '.join(arrays.BUILT_IN)}). "
        f"Received {typed!r}, which does not exist.{hint} Check the path."
    )
