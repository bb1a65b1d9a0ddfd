"""Heads on frozen backbones as `mindle train` fits them, without bundle and report; features are cached."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mindle.data
from mindle.data.common.summary import ready
from mindle.formats.images import head_outputs
from mindle.records import Dataset
from mindle.training.budget import Deadline
from mindle.training.images import tasks
from mindle.training.images.features import FrozenBodies
from mindle.training.images.options import inputs_of, resolve_options
from mindle.training.images.problem import Outcome, Problem
from mindle.training.loop.job import TrainingContext

MODEL = "tf_efficientnet_lite0+mobilenet_edgetpu_100"
HEADS = "rbf,logistic"


@dataclass(frozen=True, kw_only=True)
class Headed:
    """A head that was fitted, and the images that it was fitted on and for.

    Attributes:
        dataset: Checked and split.
        outcome: The head; its answers out of fold.
    """

    dataset: Dataset
    outcome: Outcome

    @property
    def frozen(self) -> FrozenBodies:
        """The backbones."""
        return self.outcome.frozen or FrozenBodies(())

    def features(self, dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the head takes of images."""
        stored = mindle.data.pixels(dataset, rows, self.outcome.model.spec)
        return self.frozen.features(stored, [dataset.sha256[row] for row in rows.tolist()])

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same of pixels that lie in no file."""
        batches = np.array_split(pixels, -(-len(pixels) // 16))
        return np.concatenate([self.frozen.run(batch) for batch in batches])

    def probabilities(self, split: str = "test") -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Of a split (image, class), with its labels."""
        rows = self.dataset.rows(split)
        outcome = self.outcome
        outputs = head_outputs(outcome.model, self.features(self.dataset, rows), outcome.temperature)
        return outputs["probabilities"], self.dataset.labels[rows]


def checked(data: Path) -> Dataset:
    """A data set of images, checked."""
    return mindle.data.check(mindle.data.read(data))


def fitted(
    dataset: Dataset, weights: Path | None, *, model: str = MODEL, seed: int = 0, anew: bool = False
) -> Headed:
    """Split by a seed and fit heads.

    Args:
        dataset: Checked.
        weights: Where the backbones lie; those that come with mindle unless given.
        model: Which of them.
        seed: Of the split and the training.
        anew: Whether the split that came with the data is put aside.
    """
    if anew:
        dataset = replace(dataset, given=("",) * len(dataset), splits=())
    dataset = ready(dataset, seed=seed)
    options = resolve_options("probe", model=model, weights=weights, settings={"probe.heads": HEADS})
    inputs = inputs_of(dataset, options)
    sizes = int(np.median(dataset.heights)), int(np.median(dataset.widths))
    problem = Problem.of(dataset, typical_size=sizes)
    context = TrainingContext(seed=seed, deadline=Deadline(None))
    selection: Any = tasks.of(dataset.task).selection
    outcome = selection(problem, cards=inputs.cards, recipe=options.recipe, context=context).heads_only()
    return Headed(dataset=dataset, outcome=outcome)
