"""Import torchvision where its compiled operators do not belong to the installed torch.

A CPU build of torch beside an ordinary torchvision wheel is common, and timm imports torchvision. The
import then stops at "operator torchvision::nms does not exist", although nothing of what mindle uses
(network definitions) needs an operator. What stops it is the module that describes the operators'
shapes; with an empty module instead the import goes through. A torchvision that matches its torch
imports at the first attempt and never gets here.
"""

from __future__ import annotations

import importlib
import sys
import types

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
    return importlib.import_module("torchvision")


def import_timm() -> types.ModuleType:
    """Import timm (about 2.5 s the first time), torchvision first.

    Example:
        >>> import_timm().__name__
        'timm'
    """
    import_torchvision()
    return importlib.import_module("timm")
