"""The images or rows that a certificate is measured on: as they are, and as corruptions leave them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.manifest import ManifestRow, read_manifest
from mindle.artifacts.run import RunFolder
from mindle.data.common.corruptions import Corruption
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import InputSpec, Listener, TableSpec
from mindle.serving.opened import Opened

AnyCorruption = Corruption[Any, Any]
Ints = NDArray[np.int64]


class Sample(Protocol):
    """Labelled images or rows, and what can happen to them.

    Attributes:
        names: What each is called.
        contents: The hash of each.
        truth: (row,) class index or number.
        corruptions: That leave them what they are, in some severities.
        irrelevant: After which nothing is left that a model should answer.
    """

    names: Sequence[str]
    contents: Sequence[str]
    truth: NDArray[Any]
    corruptions: Sequence[AnyCorruption]
    irrelevant: Sequence[AnyCorruption]

    def some(self, rows: Ints) -> Sample:
        """The sample of some of them."""

    def stored(self) -> Any:
        """As they are, as `Opened.answer_stored` takes them."""

    def corrupted(self, corruption: AnyCorruption, severity: int, seed: int) -> Any:
        """The same at a severity of a corruption."""

    def request(self, opened: Opened, count: int) -> Callable[[], object]:
        """What a caller waits for who asks for so many answers."""

    def shown(self, seed: int) -> dict[str, list[Mapping[str, Any]]]:
        """What people are shown of each corruption, by its name: an entry a severity."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Where labelled images or rows come from.

    Attributes:
        data: What the user gave; None takes the test part of the run.
        run: The run, where the model is one.
        reading: What the user says of the data, by option.
        listener: Hears progress.
    """

    data: Any
    run: RunFolder | None
    reading: Mapping[str, Any]
    listener: Listener

    def _used(self) -> list[ManifestRow]:
        """What the run used, of every split; nothing where there is no run."""
        rows = [] if self.run is None else read_manifest(self.run.manifest)
        return [row for row in rows if not row.finding]

    def test_part(self) -> dict[str, str]:
        """The hash of each image or row of the run's test part, by name.

        Raises:
            ValueError: If there is no such part, and other data must be given.
        """
        if self.run is None:
            raise ValueError(
                "`data` must be given for a bundle, which has no data of its own. Received none. Give "
                "--data with labelled images or rows that the model has not learned from."
            )
        found = {row.path: row.sha256 for row in self._used() if row.split == "test"}
        if not found:
            raise ValueError(
                f"`data` must be given for {self.run.path}, which has no test part: a cross-validation "
                "evaluated it, and the model has learned from every row. Received none. Give --data with "
                "others."
            )
        return found

    def learned(self) -> set[str]:
        """The hashes of what the run has learned from."""
        return {row.sha256 for row in self._used() if row.split != "test"}

    @contextmanager
    def rereading(self) -> Iterator[dict[str, Any]]:
        """What the run was asked to read; where that fails other data would do, which is said.

        Raises:
            DataError: If it cannot be read any more.
        """
        try:
            yield self.asked()
        except DataError as error:
            raise DataError(message("certificate.not-reread", error=str(error))) from error

    def asked(self) -> dict[str, Any]:
        """What the run was asked to read."""
        asked: dict[str, Any] = {} if self.run is None else self.run.document()["asked"]
        return asked


SAMPLES: dict[type[Any], tuple[str, str]] = {
    InputSpec: ("mindle.certification.images", "sample_of_images"),
    TableSpec: ("mindle.certification.rows", "sample_of_rows"),
}


def sample_of(opened: Opened, chosen: Chosen) -> Sample:
    """All labelled images or rows that the model may be measured on.

    Raises:
        DataError: If they cannot be read, have changed since the run, or none is left.
        ValueError: If data must be given.
    """
    module, name = SAMPLES[type(opened.source.spec)]
    found: Sample = getattr(import_module(module), name)(opened, chosen)
    return found


def require_unchanged(names: Sequence[str], found: Sequence[str], expected: Mapping[str, str]) -> None:
    """Refuse a test part that is another one than that of the run.

    Raises:
        DataError: Naming the first that has changed.
    """
    changed = [name for name, sha256 in zip(names, found, strict=True) if expected[name] != sha256]
    if changed:
        raise DataError(
            f"The test part must be that of the run. {len(changed):,} changed since, first {changed[0]!r}. "
            "Put the data back, or give others with --data."
        )


def unlearned(contents: Sequence[str], chosen: Chosen) -> Ints:
    """Which of some images or rows the run has not learned from.

    Raises:
        DataError: If it has learned from all of them.
    """
    learned = chosen.learned()
    rows = np.array([at for at, sha256 in enumerate(contents) if sha256 not in learned], np.int64)
    if not len(rows):
        raise DataError(
            f"The data must hold something that the model has not learned from. Received {len(contents):,} "
            "images or rows of its own training. Give others."
        )
    return rows
