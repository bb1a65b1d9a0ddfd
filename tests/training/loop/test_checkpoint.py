"""Checkpoint files: whole or not there."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch

from mindle.errors import ArtifactError, DeviceError
from mindle.training.loop.checkpoint import read_checkpoint, write_checkpoint


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "fit.safetensors"
    tensors = {
        "a/b": torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        "n": torch.tensor(3),
    }
    write_checkpoint(path, tensors, {"progress": {"loss": 0.1 + 0.2, "best": float("inf")}})
    read, state = read_checkpoint(path)
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)
    assert state == {"progress": {"loss": 0.1 + 0.2, "best": float("inf")}}
    assert [file.name for file in path.parent.iterdir()] == ["fit.safetensors"]


def test_a_failed_write_leaves_the_old_state(tmp_path: Path) -> None:
    path = tmp_path / "fit.safetensors"
    write_checkpoint(path, {"a": torch.zeros(1)}, {})
    (tmp_path / "fit.safetensors.partial").mkdir()  # so that the new file cannot be written
    with pytest.raises(DeviceError, match="must be a file that can be written"):
        write_checkpoint(path, {"a": torch.ones(1)}, {})
    assert read_checkpoint(path)[0]["a"].item() == 0


def test_a_full_disk_is_told_with_the_next_step(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(DeviceError, match=r"Make room on the disk.*--resume"):
            write_checkpoint(tmp_path / "fit.safetensors", {"a": torch.zeros(10_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: b"", lambda data: b"x" * 100])
def test_a_damaged_file_is_said_to_be_one(spoil, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "fit.safetensors"
    write_checkpoint(path, {"a": torch.zeros(100)}, {})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ArtifactError, match="must be readable. Received.* Delete it to train from the start"):
        read_checkpoint(path)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fit.safetensors"
    write_checkpoint(path, {"a": torch.zeros(1)}, {"schema": 99})
    with pytest.raises(ArtifactError, match="must have schema 1"):
        read_checkpoint(path)
