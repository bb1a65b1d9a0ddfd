"""The images of a data set, and those that a caller gives to predict.

Nothing here knows how a folder or a list is laid out, so that one image is predicted without loading that.
"""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mindle.artifacts.reading import open_regular
from mindle.data.common.names import litter
from mindle.data.images.decoding.decode import FILE_LIMIT, UndecodableImage, file_memory, read_bytes, size_of
from mindle.messages import message
from mindle.records import ArrayImages, Dataset

LISTINGS = (".csv", ".tsv", ".txt")
ARCHIVE = ".npz"
_HEADER_BYTES = 1 << 19


def load(dataset: Dataset, row: int) -> bytes | NDArray[np.uint8]:
    """The image of one row as it lies in the source: a file's bytes, or the pixels of an array.

    Raises:
        UndecodableImage: If the file is gone or cannot be read.

    Example:
        >>> from mindle.data.images.sources.source import read
        >>> load(read("digits"), 0).shape
        (8, 8)
    """
    if isinstance(dataset.images, ArrayImages):
        return np.asarray(dataset.images.array[row])
    return read_bytes(dataset.images.root / dataset.images.names[row])


def row_memory(dataset: Dataset, row: int) -> AbstractContextManager[None]:
    """Take memory for a row's bytes while they are in use; see `decode.file_memory`."""
    if isinstance(dataset.images, ArrayImages):
        return nullcontext()
    return file_memory(dataset.images.root / dataset.images.names[row])


def typical_size(dataset: Dataset, sample: int = 200) -> tuple[int, int]:
    """Median (height, width) in pixels, from the headers of a seeded sample of the rows that take part.

    Args:
        dataset: Where the images are.
        sample: How many rows to look at.

    Returns:
        Each median rounded down to whole pixels.

    Raises:
        DataError: If none of the sample has a readable header.

    Example:
        >>> from mindle.data.images.sources.source import read
        >>> typical_size(read("digits"))
        (8, 8)
    """
    if isinstance(dataset.images, ArrayImages):
        height, width = dataset.images.array.shape[1:3]
        return height, width
    rows = dataset.rows()
    if len(rows) > sample:
        rows = np.sort(np.random.default_rng(0).choice(rows, sample, replace=False))
    sizes = [size for row in rows if (size := _header_size(dataset.images.root / dataset.images.names[row]))]
    if not sizes:
        from mindle.data.common.splits import nothing_usable

        raise nothing_usable("images")
    height, width = np.median(np.array(sizes), axis=0).astype(int).tolist()
    return height, width


def _header_size(file: Path) -> tuple[int, int] | None:
    """Size from the start of a file; some formats want all of it."""
    try:
        with open_regular(file) as stream:
            start = stream.read(_HEADER_BYTES) if os.fstat(stream.fileno()).st_size else b""
        try:
            return size_of(start)
        except UndecodableImage:
            return size_of(read_bytes(file)) if len(start) == _HEADER_BYTES else None
    except (OSError, UndecodableImage):
        return None


def read_images(sources: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """The images to predict, one after the other, with a name for each.

    Nothing that is missing raises: it comes with an `UndecodableImage` in place of the image, so that every
    name a user typed is answered. Nothing is read ahead; any number of images passes in flat memory.

    Args:
        sources: Files, folders (searched recursively, by name, hidden and foreign files passed over), glob
            patterns, the bytes of a file, files opened in binary mode, Pillow images, uint8 arrays of one
            image, or (image, height, width, channel) of many; or a pandas Series, an Index or an array of
            these.

    Yields:
        A name, and what `decode` takes or an `UndecodableImage`. A file is named as it was typed, one from a
        folder by the folder as typed and the path below it, an image without a file by its number.

    Example:
        >>> names = [name for name, _ in read_images([np.zeros((2, 2), np.uint8), "no.jpg"])]
        >>> names
        ['image-000001', 'no.jpg']
    """
    number = 0
    for image in images_in(sources):
        if isinstance(image, (str, os.PathLike)):
            yield from _from_path(os.fsdecode(image))
        else:
            number += 1
            yield _name_of(image) or f"image-{number:06d}", picture_of(image)


def images_in(given: Any) -> Iterator[Any]:
    """What a caller gave, one image after the other: of a list, a column, an array of many, or itself.

    Example:
        >>> list(images_in("a.jpg")), list(images_in(["a.jpg", b"GIF89a"]))
        (['a.jpg'], ['a.jpg', b'GIF89a'])
    """
    for value in [given] if _is_single(given) else given:
        yield from _members(value)


def _is_single(value: Any) -> bool:
    """Whether a value is one image or a kind of collection that `_members` knows, and not just iterable."""
    return (
        isinstance(value, (str, os.PathLike, bytes, bytearray, memoryview, Mapping, Set))
        or not isinstance(value, Iterable)
        or hasattr(value, "shape")
        or hasattr(value, "read")
    )


def _members(value: Any) -> Iterable[Any]:
    """The images of an array of many, or of a column of a table; else the value itself."""
    if isinstance(value, np.ndarray):
        texts = value.dtype.kind in "OUS"
        return value.ravel().tolist() if texts else value if value.ndim == 4 else [value]
    if getattr(value, "ndim", 0) == 1 and hasattr(value, "array"):
        return list(value)  # a Series or an Index of pandas
    return [value]


def _name_of(image: Any) -> str:
    """The name of the file that an image was opened from, or ""."""
    name = getattr(image, "filename", "") or (getattr(image, "name", "") if hasattr(image, "read") else "")
    return name if isinstance(name, str) else ""


def picture_of(value: Any) -> Any:
    """What `decode` takes of a value: a path, bytes, a Pillow image, an array, or why there is none.

    Raises:
        TypeError: If it is none of what holds a picture; its type is named.

    Example:
        >>> picture_of(io.BytesIO(b"GIF89a"))
        b'GIF89a'
    """
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return _missing("no-image")
    if isinstance(value, (str, os.PathLike)):
        return Path(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (Image.Image, np.ndarray, UndecodableImage)):
        return value
    if hasattr(value, "read"):
        return _content(value)
    kind = type(value).__name__
    hint = f" Give a column of it: {kind}[...]." if kind == "DataFrame" else ""
    raise TypeError(
        "An image must be a path, the bytes of a file, a file opened in binary mode, a PIL image or a uint8 "
        f"array, or several of them in a list or a column. Received {kind}.{hint}"
    )


def _content(file: Any) -> bytes:
    """All of an open file, from its beginning where it can go back."""
    if isinstance(file, io.TextIOBase):
        raise TypeError(
            "An open file must be opened in binary mode: open(path, 'rb'). Received "
            f"{type(file).__name__}, a file of text."
        )
    if hasattr(file, "seekable") and file.seekable():
        file.seek(0)
    content = file.read(FILE_LIMIT + 1)
    if not isinstance(content, (bytes, bytearray)):
        raise TypeError(
            "An open file must give bytes when it is read. Received "
            f"{type(content).__name__} of {type(file).__name__}.read()."
        )
    return bytes(content)


def _from_path(typed: str) -> Iterator[tuple[str, Path | UndecodableImage]]:
    place = os.path.expanduser(typed)
    if os.path.isdir(place):
        yield from _from_folder(typed, Path(place))
    elif os.path.lexists(place) or not glob.has_magic(place):
        yield typed, Path(place) if os.path.exists(place) else _missing("missing")
    else:
        # A pattern leaves hidden files out by itself; one that was typed in full never is.
        matches = sorted(match for match in glob.glob(place, recursive=True) if not litter(Path(match).name))
        if not matches:
            yield typed, _missing("no-match")
        for match in matches:
            if not os.path.isdir(match):
                yield match, Path(match)
            elif "**" not in place:  # with ** its files match themselves
                yield from _from_folder(match, Path(match))


def _from_folder(typed: str, place: Path) -> Iterator[tuple[str, Path | UndecodableImage]]:
    from mindle.data.images.sources.folder import walk

    empty = True
    for found in walk(place):
        name = os.path.join(typed, *found.path.split("/"))
        if found.aside or found.kind not in ("file", "missing", "unreadable", "special"):
            continue
        empty = False
        if found.kind in ("file", "special"):  # `read_bytes` says what it does not open
            yield name, place / found.path
        elif found.kind == "missing":
            yield name, _missing("dead-link")
        else:
            yield name, UndecodableImage("unreadable", message("images.detail.unlisted"))
    if empty:
        yield typed, _missing("no-files")


def _missing(why: str) -> UndecodableImage:
    return UndecodableImage("missing", message(f"images.detail.{why}"))
