"""Writing files so that a reader never meets half of one, and reading JSON of a known schema.

Whatever mindle writes goes through `beside`: into a draft with the ending `.partial`, which gets the file's
name once it is whole. What the disk refuses is a `DeviceError` that says what to do.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mindle.artifacts.reading import DOCUMENT_LIMIT, SpecialFile, open_regular, parse_json, read_regular
from mindle.errors import ArtifactError, DeviceError
from mindle.text import cell, json_safe, spelled, uncell

PARTIAL = ".partial"
"""The ending of a file that is not whole yet."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Names of the system, which cannot be replaced.
_SYSTEM = ("/dev/", "/proc/")


@contextmanager
def explained(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the disk refuses while `path` is written into a DeviceError; not a reader that has left."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise refused(path, error) from error


def refused(path: str | os.PathLike[str], error: OSError) -> DeviceError:
    """The error of a file that could not be written."""
    step = "Make room on the disk, or choose another" if error.errno in _NO_ROOM else "Choose another"
    return DeviceError(
        f"{os.fspath(path)} must be a file that can be written ({error.strerror or error}). {step} "
        "folder, then give the same command again, with --resume where it has that. What was finished stays."
    )


def is_special(path: Path) -> bool:
    """Whether a path leads to a pipe, a terminal or another device, which is written as it is.

    Example:
        >>> is_special(Path(os.devnull)), is_special(Path("answers.csv"))
        (True, False)
    """
    if os.path.abspath(path).startswith(_SYSTEM):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def draft_of(path: Path) -> Path:
    """Where a file lies until it is whole; a link stays one, and what it leads to is replaced.

    Example:
        >>> draft_of(Path("answers.csv")).name
        'answers.csv.partial'
    """
    real = Path(os.path.realpath(path))
    return real.with_name(f"{real.name}{PARTIAL}")


@contextmanager
def beside(
    path: Path, *, shared: bool = False, draft: Path | None = None, durable: bool = True
) -> Iterator[Path]:
    """Inside the `with` block the file is written under the name that this gives; then it is renamed.

    Where the block fails, what was there before stays, and nothing is left beside it.

    Args:
        path: The file. A device or a pipe is given as it is.
        shared: Whether other processes may write it at the same time, as they may in the cache.
        draft: Another name to write under.
        durable: Whether it must be on the disk, whatever happens to the machine, before it has its name.

    Raises:
        DeviceError: If the disk refuses; what the block itself raises is left alone.
    """
    if is_special(path):
        yield path
        return
    with explained(path):
        real = Path(os.path.realpath(path))
        if real.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        written = draft or draft_of(path)
        if shared:
            written = written.with_name(f"{real.name}.{os.getpid()}{PARTIAL}")
        written.unlink(missing_ok=True)  # of a killed writer; what a link leads to is not ours
    try:
        yield written
        with explained(path):
            _rename(written, real, durable)
    except BaseException:
        with suppress(OSError):  # it may never have come to be
            written.unlink()
        raise


def _rename(draft: Path, real: Path, durable: bool) -> None:
    with suppress(OSError):  # who may read the old file may read the new one
        shutil.copymode(real, draft)
    if durable:
        with draft.open("rb") as file:
            os.fsync(file.fileno())
    os.replace(draft, real)


@contextmanager
def replacing(
    path: Path, *, shared: bool = False, draft: Path | None = None, durable: bool = True
) -> Iterator[Path]:
    """As `beside`, for a block that only writes: OSErrors in it are the disk's. Folders are made.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replacing(Path(folder, "a.txt")) as draft:
        ...         _ = draft.write_text("whole")
        ...     os.listdir(folder)
        ['a.txt']
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside(path, shared=shared, draft=draft, durable=durable) as written:
            yield written


def write_bytes(path: Path, data: bytes, *, shared: bool = False) -> None:
    """Write a file whole or not at all; see `beside` for the arguments.

    Raises:
        DeviceError: If the disk is full or the folder cannot be written.
    """
    with replacing(path, shared=shared) as draft:
        draft.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all; bytes in names that are no text become escapes."""
    write_bytes(path, text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").encode())


def write_json(path: Path, document: Mapping[str, Any], *, shared: bool = False) -> None:
    """Write a JSON document whole or not at all; NaN is refused because JSON has no such number."""
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    write_bytes(path, (json_safe(text) + "\n").encode(), shared=shared)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], *, raw: bool = False) -> None:
    """Write a CSV file whole or not at all, row by row; a text that a spreadsheet would run is made safe.

    Args:
        path: The file.
        header: Names of the columns.
        rows: Cells; None is an empty one.
        raw: Whether texts are left as they are.
    """
    with replacing(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(cells(header, raw=raw))
        writer.writerows(cells(row, raw=raw) for row in rows)


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write mappings by column name as a CSV file, whole or not at all; what a row lacks is empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_csv(path, columns, ([row.get(name) for name in columns] for row in rows))


def cells(row: Iterable[Any], *, raw: bool = False) -> list[Any]:
    """A row as it is written into a CSV file.

    Example:
        >>> cells(["=cat.jpg", 0.5, None]), cells(["=cat.jpg"], raw=True)
        (["'=cat.jpg", 0.5, None], ['=cat.jpg'])
    """
    return [_stored(value, raw) if isinstance(value, str) else value for value in row]


def _stored(text: str, raw: bool) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        text = spelled(text)
    return text if raw else cell(text)


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays as an .npz file whole or not at all."""
    import numpy as np

    with replacing(path) as draft, draft.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


@contextmanager
def reading_csv(path: Path) -> Iterator[Iterator[list[str]]]:
    """The rows of a CSV file that `write_csv` wrote, header first, as they were before."""
    try:
        file = open_regular(path)
    except (PermissionError, SpecialFile) as error:
        raise unreadable(path, error) from error
    with file, io.TextIOWrapper(file, encoding="utf-8", newline="") as lines:
        yield ([uncell(text) for text in row] for row in csv.reader(lines))


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file that `write_csv` or `write_rows` wrote, by column name; none of an absent file.

    Raises:
        ValueError: If a row has more cells than the header, or fewer.
        DeviceError: If the system refuses to read it.
    """
    if not exists(path):
        return []
    with reading_csv(path) as lines:
        header = next(lines, [])
        return [dict(zip(header, row, strict=True)) for row in lines]


def read_json(path: Path, *, schema: int, what: str) -> dict[str, Any]:
    """Read a JSON document that carries a schema number.

    Args:
        path: The file.
        schema: The newest schema this version understands.
        what: What the document is, for messages: "run", "bundle".

    Raises:
        ArtifactError: If it is missing, is not JSON, or was written by a newer mindle.
        DeviceError: If the system refuses to read it.
    """
    try:
        document = parse_json(read_regular(path, DOCUMENT_LIMIT))
    except FileNotFoundError as error:
        raise ArtifactError(
            f"A {what} must hold {path.name}. Received {path.parent}, which has none. "
            "`mindle runs` lists the finished runs below a folder."
        ) from error
    except (ValueError, SpecialFile, IsADirectoryError) as error:
        reason = first_words(error)
        raise ArtifactError(
            f"{path} must be readable JSON ({reason}). The {what} is damaged: copy it again or train again."
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error
    found = document.get("schema") if isinstance(document, dict) else None
    if type(found) is not int or found < 1:
        raise ArtifactError(
            f"{path} must carry a schema number. Received schema={found!r}. It is no {what} of mindle."
        )
    if found > schema:
        raise ArtifactError(
            f"This {what} uses schema {found}; this version of mindle reads up to {schema}. "
            "Upgrade mindle (`pip install -U mindle`) or write it again with the older version."
        )
    return dict(document)


def unreadable(path: Path, error: OSError) -> DeviceError:
    """What to say of a file that is there and that the system refuses to read."""
    return DeviceError(
        f"{path} must be a file that can be read. Received: {error.strerror or error}. Check its permissions "
        "and those of the folders around it."
    )


def exists(path: Path) -> bool:
    """Whether something is there.

    Raises:
        DeviceError: If the system does not say, as where the folder around it may not be entered.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise unreadable(path, error) from error
    return True


def cache_dir() -> Path:
    """The folder for what can be made again: `MINDLE_CACHE`, else the system's cache folder for mindle.

    Example:
        >>> cache_dir().is_absolute()
        True
    """
    import platformdirs

    chosen = os.environ.get("MINDLE_CACHE", "")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("mindle", appauthor=False))


def first_words(error: object) -> str:
    """What an error says, for use inside a sentence: on one line, at most 200 characters, no full stop.

    Example:
        >>> first_words(ValueError("No route to host."))
        'No route to host'
    """
    text = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
    return text.rstrip(".") if len(text) <= 200 else f"{text[:197]}..."


def sha256_of(path: Path, *, limit: int | None = None) -> str:
    """Hex SHA-256 of a file's bytes, read in pieces.

    Raises:
        ValueError: If it is empty or holds more bytes than the limit, where there is one.
        OSError: As `open_regular`.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if limit is not None and not 0 < size <= limit:
            raise ValueError(f"it must be a file of 1 to {limit:,} bytes, and has {size:,}")
        return hashlib.file_digest(file, "sha256").hexdigest()
