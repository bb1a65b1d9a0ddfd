"""Writing files so that a reader never meets half of one, and reading JSON of a known schema."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mindle.errors import ArtifactError, DeviceError


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: to a temporary name beside it, then renamed.

    Raises:
        DeviceError: If the disk is full or the folder cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):  # the draft may never have come to be
            draft.unlink()
        raise DeviceError(
            f"{path} could not be written ({error.strerror or error}). Nothing that was there is lost. Free "
            "some space "
            "or choose another folder with --out, then run the same command with --resume."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document whole or not at all; NaN is refused because JSON has no such number."""
    write_text(path, json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def read_json(path: Path, *, schema: int, what: str) -> dict[str, Any]:
    """Read a JSON document that carries a schema number.

    Args:
        path: The file.
        schema: The newest schema this version understands.
        what: What the document is, for messages: "run", "bundle".

    Raises:
        ArtifactError: If it is missing, is not JSON, or was written by a newer mindle.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(
            f"A {what} must hold {path.name}. Received {path.parent}, which has none. "
            "`mindle runs` lists the finished runs below a folder."
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArtifactError(
            f"{path} must be readable JSON ({error}). The {what} is damaged: copy it again or train again."
        ) from error
    found = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(found, int) or found < 1:
        raise ArtifactError(
            f"{path} must carry a schema number. Received schema={found!r}. It is no {what} of mindle."
        )
    if found > schema:
        raise ArtifactError(
            f"This {what} uses schema {found}; this version of mindle reads up to {schema}. "
            "Upgrade mindle (`pip install -U mindle`) or write it again with the older version."
        )
    return dict(document)


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
