"""Which device trains."""

from __future__ import annotations

import pytest
import torch

from mindle.errors import DeviceError
from mindle.training.device import choose_device


def test_auto_takes_what_is_there() -> None:
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_an_absent_device_is_the_machines_fault() -> None:
    with pytest.raises(DeviceError, match="sees .*cpu only"):
        choose_device("cuda")


def test_an_unknown_device_is_a_wrong_argument() -> None:
    with pytest.raises(ValueError, match="auto, cpu, cuda, mps"):
        choose_device("tpu")
