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
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from mindle.errors import DataError

ENCODINGS = ("utf-8", "cp949", "cp1252")
"""Tried in this order where no byte-order mark says more; CP949 holds all of EUC-KR."""

KINDS_HELP = "A table is text such as CSV or TSV under any name, also packed with gzip or bzip2, or Parquet."

BLOCK_BYTES = 1 << 20
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LENIENT = ("cp949", "cp1252")  # read nearly any bytes
_CONTROLS = [chr(code) for code in (*range(9), *range(14, 26))]
_UNPACKED_BYTES, _UNPACKED_TIMES = 1 << 30, 100  # a packed file that becomes larger than both is refused

_SHEET = "Save the sheet as CSV in UTF-8."
_AS_CSV = "Save it as CSV in UTF-8."
_UNPACK = "Unpack it first."
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook of the old kind", _SHEET),
    (b"ARROW1", "an Arrow or Feather file", _AS_CSV),
    (b"FEA1", "a Feather file", _AS_CSV),
    (b"ORC", "an ORC file", _AS_CSV),
    (b"SQLite format 3\0", "an SQLite database", "Save the table as CSV in UTF-8."),
    (b"\x89HDF\r\n", "an HDF5 file", _AS_CSV),
    (b"\x93NUMPY", "a NumPy array", _AS_CSV),
    (b"$FL2", "an SPSS file", _AS_CSV),
    (b"<stata_dta>", "a Stata file", _AS_CSV),
    (b"\xfd7zXZ\0", "packed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"%PDF-", "a PDF document", "Save its table as CSV in UTF-8."),
    (b"\x89PNG", "a picture", _AS_CSV),
    (b"\xff\xd8\xff", "a picture", _AS_CSV),
    (b"GIF8", "a picture", _AS_CSV),
)


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
        what = next((name for is_one, name in _SPECIAL if is_one(mode)), "no regular file")
        advice = "Name a file." if stat.S_ISDIR(mode) else "Save its content as a file first."
        raise DataError(
            f"A table must be readable as a file. Received {str(file)!r}, which is {what}. {advice}"
        )


_SPECIAL = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


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
    """The codec that reads all of a file, told from a byte-order mark or by trying.

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
        for encoding in (_wide(start), *ENCODINGS):
            if encoding and _decodes(file, encoding):
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
        start = stream.read(BLOCK_BYTES)
    return _archived(start).startswith("an Excel") or start.startswith(_OTHERS[0][0])


def _refuse_others(file: Path, start: bytes) -> None:
    found = next(((what, advice) for mark, what, advice in _OTHERS if start.startswith(mark)), None)
    if start.startswith(b"PK\3\4"):
        found = _archived(start), _SHEET
    elif start[257:262] == b"ustar":
        found = "a tar archive", _UNPACK
    elif start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        found = "a picture", _AS_CSV
    elif (text := _plain(start)) and text.startswith(_WEB_PAGE):
        found = "a web page", "Download the file itself, such as its raw form."
    elif text and text.startswith(_JSON):
        found = "JSON", _AS_CSV
    elif _is_arff(start):
        found = "an ARFF file", _AS_CSV
    if found:
        what, advice = found
        raise DataError(
            f"A table must be text, such as CSV, or Parquet. Received {str(file)!r}, which is {what}. "
            f"{advice}"
        )


_WEB_PAGE = ("<!doctypehtml", "<html")
_JSON = ('{"', '[{"', "[[")


def _is_arff(start: bytes) -> bool:
    """Whether the first line that is no comment names a relation."""
    lines = map(bytes.strip, io.BytesIO(start))
    first = next((line for line in lines if line and not line.startswith(b"%")), b"")
    return first[:10].lower() in (b"@relation ", b"@relation\t")


def _plain(start: bytes) -> str:
    """The first letters of a text, small and without blanks."""
    return "".join(start[:200].decode("latin-1").removeprefix("\u00ef\u00bb\u00bf").lower().split())


def _archived(start: bytes) -> str:
    if not start.startswith(b"PK\3\4"):
        return ""
    if b"xl/" in start:
        return "an Excel workbook"
    if b"opendocument.spreadsheet" in start[:200]:
        return "a spreadsheet of OpenDocument"
    return "an Excel workbook or another archive"


def _wide(start: bytes) -> str:
    """UTF-16 without a mark: in Latin text every other byte is 0."""
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if 4 * start[offset::2].count(0) > len(start) > 1 and not start[1 - offset :: 2].count(0):
            return encoding
    return ""


def _decodes(file: Path, encoding: str) -> bool:
    try:
        return _decode(file, encoding)
    except UnicodeDecodeError:
        return False


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
