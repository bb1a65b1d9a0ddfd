"""Images as a model takes them: decoded in threads, a batch at a time, in flat memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mindle.data.images.decoding.decode import UndecodableImage, decode_with_side
from mindle.data.images.pixels import Pixels, in_threads
from mindle.data.images.quality import STATISTICS, measure
from mindle.data.images.sources.pictures import ARCHIVE, LISTINGS, images_in, picture_of, read_images
from mindle.data.reading import refuse
from mindle.evaluation.trust.limits import Limits
from mindle.records import Dataset, Finding, InputSpec, Listener
from mindle.serving.source import Batch, Labelled, Noticed, Source, Target
from mindle.text import spelled

BATCH = 16
# What a column of images may be called in a data frame: paths or bytes, in this order of preference.
COLUMNS = ("path", "image")
# Findings that say what data lack to be learned from, which nobody asks of data to evaluate on.
_OF_LEARNING = (
    "class-missing", "few", "few-numbers", "imbalance", "one-class", "one-target", "single"
)  # fmt: skip


# What an image that cannot be decoded is refused for, by the kind of error; others are unreadable.
_CODES = {"truncated": "torn"}


class _Read(NamedTuple):
    """One image, decoded or not."""

    name: str
    pixels: NDArray[np.uint8] | None = None
    noticed: str = ""
    quality: NDArray[np.float32] | None = None
    reason: str = ""


class ImageSource(Source):
    """Where a model of images finds them.

    Attributes:
        spec: The pixels that the model takes.
        report: What was noticed of how they are answered.
    """

    unit = "images"
    keys: tuple[str, ...] = ("path",)

    def __init__(self, spec: InputSpec, classes: tuple[str, ...] = ()) -> None:
        self.spec = spec
        self.report = self.listener = Noticed()

    def read_as(self, **options: Any) -> None:
        """Refuse what is said about files of rows."""
        refuse(options, "a table", "a model of images")

    def inputs(self, given: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        """Names and payloads of what `predict` was given; see `mindle.data.read_images`."""
        return read_images(given)

    def frame(self, given: Any) -> list[tuple[str, Any]]:
        """A name and a payload for each row of a data frame with a column `path` or `image`, or of a list.

        Raises:
            ValueError: If a data frame has neither column.
        """
        columns = getattr(given, "columns", None)
        if columns is not None:
            found = next((name for name in COLUMNS if name in columns), None)
            if found is None:
                raise ValueError(
                    f"The data frame must have a column {' or '.join(COLUMNS)}. "
                    f"Received {', '.join(map(str, columns))}."
                )
            given = given[found]
        return [
            (os.fspath(value) if isinstance(value, (str, os.PathLike)) else f"image {at}", picture_of(value))
            for at, value in enumerate(images_in(given))
        ]

    def batches(self, inputs: Iterable[tuple[str, Any]], rows: int = 0) -> Iterator[Batch]:
        """The images, decoded; one that cannot be read has a reason and the rest go on."""
        decoded = in_threads(self._decoded, inputs)
        while batch := list(islice(decoded, max(rows, BATCH))):
            # Where none can be read an empty picture is fed: no answers wait for the next one that can.
            fed = [image.pixels for image in batch if image.pixels is not None]
            fed = fed or [np.zeros(self.spec.shape, np.uint8)]
            measured = [image.quality for image in batch if image.quality is not None]
            yield Batch(
                keys=[{"path": spelled(image.name)} for image in batch],
                reasons=[image.reason for image in batch],
                feed={"pixels": np.stack(fed)},
                noticed=[image.noticed for image in batch],
                quality=np.stack(measured) if measured else None,
            )

    def _decoded(self, item: tuple[str, Any]) -> _Read:
        name, payload = item
        try:
            if isinstance(payload, UndecodableImage):
                raise payload
            pixels, side = decode_with_side(payload, self.spec)
        except UndecodableImage as error:
            return _Read(name, noticed=_CODES.get(error.kind, "unreadable"), reason=str(error))
        noticed = self.limits.too_small(np.array([side]))[0] if self.limits else ""
        measured = self.quality({"pixels": pixels[None]})
        return _Read(name, pixels, noticed, None if measured is None else measured[0])

    def look_for(self, limits: Limits | None) -> None:
        """See `Source`."""
        named = tuple(limits.quality) if limits else ()
        if named not in ((), STATISTICS):
            raise ValueError(
                f"`quality` must name {', '.join(STATISTICS)}. Received {', '.join(named)[:80]}."
            )
        self.limits = limits

    def quality(self, feed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32] | None:
        """See `Source`."""
        return measure(feed["pixels"]) if self.limits is not None and self.limits.quality else None

    def feeds(self, pixels: Pixels, rows: int = 0) -> Iterator[dict[str, NDArray[np.uint8]]]:
        """Stored pixels, a batch at a time."""
        size = max(rows, BATCH)
        for start in range(0, len(pixels), size):
            yield {"pixels": pixels[np.arange(start, min(start + size, len(pixels)))]}

    def read_labelled(
        self, data: Any, reading: Mapping[str, Any], target: Target, listener: Listener
    ) -> tuple[Dataset, tuple[Finding, ...]]:
        """Read and check labelled images, and what was found that does not only concern learning.

        Args:
            data: What `mindle train` takes.
            reading: What the user says of it.
            target: What the model answers; of a list it says in which column the truth stands.
            listener: Hears progress.
        """
        from mindle.data import check, read

        asked, suffix = dict(reading), Path(data).suffix.lower()
        column = asked["target"] or target.name
        if suffix in LISTINGS and column:
            asked |= {"task": target.task.family, "target": column}
        elif suffix == ARCHIVE:
            asked["task"] = target.task.family
        dataset = check(read(data, **asked), specs=(self.spec,), listener=listener)
        return dataset, tuple(found for found in dataset.findings if found.kind not in _OF_LEARNING)

    def labelled(
        self, dataset: Dataset, target: Target, settled: Callable[[int], int], listener: Listener
    ) -> Iterator[Labelled]:
        """Every usable image whose truth the model knows, a batch at a time.

        Raises:
            DataError: If there is none.
        """
        from mindle.data import pixels as pixels_of

        rows = dataset.rows()
        truth = target.of_dataset(dataset, rows)
        used, values = rows[truth.known], truth.values[truth.known]
        pixels, done = pixels_of(dataset, used, self.spec, listener=listener), 0
        sides = np.minimum(dataset.heights[used], dataset.widths[used])
        noticed = self.limits.too_small(sides) if self.limits else []
        for feed in self.feeds(pixels, settled(len(used))):
            batch = slice(done, done + len(feed["pixels"]))
            yield Labelled(
                paths=[dataset.paths[row] for row in used[batch].tolist()],
                feed=feed,
                truth=values[batch],
                noticed=noticed[batch],
                quality=self.quality(feed),
                unknown=Counter() if done else truth.unknown,
            )
            done = batch.stop
            listener.progress("evaluate", done, len(used))
