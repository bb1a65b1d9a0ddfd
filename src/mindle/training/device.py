"""Which device trains, and how numbers get there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mindle.errors import DeviceError

DEVICES = ("auto", "cpu", "cuda", "mps")
# The share of a card's free memory that images may take, and how many bytes go there at a time.
RESIDENT_SHARE, COPY_BYTES = 0.3, 64 << 20


class PixelRows(Protocol):
    """Images as `mindle.data.images.pixels` gives them: an array of uint8 does too."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[np.uint8]: ...


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


def free_bytes(device: torch.device) -> int:
    """Memory that a CUDA card has free; 0 for every other device, whose images stay where they are.

    Example:
        >>> free_bytes(torch.device("cpu"))
        0
    """
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


def resident(images: PixelRows, device: torch.device, free: int) -> Tensor | None:
    """All images on the device, as they are; None where they would take too much of its free bytes.

    Shapes: uint8 (image, height, width, channel).

    Example:
        >>> images = np.zeros((10, 4, 4, 1), np.uint8)
        >>> resident(images, torch.device("cpu"), free=10_000).shape
        torch.Size([10, 4, 4, 1])
        >>> resident(images, torch.device("cpu"), free=500) is None
        True
    """
    if not (free and len(images)):
        return None
    shape = images[np.zeros(1, np.int64)].shape[1:]
    image_bytes = math.prod(shape)
    if len(images) * image_bytes > RESIDENT_SHARE * free:
        return None
    held = torch.empty((len(images), *shape), dtype=torch.uint8, device=device)
    lot = max(1, COPY_BYTES // image_bytes)
    for start in range(0, len(images), lot):
        rows = np.arange(start, min(start + lot, len(images)))
        held[start : start + lot].copy_(torch.from_numpy(images[rows]))
    return held


def place(values: Tensor | NDArray[Any], device: torch.device) -> Tensor:
    """Numbers on the device. A CUDA card copies them while the processor goes on.

    A copy from ordinary memory waits for all work that the card was given before; from page-locked memory it
    queues behind that work. The allocator of such memory gives a block out again once its copy is over.

    Source: PyTorch, "A guide on good usage of non_blocking and pin_memory()".

    Example:
        >>> place(np.arange(3), torch.device("cpu")).tolist()
        [0, 1, 2]
    """
    here = values if isinstance(values, Tensor) else torch.from_numpy(values)
    if device.type != "cuda" or here.is_cuda:
        return here.to(device)
    return here.pin_memory().to(device, non_blocking=True)


def fetch(values: Tensor) -> Callable[[], NDArray[Any]]:
    """Begin to bring values back; what this returns waits until they are there.

    Example:
        >>> fetch(torch.ones(2))().tolist()
        [1.0, 1.0]
    """
    if not values.is_cuda:
        return values.cpu().numpy
    here = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    here.copy_(values, non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record()

    def wait() -> NDArray[Any]:
        copied.synchronize()
        return here.numpy()

    return wait


def wait_for(device: torch.device) -> None:
    """Let a CUDA card finish, so that a clock that is read next has measured its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
