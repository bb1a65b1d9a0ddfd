"""Images as a model takes them: decoded in threads, a batch at a time, in flat memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.images.decoding.decode import UndecodableImage, decode
from mindle.data.images.pixels import Pixels, in_threads
from mindle.data.images.sources.pictures import ARCHIVE, LISTINGS, images_in, picture_of, read_images
from mindle.data.reading import refuse
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
            pixels = [image for _, image in batch if not isinstance(image, UndecodableImage)]
            # Where none can be read an empty picture is fed: no answers wait for the next one that can.
            yield Batch(
                keys=[{"path": spelled(name)} for name, _ in batch],
                reasons=[str(image) if isinstance(image, UndecodableImage) else "" for _, image in batch],
                feed={"pixels": np.stack(pixels or [np.zeros(self.spec.shape, np.uint8)])},
            )

    def _decoded(self, item: tuple[str, Any]) -> tuple[str, NDArray[np.uint8] | UndecodableImage]:
        name, payload = item
        if isinstance(payload, UndecodableImage):
            return name, payload
        try:
            return name, decode(payload, self.spec)
        except UndecodableImage as error:
            return name, error

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
        for feed in self.feeds(pixels, settled(len(used))):
            batch = slice(done, done + len(feed["pixels"]))
            yield Labelled(
                paths=[dataset.paths[row] for row in used[batch].tolist()],
                feed=feed,
                truth=values[batch],
                unknown=Counter() if done else truth.unknown,
            )
            done = batch.stop
            listener.progress("evaluate", done, len(used))
