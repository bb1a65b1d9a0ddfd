"""A run says what it was made with."""

from __future__ import annotations

import numpy

from mindle.artifacts.environment import hardware, libraries


def test_versions_are_those_installed() -> None:
    assert libraries()["numpy"] == numpy.__version__


def test_the_machine_is_described() -> None:
    described = hardware()
    assert described["cores"] >= 1
    assert all(described.values())
