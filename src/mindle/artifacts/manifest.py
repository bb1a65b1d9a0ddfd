"""The manifest: one row for every regular file below the data, or every row of a table, used or not.

It is a CSV of `path, sha256, label, split, group, width, height, finding`: paths are relative, NFC, with
forward slashes; `split` is empty and `finding` says why for a file that was set aside.
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass
from pathlib import Path

from mindle.artifacts.files import reading_csv, write_csv
from mindle.errors import ArtifactError
from mindle.records import Dataset, Table

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


def manifest_rows(data: Dataset | Table) -> list[ManifestRow]:
    """The rows of data that have been checked and split; of a table one for each of its rows."""
    return _table_rows(data) if isinstance(data, Table) else _file_rows(data)


def _table_rows(table: Table) -> list[ManifestRow]:
    unknown = ("",) * len(table)
    labels = _labels(table)
    return [
        ManifestRow(
            path=f"row {number}",
            sha256=(table.sha256 or unknown)[i],
            label=labels[i],
            split=(table.parts or unknown)[i],
            group=(table.groups or unknown)[i],
            width=0,
            height=0,
            finding=(table.set_aside or unknown)[i],
        )
        for i, number in enumerate(table.rows_from)
    ]


def _labels(data: Dataset | Table) -> list[str]:
    """The class of each row, or its number; "" where it has none."""
    if data.task == "regression":
        return ["" if target != target else f"{target:.17g}" for target in data.targets.tolist()]
    return [data.classes[label] if label >= 0 else "" for label in data.labels.tolist()]


def _file_rows(dataset: Dataset) -> list[ManifestRow]:
    unknown = ("",) * len(dataset)
    labels = _labels(dataset)
    return [
        ManifestRow(
            path=path,
            sha256=(dataset.sha256 or unknown)[i],
            label=labels[i],
            split=(dataset.parts or unknown)[i],
            group=dataset.groups[i],
            width=int(dataset.widths[i]) if len(dataset.widths) else 0,
            height=int(dataset.heights[i]) if len(dataset.heights) else 0,
            finding=dataset.set_aside[i],
        )
        for i, path in enumerate(dataset.paths)
    ]


def write_manifest(path: Path, data: Dataset | Table) -> None:
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


def fingerprint(data: Dataset | Table) -> str:
    """Hash of what a run learns from: every used image's or row's content, class and part.

    Two folders with the same pictures under the same class names have the same fingerprint, wherever they
    lie.
    """
    rows = manifest_rows(data)
    lines = sorted(f"{rows[i].sha256} {rows[i].label} {rows[i].split}" for i in data.rows().tolist())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
