"""A run says what it was made with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy
import pytest

from mindle.artifacts import environment
from mindle.artifacts.environment import (
    hardware,
    libraries,
    peak_memory_bytes,
    reset_peak_memory,
)


def test_versions_are_those_installed() -> None:
    assert libraries()["numpy"] == numpy.__version__


def test_the_machine_is_described() -> None:
    described = hardware()
    assert described["cores"] >= 1
    assert all(described.values())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can begin to count anew")
def test_peak_memory_counts_from_the_reset() -> None:
    block = numpy.ones(60_000_000, numpy.uint8)
    block[::4096] = 2
    with_block = peak_memory_bytes()
    del block
    reset_peak_memory()
    if peak_memory_bytes() < with_block - 40_000_000:  # some containers refuse the reset
        another = numpy.ones(60_000_000, numpy.uint8)
        assert peak_memory_bytes() >= with_block - 20_000_000
        del another
    assert peak_memory_bytes() > 1_000_000


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({}, 8),
        ({".": "max 100000"}, 8),
        ({"a/b": "150000 100000"}, 2),
        ({"a": "50000 100000"}, 1),
        ({"a": "x"}, 8),
    ],
)
def test_cores_are_those_that_a_container_grants(
    limits: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "groups" / "a" / "b").mkdir(parents=True)
    (tmp_path / "own").write_text("0::/a/b\n")
    for group, limit in limits.items():
        (tmp_path / "groups" / group / "cpu.max").write_text(limit)
    monkeypatch.setattr(environment, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(environment, "_OWN_GROUP", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert environment.usable_cores() == cores
