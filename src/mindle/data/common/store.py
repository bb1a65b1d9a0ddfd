"""Rows of numbers on disk, found by the hash of what they were made from: pixels, facts, features.

A store is a folder of segments. A segment is two files that never change once they have their names:

    <name>.rows   the rows, raw, one after the other
    <name>.index  one entry a row: the 32-byte digest of its key and the crc32 of its bytes; at the end the
                  crc32 of the entries

The index gets its name last, so a segment exists when its index does. A killed writer leaves at most a
`.tmp` file or a `.rows` without index; the next writer, which holds the store's lock, removes them.
Readers take no lock. Nothing is pickled.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import filelock
import numpy as np
from numpy.typing import DTypeLike, NDArray

from mindle.errors import DeviceError
from mindle.messages import message
from mindle.records import SILENT, Listener

SEGMENT_BYTES = 64 << 20
LOCK_NAME = "store.lock"
ENTRY = np.dtype([("digest", "S32"), ("crc", "<u4")])
_NO_ROWS = np.zeros(0, "S32"), np.zeros((0, 2), np.int32)
# Below this size one fancy index per segment beats one copy per row (measured: even at about 4 kB).
SMALL_ROW_BYTES = 4096
_KEYS_AT_ONCE = 1 << 16  # so that looking a million keys up holds the digests of a few


def digest_of(key: str) -> bytes:
    """The 32 bytes under which a key is stored.

    Example:
        >>> len(digest_of("ab12:v1"))
        32
    """
    return hashlib.sha256(key.encode()).digest()


def _digests(keys: Sequence[str]) -> NDArray[np.bytes_]:
    """The digests of many keys as one array of 32-byte strings; never all of them as objects."""
    return np.fromiter(map(digest_of, keys), "S32", len(keys))


_ADVICE: tuple[tuple[set[int], str, str], ...] = (
    (
        {errno.ENOSPC, errno.EDQUOT, errno.EFBIG},
        "needs free disk space",
        "Nothing finished is lost. Free some space, run `mindle cache --prune 1GB`, or set MINDLE_CACHE to a "
        "folder on a larger disk.",
    ),
    (
        {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST},
        "folder must be writable",
        "Set MINDLE_CACHE to a folder that you may write to.",
    ),
)
"""Errors of the disk, what the cache must have, and the next step."""


def _explained(error: OSError, path: Path) -> DeviceError:
    """What the disk said as a sentence with a next step."""
    must, advice = "must be on a disk that can be written", "Set MINDLE_CACHE to a folder on another disk."
    known = ((must, advice) for codes, must, advice in _ADVICE if error.errno in codes)
    must, advice = next(known, (must, advice))
    return DeviceError(
        f"The cache {must}. Received '{error.strerror or error}' while writing {path}. {advice}"
    )


# ------------------------------------------------------------------------------------------- segments

# Which rows of a segment are sound, by (path, size, modification time) of its rows: each segment is read
# through once in a process, however many stores look at it.
_SOUND: dict[tuple[str, int, int], NDArray[np.bool_]] = {}


def _read_index(path: Path) -> NDArray[np.void]:
    """The entries of a segment, mapped into memory; ValueError where the file is damaged."""
    data: NDArray[np.uint8] = np.memmap(path, np.uint8, mode="r").view(np.ndarray)
    entries, check = data[:-4], data[-4:].tobytes()
    if len(entries) % ENTRY.itemsize or zlib.crc32(entries.data).to_bytes(4, "little") != check:
        raise ValueError(f"{path} is not the whole index of a segment.")
    return entries.view(ENTRY)


class _Segment:
    """One finished segment: its index in memory, its rows mapped when they are first wanted."""

    def __init__(self, index_path: Path, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.index_path = index_path
        self.rows_path = index_path.with_suffix(".rows")
        self.entries = _read_index(index_path)
        self.shape, self.dtype = shape, dtype
        self.array: NDArray[Any] | None = None
        self.sound = np.ones(len(self.entries), bool)  # as far as is known

    def open(self) -> int:
        """Map the rows, and mark the segment as used just now; how many rows are damaged."""
        row_bytes = self.dtype.itemsize * math.prod(self.shape)
        try:
            stat = self.rows_path.stat()
            whole = min(stat.st_size // row_bytes, len(self.entries))
            mapped = np.memmap(self.rows_path, dtype=np.uint8, mode="r", shape=(whole, row_bytes))
        except (OSError, ValueError):  # gone since the index was read, or empty: every row is missing
            self.sound[:] = False
            return len(self.entries) if self.rows_path.exists() else 0  # what was just pruned is not damaged
        # Reading needs no permission to touch; then the segment only looks older than it is.
        with suppress(OSError):
            os.utime(self.index_path)
        raw: NDArray[np.uint8] = mapped.view(np.ndarray)  # (row, byte); the memmap class slows indexing down
        self.array = raw.view(self.dtype).reshape(whole, *self.shape)
        identity = (str(self.rows_path), stat.st_size, stat.st_mtime_ns)
        if identity not in _SOUND:
            pairs = zip(raw, self.entries["crc"], strict=False)
            _SOUND[identity] = np.zeros(len(self.entries), bool)
            _SOUND[identity][:whole] = [zlib.crc32(row) == crc for row, crc in pairs]
        self.sound = _SOUND[identity]
        return int((~self.sound).sum())


class Rows:
    """Stored rows in the order of the keys that were asked for; threads may read at the same time.

    Example:
        >>> rows = Rows([np.arange(6).reshape(3, 2)], np.array([0, 0]), np.array([2, 0]))
        >>> rows[np.array([0, 1, 0])].tolist()
        [[4, 5], [0, 1], [4, 5]]
    """

    def __init__(self, arrays: Sequence[NDArray[Any]], segments: NDArray[Any], places: NDArray[Any]) -> None:
        self._arrays = tuple(arrays)
        self._segments = segments
        self._places = places
        first = self._arrays[0]
        self.shape: tuple[int, ...] = (len(places), *first.shape[1:])
        self.dtype = first.dtype
        self._small = first.dtype.itemsize * math.prod(first.shape[1:]) < SMALL_ROW_BYTES

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, rows: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """A copy of some rows, (n, *shape), whichever segments they lie in."""
        rows = np.asarray(rows)
        if rows.ndim != 1:
            raise IndexError(
                f"Rows are picked by a one-dimensional array of integers. Received {rows.ndim} axes."
            )
        segments, places = self._segments[rows], self._places[rows]
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        if self._small:
            for segment in np.unique(segments):
                here = segments == segment
                out[here] = self._arrays[segment][places[here]]
        else:
            for position, (segment, place) in enumerate(zip(segments.tolist(), places.tolist(), strict=True)):
                out[position] = self._arrays[segment][place]
        return out


# ---------------------------------------------------------------------------------------------- store


class RowStore:
    """Rows of one shape and type in a folder, added once and then only read.

    Args:
        directory: Folder of the store; made by the first writer.
        shape: Shape of one row; () for a row that is one value of a structured type.
        dtype: Type of the values.
        segment_bytes: A segment is finished when it holds this much; a killed writer loses at most that.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = RowStore(Path(folder), shape=(2,), dtype=np.uint8)
        ...     with store.writer() as writer:
        ...         writer.add("a", np.array([1, 2], np.uint8))
        ...     store.missing(["a", "b"]), store.rows(["a"])[np.array([0])].tolist()
        ([1], [[1, 2]])
    """

    def __init__(
        self,
        directory: Path,
        *,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.directory = Path(directory)
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.segment_bytes = segment_bytes
        self.row_bytes = self.dtype.itemsize * math.prod(self.shape)
        if self.row_bytes == 0 or self.dtype.hasobject:
            raise ValueError(
                f"A row must hold plain values. Received shape={self.shape}, dtype={self.dtype}."
            )
        self._guard = threading.RLock()
        self._segments: dict[Path, _Segment] = {}
        self._order: list[_Segment] = []
        # The digests of all sound rows, sorted, and the segment and place of each; one value, so that threads
        # that look up while a segment is finished see either both or none of it.
        self._lookup = _NO_ROWS
        self.damaged = 0
        self.refresh()

    def __contains__(self, key: str) -> bool:
        """Whether a row was stored under this key; its bytes are not verified yet, as in `missing`."""
        return bool(self._look_up([key])[0][0])

    def refresh(self) -> None:
        """Look again at what is on disk; segments that other processes finished appear."""
        with self._guard:
            segments = {}
            for path in sorted(self.directory.glob("*.index")):
                # What is damaged or just pruned is as if it were not there; a writer removes it.
                with suppress(OSError, ValueError):
                    segments[path] = self._segments.get(path) or _Segment(
                        path, shape=self.shape, dtype=self.dtype
                    )
            if any(segments.get(path) is not segment for path, segment in self._segments.items()):
                self._order, self._lookup = [], _NO_ROWS
            self._segments = segments
            self._extend_lookup()

    def _extend_lookup(self) -> None:
        """Take up the sound rows of segments that are new."""
        known = set(map(id, self._order))
        for segment in self._segments.values():
            if id(segment) not in known:
                sound = np.flatnonzero(segment.sound).astype(np.int32)
                digests = segment.entries["digest"][sound]
                order = np.argsort(digests, kind="stable")
                homes = np.stack([np.full(len(sound), len(self._order), np.int32), sound[order]], axis=1)
                keys, known_homes = self._lookup
                places = np.searchsorted(keys, digests[order], side="right")
                self._order.append(segment)
                self._lookup = (
                    np.insert(keys, places, digests[order]),
                    np.insert(known_homes, places, homes, axis=0),
                )

    def _look_up(self, keys: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
        """Whether each key is stored, and its (segment, place)."""
        found, homes = np.zeros(len(keys), bool), np.zeros((len(keys), 2), np.int32)
        stored, places = self._lookup
        for start in range(0, len(keys) if len(stored) else 0, _KEYS_AT_ONCE):
            part = slice(start, start + _KEYS_AT_ONCE)
            digests = _digests(keys[part])
            place = np.minimum(np.searchsorted(stored, digests), len(stored) - 1)
            found[part], homes[part] = stored[place] == digests, places[place]
        return found, homes

    def _verified(self, keys: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
        """As `_look_up`, once every segment concerned is mapped and its damaged rows are struck out."""
        with self._guard:
            while True:
                found, homes = self._look_up(keys)
                used = [self._order[number] for number in np.unique(homes[found, 0]).tolist()]
                closed = [segment for segment in used if segment.array is None]
                self.damaged += sum([segment.open() for segment in closed])
                if all(segment.sound.all() for segment in closed):
                    return found, homes
                self._order, self._lookup = [], _NO_ROWS
                self._extend_lookup()

    def missing(self, keys: Sequence[str]) -> list[int]:
        """Positions in `keys` whose rows are not stored, or are damaged and have to be made again.

        `damaged` counts the damaged rows that were met so far.
        """
        found, _ = self._verified(keys)
        positions: list[int] = np.flatnonzero(~found).tolist()
        return positions

    def rows(self, keys: Sequence[str]) -> Rows:
        """The rows of these keys, memory-mapped.

        Raises:
            KeyError: If a row is missing; `missing` says so before.
        """
        found, homes = self._verified(keys)
        if not found.all():
            raise KeyError(f"{int((~found).sum())} of {len(keys)} rows are not in {self.directory}.")
        nothing = np.zeros((0, *self.shape), self.dtype)
        arrays = [nothing if segment.array is None else segment.array for segment in self._order]
        return Rows(arrays or [nothing], homes[:, 0], homes[:, 1])

    @contextmanager
    def writer(self, listener: Listener = SILENT) -> Iterator[Writer]:
        """Add rows, alone: a second process waits here and then finds the rows of the first.

        Ask `missing` again inside. What was added is kept also when an exception passes through.
        """
        with _locked(self.directory, listener):
            self.refresh()
            _remove_leftovers(self.directory, self._segments.__contains__)
            writer = Writer(self)
            try:
                yield writer
            finally:
                writer.finish_segment()
                self.refresh()


def _remove_leftovers(folder: Path, is_whole: Callable[[Path], bool]) -> int:
    """Remove what dead writers left, and segments that are not whole; how many bytes that freed.

    Args:
        folder: Of the store, whose lock is needed.
        is_whole: Whether an index is.
    """
    freed = 0
    for path in folder.iterdir():
        is_part = path.suffix in (".rows", ".index")
        whole = is_whole(path.with_suffix(".index")) and path.with_suffix(".rows").exists()
        if path.suffix == ".tmp" or (is_part and not whole):
            size = _sizes(path)
            # Windows does not delete what another process has mapped; a later writer will.
            with suppress(OSError):
                path.unlink()
                freed += size
    return freed


@contextmanager
def _locked(directory: Path, listener: Listener) -> Iterator[None]:
    """Hold the store's lock; says so where it has to wait for another process."""
    path = directory / LOCK_NAME
    lock = filelock.FileLock(path)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            listener.say(message("images.cache.waiting", folder=str(directory)))
            lock.acquire()
    except OSError as error:
        raise _explained(error, directory) from error
    try:
        yield
    finally:
        lock.release()


class Writer:
    """Adds rows to a store, a segment at a time; made by `RowStore.writer`."""

    def __init__(self, store: RowStore) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._added = 0
        self._file: BinaryIO | None = None
        self._path = store.directory
        self._crcs: dict[bytes, int] = {}  # by digest, of the open segment

    def __len__(self) -> int:
        """Rows added so far."""
        return self._added + len(self._crcs)

    def add(self, key: str, row: NDArray[Any]) -> None:
        """Store one row; a key that was added before is left as it is.

        Raises:
            ValueError: If the row has another shape or type than the store.
            DeviceError: If the disk is full or cannot be written; finished segments stay.
        """
        store = self._store
        if row.shape != store.shape or row.dtype != store.dtype:
            raise ValueError(
                f"A row of this store must be {store.shape} {store.dtype}. Received {row.shape} {row.dtype}."
            )
        digest = digest_of(key)
        raw = np.ascontiguousarray(row).tobytes()
        with self._guard:
            if digest in self._crcs or key in store:
                return
            try:
                if self._file is None:
                    self._path = store.directory / f"{uuid.uuid4().hex}.rows.tmp"
                    self._file = open(self._path, "wb", buffering=1 << 20)
                self._file.write(raw)
            except OSError as error:
                self._discard()
                raise _explained(error, self._path) from error
            # Counted only once it is written: what an interrupt leaves in between is cut off at the end.
            self._crcs[digest] = zlib.crc32(raw)
            if len(self._crcs) * store.row_bytes >= store.segment_bytes:
                self._finish()

    def finish_segment(self) -> None:
        """Give the open segment its name, so that every process sees its rows."""
        with self._guard:
            self._finish()

    def _finish(self) -> None:
        if self._file is None:
            return
        if not self._crcs:  # interrupted within its first row
            self._discard()
            return
        rows_path = self._path.with_suffix("")  # drops .tmp
        index_path = rows_path.with_suffix(".index")
        index_tmp = index_path.with_name(index_path.name + ".tmp")
        entries = np.array(list(self._crcs.items()), ENTRY)
        try:
            self._file.truncate(len(entries) * self._store.row_bytes)  # flushes first
            os.fsync(self._file.fileno())
            self._file.close()
            with open(index_tmp, "wb") as file:
                file.write(entries.tobytes() + zlib.crc32(entries.tobytes()).to_bytes(4, "little"))
                file.flush()
                os.fsync(file.fileno())
            os.replace(self._path, rows_path)
            os.replace(index_tmp, index_path)
            _sync_folder(rows_path.parent)
        except OSError as error:
            for path in (index_tmp, rows_path):
                with suppress(OSError):
                    path.unlink()
            self._discard()
            raise _explained(error, rows_path) from error
        self._added += len(entries)
        self._file, self._crcs = None, {}
        self._store.refresh()

    def _discard(self) -> None:
        """Forget the open segment and leave nothing of it on the disk."""
        if self._file is not None:
            with suppress(OSError):  # closing flushes, which fails again on a full disk
                self._file.close()
        with suppress(OSError):
            self._path.unlink()
        self._file, self._crcs = None, {}


def _sync_folder(folder: Path) -> None:
    """Make the new names survive a power cut, where the system can do that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -------------------------------------------------------------------------------------------- the cache


@dataclass(frozen=True, kw_only=True)
class StoreUsage:
    """How much one folder of the cache holds.

    Attributes:
        path: Folder below the cache, with forward slashes.
        size_bytes: All its files, not those of its sub-folders.
        rows: Rows in its segments; 0 where the folder holds other files, which pruning leaves alone.
    """

    path: str
    size_bytes: int
    rows: int


def usage(cache: Path) -> list[StoreUsage]:
    """What each folder of the cache holds, the largest first.

    Example:
        >>> usage(Path("no/such/cache"))
        []
    """
    found = []
    for folder, _, names in os.walk(cache):
        stats = list(filter(None, (_stat(Path(folder, name)) for name in names)))
        segments = _segment_indices(Path(folder))
        if stats and (segments or names != [LOCK_NAME]):
            found.append(
                StoreUsage(
                    path=Path(folder).relative_to(cache).as_posix(),
                    size_bytes=sum(stat.st_size for stat in stats),
                    rows=sum(max(0, _sizes(index) - 4) // ENTRY.itemsize for index in segments),
                )
            )
    return sorted(found, key=lambda entry: (-entry.size_bytes, entry.path))


def prune(cache: Path, limit_bytes: int) -> int:
    """Remove whole segments, least recently used first, until the segments hold at most `limit_bytes`.

    Other files of the cache stay. A segment that cannot be removed (mapped, on Windows) is skipped, and
    what dead writers left is cleaned up where no other process is writing.

    Returns:
        How many bytes were freed.

    Example:
        >>> prune(Path("no/such/cache"), 0)
        0
    """
    if limit_bytes < 0:
        raise ValueError(f"`limit_bytes` must be 0 or more. Received limit_bytes={limit_bytes}.")
    segments = []
    freed = 0
    for folder, _, _ in os.walk(cache):
        freed += _clean(Path(folder))
        for index in _segment_indices(Path(folder)):
            stat = _stat(index)
            used = stat.st_mtime_ns if stat else 0
            segments.append((used, index, _sizes(index, index.with_suffix(".rows"))))
    total = sum(size for _, _, size in segments)
    for _, index, size in sorted(segments):
        if total <= limit_bytes:
            break
        # Rows first: where they are mapped and cannot go, the index stays and the segment is whole.
        with suppress(OSError):
            index.with_suffix(".rows").unlink(missing_ok=True)
            index.unlink(missing_ok=True)
            total -= size
            freed += size
    return freed


def _clean(folder: Path) -> int:
    """Remove the leftovers of dead writers from one store that nobody writes to; bytes freed."""
    if not (folder / LOCK_NAME).exists():
        return 0
    with suppress(filelock.Timeout, OSError), filelock.FileLock(folder / LOCK_NAME, timeout=0):
        return _remove_leftovers(folder, Path.exists)
    return 0


def _segment_indices(folder: Path) -> list[Path]:
    """The indices of the finished segments of one folder."""
    indices = (path.with_suffix(".index") for path in folder.glob("*.rows"))
    return [index for index in indices if index.exists()]


def _sizes(*paths: Path) -> int:
    """Bytes of some files together."""
    return sum(stat.st_size for path in paths if (stat := _stat(path)) is not None)


def _stat(path: Path) -> os.stat_result | None:
    """The file's facts, or None where it has just gone."""
    try:
        return path.stat()
    except OSError:
        return None
