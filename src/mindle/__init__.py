"""mindle: from a folder of photos, or a table, to a model that its owner can trust.

Example:
    >>> import mindle
    >>> run = mindle.train("photos/")  # doctest: +SKIP
    >>> run.predict("new/")  # doctest: +SKIP
"""

# ruff: noqa: F403, F405  # a type checker sees what the package loads when it is used

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mindle.version import __version__ as __version__

# These libraries report to their makers unless forbidden to before they are imported: ONNX Runtime keeps a
# device id and a queue of events under the home folder, MLflow a settings file. Subprocesses inherit this.
for _variable in ("ORT_DISABLE_TELEMETRY", "MLFLOW_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(_variable, "1")

if TYPE_CHECKING:
    from mindle.api import *

__all__ = [
    "Course", "Model", "Run", "cache", "check", "compare", "course", "ensemble", "evaluate",
    "list_experiments", "list_models", "list_recipes", "list_runs", "load", "predict", "prepare", "report",
    "show_recipe", "train", "tune",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load `mindle.api` when one of its calls is first used, so that `import mindle` stays instant."""
    if name not in __all__:
        raise AttributeError(f"module 'mindle' has no attribute {name!r}; it has {', '.join(__all__)}")
    from importlib import import_module

    return getattr(import_module("mindle.api"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
