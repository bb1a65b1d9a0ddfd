"""Answers to CSV or JSON, written as they come so that memory does not grow with their number."""

from __future__ import annotations

import csv
import json as jsons
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from typing import IO, Any, ClassVar

from mindle.errors import DeviceError


@dataclass
class Counts:
    """How many images or rows got an answer and how many did not."""

    answered: int = 0
    failed: int = 0


def write_answers(source: Any, inputs: Iterable[Any], *, out: str | None, json: str | None) -> Counts:
    """Write every answer to `out` (CSV, or JSON by its name) and to `json`, or as CSV to standard output.

    Raises:
        DeviceError: If a file cannot be written, or the disk is full.
    """
    wanted: list[_Table] = []
    if out is not None:
        wanted.append(_Json(out) if out.lower().endswith(".json") else _Csv(out))
    if json is not None:
        wanted.append(_Json(json))
    counts = Counts()
    with ExitStack() as stack:
        tables = [stack.enter_context(table.opened(source.columns)) for table in wanted or [_Csv("-")]]
        for row in source.rows(inputs):
            if row["reason"]:
                counts.failed += 1
            else:
                counts.answered += 1
            for table in tables:
                table.write(row)
    return counts


class _Table:
    """Rows on their way into one file, or to standard output for "-"."""

    # What becomes of a file name that is not valid Unicode, which a name on Linux need not be.
    errors: ClassVar[str]

    def __init__(self, target: str) -> None:
        self.target = target
        self.file: IO[str] = sys.stdout

    @contextmanager
    def opened(self, columns: Sequence[str]) -> Iterator[_Table]:
        """Open, begin and, if nothing went wrong in between, end the table."""
        with self._writing():
            self.file = self._open()
        try:
            with self._writing():
                self.begin(columns)
            yield self
            with self._writing():
                self.end()
                self.file.flush()
        finally:
            if self.file is not sys.stdout:
                with suppress(OSError):  # what could not be written has been told by the flush
                    self.file.close()

    def _open(self) -> IO[str]:
        if self.target != "-":
            return open(self.target, "w", encoding="utf-8", errors=self.errors, newline="")
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors=self.errors)
        return sys.stdout

    def write(self, row: Mapping[str, Any]) -> None:
        """Write one row."""
        with self._writing():
            self.put(row)

    def begin(self, columns: Sequence[str]) -> None:
        raise NotImplementedError

    def put(self, row: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """Nothing follows the rows, unless a format wants something."""

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # the reader has left; that is no error of ours
            raise
        except OSError as error:
            raise DeviceError(
                f"{self.target} must be a file that can be written ({error.strerror}). Choose another with "
                "--out or --json, or make room."
            ) from error


class _Csv(_Table):
    errors = "surrogateescape"  # the name's own bytes, so that other programs find the file

    def begin(self, columns: Sequence[str]) -> None:
        self.rows = csv.DictWriter(self.file, columns, lineterminator="\n")
        self.rows.writeheader()

    def put(self, row: Mapping[str, Any]) -> None:
        self.rows.writerow({name: f"{v:.8f}" if isinstance(v, float) else v for name, v in row.items()})


class _Json(_Table):
    errors = "backslashreplace"  # \udcff is an escape of JSON too

    def begin(self, columns: Sequence[str]) -> None:
        self.separator = "\n"
        self.file.write('{"schema": 1, "predictions": [')

    def put(self, row: Mapping[str, Any]) -> None:
        self.file.write(self.separator)
        jsons.dump(row, self.file, ensure_ascii=False)
        self.separator = ",\n"

    def end(self) -> None:
        self.file.write("\n]}\n")
