"""The manifest: one row for every regular file below the data, or every row of a table, used or not.

It is a CSV of `path, sha256, label, split, group, width, height, finding`: paths are relative, NFC, with
forward slashes; `split` is empty and `finding` says why for a file that was set aside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mindle.artifacts import answers as layouts
from mindle.artifacts.files import exists, reading_csv, write_csv
from mindle.errors import ArtifactError
from mindle.records import Examples

COLUMNS = ("path", "sha256", "label", "split", "group", "width", "height", "finding")
# Kinds of finding on rows that somebody decided about.
DECIDED = ("relabelled", "decided")


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestRow:
    """One file below the data, as the manifest states it."""

    path: str
    sha256: str
    label: str
    split: str
    group: str
    width: int
    height: int
    finding: str


def _columns(data: Examples) -> dict[str, Sequence[Any]]:
    """What the manifest says of data, by column."""
    unknown, sizes = ("",) * len(data), np.zeros(len(data), np.int64)
    return {
        "path": data.row_names,
        "sha256": data.sha256 or unknown,
        "label": layouts.of(data.task).labels(data),
        "split": data.splits or unknown,
        "group": data.groups or unknown,
        "width": (data.widths if len(data.widths) else sizes).tolist(),
        "height": (data.heights if len(data.heights) else sizes).tolist(),
        "finding": _reasons(data, data.set_aside or unknown),
    }


def _reasons(data: Examples, set_aside: Sequence[str]) -> Sequence[str]:
    """Why each row is not used, and of one that is whether a decision changed what is learned of it."""
    decided = {name: each.kind for each in data.findings if each.kind in DECIDED for name in each.files}
    if not decided:
        return set_aside
    return [why or decided.get(name, "") for name, why in zip(data.row_names, set_aside, strict=True)]


def manifest_rows(data: Examples) -> list[ManifestRow]:
    """The rows of data that have been checked and split."""
    columns = _columns(data)
    return [
        ManifestRow(**dict(zip(columns, cells, strict=True))) for cells in zip(*columns.values(), strict=True)
    ]


def write_manifest(path: Path, data: Examples) -> None:
    """Write the manifest of a data set or a table, whole or not at all."""
    write_csv(path, COLUMNS, zip(*_columns(data).values(), strict=True))


def read_manifest(path: Path) -> list[ManifestRow]:
    """Read a manifest back.

    Raises:
        ArtifactError: If it is missing or lacks a column.
        ValueError: If a row has more cells than the header, or fewer.
    """
    if not exists(path):
        raise ArtifactError(f"The run must hold {path.name}. Received {path.parent}, which has none.")
    # Most cells repeat: with one object for each, a million rows fit into memory.
    once: dict[str, Any] = {name: cache(int if name in ("width", "height") else str) for name in COLUMNS}
    once |= {"path": str, "sha256": str}
    with reading_csv(path) as lines:
        header = next(lines, [])
        missing = set(COLUMNS) - set(header)
        if missing:
            raise ArtifactError(
                f"{path} must have the columns {', '.join(COLUMNS)}. Missing: {sorted(missing)}."
            )
        rows = (dict(zip(header, cells, strict=True)) for cells in lines)
        return [ManifestRow(**{name: read(row[name]) for name, read in once.items()}) for row in rows]


def fingerprint(data: Examples) -> str:
    """Hash of what a run learns from: every used image's or row's content, class and split.

    Two folders with the same pictures under the same class names have the same fingerprint, wherever they
    lie.
    """
    columns = _columns(data)
    content = [columns[name] for name in ("sha256", "label", "split")]
    lines = sorted(" ".join(column[row] for column in content) for row in data.rows().tolist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
