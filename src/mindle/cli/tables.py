"""Answers to CSV or JSON, written as they come so that memory does not grow with their number."""

from __future__ import annotations

import csv
import json as jsons
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import chain, islice, repeat
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mindle.artifacts.files import beside, cells, explained
from mindle.text import json_safe, printable

if TYPE_CHECKING:
    from mindle.serving.opened import Opened

STREAM = "-"
Write = Callable[[Mapping[str, Any]], None]  # of a row, by column


@dataclass
class Counts:
    """What became of images or rows.

    Attributes:
        answered: How many got an answer.
        failed: How many did not.
        guarded: Columns with texts that a spreadsheet would have run, and how many.
        abstained: How many of those with an answer have it with a code, by code.
    """

    answered: int = 0
    failed: int = 0
    guarded: dict[str, int] = field(default_factory=dict)
    abstained: Counter[str] = field(default_factory=Counter)


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
    counts, rows = Counts(), opened.rows(inputs)
    first = list(islice(rows, 1))  # before any header: a model that cannot answer leaves none behind
    wanted = [] if out is None else [(out, out.lower().endswith(".json"))]
    wanted += [] if json is None else [(json, True)]
    writers: list[Write] = []
    with ExitStack() as stack:
        for target, document in wanted or [(STREAM, False)]:
            table = _json(target, opened) if document else _csv(target, opened, counts, raw)
            writers.append(stack.enter_context(table))
        for row in chain(first, rows):
            if row["reason"]:
                counts.failed += 1
            else:
                counts.answered += 1
                counts.abstained += Counter(filter(None, [row.get("abstain")]))
            for write in writers:
                write(row)
    return counts


@dataclass(frozen=True)
class _File:
    """A file, or standard output; what the disk refuses says what to do."""

    file: IO[str]
    named: str

    def write(self, text: str) -> None:
        with explained(self.named):
            self.file.write(text)


@contextmanager
def _opened(target: str) -> Iterator[_File]:
    """The target, which has another name until it is whole."""
    if target == STREAM:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        yield _File(sys.stdout, "standard output")
        with explained("standard output"):
            sys.stdout.flush()
        return
    with beside(Path(target)) as draft:
        with explained(target):
            file = draft.open("w", encoding="utf-8", errors="backslashreplace", newline="")
        try:
            yield _File(file, target)
        finally:
            with explained(target):
                file.close()


@contextmanager
def _csv(target: str, opened: Opened, counts: Counts, raw: bool) -> Iterator[Write]:
    with _opened(target) as file:
        writer = csv.writer(file, lineterminator="\n")
        terminal = file.file.isatty()

        def shown(value: Any) -> Any:
            if isinstance(value, float):
                return f"{value:.8f}"
            return printable(value) if terminal and isinstance(value, str) else value

        def write(row: Mapping[str, Any]) -> None:
            values = [row[name] for name in opened.columns]
            written = cells(values, raw=raw)
            for name, before, after in zip(opened.columns, values, written, strict=True):
                if isinstance(before, str) and len(after) == len(before) + 1:
                    counts.guarded[name] = counts.guarded.get(name, 0) + 1
            writer.writerow(map(shown, written))

        writer.writerow(map(shown, cells(opened.columns, raw=raw)))
        yield write


@contextmanager
def _json(target: str, opened: Opened) -> Iterator[Write]:
    with _opened(target) as file:
        file.write('{"schema": 1, "predictions": [')
        separators = chain(["\n"], repeat(",\n"))
        yield lambda row: file.write(next(separators) + json_safe(jsons.dumps(row, ensure_ascii=False)))
        about = "".join(
            f", {jsons.dumps(name)}: {jsons.dumps(value, ensure_ascii=False)}"
            for name, value in opened.source.document().items()
        )
        file.write(f"\n]{about}}}\n")
