"""Every error of the tree has the exit code that the manual promises."""

from __future__ import annotations

import pytest

from mindle.errors import ArtifactError, DataError, DeviceError, MindleError, ModelError


@pytest.mark.parametrize(
    ("kind", "code"), [(DataError, 3), (ModelError, 4), (ArtifactError, 4), (DeviceError, 5)]
)
def test_exit_codes(kind: type[MindleError], code: int) -> None:
    assert kind.exit_code == code


def test_what_the_world_got_wrong_is_no_wrong_argument() -> None:
    kinds = (DataError, ModelError, ArtifactError, DeviceError)
    assert all(
        issubclass(kind, MindleError) and not issubclass(kind, ValueError | TypeError) for kind in kinds
    )
