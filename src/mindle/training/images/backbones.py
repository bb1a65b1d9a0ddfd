"""Backbones side by side: which can share pixels, which images they embed, and heads on their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from mindle.errors import DataError
from mindle.models.pretrained.cards import WeightCard
from mindle.training.images.heads.candidates import C, fold_numbers
from mindle.training.images.heads.features import BackboneFeatures, sample_of
from mindle.training.images.options import layout_of
from mindle.training.images.problem import Problem
from mindle.training.recipe import Recipe

# Heads learn from no more images than this; kernels of more would not fit in a laptop's memory.
MOST_IMAGES, FEWEST_IMAGES = 20_000, 200

# Augmented views help where images are few. Log loss on 450 flowers after 100, 300 and 700 photos (Lite0,
# five draws): 0.483, 0.334, 0.250 with none, 0.472, 0.324, 0.240 with two; out of fold on 1,499: 0.265 with
# none, 0.268 with two, at three times the cost.
MOST_VIEWS, MOST_VIEWED_ROWS = 2, 2500


def views_of(recipe: Recipe, problem: Problem) -> int:
    """How many augmented views of each image heads learn from, besides the plain one."""
    wish = recipe.probe.views
    if not isinstance(wish, str):
        return wish
    few = MOST_VIEWED_ROWS // max(len(problem.train) + len(problem.val), 1) - 1
    return max(0, min(MOST_VIEWS, few))


def rows_to_learn(problem: Problem, images: int, *, seed: int = 0) -> NDArray[np.int64]:
    """The rows that heads learn from: of train as many as fit into `images`, then all of val."""
    train, val = problem.train, problem.val
    wanted = max(images - len(val), min(len(train), FEWEST_IMAGES))
    if wanted < len(train):
        train = train[sample_of(len(train), wanted, seed)]
    return np.concatenate([train, val])


def folds_of(
    problem: Problem, rows: NDArray[np.int64], strata: NDArray[np.int64], *, folds: int, seed: int
) -> NDArray[np.int64]:
    """The fold of each row that heads learn from: every stratum spread evenly, groups whole.

    Raises:
        DataError: If all rows belong to one group.
    """
    groups = problem.groups(rows)
    if len(np.unique(groups)) < 2:
        raise DataError(
            f"Cross-validation needs images of at least two groups. Received {len(rows):,} images of "
            "one group. Give the groups finer names, or take --strategy finetune."
        )
    return fold_numbers(strata, groups, folds=folds, seed=seed)


@dataclass(frozen=True, kw_only=True, eq=False)  # equal to itself alone
class EmbeddedBackbone:
    """A backbone whose features are there.

    Attributes:
        card: The backbone.
        raw: Features of the plain images, (image, feature).
        block: These and those of augmented views, ready for a head.
        seconds_an_image: What embedding one takes.
        precision: What it is computed in.
    """

    card: WeightCard
    raw: NDArray[np.float32]
    block: BackboneFeatures
    seconds_an_image: float
    precision: str = "float32"

    @property
    def layout(self) -> tuple[int | str, ...]:
        """What backbones must share to stand side by side in a bundle: pixels, and a precision."""
        return (*layout_of(self.card.spec), self.precision)


Backbones = Sequence[EmbeddedBackbone]


def names_of(backbones: Backbones) -> str:
    """Backbones as they are named where their features are concatenated."""
    return " + ".join(each.card.model for each in backbones)


@dataclass(frozen=True, kw_only=True)
class Ranked(Generic[C]):
    """A head that was fitted.

    Attributes:
        candidate: The head, with its out-of-fold scores.
        backbones: Those whose features it takes.
        attempt: How it is listed among what was tried.
    """

    candidate: C
    backbones: Backbones
    attempt: dict[str, Any]

    @property
    def name(self) -> str:
        """Its backbones."""
        return names_of(self.backbones)

    @property
    def seconds_an_image(self) -> float:
        """What a prediction takes; a head adds little to its backbones."""
        return sum(each.seconds_an_image for each in self.backbones)

    @property
    def raw(self) -> NDArray[np.float32]:
        """Features of the plain images, (image, feature), the backbones side by side."""
        return np.concatenate([each.raw for each in self.backbones], axis=1)
