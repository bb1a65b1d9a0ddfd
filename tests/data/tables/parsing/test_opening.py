"""Files that may hold a table: only regular ones, packed or not; what is none is said to be what it is."""

from __future__ import annotations

import bz2
import gzip
import os
import socket
from pathlib import Path

import pytest

from mindle.data.tables.parsing.opening import (
    encoding_of,
    is_parquet,
    is_text,
    is_workbook,
    open_bytes,
    require_regular,
)
from mindle.errors import DataError

TEXT = b"a,b\n1,2\n3,4\n"


def write(folder: Path, content: bytes, name: str = "table.csv") -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_packed_files_are_read_under_any_name(tmp_path: Path, pack: type) -> None:
    file = write(tmp_path, pack(TEXT))
    assert encoding_of(file) == "utf-8"
    with open_bytes(file) as stream:
        assert stream.read() == TEXT


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=r"pipe.csv.*which is a pipe. Save its content"):
        encoding_of(tmp_path / "pipe.csv")


def test_nor_are_devices_sockets_and_links_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="a device"):
        open_bytes(tmp_path / "zero.csv")
    monkeypatch.chdir(tmp_path)  # names of sockets must be short
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("socket")
        with pytest.raises(DataError, match="a socket"):
            is_parquet(Path("socket"))
    with pytest.raises(DataError, match="a folder"):
        require_regular(tmp_path)
    with pytest.raises(DataError, match=r"gone.*No such file"):
        require_regular(tmp_path / "gone")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\3\4" + b"\0" * 26 + b"xl/workbook.xml", "an Excel workbook. Save the sheet as CSV"),
        (b"PK\3\4" + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "OpenDocument"),
        (b"PK\3\4" + bytes(99), "an Excel workbook or another archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "an Excel workbook of the old kind"),
        (b"SQLite format 3\0" + bytes(99), "an SQLite database"),
        (b"ARROW1" + bytes(99), "Feather"),
        (b"\xfd7zXZ\0" + bytes(99), "packed with xz. Unpack it first"),
        (b"%PDF-1.4\n", "a PDF"),
        (b"\x89PNG\r\n", "a picture"),
        (b"<!DOCTYPE html>\n<html>", "a web page"),
        (b'[\n {"a": 1, "b": 2}\n]', "JSON"),
        (b'{"a": 1}\n{"a": 2}\n', "JSON"),
        (b"% a comment\n\n@RELATION t\n@attribute a numeric\n@data\n1\n", "an ARFF file"),
        (bytes(257) + b"ustar" + bytes(99), "a tar archive"),
        (bytes(range(256)) * 20, "other content. A table is text such as CSV"),
        (b"\xef\xbb\xbfa,b\n\xff\xfe\n", "not UTF-8 throughout"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    file = write(tmp_path, content)
    with pytest.raises(DataError, match=rf"table.csv.*{what}"):
        encoding_of(file)
    assert not is_text(file)
    with pytest.raises(DataError, match=what):
        encoding_of(write(tmp_path, gzip.compress(content)))


def test_utf16_with_an_odd_byte_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"table.csv.*not UTF-16.* throughout"):
        encoding_of(write(tmp_path, TEXT.decode().encode("utf-16") + b"x"))


def test_a_damaged_packed_file_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(os.urandom(5000))
    for content in (packed[:-9], packed[:600] + b"xx" + packed[602:], b"BZh9" + bytes(99)):
        with pytest.raises(DataError, match="must be whole"):
            encoding_of(write(tmp_path, content))


def test_workbooks_and_parquet_are_told_by_content(tmp_path: Path) -> None:
    assert is_workbook(write(tmp_path, b"PK\3\4" + b"\0" * 26 + b"xl/workbook.xml"))
    assert not is_workbook(write(tmp_path, TEXT))
    assert is_parquet(write(tmp_path, b"PAR1" + bytes(9)))
    assert not is_parquet(write(tmp_path, TEXT))
