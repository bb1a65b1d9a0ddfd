"""One look at every image of a data set: its hash, its size, its problem, and its pixels on the way.

Facts are stored in the cache by the hash of the content, so that a second look decodes nothing. Problems are
not: they are few, and a codec may have been installed since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.recfunctions import repack_fields
from numpy.typing import NDArray

from mindle.artifacts.reading import open_regular
from mindle.data.common.store import Rows, RowStore
from mindle.data.images.decoding.decode import Examined, UndecodableImage, examine
from mindle.data.images.decoding.looks import LOOKS
from mindle.data.images.duplicates import Thumbnails, perceptual_hashes
from mindle.data.images.pixels import (
    array_for,
    content_hash,
    in_threads,
    load_unchanged,
    pixel_key,
    pixel_store,
    required,
)
from mindle.data.images.sources.pictures import load, row_memory
from mindle.messages import message
from mindle.records import NOT_DRAWN, Dataset, FileImages, Hashes, InputSpec, Listener

FACTS = np.dtype(
    [
        ("height", "<i4"),
        ("width", "<i4"),
        ("frames", "<i4"),
        ("mode", "S12"),
        ("size_bytes", "<i4"),
        ("tables", "<f4"),
        ("camera", "S40"),
        ("taken", "<f8"),
        ("looks", LOOKS),
        ("thumbnail", "u1", (32, 32)),
    ]
)
_COLUMNS = ("height", "width", "frames", "mode")
_LOOKS = ("contrast", "sharpness", "high")
_AT_ONCE = 4096


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
    """What is known of the images that decode.

    Attributes:
        rows: Row numbers in the data set, ascending.
        columns: Size, mode, frames, contrast, sharpness and high values of each, and its perceptual "hash".
        stored: The same with thumbnails, in the cache.
    """

    rows: NDArray[np.int64]
    columns: NDArray[Any]
    stored: Rows

    def of(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """A column of some rows of the data set."""
        return self.columns[name][self._places(rows)]

    def thumbnails(self, rows: NDArray[np.int64]) -> Thumbnails:
        """The thumbnails of some rows of the data set, uint8 32x32 gray, fetched when they are wanted."""
        return lambda numbers: self.stored[self._places(rows[numbers])]["thumbnail"]

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(self.rows, rows)


def scan(
    dataset: Dataset, specs: Sequence[InputSpec], cache: Path, listener: Listener
) -> tuple[Hashes, dict[int, Scan], Facts]:
    """Read and hash every row, decode those that take part, and fill the stores of facts and pixels.

    Args:
        dataset: What `read` gave; rows that it set aside are hashed and not decoded, those not drawn neither.
        specs: Whose pixels to store.
        cache: Cache folder.
        listener: Hears progress of the stage "check".

    Returns:
        The hash of each row's content, what the rows with a problem gave, and the facts of the images that
        decode.

    Raises:
        DeviceError: If the cache cannot be written.
    """
    by_key = {pixel_key(spec): spec for spec in specs if array_for(dataset, spec) is None}
    # Every process takes the locks in this order, so that no two wait for each other.
    wanted = [by_key[key] for key in sorted(by_key)]
    scanner = _Scanner(
        dataset=dataset,
        facts=_store(cache),
        pixels=[(spec, pixel_store(spec, cache)) for spec in wanted],
    )
    problems: dict[int, Scan] = {}
    hashes = Hashes(scanner.scan_all(problems, listener))
    good = dataset.rows()
    good = good[~np.isin(good, list(problems))]
    keys = hashes[good] if len(good) < len(hashes) else hashes
    damaged = [(int(good[position]), keys[position]) for position in scanner.facts.missing(keys)]
    if damaged:
        listener.say(message("images.cache.damaged", n=len(damaged)))
        scanner.refill(damaged, listener)
    return hashes, problems, _gather(good, scanner.facts, keys)


@dataclass(frozen=True, kw_only=True)
class _Scanner:
    """Looks at one row after the other, from several threads.

    Attributes:
        dataset: The rows.
        facts: The store of facts.
        pixels: Specs whose pixels are wanted, each with its store.
    """

    dataset: Dataset
    facts: RowStore
    pixels: list[tuple[InputSpec, RowStore]]

    def scan_all(self, problems: dict[int, Scan], listener: Listener) -> Iterator[str]:
        """The hash of every row; what it gave goes to the stores, or to the problems."""
        count = len(self.dataset)
        with ExitStack() as stack:
            facts = stack.enter_context(self.facts.writer(listener))
            pixels = [stack.enter_context(store.writer(listener)) for _, store in self.pixels]
            for row, (seen, examined, numbers) in enumerate(in_threads(self.scan, range(count))):
                if seen.kind:
                    problems[row] = seen
                elif examined is not None:
                    facts.add(seen.sha256, _entry(examined))
                    for number, each in zip(numbers, examined.pixels, strict=True):
                        pixels[number].add(seen.sha256, each)
                if (row + 1) % 32 == 0 or row + 1 == count:
                    listener.progress("check", row + 1, count)
                yield seen.sha256

    def scan(self, row: int) -> tuple[Scan, Examined | None, list[int]]:
        """What the row gave, what was decoded if anything, and for which specs, by number."""
        aside = self.dataset.set_aside[row]
        if aside:
            return Scan(sha256="" if aside == NOT_DRAWN else _hash_only(self.dataset, row)), None, []
        with row_memory(self.dataset, row):
            try:
                data = load(self.dataset, row)
            except UndecodableImage as problem:
                sha256 = _hash_only(self.dataset, row)
                return Scan(sha256=sha256, kind=problem.kind, detail=problem.detail), None, []
            sha256 = content_hash(data)
            wanted = [number for number, (_, store) in enumerate(self.pixels) if sha256 not in store]
            if sha256 in self.facts and not wanted:
                return Scan(sha256=sha256), None, []
            examined = examine(data, [self.pixels[number][0] for number in wanted])
            return Scan(sha256=sha256, kind=examined.kind, detail=examined.detail), examined, wanted

    def refill(self, rows: list[tuple[int, str]], listener: Listener) -> None:
        """Look again at rows, with their hashes, whose facts turned out to be damaged on disk."""
        with self.facts.writer(listener) as writer:
            for row, sha256 in rows:
                with required(self.dataset.paths[row]):
                    examined = examine(load_unchanged(self.dataset, row, sha256))
                    if examined.kind:
                        raise UndecodableImage(examined.kind, examined.detail)
                    writer.add(sha256, _entry(examined))


def _hash_only(dataset: Dataset, row: int) -> str:
    """The hash of a row that is not decoded, read piece by piece; "" where it cannot be read."""
    if not isinstance(dataset.images, FileImages):
        return content_hash(load(dataset, row))
    try:
        with open_regular(dataset.images.root / dataset.images.names[row]) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _store(cache: Path) -> RowStore:
    return RowStore(cache / "facts-v2", shape=(), dtype=FACTS)


def _entry(examined: Examined) -> NDArray[Any]:
    entry, origin = np.zeros((), FACTS), examined.origin
    entry["height"], entry["width"], entry["frames"] = examined.height, examined.width, examined.frames
    entry["mode"] = examined.mode.encode()
    entry["size_bytes"], entry["tables"], entry["taken"] = origin.size_bytes, origin.tables, origin.taken
    entry["camera"] = origin.camera.encode(errors="replace")
    entry["looks"], entry["thumbnail"] = examined.looks, examined.thumbnail
    return entry


def _gather(rows: NDArray[np.int64], store: RowStore, hashes: Sequence[str]) -> Facts:
    """The facts of many rows as columns; thumbnails pass through a few thousand at a time."""
    types = [(name, FACTS[name]) for name in _COLUMNS] + [(name, LOOKS[name]) for name in _LOOKS]
    columns = np.zeros(len(rows), [*types, ("hash", np.uint64)])
    stored = store.rows(hashes)
    for places in _parts(len(rows)):
        part = stored[places]
        for name in _COLUMNS:
            columns[name][places] = part[name]
        for name in _LOOKS:
            columns[name][places] = part["looks"][name]
        columns["hash"][places] = perceptual_hashes(part["thumbnail"])
    return Facts(rows=rows, columns=columns, stored=stored)


def _parts(count: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, count, _AT_ONCE):
        yield np.arange(start, min(start + _AT_ONCE, count))


def known_facts(hashes: Sequence[str], cache: Path) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """What the cache knows of images, by the hashes of their contents.

    Returns:
        Which are known, (image,), and the facts of those, without their thumbnails.
    """
    store = _store(cache)
    known = np.ones(len(hashes), bool)
    known[store.missing(hashes)] = False
    stored = store.rows([hashes[at] for at in np.flatnonzero(known).tolist()])
    wanted = [name for name in FACTS.names or () if name != "thumbnail"]
    parts = [repack_fields(stored[places][wanted]) for places in _parts(len(stored))]
    return known, np.concatenate(parts) if parts else repack_fields(np.zeros(0, FACTS)[wanted])
