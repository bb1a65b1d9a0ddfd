"""The pixels of a data set as one array: decoded once, stored in the cache, mapped into memory."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mindle.artifacts.environment import usable_cores
from mindle.artifacts.files import cache_dir
from mindle.data.common.store import RowStore
from mindle.data.images.decoding.decode import UndecodableImage, decode
from mindle.data.images.sources.pictures import load, row_memory
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import SILENT, ArrayImages, Dataset, Hashes, InputSpec, Listener, of_rows

# Raise it when `decode` gives other pixels for the same file; the old ones are then made again.
DECODER_VERSION = 1

THUMBNAIL_SIDE = 160
_LOT = 4  # images a task: enough to hide the cost of a task, few enough to keep memory flat

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pixels:
    """uint8 images of one size that are fetched by row; threads may read at the same time.

    Attributes:
        shape: (image, height, width, channel).

    Example:
        >>> images = Pixels.of(np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1))
        >>> len(images), images[np.array([1])].ravel().tolist()
        (2, [4, 5, 6, 7])
    """

    def __init__(
        self, shape: tuple[int, int, int, int], fetch: Callable[[NDArray[np.integer[Any]]], NDArray[np.uint8]]
    ) -> None:
        self.shape = shape
        self._fetch = fetch

    @classmethod
    def of(cls, array: NDArray[np.uint8], rows: NDArray[np.integer[Any]] | None = None) -> Pixels:
        """Pixels of an array (image, height, width, channel), all of it or some rows, without copying it."""
        if array.ndim != 4 or array.dtype != np.uint8:
            raise ValueError(
                f"Pixels must be uint8 (image, height, width, channel). Received {array.dtype} {array.shape}."
            )
        chosen = np.arange(len(array)) if rows is None else np.asarray(rows)
        height, width, channels = array.shape[1:]
        return cls((len(chosen), height, width, channels), lambda wanted: array[chosen[wanted]])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """A copy of some images, uint8 (n, height, width, channel)."""
        return self._fetch(np.asarray(rows))


def pixel_key(spec: InputSpec) -> str:
    """The name of the pixels that a spec describes; mean and std are no part of it.

    Example:
        >>> pixel_key(InputSpec(height=32, width=48))
        '32x48-squash-bilinear-rgb-v1'
    """
    return f"{spec.height}x{spec.width}-{spec.fit}-{spec.interpolation}-{spec.colour}-v{DECODER_VERSION}"


def pixel_store(spec: InputSpec, cache: Path | None = None) -> RowStore:
    """The store of the pixels that a spec describes; rows are found by the sha256 of the image.

    Example:
        >>> pixel_store(InputSpec(height=8, width=8), Path("cache")).shape
        (8, 8, 3)
    """
    folder = (cache or cache_dir()) / "pixels" / pixel_key(spec)
    return RowStore(folder, shape=spec.shape, dtype=np.uint8)


def content_hash(data: bytes | NDArray[np.uint8]) -> str:
    """sha256 (hex) of a file's bytes, or of an array's shape and values.

    Example:
        >>> content_hash(b"")[:8]
        'e3b0c442'
    """
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    shape = "x".join(map(str, data.shape))
    return hashlib.sha256(shape.encode() + np.ascontiguousarray(data).tobytes()).hexdigest()


def array_for(dataset: Dataset, spec: InputSpec) -> NDArray[np.uint8] | None:
    """The images (image, height, width, channel) of an array that holds the pixels of this spec already.

    Gray values are repeated for a spec in colour; colour is never turned to gray this way. None for other
    data sets, whose pixels are stored.
    """
    if not isinstance(dataset.images, ArrayImages):
        return None
    array = dataset.images.array
    array = array[..., None] if array.ndim == 3 else array
    fits = array.shape[1:3] == (spec.height, spec.width)
    return array if fits and array.shape[3] in (1, spec.channels) else None


def pixels(
    dataset: Dataset,
    rows: NDArray[np.integer[Any]],
    spec: InputSpec,
    *,
    cache: Path | None = None,
    listener: Listener = SILENT,
) -> Pixels:
    """The pixels of some rows, in their order; what the cache lacks is decoded first, in threads.

    Args:
        dataset: The images; after `check`, their hashes are known and most pixels stored.
        rows: Row numbers of `dataset`.
        spec: Size, fit, interpolation and colour.
        cache: Cache folder; `cache_dir()` where None.
        listener: Hears progress of the stage "decode", and of damage to the cache.

    Returns:
        The pixels, mapped into memory.

    Raises:
        DataError: If a file cannot be decoded, or is another one than when it was checked.
        DeviceError: If the cache cannot be written.

    Example:
        >>> from mindle.data.images.sources.source import read
        >>> digits = read("digits")
        >>> pixels(digits, np.arange(5), InputSpec(height=8, width=8)).shape
        (5, 8, 8, 3)
    """
    chosen = np.asarray(rows).astype(np.int64)
    array = array_for(dataset, spec)
    if array is not None:
        if array.shape[3] == spec.channels:
            return Pixels.of(array, chosen)
        # The same as `decode` does with gray, for whole batches.
        return Pixels((len(chosen), *spec.shape), lambda wanted: np.repeat(array[chosen[wanted]], 3, axis=3))
    keys = _keys(dataset, chosen)
    store = pixel_store(spec, cache)
    if store.missing(keys):
        _fill(store, dataset, chosen, keys, spec, listener)
    stored = store.rows(keys)
    return Pixels((len(chosen), *spec.shape), stored.__getitem__)


def _keys(dataset: Dataset, rows: NDArray[np.int64]) -> Sequence[str]:
    """The content hash of each row; read from the files where the data set was not checked."""
    if dataset.sha256 and all(known := of_rows(dataset.sha256, rows)):
        return known

    def hashed(row: int) -> str:
        with required(dataset.paths[row]):
            return content_hash(load(dataset, row))

    return Hashes(in_threads(hashed, rows.tolist()))


def load_unchanged(dataset: Dataset, row: int, sha256: str) -> bytes | NDArray[np.uint8]:
    """The image of one row, as `load` gives it, where it is the one that was checked.

    Raises:
        UndecodableImage: If it cannot be read, or is another one.
    """
    data = load(dataset, row)
    if content_hash(data) != sha256:
        raise UndecodableImage("changed", message("images.detail.changed"))
    return data


@contextmanager
def required(path: str) -> Iterator[None]:
    """Turn an image that cannot be read or decoded into an error about the data, which were checked."""
    try:
        yield
    except UndecodableImage as problem:
        raise DataError(
            f"{path} cannot be used: {problem.detail} Run the command again, or `mindle check`, which sets "
            "such files aside."
        ) from problem


def _fill(
    store: RowStore,
    dataset: Dataset,
    rows: NDArray[np.int64],
    keys: Sequence[str],
    spec: InputSpec,
    listener: Listener,
) -> None:
    """Decode what the store lacks, unless another process did while this one waited."""

    def decoded(position: int) -> NDArray[np.uint8]:
        row = int(rows[position])
        with row_memory(dataset, row), required(dataset.paths[row]):
            return decode(load_unchanged(dataset, row, keys[position]), spec)

    with store.writer(listener) as writer:
        # One position a key: copies of a file are decoded once.
        missing = list({keys[position]: position for position in store.missing(keys)}.values())
        if store.damaged:
            listener.say(message("images.cache.damaged-pixels", n=store.damaged))
        for done, (position, row) in enumerate(
            zip(missing, in_threads(decoded, missing), strict=True), start=1
        ):
            writer.add(keys[position], row)
            if done % 32 == 0 or done == len(missing):
                listener.progress("decode", done, len(missing))


def thumbnail(dataset: Dataset, row: int) -> bytes | None:
    """A JPEG of one image within a square of 160 pixels, on white; None where it cannot be read any more."""
    spec = InputSpec(height=THUMBNAIL_SIDE, width=THUMBNAIL_SIDE, fit="pad", interpolation="lanczos")
    try:
        pixels = decode(load(dataset, row), spec)
    except (OSError, UndecodableImage):
        return None
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=82)
    return file.getvalue()


def thread_count() -> int:
    """How many threads to decode with: the processors this process may use."""
    return min(32, usable_cores())


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Do the work in threads and give the results in order; only a few items ahead are ever in memory.

    Pillow and the hashes let go of the interpreter lock, so that threads use every processor.

    Example:
        >>> list(in_threads(abs, [-3, 2]))
        [3, 2]
    """
    todo = iter(items)
    threads = thread_count()
    waiting: deque[Future[list[Result]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="mindle")
    try:
        while lot := list(islice(todo, _LOT)):
            waiting.append(pool.submit(lambda items: [work(item) for item in items], lot))
            if len(waiting) > threads + 2:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        # After an error or an interrupt nothing more is started, and what runs is waited for.
        pool.shutdown(cancel_futures=True)
