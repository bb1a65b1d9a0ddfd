"""What every strategy is given and what it gives back, so that strategies can be tried side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data import Pixels, pixels
from mindle.evaluation.conformal import Calibration
from mindle.models.classifier import Classifier
from mindle.records import SILENT, Dataset, Diagnosis, InputSpec, Listener
from mindle.training.loop.monitor import TrainingStats


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A checked and split data set as a strategy may see it: the train and val parts, never the test part.

    Attributes:
        dataset: With `parts` filled.
        typical_size: Median (height, width) of the images before any resizing.
        cache: Where pixels and features are kept; the user's cache folder unless set.
    """

    dataset: Dataset
    typical_size: tuple[int, int]
    cache: Path | None = None
    train: NDArray[np.int64] = field(init=False)
    val: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "train", self.dataset.rows("train"))
        object.__setattr__(self, "val", self.dataset.rows("val"))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the labels."""
        return self.dataset.classes

    def labels(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Class index of each row."""
        return self.dataset.labels[rows]

    @property
    def task(self) -> str:
        """What is to be told of an image, as `Dataset.task`."""
        return self.dataset.task

    def targets(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The number to estimate of each row."""
        return self.dataset.targets[rows]

    def keys(self, rows: NDArray[np.int64]) -> list[str]:
        """Content hash of each row, under which its features are stored."""
        return [self.dataset.sha256[row] for row in rows.tolist()]

    def groups(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """A number for each row; rows with the same number must stay in one fold."""
        names = [self.dataset.groups[row] or f"\0{row}" for row in rows.tolist()]
        return np.unique(names, return_inverse=True)[1].astype(np.int64)

    def pixels(self, rows: NDArray[np.int64], spec: InputSpec, listener: Listener = SILENT) -> Pixels:
        """Decoded images of some rows; test rows are refused.

        Raises:
            ValueError: If a row belongs to the sealed test part.
        """
        if any(self.dataset.parts[row] == "test" for row in rows.tolist()):
            raise ValueError("A strategy must leave the test part shut. Received a row of it.")
        return pixels(self.dataset, rows, spec, cache=self.cache, listener=listener)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a strategy made.

    Attributes:
        model: The trained classifier, from uint8 pixels to logits.
        strategy: Which strategy made it, in a word: "probe", "inline", "finetune" or "scratch".
        temperature: What the logits are divided by before the softmax.
        val_probabilities: (image, class) for the val rows, by a model that had not learned from them.
        train_scores: How well the model knows what it learned from: {"n": …, "accuracy": …}, or "mae"; of
            heads under "out_of_fold" how well each image was answered by those that had not seen it.
        tried: One document a candidate: name, accuracy (or mean absolute error) with low and high, seconds,
            note.
        stopped: Why nothing more was tried.
        seconds: Seconds by stage.
        images: Images handled by stage, for the rates.
        history: One row an epoch, where something was trained by epochs.
        seen: What was seen of that training, for a diagnosis.
        diagnoses: What was wrong with the training; nothing for a healthy one.
        licences: Licence and source of each set of weights inside the model.
        advice: What would probably help, or "".
        thresholds: One a class, adding up to 1, where they say which class is named; else empty.
        val_estimates: (image,) where numbers are estimated, by a model that had not learned from them.
        calibration: What prediction intervals of numbers are made from.
    """

    model: Classifier
    strategy: str
    temperature: float = 1.0
    val_probabilities: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    train_scores: Mapping[str, Any]
    tried: Sequence[Mapping[str, Any]]
    stopped: str
    seconds: Mapping[str, float]
    images: Mapping[str, int] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    seen: TrainingStats | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    licences: tuple[Mapping[str, str], ...] = ()
    advice: str = ""
    thresholds: tuple[float, ...] = ()
    val_estimates: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    calibration: Calibration | None = None
