"""Optimizers, which parameters get which rate and decay, and the rate of each step."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from mindle.training.settings import TableSettings, TrainSettings

# Of the parameters that have one, by their place in the optimizer.
Gradients = Mapping[int, Tensor]


def build_optimizer(model: nn.Module, settings: TrainSettings) -> Optimizer:
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
    return Optimizer(groups, settings)


class Optimizer:
    """Moves parameters by their gradients, with torch's functions for it and as torch's own classes do.

    The first of those classes that is made imports torch's compiler, which takes 1.0 s of every training.

    Attributes:
        param_groups: Parameters ("params") with their rate ("lr"), which begins at the highest, and their
            "weight_decay".
        parameters: Of all groups.
        state: What is kept of each parameter, by its place in `parameters`.

    Example:
        >>> weight = nn.Parameter(torch.ones(1))
        >>> optimizer = Optimizer([{"params": [weight], "weight_decay": 0.0}], TrainSettings())
        >>> weight.square().sum().backward()
        >>> optimizer.step()
        >>> round(weight.item(), 4)
        0.999
    """

    def __init__(self, groups: Sequence[dict[str, Any]], settings: TrainSettings | TableSettings) -> None:
        self.settings = settings
        self.param_groups = [{"lr": settings.learning_rate, **group} for group in groups]
        self.parameters: list[Tensor] = [p for group in groups for p in group["params"]]
        self.state: dict[int, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        move = {"sgd": self._sgd, "rmsprop": self._rmsprop}.get(self.settings.optimizer, self._adam)
        first = 0
        for group in self.param_groups:
            own = range(first, first := first + len(group["params"]))
            gradients = {i: gradient for i in own if (gradient := self.parameters[i].grad) is not None}
            if gradients:
                move(gradients, lr=group["lr"], weight_decay=group["weight_decay"])

    def put(self, index: int, key: str, value: Tensor) -> None:
        """Set a part of the state again; it must lie in memory as its parameter does."""
        like = self.parameters[index]
        placed = torch.empty_like(like).copy_(value) if value.shape == like.shape else value.to(like.device)
        self.state.setdefault(index, {})[key] = placed

    def _kept(self, moving: Collection[int], *keys: str) -> tuple[list[Tensor], list[list[Tensor]]]:
        """The parameters, and what is kept of them by key: "step" is a number, the rest begin as zeros."""
        for index in moving:
            parameter = self.parameters[index]
            if index not in self.state:
                self.state[index] = {
                    key: torch.zeros_like(parameter)
                    if key != "step"
                    else parameter.new_zeros((), dtype=torch.float)
                    for key in keys
                }
        kept = [[self.state[index][key] for index in moving] for key in keys]
        return [self.parameters[index] for index in moving], kept

    # One fused kernel for all parameters: 1.7 million of them take 2 ms a step instead of 6 on two cores.

    def _adam(self, moving: Gradients, **group: Any) -> None:
        move = adamw if self.settings.optimizer == "adamw" else adam
        parameters, (step, mean, square) = self._kept(moving, "step", "exp_avg", "exp_avg_sq")
        plain: dict[str, Any] = {"eps": 1e-8, "amsgrad": False, "maximize": False, "fused": True}
        betas: dict[str, Any] = {"beta1": self.settings.momentum, "beta2": self.settings.beta2}
        move(parameters, [*moving.values()], mean, square, [], step, **betas, **plain, **group)

    def _sgd(self, moving: Gradients, **group: Any) -> None:
        momentum = self.settings.momentum
        buffers = [self.state.get(index, {}).get("momentum_buffer") for index in moving]
        parameters = [self.parameters[index] for index in moving]
        plain: dict[str, Any] = {"dampening": 0.0, "maximize": False, "fused": True}
        plain |= {"momentum": momentum, "nesterov": momentum > 0}
        sgd(parameters, [*moving.values()], buffers, **plain, **group)
        for index, buffer in zip(moving, buffers, strict=True):
            if buffer is not None:
                self.state[index] = {"momentum_buffer": buffer}

    def _rmsprop(self, moving: Gradients, **group: Any) -> None:
        parameters, (step, square) = self._kept(moving, "step", "square_avg")
        plain: dict[str, Any] = {"eps": 1e-8, "momentum": 0.0, "centered": False}
        plain |= {"alpha": self.settings.beta2}
        rmsprop(parameters, [*moving.values()], square, [], [], step, **plain, **group)


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
