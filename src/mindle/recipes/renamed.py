"""Settings that had other names in version 0.1.0; what it wrote is read with the names of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Dotted name in 0.1.0 to today's names in the same section: one rate of drops has become two settings.
RENAMED: dict[str, tuple[str, ...]] = {
    "model.random": ("random_init",),
    "probe.join": ("concat",),
    "probe.rbf_penalty": ("rbf_l2",),
    "probe.logistic_penalty": ("logistic_l2",),
    "augment.stretch": ("ratio",),
    "augment.erase": ("random_erasing",),
    "train.batch": ("batch_size",),
    "train.accumulate": ("grad_accum_steps",),
    "train.peak": ("learning_rate",),
    "train.clip": ("clip_grad_norm",),
    "train.final_fraction": ("min_lr_ratio",),
    "train.drop_epochs": ("step_size", "lr_patience"),
    "train.drop_factor": ("gamma",),
    "train.small_fraction": ("progressive_fraction",),
    "train.small_scale": ("progressive_scale",),
    "train.full_rate_inputs": ("lr_scale_fan_in",),
    "train.scarce": ("oversample",),
    "train.focal": ("focal_gamma",),
    "train.average": ("weight_averaging",),
    "train.average_decay": ("ema_decay",),
    "train.watch": ("monitor",),
    "train.layout": ("memory_format",),
    "table.widths": ("hidden_layer_sizes",),
    "table.nets": ("ensemble_size",),
    "table.batch": ("batch_size",),
    "table.peak": ("learning_rate",),
    "table.decay": ("weight_decay",),
    "table.huber": ("huber_delta",),
    "table.forest_leaf": ("forest_min_samples_leaf",),
    "table.forest_features": ("forest_max_features",),
    "table.boosting_rate": ("boosting_learning_rate",),
    "table.boosting_leaves": ("boosting_num_leaves",),
    "table.svm_penalty": ("svm_C",),
}
# Names of models in 0.1.0, which are values of settings.
RENAMED_MODELS = {"Gaussian process of logarithms": "log-target Gaussian process"}
_SECTIONS = {name.partition(".")[0] for name in RENAMED}
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
        return RENAMED_MODELS.get(settings, settings)
    if not isinstance(settings, Mapping):
        return settings
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if name in _SECTIONS and isinstance(value, Mapping):
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
    return {
        name: run_of_today(value)
        if name == "asked" and isinstance(value, Mapping)
        else with_names_of_today(value)
        if name in _HOLDERS
        else value
        for name, value in document.items()
    }
