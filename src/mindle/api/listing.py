"""What lists things: runs, models, recipes, and what lies in the cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mindle.artifacts.run import FINISHED, read_runs
from mindle.errors import MindleError
from mindle.messages import message
from mindle.records import SILENT, Listener

Source = str | os.PathLike[str]


def list_runs(folder: Source = "runs", *, listener: Listener = SILENT) -> list[dict[str, Any]]:
    """The runs directly below a folder: name, state, strategy, data, accuracy or error, when begun.

    Args:
        folder: Where to look.
        listener: Receives a message for each run that cannot be read and is skipped.
    """
    found = []
    for run, document in read_runs(Path(folder), listener.say):
        try:
            test = run.metrics()["test"] if document.get("state") == FINISHED else {}
        except (MindleError, KeyError) as error:
            listener.say(message("commands.runs.passed-over", path=str(run.path), why=str(error)))
            continue
        found.append(
            {
                "name": run.path.name,
                "path": str(run.path),
                "state": document.get("state", ""),
                "strategy": document.get("strategy", ""),
                "data": document.get("name", ""),
                "accuracy": test.get("accuracy"),
                "mae": test.get("mae"),
                "created": document.get("created", ""),
            }
        )
    return found


def list_models(*, weights: Source | None = None) -> list[dict[str, Any]]:
    """What can be trained now: backbones with weights on this machine, and nets from scratch."""
    from mindle.models import listing

    return listing.list_models(None if weights is None else Path(weights))


def list_recipes() -> list[dict[str, Any]]:
    """The named recipes: name, strategy and what each is for."""
    from mindle.training import recipe

    return recipe.list_recipes()


def show_recipe(name: Source) -> dict[str, Any]:
    """One recipe: its settings, every default filled in, and its file's text."""
    from mindle.training import recipe

    return recipe.show_recipe(name)


def cache(*, prune: str | int | None = None) -> dict[str, Any]:
    """How much room decoded pixels and features take, after freeing what was used longest ago.

    Args:
        prune: How much may stay, such as "5GB" or a number of bytes; nothing is freed unless set.
    """
    from mindle.artifacts.files import cache_dir
    from mindle.data.common.store import prune as prune_cache
    from mindle.data.common.store import usage
    from mindle.data.common.summary import parse_size

    folder = cache_dir()
    freed = 0 if prune is None else prune_cache(folder, parse_size(prune))
    return {
        "schema": 1,
        "folder": str(folder),
        "stores": [
            {"name": store.path, "rows": store.rows, "bytes": store.size_bytes} for store in usage(folder)
        ],
        "freed_bytes": freed,
    }
