"""mindle: from a folder of photos, or a table, to a model that its owner can trust.

Example:
    >>> import mindle
    >>> run = mindle.train("photos/")  # doctest: +SKIP
    >>> run.predict("new/")  # doctest: +SKIP
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mindle.version import __version__ as __version__

# These libraries report to their makers unless told not to before they are imported: ONNX Runtime keeps a
# device id and a queue of events under the home folder, MLflow a settings file. Subprocesses inherit this.
for _variable in ("ORT_DISABLE_TELEMETRY", "MLFLOW_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(_variable, "1")

if TYPE_CHECKING:
    from mindle.api import Course as Course
    from mindle.api import Model as Model
    from mindle.api import Run as Run
    from mindle.api import cache as cache
    from mindle.api import list_experiments as list_experiments
    from mindle.api import list_models as list_models
    from mindle.api import list_recipes as list_recipes
    from mindle.api import list_runs as list_runs
    from mindle.api import load as load
    from mindle.api import show_recipe as show_recipe
    from mindle.api.check import check as check
    from mindle.api.compare import compare as compare
    from mindle.api.course import course as course
    from mindle.api.ensemble import ensemble as ensemble
    from mindle.api.evaluate import evaluate as evaluate
    from mindle.api.predict import predict as predict
    from mindle.api.prepare import prepare as prepare
    from mindle.api.report import report as report
    from mindle.api.train import train as train
    from mindle.api.tune import tune as tune

__all__ = [
    "Course",
    "Model",
    "Run",
    "cache",
    "check",
    "compare",
    "course",
    "ensemble",
    "evaluate",
    "list_experiments",
    "list_models",
    "list_recipes",
    "list_runs",
    "load",
    "predict",
    "prepare",
    "report",
    "show_recipe",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Load `mindle.api` when one of its calls is first used, so that `import mindle` stays instant."""
    if name not in __all__:
        raise AttributeError(f"module 'mindle' has no attribute {name!r}; it has {', '.join(__all__)}")
    from importlib import import_module

    return getattr(import_module("mindle.api"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
