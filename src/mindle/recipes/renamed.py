"""Settings that had other names in version 0.1.0; what it wrote is read with the names of today."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

_NAMES = tomllib.loads(files("mindle.recipes").joinpath("names", "0.1.0.toml").read_text("utf-8"))
# Dotted name in 0.1.0 to today's names in the same section.
RENAMED: dict[str, list[str]] = {
    f"{section}.{old}": new for section, names in _NAMES["settings"].items() for old, new in names.items()
}
# What holds settings in run.json; `recipe` and `space` stand below `asked` too.
_HOLDERS = ("recipe", "space", "search")


def names_of_today(name: str) -> tuple[str, ...]:
    """The dotted names of a setting today, given its dotted name in any version.

    Example:
        >>> names_of_today("train.peak"), names_of_today("train.epochs")
        (('train.learning_rate',), ('train.epochs',))
    """
    section = name.partition(".")[0]
    return tuple(f"{section}.{new}" for new in RENAMED[name]) if name in RENAMED else (name,)


def with_names_of_today(settings: Any) -> Any:
    """Settings, nested by section or by dotted name at any depth, with the names of today; of models too.

    Example:
        >>> with_names_of_today({"train": {"peak": 0.1}, "table.decay": 1.0})
        {'train': {'learning_rate': 0.1}, 'table.weight_decay': 1.0}
    """
    if isinstance(settings, list):
        return [with_names_of_today(item) for item in settings]
    if isinstance(settings, str):
        return _NAMES["models"].get(settings, settings)
    if not isinstance(settings, Mapping):
        return settings
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if name in _NAMES["settings"] and isinstance(value, Mapping):
            value = {
                new.partition(".")[2]: inner
                for old, inner in value.items()
                for new in names_of_today(f"{name}.{old}")
            }
        found |= dict.fromkeys(names_of_today(name), with_names_of_today(value))
    return found


def run_of_today(document: Mapping[str, Any]) -> dict[str, Any]:
    """A run.json with its settings by the names of today; everything else as it is.

    Example:
        >>> run_of_today({"asked": {"recipe": {"train": {"batch": 8}}, "seed": 0}})
        {'asked': {'recipe': {'train': {'batch_size': 8}}, 'seed': 0}}
    """
    found: dict[str, Any] = {}
    for name, value in document.items():
        if name == "asked" and isinstance(value, Mapping):
            value = run_of_today(value)
        found[name] = with_names_of_today(value) if name in _HOLDERS else value
    return found
