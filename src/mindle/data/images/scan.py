"""One look at every image of a data set: its hash, its size, its problem, and its pixels on the way.

Facts are kept in the cache by the hash of the content, so that a second look decodes nothing. Problems are
not kept: they are few, and a codec may have been installed since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.reading import open_regular
from mindle.data.common.store import Rows, RowStore
from mindle.data.images.decoding.decode import Examined, UndecodableImage, examine
from mindle.data.images.duplicates import perceptual_hashes
from mindle.data.images.pixels import content_hash, in_threads, pixel_key, pixel_store, served_by_array
from mindle.data.images.sources.source import load, row_memory
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import NOT_DRAWN, Dataset, FileImages, InputSpec, Listener

FACTS = np.dtype(
    [
        ("height", "<i4"),
        ("width", "<i4"),
        ("frames", "<i4"),
        ("mode", "S12"),
        ("std", "<f4"),
        ("thumbnail", "u1", (32, 32)),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What one row gave.

    Attributes:
        sha256: Hash of the content, "" where it cannot be read.
        kind: Its problem, a kind of `UndecodableImage`, or "".
        detail: The sentence that goes with the problem.
    """

    sha256: str
    kind: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of the images that decode, as columns; `place` finds the entry of a row.

    Attributes:
        rows: Row numbers in the data set, ascending.
        heights, widths: Pixels after orientation.
        frames: Pictures in the file.
        modes: Pillow's name of the stored pixels.
        stds: Standard deviation of the gray values, 0 to 255.
        hashes: Perceptual hashes.
        thumbnails: uint8 32x32 gray, fetched from the cache when they are wanted.
    """

    rows: NDArray[np.int64]
    heights: NDArray[np.int64]
    widths: NDArray[np.int64]
    frames: NDArray[np.int64]
    modes: NDArray[np.bytes_]
    stds: NDArray[np.float64]
    hashes: NDArray[np.uint64]
    thumbnails: StoredThumbnails

    def place(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the columns hold some rows of the data set."""
        places: NDArray[np.int64] = np.searchsorted(self.rows, np.asarray(rows, np.int64))
        return places


class StoredThumbnails:
    """The thumbnails of some images, uint8 (n, 32, 32) for an array of n numbers."""

    def __init__(self, stored: Rows | None, places: NDArray[np.int64]) -> None:
        self._stored = stored
        self._places = places

    def __getitem__(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        if self._stored is None:
            return np.zeros((0, 32, 32), np.uint8)
        thumbnails: NDArray[Any] = self._stored[self._places[numbers]]["thumbnail"]
        return thumbnails

    def take(self, places: NDArray[np.int64]) -> StoredThumbnails:
        """Some of these thumbnails, numbered anew."""
        return StoredThumbnails(self._stored, self._places[places])


def scan(
    dataset: Dataset, specs: Sequence[InputSpec], cache: Path, listener: Listener
) -> tuple[list[Scan], Facts]:
    """Read and hash every row, decode those that take part, and fill the stores of facts and pixels.

    Args:
        dataset: What `read` gave; rows that it set aside are hashed and not decoded, those not drawn neither.
        specs: Whose pixels to store.
        cache: Cache folder.
        listener: Hears progress of the stage "check".

    Returns:
        One look a row, and the facts of the images that decode.

    Raises:
        DeviceError: If the cache cannot be written.
    """
    by_key = {pixel_key(spec): spec for spec in specs if not served_by_array(dataset, spec)}
    keys = sorted(by_key)
    store = RowStore(cache / "facts-v1", shape=(), dtype=FACTS)
    pixel_stores = [pixel_store(by_key[key], cache) for key in keys]
    looks: list[Scan] = []
    with ExitStack() as stack:
        # Every process takes the locks in this order, so that no two wait for each other.
        facts_writer = stack.enter_context(store.writer(listener))
        writers = [stack.enter_context(pixels.writer(listener)) for pixels in pixel_stores]

        def look(row: int) -> tuple[Scan, Examined | None, list[int]]:
            return _look(dataset, row, [by_key[key] for key in keys], store, pixel_stores)

        for seen, examined, wanted in in_threads(look, range(len(dataset))):
            looks.append(seen)
            if examined is not None and not examined.kind:
                if seen.sha256 not in store:
                    facts_writer.add(seen.sha256, _entry(examined))
                for number, pixels in zip(wanted, examined.pixels, strict=True):
                    writers[number].add(seen.sha256, pixels)
            if len(looks) % 32 == 0 or len(looks) == len(dataset):
                listener.progress("check", len(looks), len(dataset))
    good = [row for row, seen in enumerate(looks) if not seen.kind and not dataset.set_aside[row]]
    hashes = [looks[row].sha256 for row in good]
    _mend(
        dataset, store, [(good[position], hashes[position]) for position in store.missing(hashes)], listener
    )
    return looks, _gather(np.array(good, np.int64), store, hashes)


def _look(
    dataset: Dataset, row: int, specs: list[InputSpec], facts: RowStore, pixel_stores: list[RowStore]
) -> tuple[Scan, Examined | None, list[int]]:
    """One row: its look, what was decoded if anything, and for which specs; called from several threads."""
    if dataset.set_aside[row] == NOT_DRAWN:
        return Scan(sha256=""), None, []
    if dataset.set_aside[row]:
        return Scan(sha256=_hash_only(dataset, row)), None, []
    with row_memory(dataset, row):
        return _decoded(dataset, row, specs, facts, pixel_stores)


def _decoded(
    dataset: Dataset, row: int, specs: list[InputSpec], facts: RowStore, pixel_stores: list[RowStore]
) -> tuple[Scan, Examined | None, list[int]]:
    """As `_look`, of a row that takes part."""
    try:
        data = load(dataset, row)
    except UndecodableImage as problem:
        return Scan(sha256=_hash_only(dataset, row), kind=problem.kind, detail=problem.detail), None, []
    sha256 = content_hash(data)
    wanted = [number for number, store in enumerate(pixel_stores) if sha256 not in store]
    if sha256 in facts and not wanted:
        return Scan(sha256=sha256), None, []
    examined = examine(data, [specs[number] for number in wanted])
    return Scan(sha256=sha256, kind=examined.kind, detail=examined.detail), examined, wanted


def _hash_only(dataset: Dataset, row: int) -> str:
    """The hash of a row that is not decoded, read piece by piece; "" where it cannot be read."""
    if not isinstance(dataset.images, FileImages):
        return content_hash(load(dataset, row))
    try:
        with open_regular(dataset.images.root / dataset.images.names[row]) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _entry(examined: Examined) -> NDArray[Any]:
    entry = np.zeros((), FACTS)
    entry["height"], entry["width"], entry["frames"] = examined.height, examined.width, examined.frames
    entry["mode"], entry["std"], entry["thumbnail"] = examined.mode.encode(), examined.std, examined.thumbnail
    return entry


def _mend(dataset: Dataset, store: RowStore, rows: list[tuple[int, str]], listener: Listener) -> None:
    """Look again at the rows whose facts turned out to be damaged on disk."""
    if not rows:
        return
    listener.say(message("images.cache.damaged", n=len(rows)))
    with store.writer(listener) as writer:
        for row, sha256 in rows:
            data = load(dataset, row)
            examined = examine(data)
            if examined.kind or content_hash(data) != sha256:
                raise DataError(
                    f"{dataset.paths[row]} must stay as it is while mindle runs. Received another content "
                    "than a moment ago. Run the command again."
                )
            writer.add(sha256, _entry(examined))


def _gather(rows: NDArray[np.int64], store: RowStore, hashes: list[str]) -> Facts:
    """The facts of many rows as columns; thumbnails pass through a few thousand at a time."""
    count = len(rows)
    stored = store.rows(hashes) if count else None
    columns = np.zeros(count, [(name, FACTS[name]) for name in ("height", "width", "frames", "mode", "std")])
    perceptual = np.zeros(count, np.uint64)
    for start in range(0, count, 4096):
        places = np.arange(start, min(start + 4096, count))
        part = np.zeros(0, FACTS) if stored is None else stored[places]
        for name in columns.dtype.names or ():
            columns[name][places] = part[name]
        perceptual[places] = perceptual_hashes(part["thumbnail"])
    return Facts(
        rows=rows,
        heights=columns["height"].astype(np.int64),
        widths=columns["width"].astype(np.int64),
        frames=columns["frames"].astype(np.int64),
        modes=columns["mode"].copy(),
        stds=columns["std"].astype(np.float64),
        hashes=perceptual,
        thumbnails=StoredThumbnails(stored, np.arange(count)),
    )
