"""The index of a prepared folder: `prepared.json`, beside the splits that `mindle prepare` laid out.

Folders alone forget the order of the images and of the classes, groups, and names that no file system
takes. The index keeps them, so that reading the folder back gives the run that the original would give.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mindle.artifacts.files import read_json, write_json
from mindle.artifacts.typed import read_record
from mindle.errors import ArtifactError

SCHEMA = 1
INDEX = "prepared.json"
KIND = "prepared split"
FINISHED, RUNNING = "finished", "running"


@dataclass(frozen=True, kw_only=True)
class PreparedFile:
    """One image of a prepared folder.

    Attributes:
        path: Where it lies below the folder, with forward slashes.
        original: What the source called it.
        group: Images of one group are related; "" where it has none.
    """

    path: str
    original: str
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class PreparedIndex:
    """What a prepared folder says of itself.

    Attributes:
        state: "running" until everything is written, then "finished".
        settings: What decides how the folder looks; another call may go on only with the same.
        folders: Folder of each class, in the order of the classes.
        files: Every image, in the order of the source.
        failed: Images that could not be laid out, and why.
    """

    state: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    folders: Mapping[str, str]
    files: tuple[PreparedFile, ...]
    failed: Mapping[str, str]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in their order."""
        return tuple(self.folders)

    @property
    def class_of(self) -> dict[str, str]:
        """Class name of each folder."""
        return {folder: name for name, folder in self.folders.items()}


def write_index(folder: Path, index: PreparedIndex) -> None:
    """Write prepared.json, whole or not at all."""
    write_json(folder / INDEX, {"schema": SCHEMA, "kind": KIND, **asdict(index)})


def read_index(folder: Path) -> PreparedIndex | None:
    """The index of a folder, or None where it has none of ours: people may call a file so, too.

    Raises:
        ArtifactError: If it was written by a newer mindle, or is damaged.

    Example:
        >>> read_index(Path("no such folder")) is None
        True
    """
    try:
        document = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        return None
    document = read_json(folder / INDEX, schema=SCHEMA, what="prepared folder")
    try:
        known = [field.name for field in fields(PreparedIndex)]
        return read_record(PreparedIndex, {name: document[name] for name in known if name in document}, INDEX)
    except ValueError as error:
        raise ArtifactError(
            f"{folder / INDEX} must be a whole index; {error} Remove it to read the folder by its names "
            "alone, or prepare the data again."
        ) from error
