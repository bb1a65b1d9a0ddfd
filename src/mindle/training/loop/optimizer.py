"""Optimizers, which parameters get which rate and decay, and the rate of each step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from mindle.training.settings import TableSettings, TrainSettings


def build_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Make the optimizer of the parameters that can be trained.

    Weight decay spares biases, norms and every other parameter of one axis. A backbone's stages learn at
    `layer_decay`, `layer_decay ** 2`… of the head's rate, counted from the head back to the input. A dense
    layer of more inputs than `lr_scale_fan_in` learns slower in proportion: a step moves every weight behind
    a unit, and of 67,500 of them (a flattened photo) the same step moves its sum a hundred times as far as of
    675. The biases of batch norms learn at `norm_bias_lr_ratio` of it. Each optimizer group carries its part
    of the rate as "share".

    Args:
        model: Its `backbones`, if it has that attribute, say by `groups()` what makes a stage.
        settings: The loop's settings.

    Raises:
        ValueError: If nothing can be trained.

    Source:
        Rates in inverse proportion to a layer's inputs: Yang et al. 2022, https://arxiv.org/abs/2203.03466,
        table 3, where hidden layers have them.

    Example:
        >>> optimizer = build_optimizer(nn.Linear(2000, 2), TrainSettings(lr_scale_fan_in=500))
        >>> [group["share"] for group in optimizer.param_groups]  # the bias, the weights
        [1.0, 0.25]
    """
    groups = _parameter_groups(model, settings)
    if not groups:
        raise ValueError(
            "`model` must have a parameter that can be trained. Received one that is frozen as a whole. "
            "Set model.trainable above 0, or add a head."
        )
    return optimizer_of(groups, settings)


def optimizer_of(
    groups: Sequence[dict[str, Any]], settings: TrainSettings | TableSettings
) -> torch.optim.Optimizer:
    """The optimizer that settings name, at their highest rate, for groups that carry their weight decay."""
    rate, momentum = settings.learning_rate, settings.momentum
    # One fused kernel for all parameters: 1.7 million of them take 2 ms a step instead of 6 on two cores.
    if settings.optimizer in ("adamw", "adam"):
        kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
        return kind(groups, lr=rate, betas=(momentum, settings.beta2), fused=True)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=momentum, nesterov=momentum > 0, fused=True)
    return torch.optim.RMSprop(groups, lr=rate, alpha=settings.beta2)


def _parameter_groups(model: nn.Module, settings: TrainSettings) -> list[dict[str, Any]]:
    """Optimizer groups, one for each share of the rate with decay and one without, where it has members."""
    distance: dict[nn.Parameter, int] = {}
    for backbone in getattr(model, "backbones", ()):
        stages = backbone.groups()
        distance |= {p: len(stages) - index for index, stage in enumerate(stages) for p in stage}
    norms = [module for module in model.modules() if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))]
    norm_biases = {id(norm.bias) for norm in norms}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            share = settings.layer_decay ** distance.get(parameter, 0) * _share_of(parameter, settings)
            share *= settings.norm_bias_lr_ratio if id(parameter) in norm_biases else 1.0
            decay = settings.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((share, decay), []).append(parameter)
    return [
        {"params": members, "weight_decay": decay, "share": share}
        for (share, decay), members in sorted(groups.items(), key=lambda group: group[0], reverse=True)
    ]


def _share_of(parameter: nn.Parameter, settings: TrainSettings) -> float:
    """What part of the rate a parameter learns at, by the inputs of its layer."""
    most = settings.lr_scale_fan_in
    if not most or parameter.ndim != 2:
        return 1.0
    return min(1.0, most / parameter.shape[1])  # (unit, input)


def rate_factor(
    settings: TrainSettings, *, step: int, steps: int, steps_per_epoch: int, drops: int = 0
) -> float:
    """Share of the peak rate at one step of a training run.

    Every schedule begins with a linear warm-up over `warmup_fraction` of all steps. After it, `cosine` falls
    along half a cosine, `one-cycle` falls in a straight line, `step` is multiplied every `step_size`
    epochs, `plateau` once for each drop so far, and `constant` stays.

    Args:
        settings: The loop's settings.
        step: Index of the step among all steps, from 0.
        steps: Steps of the whole run.
        steps_per_epoch: Steps of one epoch.
        drops: How often the plateau rule has lowered the rate so far.

    Returns:
        A number in (0, 1].

    Source:
        Cosine: Loshchilov & Hutter 2016, eq. 5, https://arxiv.org/abs/1608.03983, without restarts.
        One-cycle: Smith & Topin 2017, https://arxiv.org/abs/1708.07120; momentum is not cycled here.

    Example:
        >>> settings = TrainSettings(schedule="cosine", warmup_fraction=0.0, min_lr_ratio=0.0)
        >>> [round(rate_factor(settings, step=s, steps=5, steps_per_epoch=1), 2) for s in range(5)]
        [1.0, 0.85, 0.5, 0.15, 0.0]
    """
    warmup = round(settings.warmup_fraction * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "step":
        return settings.gamma ** (step // (settings.step_size * steps_per_epoch))
    if settings.schedule == "plateau":
        return settings.gamma**drops
    progress = (step - warmup) / max(1, steps - 1 - warmup)
    fallen = (1 - math.cos(math.pi * progress)) / 2 if settings.schedule == "cosine" else progress
    return 1 - (1 - settings.min_lr_ratio) * fallen
