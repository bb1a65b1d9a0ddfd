"""The learning rate of each step, as a share of the peak."""

from __future__ import annotations

import math

from mindle.training.settings import TrainSettings


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
