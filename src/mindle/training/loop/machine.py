"""What training changes in the process and in the model while it lasts, and sets back after it."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import pairwise
from types import FrameType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mindle.artifacts.environment import release_memory

# Numbers of mallopt's options, from glibc's malloc.h, and a size that no block reaches.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _LARGEST = -1, -3, 1 << 30
# One entry for each `memory_kept` block that is open, in whichever thread.
_keeping: list[None] = []

# Products of matrices with so many rows gain little from a second thread.
FEW_ROWS = 2000


def products_for(rows: int) -> AbstractContextManager[object]:
    """Inside the `with` block products of matrices run on one thread where there are few rows.

    Threads of BLAS wait for one another, long on a busy machine: heads on 1,499 images take 2.5 s on two
    cores and 2.7 s on one thread; beside a busy loop 3.7 and 3.0 s, beside other work up to 18 and 2.7 s.
    """
    import scipy.linalg  # noqa: F401  # its BLAS is another than NumPy's, and must be loaded to be limited
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(
        1 if rows <= FEW_ROWS else None, user_api="blas"
    )
    return limits


@contextmanager
def trimmed(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside the `with` block the process and the model are as training wants them."""
    devices = [device] if device.type == "cuda" else []
    kept = memory_kept() if device.type == "cpu" else nullcontext()
    with kept, torch.random.fork_rng(devices=devices), pool_before_relu(model), flatten_any_size(model):
        # Denormal floats cost a CPU a hundred times an ordinary one, and late in training there are many.
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(False)


@contextmanager
def memory_kept() -> Iterator[None]:
    """Inside the `with` block the C library keeps large blocks that were freed, for the next that are wanted.

    By default it asks the system for each and gives it back, and the system clears every page anew: a step
    of the course's net at 180 px took 280 to 460 ms where it takes 240 with this. The blocks are given
    back at the end of the outermost block. Only glibc (most of Linux) has the option; elsewhere nothing
    changes.

    Source: mallopt(3), Linux manual pages.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, _LARGEST)
    library.mallopt(_TRIM_THRESHOLD, _LARGEST)
    _keeping.append(None)
    try:
        yield
    finally:
        _keeping.pop()
        if not _keeping:
            # The values that glibc itself ends with once a program has freed large blocks.
            library.mallopt(_MMAP_THRESHOLD, 32 << 20)
            library.mallopt(_TRIM_THRESHOLD, 64 << 20)
            release_memory()


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


@contextmanager
def pool_before_relu(model: nn.Module) -> Iterator[None]:
    """Inside the `with` block a max-pool that follows a ReLU comes before it; the function is the same.

    The two commute, gradients included, and the ReLU then sees a quarter of the numbers: a step of the
    course's net at 180 px took 313 ms instead of 405. The bias of a convolution before them commutes with the
    pool too, and oneDNN sums its gradient slowly where channels lie last: 133 ms instead of 162 on a later
    machine. No parameter moves, so names and state stay.

    Example:
        >>> net = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))
        >>> with pool_before_relu(net):
        ...     print(type(net[0]).__name__, type(net[1][0]).__name__, type(net[1][1]).__name__)
        Identity MaxPool2d ReLU
    """
    undo: list[tuple[nn.Module, str, object]] = []
    for parent in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        children = list(parent.named_children())
        for (name, before), (pool_name, pool) in pairwise(children):
            holder, relu_name, relu = _last(parent, name, before)
            if type(relu) is not nn.ReLU or type(pool) is not nn.MaxPool2d:
                continue
            undo += [(holder, relu_name, relu), (parent, pool_name, pool)]
            acts: nn.Module = nn.ReLU(inplace=True)
            inner = [*holder.children()]
            convolution = dict(zip(inner, [None, *inner], strict=False))[relu]
            if type(convolution) is nn.Conv2d and convolution.bias is not None:
                undo.append((convolution, "__class__", nn.Conv2d))
                convolution.__class__, acts = _WithoutBias, _BiasedReLU(convolution)
            setattr(holder, relu_name, nn.Identity())
            setattr(parent, pool_name, nn.Sequential(pool, acts))
    try:
        yield
    finally:
        for owner, name, value in reversed(undo):
            setattr(owner, name, value)


class _WithoutBias(nn.Conv2d):
    """A convolution whose bias is added elsewhere, and stays its parameter."""

    def forward(self, maps: Tensor) -> Tensor:
        made: Tensor = self._conv_forward(maps, self.weight, None)
        return made


class _BiasedReLU(nn.Module):
    """Adds the bias of a convolution, in place, and rectifies."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.owner = (convolution,)  # in a tuple, so that its parameters are not listed here too

    def forward(self, maps: Tensor) -> Tensor:
        bias = self.owner[0].get_parameter("bias").to(maps.dtype)
        return maps.add_(bias[:, None, None]).relu_()


def _last(parent: nn.Sequential, name: str, module: nn.Module) -> tuple[nn.Sequential, str, nn.Module]:
    """The module that acts last inside a child, with what holds it."""
    while isinstance(module, nn.Sequential) and len(module):
        parent = module
        name, module = list(module.named_children())[-1]
    return parent, name, module


@contextmanager
def flatten_any_size(model: nn.Module) -> Iterator[None]:
    """Inside the `with` block maps of another size are stretched to the size that was flattened first.

    So a net that ends in dense layers, and can read one size only, can train on smaller images too.

    Example:
        >>> net = nn.Flatten()
        >>> with flatten_any_size(net):
        ...     net(torch.zeros(1, 1, 4, 4)).shape == net(torch.zeros(1, 1, 2, 2)).shape
        True
    """
    handles = []
    for flatten in [module for module in model.modules() if isinstance(module, nn.Flatten)]:
        sizes: list[torch.Size] = []

        def stretch(
            _: nn.Module, inputs: tuple[Tensor, ...], sizes: list[torch.Size] = sizes
        ) -> tuple[Tensor, ...]:
            (maps,) = inputs
            if not sizes:
                sizes.append(maps.shape[2:])
            return inputs if maps.shape[2:] == sizes[0] else (F.interpolate(maps, list(sizes[0])),)

        handles.append(flatten.register_forward_pre_hook(stretch))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Ctrl-C sets the event, so that a step can end first; a second one interrupts at once."""
    event = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    # Elsewhere than in the main thread, or where the caller ignores Ctrl-C, there is nothing to catch.
    if threading.current_thread() is not threading.main_thread() or before in (None, signal.SIG_IGN):
        yield event
        return

    def first(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, first)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
