"""The manifest: one row for every regular file below the data, or every row of a table, used or not.

It is a CSV of `path, sha256, label, split, group, width, height, finding`: paths are relative, NFC, with
forward slashes; `split` is empty and `finding` says why for a file that was set aside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mindle.artifacts.files import reading_csv, write_csv
from mindle.errors import ArtifactError
from mindle.records import Examples

COLUMNS = ("path", "sha256", "label", "split", "group", "width", "height", "finding")


@dataclass(frozen=True, kw_only=True)
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


def _class_names(data: Examples) -> list[str]:
    return [data.classes[label] if label >= 0 else "" for label in data.labels.tolist()]


def _numbers(data: Examples) -> list[str]:
    return ["" if target != target else f"{target:.17g}" for target in data.targets.tolist()]


# The cell of each row's truth by family of tasks, "" where it has none; another package adds an entry.
TRUTHS: dict[str, Callable[[Examples], list[str]]] = {
    "classification": _class_names,
    "regression": _numbers,
}


def manifest_rows(data: Examples) -> list[ManifestRow]:
    """The rows of data that have been checked and split."""
    unknown, sizes = ("",) * len(data), np.zeros(len(data), np.int64)
    columns: dict[str, Sequence[Any]] = {
        "path": data.row_names,
        "sha256": data.sha256 or unknown,
        "label": TRUTHS[data.task.family](data),
        "split": data.parts or unknown,
        "group": data.groups or unknown,
        "width": (data.widths if len(data.widths) else sizes).tolist(),
        "height": (data.heights if len(data.heights) else sizes).tolist(),
        "finding": data.set_aside or unknown,
    }
    return [
        ManifestRow(**dict(zip(columns, cells, strict=True))) for cells in zip(*columns.values(), strict=True)
    ]


def write_manifest(path: Path, data: Examples) -> None:
    """Write the manifest of a data set or a table, whole or not at all."""
    write_csv(path, COLUMNS, (astuple(row) for row in manifest_rows(data)))


def read_manifest(path: Path) -> list[ManifestRow]:
    """Read a manifest back.

    Raises:
        ArtifactError: If it is missing or lacks a column.
    """
    try:
        with reading_csv(path) as rows:
            header = next(rows, [])
            missing = set(COLUMNS) - set(header)
            if missing:
                raise ArtifactError(
                    f"{path} must have the columns {', '.join(COLUMNS)}. Missing: {sorted(missing)}."
                )
            return [
                ManifestRow(
                    path=row["path"],
                    sha256=row["sha256"],
                    label=row["label"],
                    split=row["split"],
                    group=row["group"],
                    width=int(row["width"]),
                    height=int(row["height"]),
                    finding=row["finding"],
                )
                for row in (dict(zip(header, cells, strict=True)) for cells in rows)
            ]
    except FileNotFoundError as error:
        raise ArtifactError(
            f"The run must hold {path.name}. Received {path.parent}, which has none."
        ) from error


def fingerprint(data: Examples) -> str:
    """Hash of what a run learns from: every used image's or row's content, class and part.

    Two folders with the same pictures under the same class names have the same fingerprint, wherever they
    lie.
    """
    rows = manifest_rows(data)
    lines = sorted(f"{rows[i].sha256} {rows[i].label} {rows[i].split}" for i in data.rows().tolist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
