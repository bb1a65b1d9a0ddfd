"""Finds a known set of images or a known table below a folder of sets; packs some classes as an .npz."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.files import write_arrays
from mindle.data.images.decoding.decode import UndecodableImage, decode
from mindle.data.images.sources.arrays import is_cifar, is_idx
from mindle.data.images.sources.pictures import load
from mindle.data.images.sources.source import read
from mindle.errors import DataError
from mindle.records import Dataset, InputSpec


def find_set(folder: str | os.PathLike[str], names: Sequence[str], *, what: str) -> Path:
    """The folder of a set: the first of `names` below `folder` that holds data, else `folder` itself.

    Args:
        folder: What the user gave: a folder of sets, or the set.
        names: What the set's folder may be called.
        what: The set in words, for the message.

    Raises:
        DataError: If neither holds images.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "flowers5", "daisy").mkdir(parents=True)
        ...     _ = Path(folder, "flowers5", "daisy", "1.jpg").write_bytes(b"")
        ...     find_set(folder, ("flowers5",), what="photos of flowers").name
        'flowers5'
    """
    root = Path(os.path.expanduser(folder))
    places = [place for name in names if (place := root / name).is_dir()]
    found = next((place for place in places if _holds_images(place)), None)
    if found is not None:
        return found
    if root.is_file() or (root.is_dir() and not places and _holds_images(root)):
        return root
    raise DataError(
        f"`data` must hold {what}, or a folder of them called {' or '.join(names)}. "
        f"Received {str(folder)!r}{_seen(root, places)}. Give the folder with --data."
    )


def find_file(folder: str | os.PathLike[str], names: Sequence[str], *, what: str) -> Path:
    """A file: the first of `names` that lies below `folder`, or `folder` itself where it is a file.

    Args:
        folder: What the user gave: a folder of sets, the file's folder, or the file.
        names: What the file may be called, folders before it included.
        what: Its content in words, for the message.

    Raises:
        DataError: If there is none.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "boston.csv").write_bytes(b"0.1,24")
        ...     find_file(folder, ("tabular/boston.csv", "boston.csv"), what="the table").name
        'boston.csv'
    """
    root = Path(os.path.expanduser(folder))
    if root.is_file():
        return root
    found = next((place for name in names if (place := root / name).is_file()), None)
    if found is None:
        raise DataError(
            f"`data` must be {what}, or a folder that holds it as {' or '.join(names)}. Received "
            f"{str(folder)!r}{_seen(root, ())}. Give the file with --data."
        )
    return found


def _holds_images(folder: Path) -> bool:
    """Whether it has class folders, or files of a known kind of arrays."""
    if is_idx(folder) or is_cifar(folder):
        return True
    with os.scandir(folder) as entries:
        return any(entry.is_dir() and not entry.name.startswith(".") for entry in entries)


def _seen(root: Path, places: Sequence[Path]) -> str:
    """What was there instead."""
    if not root.exists():
        return ", which does not exist"
    if places:
        return f", where {places[0].name} holds neither class folders nor files of arrays"
    return ""


def pack(source: str | os.PathLike[str], target: Path, *, classes: Sequence[str], side: int) -> Path:
    """Write some classes of a set of photos as an .npz of small pictures, with the split they came with.

    The keys are `data` and `targets`, or `x_train`, `y_train` and so on where the photos are split, and
    `names`. Files that cannot be decoded are skipped; `mindle check` on the source names them.

    Args:
        source: Anything that `read` takes.
        target: The file; where it is there already it stays as it is.
        classes: Which classes, in the order of their numbers; all where empty.
        side: Height and width in pixels.

    Raises:
        DataError: If a class is not there.
    """
    if target.exists():
        return target
    dataset = read(source)
    wanted = tuple(classes) or dataset.classes
    missing = [name for name in wanted if name not in dataset.classes]
    if missing:
        raise DataError(
            f"The data must hold the classes {', '.join(wanted)}. Received {str(source)!r} with "
            f"{', '.join(dataset.classes)}. Give another folder with --data."
        )
    arrays = _arrays(dataset, wanted, InputSpec(height=side, width=side))
    write_arrays(target, {"names": np.array(wanted), **arrays})
    return target


def _arrays(dataset: Dataset, wanted: Sequence[str], spec: InputSpec) -> dict[str, NDArray[Any]]:
    """Images and class numbers, by the keys of the file."""
    found: dict[str, list[tuple[NDArray[np.uint8], int]]] = defaultdict(list)
    for row in dataset.rows().tolist():
        name = dataset.classes[dataset.labels[row]]
        if name in wanted:
            with suppress(UndecodableImage):
                pixels = decode(load(dataset, row), spec)
                found[dataset.given[row] or "train"].append((pixels, wanted.index(name)))
    arrays: dict[str, NDArray[Any]] = {}
    for split, rows in sorted(found.items()):
        images, labels = ("data", "targets") if len(found) == 1 else (f"x_{split}", f"y_{split}")
        arrays[images] = np.stack([pixels for pixels, _ in rows])
        arrays[labels] = np.array([number for _, number in rows], np.int64)
    return arrays
