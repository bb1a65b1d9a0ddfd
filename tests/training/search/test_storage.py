"""Storages that cannot be opened are named, and passwords are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindle.errors import DeviceError
from mindle.training.search.storage import open_storage, without_password


@pytest.mark.parametrize(
    ("url", "error", "sentence"),
    [
        ("nonsense", ValueError, "must be the URL of a database"),
        ("postgresql://nobody@127.0.0.1:1/none", DeviceError, "must be one that can be opened"),
        ("mysql+pymysql://nobody@127.0.0.1:1/none", DeviceError, "needs its driver"),
    ],
)
def test_a_storage_that_is_not_there_is_said(
    url: str, error: type[Exception], sentence: str, cache: Path
) -> None:
    with pytest.raises(error, match=sentence):
        open_storage(url)


def test_passwords_stay_without_password() -> None:
    assert "secret" not in without_password("postgresql://me:secret@here/base")


def test_only_a_storage_that_others_can_reach_has_a_heartbeat(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path / 'search.db'}")
    assert storage.get_heartbeat_interval() is None
    storage.engine.dispose()
