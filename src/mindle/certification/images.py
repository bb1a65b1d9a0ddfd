"""Labelled images under corruptions; see `mindle.certification.samples`."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mindle.certification.samples import AnyCorruption, Chosen, Ints, require_unchanged, unlearned
from mindle.data.images.corruptions import CORRUPTIONS, IRRELEVANT, corrupted
from mindle.data.images.pixels import Pixels, content_hash, in_threads, pixels
from mindle.data.images.sources.pictures import load
from mindle.errors import DataError
from mindle.records import Dataset, Hashes, InputSpec, of_rows
from mindle.serving.opened import Opened

_SHOWN_SIDE = 160
_NO_COLOUR = "gray"


@dataclass(frozen=True, kw_only=True)
class PictureSample:
    """Labelled images; see `Sample` for the other attributes.

    Attributes:
        dataset: Where they are.
        rows: Which rows of it.
        spec: The pixels that the model takes.
    """

    dataset: Dataset
    rows: Ints
    spec: InputSpec
    names: Sequence[str]
    contents: Sequence[str]
    truth: NDArray[Any]
    irrelevant: Sequence[AnyCorruption] = IRRELEVANT

    @property
    def corruptions(self) -> tuple[AnyCorruption, ...]:
        """All of them; a model of gray pictures sees none without colour."""
        return tuple(one for one in CORRUPTIONS if self.spec.channels > 1 or one.name != _NO_COLOUR)

    def some(self, rows: Ints) -> PictureSample:
        """See `Sample`."""
        return replace(
            self,
            rows=self.rows[rows],
            names=of_rows(self.names, rows),
            contents=of_rows(self.contents, rows),
            truth=self.truth[rows],
        )

    @cached_property
    def _pixels(self) -> Pixels:
        return pixels(self.dataset, self.rows, self.spec)

    def stored(self) -> Pixels:
        """See `Sample`."""
        return self._pixels

    def corrupted(self, corruption: AnyCorruption, severity: int, seed: int) -> Pixels:
        """See `Sample`; pictures are corrupted a batch at a time, when they are answered."""
        plain = self._pixels

        def fetch(rows: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
            contents = [self.contents[row] for row in rows.tolist()]
            return corrupted(plain[rows], corruption, severity, contents, seed)

        return Pixels(plain.shape, fetch)

    def request(self, opened: Opened, count: int) -> Callable[[], object]:
        """From the bytes of files to answers: decoding is part of the wait."""
        rows = np.resize(self.rows, count).tolist()
        inputs = [(f"image-{at}", load(self.dataset, row)) for at, row in enumerate(rows)]
        return lambda: list(opened.rows(inputs))

    def shown(self, seed: int) -> dict[str, list[Mapping[str, Any]]]:
        """A JPEG of the first image at each severity."""
        only = np.zeros(1, np.int64)
        first = self.some(only)
        found: dict[str, list[Mapping[str, Any]]] = {"clean": [{"picture": _jpeg(first.stored()[only][0])}]}
        for one in (*self.corruptions, *self.irrelevant):
            made = (first.corrupted(one, severity, seed)[only][0] for severity in one.severities)
            found[one.name] = [{"picture": _jpeg(picture)} for picture in made]
        return found


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(picture if picture.shape[2] == 3 else picture[:, :, 0])
    image.thumbnail((_SHOWN_SIDE, _SHOWN_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=82)
    return file.getvalue()


def sample_of_images(opened: Opened, chosen: Chosen) -> PictureSample:
    """The labelled images of data, or of the test part of a run; see `sample_of`."""
    dataset, rows, contents = _given(opened, chosen) if chosen.data is not None else _test_part(chosen)
    truth = opened.target.of_dataset(dataset, rows)
    known = np.flatnonzero(truth.known)
    return PictureSample(
        dataset=dataset,
        rows=rows[known],
        spec=opened.source.spec,
        names=of_rows(dataset.paths, rows[known]),
        contents=[contents[at] for at in known.tolist()],
        truth=truth.values[known],
    )


def _given(opened: Opened, chosen: Chosen) -> tuple[Dataset, Ints, Sequence[str]]:
    """The usable images of data, those aside that the run has learned from."""
    dataset, _ = opened.source.read_labelled(chosen.data, chosen.reading, opened.target, chosen.listener)
    rows = dataset.rows()
    hashes = of_rows(dataset.sha256, rows)
    new = unlearned(hashes, chosen)
    return dataset, rows[new], [hashes[at] for at in new.tolist()]


def _test_part(chosen: Chosen) -> tuple[Dataset, Ints, Sequence[str]]:
    """The test images of a run as they lie in its data now, each held against its hash."""
    from mindle.data.reading import ReadingOptions

    expected = chosen.test_part()
    with chosen.rereading() as asked:
        reading = ReadingOptions.from_dict(asked)
        dataset = reading.read_images(asked["source"], split_seed=asked.get("split_seed", 0))
    place = {path: row for row, path in enumerate(dataset.paths)}
    if lost := [path for path in expected if path not in place]:
        raise DataError(
            f"The test part must be that of the run. {len(lost):,} of {len(expected):,} images are gone from "
            f"{asked['source']}, first {lost[0]!r}. Put them back, or give others with --data."
        )
    rows = np.array([place[path] for path in expected], np.int64)
    found = list(in_threads(lambda row: content_hash(load(dataset, row)), rows.tolist()))
    require_unchanged(list(expected), found, expected)
    hashes = [""] * len(dataset)
    for row, sha256 in zip(rows.tolist(), found, strict=True):
        hashes[row] = sha256
    return replace(dataset, sha256=Hashes(hashes)), rows, found
