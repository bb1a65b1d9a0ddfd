"""mindle: from a folder of photos, or a table, to a model that its owner can trust.

Example:
    >>> import mindle
    >>> run = mindle.train("photos/")  # doctest: +SKIP
    >>> run.predict("new/")  # doctest: +SKIP
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mindle.version import __version__ as __version__

# These libraries report to their makers unless forbidden to before they are imported: ONNX Runtime keeps a
# device id and a queue of events under the home folder, MLflow a settings file. Subprocesses inherit this.
for _variable in ("ORT_DISABLE_TELEMETRY", "MLFLOW_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(_variable, "1")

if TYPE_CHECKING:
    from mindle.api.certify import certify as certify
    from mindle.api.check import check as check
    from mindle.api.compare import compare as compare
    from mindle.api.course import Course as Course
    from mindle.api.course import course as course
    from mindle.api.course import list_experiments as list_experiments
    from mindle.api.ensemble import ensemble as ensemble
    from mindle.api.evaluate import evaluate as evaluate
    from mindle.api.explain import explain as explain
    from mindle.api.listing import cache as cache
    from mindle.api.listing import list_models as list_models
    from mindle.api.listing import list_recipes as list_recipes
    from mindle.api.listing import list_runs as list_runs
    from mindle.api.listing import show_recipe as show_recipe
    from mindle.api.models import Model as Model
    from mindle.api.models import Run as Run
    from mindle.api.models import load as load
    from mindle.api.predict import predict as predict
    from mindle.api.prepare import prepare as prepare
    from mindle.api.report import report as report
    from mindle.api.train import train as train
    from mindle.api.tune import tune as tune

_NAMES = {  # by module of `mindle.api`
    "certify": ("certify",),
    "check": ("check",),
    "compare": ("compare",),
    "course": ("Course", "course", "list_experiments"),
    "ensemble": ("ensemble",),
    "evaluate": ("evaluate",),
    "explain": ("explain",),
    "listing": ("cache", "list_models", "list_recipes", "list_runs", "show_recipe"),
    "models": ("Model", "Run", "load"),
    "predict": ("predict",),
    "prepare": ("prepare",),
    "report": ("report",),
    "train": ("train",),
    "tune": ("tune",),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    """Load the module of a call when it is first used, so that one call does not pay for the others."""
    if name not in _MODULES:
        raise AttributeError(f"module 'mindle' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"mindle.api.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
