"""Answers to CSV or JSON, written as they come so that memory does not grow with their number."""

from __future__ import annotations

import csv
import json as jsons
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mindle.artifacts.files import beside, cells, explained
from mindle.text import json_safe, printable

if TYPE_CHECKING:
    from mindle.serving.opened import Opened

STREAM = "-"


@dataclass
class Counts:
    """What became of images or rows.

    Attributes:
        answered: How many got an answer.
        failed: How many did not.
        guarded: Columns with texts that a spreadsheet would have run, and how many.
    """

    answered: int = 0
    failed: int = 0
    guarded: dict[str, int] = field(default_factory=dict)


def write_answers(
    opened: Opened, inputs: Iterable[Any], *, out: str | None, json: str | None, raw: bool = False
) -> Counts:
    """Write every answer to `out` (CSV, or JSON by its name) and to `json`, or as CSV to standard output.

    A file gets its name when it is whole; until then it has the ending `.partial`.

    Args:
        opened: The model.
        inputs: What it answers.
        out: The file, "-" for standard output.
        json: The JSON file, "-" for standard output.
        raw: Whether texts that a spreadsheet would run as formulas are left as they are.

    Raises:
        DeviceError: If a file cannot be written, or the disk is full.
    """
    counts = Counts()
    wanted: list[_Table] = []
    if out is not None:
        wanted.append(_Json(out) if out.lower().endswith(".json") else _Csv(out, raw, counts))
    if json is not None:
        wanted.append(_Json(json))
    with ExitStack() as stack:
        tables = wanted or [_Csv(STREAM, raw, counts)]
        for table in tables:
            stack.enter_context(table.opened(opened.columns))
        for row in opened.rows(inputs):
            if row["reason"]:
                counts.failed += 1
            else:
                counts.answered += 1
            for table in tables:
                table.write(row)
        for table in tables:
            table.about = opened.source.document()
    return counts


class _Table:
    """Rows on their way into one file, or to standard output for "-"."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.named = "standard output" if target == STREAM else target
        self.file: IO[str] = sys.stdout
        self.begun = False
        self.about: Mapping[str, Any] = {}  # what a document says besides its rows

    @contextmanager
    def opened(self, columns: Sequence[str]) -> Iterator[None]:
        """Open, begin and, if nothing went wrong in between, end the table."""
        self.columns = columns
        with ExitStack() as stack:
            self.file = stack.enter_context(self._open())
            yield
            with explained(self.named):
                self._begin()
                self.end()
                self.file.flush()

    @contextmanager
    def _open(self) -> Iterator[IO[str]]:
        if self.target == STREAM:
            if isinstance(sys.stdout, TextIOWrapper):
                sys.stdout.reconfigure(errors="backslashreplace")
            yield sys.stdout
            return
        with beside(Path(self.target)) as place:
            with explained(self.named):
                file = place.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            try:
                yield file
            finally:
                with explained(self.named):
                    file.close()

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row."""
        with explained(self.named):
            self._begin()
            self.put(row)

    def _begin(self) -> None:
        """With the first row, so that a model that cannot answer leaves no header behind."""
        if not self.begun:
            self.begun = True
            self.begin()

    def begin(self) -> None:
        raise NotImplementedError

    def put(self, row: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """Nothing follows the rows, unless a format wants something."""


class _Csv(_Table):
    def __init__(self, target: str, raw: bool, counts: Counts) -> None:
        super().__init__(target)
        self.raw = raw
        self.counts = counts

    def begin(self) -> None:
        self.rows = csv.writer(self.file, lineterminator="\n")
        self.shown = self.file.isatty()
        self._write(cells(self.columns, raw=self.raw))

    def put(self, row: Mapping[str, Any]) -> None:
        given = [row[name] for name in self.columns]
        written = cells(given, raw=self.raw)
        for name, before, after in zip(self.columns, given, written, strict=True):
            if isinstance(before, str) and len(after) == len(before) + 1:
                self.counts.guarded[name] = self.counts.guarded.get(name, 0) + 1
        self._write([f"{value:.8f}" if isinstance(value, float) else value for value in written])

    def _write(self, row: Sequence[Any]) -> None:
        """On a terminal without what it would obey."""
        self.rows.writerow([printable(v) if isinstance(v, str) else v for v in row] if self.shown else row)


class _Json(_Table):
    def begin(self) -> None:
        self.separator = "\n"
        self.file.write('{"schema": 1, "predictions": [')

    def put(self, row: Mapping[str, Any]) -> None:
        self.file.write(self.separator + json_safe(jsons.dumps(row, ensure_ascii=False)))
        self.separator = ",\n"

    def end(self) -> None:
        about = "".join(
            f", {jsons.dumps(name)}: {jsons.dumps(value, ensure_ascii=False)}"
            for name, value in self.about.items()
        )
        self.file.write(f"\n]{about}}}\n")
