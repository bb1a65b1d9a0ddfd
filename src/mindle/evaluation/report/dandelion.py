"""The headline's figure: a dandelion clock, one seed for each answer on the test split."""

from __future__ import annotations

from math import ceil, pi, sqrt

import numpy as np
from markupsafe import Markup

from mindle.evaluation.report.figures import Floats, circles, element, number, svg
from mindle.evaluation.report.formatting import count
from mindle.evaluation.report.sentences import Sentences

MOST_SEEDS = 500
_GOLDEN_ANGLE = pi * (3 - sqrt(5))
_PAPPUS = "M0 0l7 -9m-5.5 -2.5l5.5 2.5l1 -6.5m-1 6.5l6 -1.5"


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
    return svg(
        480,
        316,
        element("path", d=f"M138 {number(128 + radius)}Q152 280 143 316", class_="stem"),
        circles(138 + away * np.cos(angle), 128 + away * np.sin(angle), round(size, 2), "kept"),
        _flying_seeds(_beside_the_head(grey)),
        title=say("seeds.title"),
        description=say("seeds.description", right=count(n - wrong), n=n, each=each),
        class_="seeds",
    )


def _flying_seeds(positions: Floats) -> Markup:
    """Seeds at (seed, [x, y, turn]); with their parachutes where there are few."""
    if len(positions) > 60:
        return circles(positions[:, 0], positions[:, 1], 2.2, "gone")
    seed = element("path", d=_PAPPUS) + Markup('<circle r="2.4"></circle>')
    moves = [
        f"translate({number(x)} {number(y)}) rotate({number(turn)})" for x, y, turn in positions.tolist()
    ]
    return element("g", *(element("g", seed, transform=move) for move in moves), class_="gone")


def _beside_the_head(grey: int) -> Floats:
    """Positions (seed, [x, y, turn]): evenly spread by two irrational steps, then shaken."""
    i = np.arange(grey)
    shaken = np.random.default_rng(5).normal(0, 1, (grey, 3))  # the same picture every time
    along, across = (0.5 + i * 0.7548776662) % 1, (0.5 + i * 0.5698402910) % 1
    height = 60.0 if grey < 4 else 150.0
    x = 284 + 172 * along + 5 * shaken[:, 0]
    y = 34 + 44 * (1 - along) + height * across + 5 * shaken[:, 1]
    return np.stack([x, y, 14 * shaken[:, 2]], axis=1)
