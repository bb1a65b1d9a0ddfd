"""Import torchvision where its compiled operators do not belong to the installed torch.

A CPU build of torch beside an ordinary torchvision wheel is common, and timm imports torchvision. The
import then stops at "operator torchvision::nms does not exist", although nothing of what mindle uses
(network definitions) needs an operator. What stops it is the module that describes the operators'
shapes; with an empty module instead the import goes through. A torchvision that matches its torch
imports at the first attempt and never gets here.

Both also import torch's compiler, which takes 0.7 s of the 1.2 s that timm takes: torchvision for a
function that only boxes of detected objects need, timm to say that a method of one network is not to be
compiled. It is left out until somebody compiles.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mindle.errors import ModelError


def import_torchvision() -> types.ModuleType:
    """Import torchvision, with its operators where they fit and without them where they do not.

    Raises:
        ModelError: If torchvision is not installed.

    Example:
        >>> import_torchvision().__name__
        'torchvision'
    """
    try:
        with _compiler_left_out():
            return importlib.import_module("torchvision")
    except ImportError as error:
        raise ModelError(
            f"Pretrained networks need torchvision, which timm requires, and it does not import ({error}). "
            "Install it with `pip install torchvision`."
        ) from error
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")
    with _compiler_left_out():
        return importlib.import_module("torchvision")


@contextmanager
def _compiler_left_out() -> Iterator[None]:
    """Let modules that are imported meanwhile take an empty module for torch's compiler, if nobody has it."""
    compiler, utils = (types.ModuleType(name) for name in ("torch._dynamo", "torch._dynamo.utils"))
    left_out = {} if compiler.__name__ in sys.modules else {each.__name__: each for each in (compiler, utils)}
    utils.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    compiler.disable = _as_it_is  # type: ignore[attr-defined]
    sys.modules.update(left_out)
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]


def _is_compile_supported(device: str) -> bool:
    return bool(importlib.import_module("torch._dynamo.utils").is_compile_supported(device))


def _as_it_is(function: Any = None, *_: Any, **__: Any) -> Any:
    return _as_it_is if function is None else function


def import_timm() -> types.ModuleType:
    """Import timm (about 0.4 s the first time), torchvision first.

    Example:
        >>> import_timm().__name__
        'timm'
    """
    import_torchvision()
    with _compiler_left_out():
        return importlib.import_module("timm")
