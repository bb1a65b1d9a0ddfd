"""The headline's figure: a dandelion clock, one seed for each answer on the test split."""

from __future__ import annotations

from math import ceil, pi, sqrt

import numpy as np
from markupsafe import Markup

from mindle.evaluation.report.figures import Floats, circles
from mindle.evaluation.report.rendering import render
from mindle.evaluation.report.sentences import Sentences

MOST_SEEDS = 500
MOST_PARACHUTES = 60
_GOLDEN_ANGLE = pi * (3 - sqrt(5))


def answers_per_seed(n: int) -> int:
    """How many answers one seed stands for."""
    return max(1, ceil(n / MOST_SEEDS))


def dandelion(n: int, wrong: int, say: Sentences) -> Markup:
    """One seed an answer; those of wrong answers are grey and lie beside the head."""
    each = answers_per_seed(n)
    grey = 0 if not wrong else max(1, round(wrong / each))
    yellow = 0 if wrong == n else max(1, round((n - wrong) / each))
    radius = min(112.0, 13.0 * sqrt(max(1, yellow)))
    size = min(5.0, 0.34 * radius * sqrt(pi / max(1, yellow)))
    index = np.arange(yellow)
    away, angle = radius * np.sqrt((index + 0.5) / max(1, yellow)), index * _GOLDEN_ANGLE
    return render(
        "figures/dandelion.html",
        say=say,
        right=n - wrong,
        n=n,
        each=each,
        radius=radius,
        seeds=circles(138 + away * np.cos(angle), 128 + away * np.sin(angle), round(size, 2), "kept"),
        flying=_beside_the_head(grey).tolist(),
        parachutes=grey <= MOST_PARACHUTES,
    )


def _beside_the_head(grey: int) -> Floats:
    """Positions (seed, [x, y, turn]): evenly spread by two irrational steps, then shaken."""
    i = np.arange(grey)
    shaken = np.random.default_rng(5).normal(0, 1, (grey, 3))  # the same picture every time
    along, across = (0.5 + i * 0.7548776662) % 1, (0.5 + i * 0.5698402910) % 1
    height = 60.0 if grey < 4 else 150.0
    x = 284 + 172 * along + 5 * shaken[:, 0]
    y = 34 + 44 * (1 - along) + height * across + 5 * shaken[:, 1]
    return np.stack([x, y, 14 * shaken[:, 2]], axis=1)
