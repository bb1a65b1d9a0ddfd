"""The manifest: one row for every regular file below the data, used or not.

It is a CSV of `path, sha256, label, split, group, width, height, finding`: paths are relative, NFC, with
forward slashes; `split` is empty and `finding` says why for a file that was set aside.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from mindle.artifacts.files import write_text
from mindle.errors import ArtifactError
from mindle.records import Dataset

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


def manifest_rows(dataset: Dataset) -> list[ManifestRow]:
    """The rows of a dataset that has been checked and split."""
    unknown = ("",) * len(dataset)
    return [
        ManifestRow(
            path=path,
            sha256=(dataset.sha256 or unknown)[i],
            label=dataset.classes[dataset.labels[i]] if dataset.labels[i] >= 0 else "",
            split=(dataset.parts or unknown)[i],
            group=dataset.groups[i],
            width=int(dataset.widths[i]) if len(dataset.widths) else 0,
            height=int(dataset.heights[i]) if len(dataset.heights) else 0,
            finding=dataset.set_aside[i],
        )
        for i, path in enumerate(dataset.paths)
    ]


def write_manifest(path: Path, dataset: Dataset) -> None:
    """Write the manifest of a dataset, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in manifest_rows(dataset):
        writer.writerow([getattr(row, column) for column in COLUMNS])
    write_text(path, text.getvalue())


def read_manifest(path: Path) -> list[ManifestRow]:
    """Read a manifest back.

    Raises:
        ArtifactError: If it is missing or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = set(COLUMNS) - set(reader.fieldnames or ())
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
                for row in reader
            ]
    except FileNotFoundError as error:
        raise ArtifactError(
            f"The run must hold {path.name}. Received {path.parent}, which has none."
        ) from error


def fingerprint(dataset: Dataset) -> str:
    """Hash of what a run learns from: every used image's content, class and part, whatever its place on disk.

    Two folders with the same pictures under the same class names have the same fingerprint.
    """
    lines = sorted(
        f"{dataset.sha256[i]} {dataset.classes[dataset.labels[i]]} {dataset.parts[i]}"
        for i in dataset.rows().tolist()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
