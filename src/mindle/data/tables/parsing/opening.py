"""Opening a file that may hold a table: nothing but regular files, packed or not, and what their bytes are.

Content decides, never a file's ending.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import os
import stat
import tomllib
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from mindle.errors import DataError

ENCODINGS = ("utf-8", "cp949", "cp1252")
"""Tried in this order where no byte-order mark says more; CP949 holds all of EUC-KR."""

KINDS_HELP = "A table is text such as CSV or TSV under any name, also packed with gzip or bzip2, or Parquet."

BLOCK_BYTES = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LENIENT = ("cp949", "cp1252")  # read nearly any bytes
_CONTROLS = [chr(code) for code in (*range(9), *range(14, 26))]
_UNPACKED_BYTES, _UNPACKED_TIMES = 1 << 30, 100  # a packed file that becomes larger than both is refused

_KNOWN: dict[str, Any] = tomllib.loads(Path(__file__).with_name("formats.toml").read_text(encoding="utf-8"))
_AS_CSV: str = _KNOWN["advice"]["csv"]


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn what the system or the content of a file refuses into a sentence that names the file.

    Raises:
        DataError: In place of an error of the system, of packing, or of an encoding.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(
            f"A table must be text in one encoding. Received {str(file)!r}, which is not "
            f"{error.encoding.upper()} throughout ({error.reason}). {_AS_CSV}"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.strerror:
            raise DataError(
                f"A table must be readable. Received {str(file)!r} ({error.strerror}). Check its permissions."
            ) from error
        raise DataError(
            f"A packed table must be whole. Received {str(file)!r}, which cannot be unpacked ({error}). Copy "
            "or pack it again."
        ) from error


def require_regular(file: Path) -> None:
    """Refuse what is no regular file, before it is opened: a pipe or a device may be read for ever.

    Raises:
        DataError: Naming what it is.

    Example:
        >>> require_regular(Path("."))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        mindle.errors.DataError: A table must be readable as a file. Received '.', which is a folder...
    """
    with reading(file):
        mode = os.stat(file).st_mode
    if not stat.S_ISREG(mode):
        what = _SPECIAL.get(stat.S_IFMT(mode), "no regular file")
        advice = "Name a file." if stat.S_ISDIR(mode) else "Save its content as a file first."
        raise DataError(
            f"A table must be readable as a file. Received {str(file)!r}, which is {what}. {advice}"
        )


_SPECIAL = {
    **{stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"},
    **{stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"},
}


def open_bytes(file: Path) -> BinaryIO:
    """A regular file opened for reading, unpacked on the way where gzip or bzip2 packed it.

    Raises:
        DataError: If it is no regular file.
    """
    require_regular(file)
    with file.open("rb") as stream:
        start = stream.read(3)
    if start.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.open(file, "rb"))
    return cast(BinaryIO, bz2.open(file, "rb")) if start == b"BZh" else file.open("rb")


def is_parquet(file: Path) -> bool:
    """Whether a regular file starts as Parquet does.

    Raises:
        DataError: If it cannot be read.
    """
    require_regular(file)
    with reading(file), file.open("rb") as stream:
        return stream.read(4) == b"PAR1"


def encoding_of(file: Path) -> str:
    """The codec that reads all of a file, found by a byte-order mark or by trying.

    Raises:
        DataError: If the file cannot be read, or is no text.
    """
    with reading(file):
        with open_bytes(file) as stream:
            start = stream.read(BLOCK_BYTES)
        _refuse_others(file, start)
        marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), "")
        if marked:
            _decode(file, marked)
            return marked
        for encoding in filter(None, (_wide(start), *ENCODINGS)):
            with suppress(UnicodeDecodeError):
                if _decode(file, encoding):
                    return encoding
    raise DataError(
        f"A table must be text in UTF-8, UTF-16, CP949 or CP1252. Received {str(file)!r} with other content. "
        f"{KINDS_HELP}"
    )


def is_text(file: Path) -> bool:
    """Whether a file is a regular one that holds text which may be a table.

    Example:
        >>> is_text(Path("."))
        False
    """
    try:
        return bool(encoding_of(file))
    except DataError:
        return False


def is_workbook(file: Path) -> bool:
    """Whether a file is a spreadsheet, which holds a table that is not read here."""
    with reading(file), open_bytes(file) as stream:
        return "Excel" in _other_format(stream.read(BLOCK_BYTES)).get("what", "")


def _refuse_others(file: Path, start: bytes) -> None:
    found = _other_format(start)
    if found:
        advice = _KNOWN["advice"][found.get("advice", "csv")]
        raise DataError(
            f"A table must be text, such as CSV, or Parquet. Received {str(file)!r}, which is "
            f"{found['what']}. {advice}"
        )


def _other_format(start: bytes) -> Mapping[str, Any]:
    """The entry of `formats.toml` that the beginning of a file fits; an empty one where none does."""
    bom = "\u00ef\u00bb\u00bf"  # of UTF-8
    plain = "".join(start[:200].decode("latin-1").removeprefix(bom).lower().split()).encode("latin-1")
    for entry in _KNOWN["format"]:
        begun = plain if entry.get("plain") else start[entry.get("at", 0) :]
        mark, inside = (entry.get(name, "").encode("latin-1") for name in ("mark", "inside"))
        if begun.startswith(mark) and inside in start:
            return dict(entry)
    return {"what": "an ARFF file"} if _is_arff(start) else {}


def _is_arff(start: bytes) -> bool:
    """Whether the first line that is no comment names a relation."""
    lines = map(bytes.strip, io.BytesIO(start))
    first = next((line for line in lines if line and not line.startswith(b"%")), b"")
    return first[:10].lower() in (b"@relation ", b"@relation\t")


def _wide(start: bytes) -> str:
    """UTF-16 without a mark: in Latin text every other byte is 0."""
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if 4 * start[offset::2].count(0) > len(start) > 1 and not start[1 - offset :: 2].count(0):
            return encoding
    return ""


def _decode(file: Path, encoding: str) -> bool:
    """Decode all of a file; whether it looks like text, in an encoding that reads nearly any bytes."""
    decoder = codecs.getincrementaldecoder(encoding)()
    most = max(_UNPACKED_BYTES, _UNPACKED_TIMES * file.stat().st_size)
    with open_bytes(file) as stream:
        while True:
            block = stream.read(BLOCK_BYTES)
            text = decoder.decode(block, final=not block)
            if encoding in _LENIENT and any(control in text for control in _CONTROLS):
                return False
            if not block:
                return True
            most -= len(block)
            if most < 0:
                raise DataError(
                    f"A packed table must have at most {_UNPACKED_TIMES} times its size. Received "
                    f"{str(file)!r}, which unpacks to more. Unpack it first."
                )
