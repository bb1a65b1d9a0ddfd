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
import os
import threading
import uuid
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NoReturn

import filelock
import numpy as np
import platformdirs
from numpy.typing import DTypeLike, NDArray

from mindle.errors import DeviceError
from mindle.messages import message
from mindle.records import SILENT, Listener

SEGMENT_BYTES = 64 << 20
LOCK_NAME = "store.lock"
ENTRY = np.dtype([("digest", "S32"), ("crc", "<u4")])
# Below this size one fancy index per segment beats one copy per row (measured: even at about 4 kB).
SMALL_ROW_BYTES = 4096
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}


def cache_dir() -> Path:
    """The folder for what can be made again: `MINDLE_CACHE`, else the system's cache folder for mindle.

    Example:
        >>> cache_dir().is_absolute()
        True
    """
    chosen = os.environ.get("MINDLE_CACHE", "")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("mindle", appauthor=False))


def digest_of(key: str) -> bytes:
    """The 32 bytes under which a key is stored.

    Example:
        >>> len(digest_of("ab12:v1"))
        32
    """
    return hashlib.sha256(key.encode()).digest()


def _digests(keys: Sequence[str]) -> NDArray[np.bytes_]:
    """The digests of many keys as one array of 32-byte strings."""
    return np.frombuffer(b"".join(map(digest_of, keys)), dtype="S32")


def _explain(error: OSError, path: Path) -> NoReturn:
    """Turn what the disk said into a sentence with a next step."""
    reason = error.strerror or str(error)
    if error.errno in FULL:
        raise DeviceError(
            f"The cache needs free disk space. Received '{reason}' while writing {path}. "
            "Nothing finished is lost. Free some space, run `mindle cache --prune 1GB`, "
            "or set MINDLE_CACHE to a folder on a larger disk."
        ) from error
    if error.errno in UNWRITABLE:
        raise DeviceError(
            f"The cache folder must be writable. Received '{reason}' for {path}. "
            "Set MINDLE_CACHE to a folder that you may write to."
        ) from error
    raise DeviceError(
        f"The cache must be on a disk that can be written. Received '{reason}' for {path}. "
        "Set MINDLE_CACHE to a folder on another disk."
    ) from error


# ------------------------------------------------------------------------------------------- segments

# Which rows of a segment are sound, by (path, size, modification time) of its rows: each segment is read
# through once in a process, however many stores look at it.
_SOUND: dict[tuple[str, int, int], NDArray[np.bool_]] = {}


def _read_index(path: Path) -> NDArray[np.void]:
    """The entries of a segment; ValueError where the file is damaged."""
    data = path.read_bytes()
    entries, check = data[:-4], data[-4:]
    if len(entries) % ENTRY.itemsize or zlib.crc32(entries).to_bytes(4, "little") != check:
        raise ValueError(f"{path} is not the whole index of a segment.")
    return np.frombuffer(entries, ENTRY)


class _Segment:
    """One finished segment: its index in memory, its rows mapped when they are first wanted."""

    def __init__(self, index_path: Path, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.index_path = index_path
        self.rows_path = index_path.with_suffix(".rows")
        self.entries = _read_index(index_path)
        self.shape, self.dtype = shape, dtype
        self.array: NDArray[Any] | None = None

    def open(self) -> NDArray[np.bool_]:
        """Map the rows and say which of them are sound; marks the segment as used just now."""
        row_bytes = self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))
        try:
            stat = self.rows_path.stat()
            whole = min(stat.st_size // row_bytes, len(self.entries))
            mapped = np.memmap(self.rows_path, dtype=np.uint8, mode="r", shape=(whole, row_bytes))
        except (OSError, ValueError):  # gone since the index was read, or empty: every row is missing
            return np.zeros(len(self.entries), bool)
        # Reading needs no permission to touch; then the segment only looks older than it is.
        with suppress(OSError):
            os.utime(self.index_path)
        raw: NDArray[np.uint8] = mapped.view(np.ndarray)  # (row, byte); the memmap class slows indexing down
        self.array = raw.view(self.dtype).reshape(whole, *self.shape)
        identity = (str(self.rows_path), stat.st_size, stat.st_mtime_ns)
        if identity not in _SOUND:
            sound = np.zeros(len(self.entries), bool)
            sound[:whole] = [
                zlib.crc32(row) == crc for row, crc in zip(raw, self.entries["crc"], strict=False)
            ]
            _SOUND[identity] = sound
        return _SOUND[identity]


class Rows:
    """Stored rows in the order of the keys that were asked for; threads may read at the same time.

    Example:
        >>> rows = Rows([np.arange(6).reshape(3, 2)], np.array([0, 0]), np.array([2, 0]))
        >>> rows[np.array([0, 1, 0])].tolist()
        [[4, 5], [0, 1], [4, 5]]
    """

    def __init__(
        self, arrays: Sequence[NDArray[Any]], segments: NDArray[np.int64], places: NDArray[np.int64]
    ) -> None:
        self._arrays = tuple(arrays)
        self._segments = segments
        self._places = places
        first = self._arrays[0]
        self.shape: tuple[int, ...] = (len(places), *first.shape[1:])
        self.dtype = first.dtype
        self._small = first.dtype.itemsize * int(np.prod(first.shape[1:], dtype=np.int64)) < SMALL_ROW_BYTES

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
        self.row_bytes = self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))
        if self.row_bytes == 0 or self.dtype.hasobject:
            raise ValueError(
                f"A row must hold plain values. Received shape={self.shape}, dtype={self.dtype}."
            )
        self._guard = threading.RLock()
        self._segments: dict[Path, _Segment] = {}
        self._order: list[_Segment] = []
        self._bad: dict[Path, NDArray[np.bool_]] = {}
        self._keys = np.zeros(0, "S32")
        self._home = np.zeros((0, 2), np.int64)
        self.damaged = 0
        self.refresh()

    def __contains__(self, key: str) -> bool:
        """Whether a row was stored under this key; its bytes are not verified yet, as in `missing`."""
        keys = self._keys
        digest = np.array([digest_of(key)], "S32")
        place = int(np.searchsorted(keys, digest[0]))
        return place < len(keys) and bool(keys[place] == digest[0])

    def refresh(self) -> None:
        """Look again at what is on disk; segments that other processes finished appear."""
        with self._guard:
            found = sorted(self.directory.glob("*.index")) if self.directory.is_dir() else []
            segments = {}
            for path in found:
                known = self._segments.get(path)
                if known is None:
                    try:
                        known = _Segment(path, shape=self.shape, dtype=self.dtype)
                    except (OSError, ValueError):
                        continue  # damaged or just pruned: as if it were not there; a writer removes it
                segments[path] = known
            self._segments = segments
            self._build_lookup()

    def _build_lookup(self) -> None:
        """Sort the digests of all sound rows, with the segment and place of each."""
        self._order = list(self._segments.values())
        keys, homes = [np.zeros(0, "S32")], [np.zeros((0, 2), np.int64)]
        for number, segment in enumerate(self._order):
            bad = self._bad.get(segment.index_path)
            count = len(segment.entries)
            keep = np.arange(count) if bad is None else np.flatnonzero(~bad)
            keys.append(segment.entries["digest"][keep])
            homes.append(np.stack([np.full(len(keep), number), keep], axis=1))
        every, home = np.concatenate(keys), np.concatenate(homes)
        order = np.argsort(every, kind="stable")
        self._keys, self._home = every[order], home[order]  # (row,), (row, segment and place)

    def _look_up(self, digests: NDArray[np.bytes_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Whether each digest is stored, and its (segment, place)."""
        if not len(self._keys):
            return np.zeros(len(digests), bool), np.zeros((len(digests), 2), np.int64)
        place = np.minimum(np.searchsorted(self._keys, digests), len(self._keys) - 1)
        return self._keys[place] == digests, self._home[place]

    def _verified(self, keys: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """As `_look_up`, once every segment concerned is mapped and its damaged rows are struck out."""
        digests = _digests(keys)
        with self._guard:
            while True:
                found, homes = self._look_up(digests)
                closed = [n for n in np.unique(homes[found, 0]).tolist() if self._order[n].array is None]
                struck = False
                for number in closed:
                    segment = self._order[number]
                    sound = segment.open()
                    if not sound.all():
                        self._bad[segment.index_path] = ~sound
                        # A segment that another process has just pruned is gone, not damaged.
                        self.damaged += int((~sound).sum()) if segment.rows_path.exists() else 0
                        struck = True
                if not struck:
                    return found, homes
                self._build_lookup()

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
        used, segments = np.unique(homes[:, 0], return_inverse=True)
        arrays = [self._order[number].array for number in used.tolist()]
        mapped = [array for array in arrays if array is not None]
        return Rows(
            mapped or [np.zeros((0, *self.shape), self.dtype)],
            segments.reshape(-1).astype(np.int64),
            homes[:, 1].copy(),
        )

    @contextmanager
    def writer(self, listener: Listener = SILENT) -> Iterator[Writer]:
        """Add rows, alone: a second process waits here and then finds the rows of the first.

        Ask `missing` again inside. What was added is kept also when an exception passes through.
        """
        with _locked(self.directory, listener):
            self._sweep()
            self.refresh()
            try:
                with Writer(self) as writer:
                    yield writer
            finally:
                self.refresh()

    def _sweep(self) -> None:
        """Remove what dead writers left behind, and indices that cannot be read; needs the lock."""
        self.refresh()
        for path in self.directory.iterdir():
            index = path.with_suffix(".index")
            orphan = path.suffix == ".rows" and index not in self._segments
            broken = path.suffix == ".index" and not (
                path in self._segments and path.with_suffix(".rows").exists()
            )
            if path.suffix == ".tmp" or orphan or broken:
                # Windows does not delete what another process has mapped; a later writer will.
                with suppress(OSError):
                    path.unlink()


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
        _explain(error, directory)
    try:
        yield
    finally:
        lock.release()


class Writer:
    """Adds rows to a store, a segment at a time; made by `RowStore.writer`."""

    def __init__(self, store: RowStore) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._added: set[bytes] = set()
        self._file: BinaryIO | None = None
        self._path = store.directory
        self._digests: list[bytes] = []
        self._crcs: list[int] = []

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Also when an exception passes: what is whole is kept.
        self.finish_segment()

    def __len__(self) -> int:
        """Rows added so far."""
        return len(self._added)

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
            if digest in self._added:
                return
            try:
                if self._file is None:
                    self._path = store.directory / f"{uuid.uuid4().hex}.rows.tmp"
                    self._file = open(self._path, "wb", buffering=1 << 20)
                self._file.write(raw)
            except OSError as error:
                self._discard()
                _explain(error, self._path)
            # Counted only once it is written: what an interrupt leaves in between is cut off at the end.
            self._digests.append(digest)
            self._crcs.append(zlib.crc32(raw))
            self._added.add(digest)
            if len(self._digests) * store.row_bytes >= store.segment_bytes:
                self._finish()

    def finish_segment(self) -> None:
        """Give the open segment its name, so that every process sees its rows."""
        with self._guard:
            self._finish()

    def _finish(self) -> None:
        if self._file is None:
            return
        if not self._digests:  # interrupted within its first row
            self._discard()
            return
        rows_path = self._path.with_suffix("")  # drops .tmp
        index_path = rows_path.with_suffix(".index")
        index_tmp = index_path.with_name(index_path.name + ".tmp")
        entries = np.zeros(len(self._digests), ENTRY)
        entries["digest"] = self._digests
        entries["crc"] = self._crcs[: len(entries)]
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
            _explain(error, rows_path)
        self._file, self._digests, self._crcs = None, [], []

    def _discard(self) -> None:
        """Forget the open segment and leave nothing of it on the disk."""
        if self._file is not None:
            with suppress(OSError):  # closing flushes, which fails again on a full disk
                self._file.close()
        with suppress(OSError):
            self._path.unlink()
        self._added.difference_update(self._digests)
        self._file, self._digests, self._crcs = None, [], []


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
        segments: Finished segments.
        last_used: When a segment or file was last opened or written, seconds since 1970.
    """

    path: str
    size_bytes: int
    rows: int
    segments: int
    last_used: float


def usage(cache: Path) -> list[StoreUsage]:
    """What each folder of the cache holds, the largest first.

    Example:
        >>> usage(Path("no/such/cache"))
        []
    """
    found = []
    for folder, _, names in os.walk(cache):
        stats = [stat for name in names if (stat := _stat(Path(folder, name))) is not None]
        segments = _segment_indices(Path(folder))
        if stats and (segments or names != [LOCK_NAME]):
            found.append(
                StoreUsage(
                    path=Path(folder).relative_to(cache).as_posix(),
                    size_bytes=sum(stat.st_size for stat in stats),
                    rows=sum(_count_rows(index) for index in segments),
                    segments=len(segments),
                    last_used=max(stat.st_mtime for stat in stats),
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
            stats = [_stat(index), _stat(index.with_suffix(".rows"))]
            size = sum(stat.st_size for stat in stats if stat is not None)
            used = stats[0].st_mtime_ns if stats[0] is not None else 0
            segments.append((used, index, size))
    total = sum(size for _, _, size in segments)
    for _, index, size in sorted(segments):
        if total <= limit_bytes:
            break
        try:
            # Rows first: where they are mapped and cannot go, the index stays and the segment is whole.
            index.with_suffix(".rows").unlink(missing_ok=True)
            index.unlink(missing_ok=True)
        except OSError:
            continue
        total -= size
        freed += size
    return freed


def _clean(folder: Path) -> int:
    """Remove the leftovers of dead writers from one store; how many bytes that freed."""
    if not (folder / LOCK_NAME).exists():
        return 0
    lock = filelock.FileLock(folder / LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except (filelock.Timeout, OSError):
        return 0
    freed = 0
    try:
        for path in folder.iterdir():
            orphan = path.suffix == ".rows" and not path.with_suffix(".index").exists()
            if orphan or path.suffix == ".tmp":
                stat = _stat(path)
                with suppress(OSError):
                    path.unlink()
                    freed += 0 if stat is None else stat.st_size
    finally:
        lock.release()
    return freed


def _segment_indices(folder: Path) -> list[Path]:
    """The indices of the finished segments of one folder."""
    return [
        path.with_suffix(".index") for path in folder.glob("*.rows") if path.with_suffix(".index").exists()
    ]


def _count_rows(index: Path) -> int:
    try:
        return len(_read_index(index))
    except (OSError, ValueError):
        return 0


def _stat(path: Path) -> os.stat_result | None:
    """The file's facts, or None where it has just gone."""
    try:
        return path.stat()
    except OSError:
        return None
