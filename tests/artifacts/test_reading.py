"""Only regular files are opened, never more than a limit is read, and JSON stays within bounds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mindle.artifacts.reading import DEPTH_LIMIT, SpecialFile, open_regular, parse_json, read_regular


def test_pipes_and_devices_are_not_opened_behind_any_number_of_links(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "again").symlink_to("link")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "link", "again", "zero"):
        with pytest.raises(SpecialFile, match="not a regular file"):
            open_regular(tmp_path / name)


def test_files_are_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert read_regular(tmp_path / "file", 3) == b"abc"
    with pytest.raises(ValueError, match="it must hold 1 to 2 bytes, and holds 3"):
        read_regular(tmp_path / "file", 2)


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs the files that Linux makes up")
def test_files_that_claim_to_be_empty_are_not_read() -> None:
    with pytest.raises(ValueError, match="holds 0"):
        read_regular("/proc/version", 100)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a":' * 200_000,
        b"[" * (DEPTH_LIMIT + 2) + b"]" * (DEPTH_LIMIT + 2),
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a": "\\ud800"}',
        b'{"\\ud800": 1}',
        b"\xff\xfe{}",
        b"",
    ],
    ids=range(10),
)
def test_json_beyond_bounds_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(data)


def test_whole_characters_and_nesting_within_bounds_pass() -> None:
    nested = b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT
    assert parse_json(nested)
    assert parse_json(b'["\\ud83c\\udf39"]') == ["\N{ROSE}"]
