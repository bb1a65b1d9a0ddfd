"""Answers to CSV or JSON, written as they come so that memory does not grow with their number."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from mindle.errors import DeviceError


@dataclass
class Counts:
    """How many images got an answer and how many did not."""

    answered: int = 0
    failed: int = 0


@contextmanager
def _opened(target: str) -> Iterator[IO[str]]:
    """Open a file to write, or standard output for "-"."""
    if target == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        file = open(target, "w", encoding="utf-8", newline="")
    except OSError as error:
        raise DeviceError(
            f"{target} must be a file that can be written ({error.strerror}). Choose another with --out."
        ) from error
    with file:
        yield file


def write_answers(
    source: Any, images: Iterable[tuple[str, Any]], *, out: str | None, json: str | None
) -> Counts:
    """Write every answer to `out` (CSV, or JSON by its name), to `json`, or as CSV to standard output."""
    if json is not None:
        return _write_json(source, images, json)
    if out is not None and out.lower().endswith(".json"):
        return _write_json(source, images, out)
    return _write_csv(source, images, out or "-")


def _counted(source: Any, images: Iterable[tuple[str, Any]], counts: Counts) -> Iterator[dict[str, Any]]:
    for row in source.rows(images):
        if row["reason"]:
            counts.failed += 1
        else:
            counts.answered += 1
        yield row


def _write_csv(source: Any, images: Iterable[tuple[str, Any]], target: str) -> Counts:
    counts = Counts()
    with _opened(target) as file:
        writer = csv.DictWriter(file, source.columns, lineterminator="\n")
        writer.writeheader()
        for row in _counted(source, images, counts):
            writer.writerow(
                {name: f"{cell:.8f}" if isinstance(cell, float) else cell for name, cell in row.items()}
            )
    return counts


def _write_json(source: Any, images: Iterable[tuple[str, Any]], target: str) -> Counts:
    counts = Counts()
    with _opened(target) as file:
        file.write('{"schema": 1, "predictions": [')
        for number, row in enumerate(_counted(source, images, counts)):
            file.write(",\n" if number else "\n")
            json.dump(row, file, ensure_ascii=False)
        file.write("\n]}\n")
    return counts
