"""Latency and memory for each batch size."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mindle.certification.latency import BATCHES, latency
from tests.certification.models import given


@pytest.mark.slow
def test_each_batch_size_has_its_times_and_memory(tmp_path: Path) -> None:
    opened, sample = given("shapes-0", tmp_path)
    found = latency(opened, sample, tmp_path / "shapes-0" / "bundle", seconds=1.0)
    assert [each["batch"] for each in found] == list(BATCHES)
    for each in found:
        assert 0 < each["p50"] <= each["p95"] <= each["p99"]
        assert each["calls"] >= 10
    memory = [each["memory_bytes"] for each in found]
    assert memory == sorted(memory)
    if sys.platform != "win32":
        assert memory[0] > 10_000_000


def test_memory_is_unknown_where_it_cannot_be_measured(tmp_path: Path) -> None:
    opened, sample = given("iris", tmp_path)
    found = latency(opened, sample, tmp_path / "elsewhere", seconds=0.0)
    assert [each["memory_bytes"] for each in found] == [0, 0, 0]
