"""Which device trains."""

from __future__ import annotations

import torch

from mindle.errors import DeviceError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str) -> torch.device:
    """Turn `--device` into a device that exists.

    Args:
        name: "auto" takes CUDA where there is one, then Apple's MPS, then the CPU.

    Raises:
        ValueError: If the name is none of these.
        DeviceError: If the named device is not there.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name not in DEVICES:
        raise ValueError(f"`device` must be one of {', '.join(DEVICES)}. Received device={name!r}.")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    if not there[name]:
        raise DeviceError(
            f"device={name!r} must be on this machine. PyTorch {torch.__version__} sees "
            f"{', '.join(kind for kind, here in there.items() if here)} only. Use --device auto, or install "
            "a build of "
            "PyTorch for your accelerator."
        )
    return torch.device(name)
