"""Arrays are checked by their headers, before they are read."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindle.artifacts.arrays import Slot, read_arrays
from mindle.errors import ArtifactError

SLOTS = {"pixels": Slot("u1", (None, 4)), "answers": Slot("f", (None, 2)), "more": Slot("f8", (None,), True)}
GOOD: dict[str, Any] = {"pixels": np.ones((3, 4), np.uint8), "answers": np.ones((3, 2), np.float32)}


def read(file: Path, limit: int = 10_000) -> dict[str, Any]:
    return read_arrays(file, SLOTS, limit=limit)


def test_arrays_come_back(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", **GOOD)
    found = read(tmp_path / "a.npz")
    assert {name: array.shape for name, array in found.items()} == {"pixels": (3, 4), "answers": (3, 2)}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pixels": GOOD["pixels"]}, "must hold pixels, answers, more, and holds pixels"),
        (GOOD | {"other": np.ones(3)}, "and holds pixels, answers, other"),
        (GOOD | {"pixels": np.ones((3, 5), np.uint8)}, r"pixels must be u1 \(any, 4\), and is u1 \(3, 5\)"),
        (GOOD | {"pixels": np.ones((3, 4))}, r"pixels must be u1 \(any, 4\), and is f8 \(3, 4\)"),
        (GOOD | {"answers": np.ones(2)}, r"answers must be f \(any, 2\), and is f8 \(2\)"),
        (GOOD | {"answers": np.array([[{}, 1]], object)}, "answers must be f"),
        (GOOD | {"more": np.ones(2000)}, "its arrays may take 10,000 bytes together, and take more"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ArtifactError, match=message):
        read(tmp_path / "a.npz")


def test_a_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    """3 GB of zeros pack into 3 MB; here the header promises them, and not a byte of them is unpacked."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (2**30, 4)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("pixels.npy", header.getvalue())
        archive.writestr("answers.npy", b"")
    with pytest.raises(ArtifactError, match="may take 10,000 bytes"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize("data", [b"", b"PK", b"junk" * 100, b"PK\x03\x04" + b"\0" * 60], ids=range(4))
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ArtifactError, match="must hold the arrays"):
        read(tmp_path / "a.npz")


def test_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(ArtifactError, match="not a regular file"):
        read(tmp_path / "a.npz")
