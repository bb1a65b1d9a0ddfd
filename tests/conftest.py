"""Fixtures that every room's tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights beside the checkout; the test is skipped where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the data and weights in {SHARED}, which strangers do not have")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """A shell that runs the tests in the background ignores Ctrl-C for them; here it must arrive."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep every test away from the cache and the weights of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINDLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MINDLE_WEIGHTS", raising=False)
        patch.setenv("MINDLE_ENGINE", "onnxruntime")  # what a trial finds depends on the clock
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for one test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("MINDLE_CACHE", str(folder))
    return folder
