"""Every object that can be reached from one, for tests of what training is given."""

from __future__ import annotations

import gc
from types import ModuleType

import numpy as np


def reachable(root: object) -> list[object]:
    """Every object that can be reached from one, modules, classes and their functions aside."""
    seen: dict[int, object] = {}
    todo = [root]
    while todo:
        found = todo.pop()
        if id(found) in seen or isinstance(found, (ModuleType, type)) or _is_code(found):
            continue
        seen[id(found)] = found
        todo += gc.get_referents(found)
        if isinstance(found, np.ndarray):
            todo += [found.base] if found.base is not None else []
    return list(seen.values())


def _is_code(found: object) -> bool:
    """A function without a closure leads to its module's globals only."""
    return hasattr(found, "__globals__") and not getattr(found, "__closure__", None)
