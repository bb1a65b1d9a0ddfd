"""Reading what others may have written: only regular files, never more than a limit, JSON within bounds."""

from __future__ import annotations

import json
import os
import stat
from io import BufferedReader
from typing import Any, NoReturn

DOCUMENT_LIMIT = 32 << 20
"""Bytes of a JSON document that are read; the metrics of 1,000 classes take a quarter of it."""

GRAPH_LIMIT = (2 << 30) - 1
"""Bytes of a graph that are read: protocol buffers hold no more."""

DEPTH_LIMIT = 64
"""How deep a JSON document may be nested; those of mindle are nested less than ten deep."""


class SpecialFile(OSError):
    """A pipe, a device or a socket, which may never end or wait for ever; it was not opened."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(None, "not a regular file but a pipe, a device or a socket", os.fspath(path))


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a file for reading, unless it is no regular file behind its links.

    Raises:
        SpecialFile: If it is a pipe, a device or a socket.
        OSError: As `open`.

    Example:
        >>> open_regular("/dev/null")
        Traceback (most recent call last):
        ...
        mindle.artifacts.reading.SpecialFile: ...
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise SpecialFile(path)
    return open(path, "rb")


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of a regular file.

    Raises:
        SpecialFile: If it is a pipe, a device or a socket.
        ValueError: If it holds more than `limit` bytes, or none: files of the system that claim to be empty,
            such as /proc/kmsg, may wait for ever.
        OSError: As `open`.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1) if 0 < size <= limit else b""  # room for what is there, not for the limit
        data += file.read(limit + 1 - len(data)) if len(data) > size else b""
    if not data or len(data) > limit:
        raise ValueError(f"it must hold 1 to {limit:,} bytes, and holds {max(size, len(data)):,}")
    return data


def parse_json(data: bytes) -> Any:
    """A JSON document, within bounds: UTF-8, no NaN, no endless nesting, no half characters.

    Raises:
        ValueError: If it is none.

    Example:
        >>> parse_json(b'{"schema": 1}')
        {'schema': 1}
    """
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_no_number)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEPTH_LIMIT} deep") from None
    level = [document]
    for _ in range(DEPTH_LIMIT):
        level = [child for each in level for child in _children(each) if isinstance(child, dict | list)]
    if level:
        raise ValueError(f"it is nested more than {DEPTH_LIMIT} deep")
    if b"\\u" in data:
        # Half a character is no text, unless it stands for a byte of a file's name.
        json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return document


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _children(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
