"""A run says what it was made with."""

from __future__ import annotations

import sys

import numpy
import pytest

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
