"""What every strategy is given and what it gives back, so that strategies can be tried side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mindle.data import Pixels, pixels
from mindle.data.common.groups import group_numbers
from mindle.evaluation.conformal import Calibration
from mindle.models.classifier import Classifier
from mindle.records import (
    SILENT,
    ArrayImages,
    Dataset,
    Diagnosis,
    FileImages,
    InputSpec,
    Listener,
    OutOfFold,
    Task,
    of_rows,
)
from mindle.training.images.features import FrozenBodies
from mindle.training.loop.monitor import TrainingStats

if TYPE_CHECKING:
    from mindle.training.images.tasks import ImageTask


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """The train and val rows of a split data set, numbered anew: all that a strategy is given.

    Nothing here leads to a test row or its truth: `of` copies what belongs to the other rows.

    Attributes:
        task: What is to be predicted.
        classes: Class names in the order of the labels.
        truth: Class index, or number to estimate, of each row.
        train, val: Which rows belong to either split.
        typical_size: Median (height, width) of the images before any resizing.
        test_count: How many test images there are, for the time that evaluating them takes.
        cache: Where pixels and features are stored; the user's cache folder unless set.
        images: These rows' images without truth.
        group_numbers: Rows with the same number must stay in one fold.
    """

    task: Task
    classes: tuple[str, ...]
    truth: NDArray[Any]
    train: NDArray[np.int64]
    val: NDArray[np.int64]
    typical_size: tuple[int, int]
    test_count: int
    cache: Path | None = None
    images: Dataset
    group_numbers: NDArray[np.int64]

    @classmethod
    def of(cls, dataset: Dataset, *, typical_size: tuple[int, int], cache: Path | None = None) -> Problem:
        """The rows of a checked and split data set that training may see."""
        train, val = dataset.rows("train"), dataset.rows("val")
        rows = np.union1d(train, val)
        return cls(
            task=dataset.task,
            classes=dataset.classes,
            truth=dataset.truth[rows],
            train=np.searchsorted(rows, train),
            val=np.searchsorted(rows, val),
            typical_size=typical_size,
            test_count=len(dataset.rows("test")),
            cache=cache,
            images=only(dataset, rows),
            group_numbers=group_numbers(dataset.groups, rows),
        )

    def __len__(self) -> int:
        return len(self.truth)

    def held_out(
        self, rows: NDArray[np.int64], answers: NDArray[np.float64], folds: NDArray[np.int64] | None = None
    ) -> OutOfFold:
        """Answers to some rows by models that had not learned from them.

        Args:
            rows: Which rows.
            answers: Probabilities (row, class), or estimates (row, 1).
            folds: Which fold held each out; none where the model learned from other rows alone.
        """
        from mindle.evaluation import tasks

        return OutOfFold(
            rows=rows,
            outputs=tasks.of(self.task).outputs_of(answers),
            truth=self.truth[rows],
            folds=np.zeros(len(rows), np.int64) if folds is None else folds,
            groups=self.group_numbers[rows],
            learned_from=np.full(len(rows), folds is not None),
        )

    @property
    def gray(self) -> bool:
        """Whether the images are arrays of one channel; files are taken for colour."""
        source = self.images.images
        return isinstance(source, ArrayImages) and (source.array.ndim == 3 or source.array.shape[-1] == 1)

    @property
    def image_task(self) -> ImageTask:
        """How images of its task are learned from."""
        from mindle.training.images import tasks

        return tasks.of(self.task)

    def keys(self, rows: NDArray[np.int64]) -> Sequence[str]:
        """Content hash of each row, under which its features are stored."""
        return of_rows(self.images.sha256, rows)

    def groups(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """A number for each row; rows with the same number must stay in one fold."""
        return np.unique(self.group_numbers[rows], return_inverse=True)[1].astype(np.int64)

    def pixels(self, rows: NDArray[np.int64], spec: InputSpec, listener: Listener = SILENT) -> Pixels:
        """Decoded images of some rows."""
        return pixels(self.images, rows, spec, cache=self.cache, listener=listener)


def nothing_held_out() -> OutOfFold:
    """No answers."""
    none = np.zeros(0, np.int64)
    return OutOfFold(
        rows=none, outputs={}, truth=none, folds=none, groups=none, learned_from=np.zeros(0, np.bool_)
    )


def only(dataset: Dataset, rows: NDArray[np.int64]) -> Dataset:
    """The images of some rows, without their truth: a copy, from which no other row can be reached."""
    count, images = len(rows), dataset.images
    some: FileImages | ArrayImages
    if isinstance(images, ArrayImages):
        some = ArrayImages(array=images.array if count == len(images.array) else images.array[rows])
    else:
        some = FileImages(root=images.root, names=of_rows(images.names, rows))
    blank = ("",) * count
    return Dataset(
        name=dataset.name,
        kind=dataset.kind,
        source="",
        classes=(),
        paths=of_rows(dataset.paths, rows),
        labels=np.full(count, -1),
        given=blank,
        groups=blank,
        images=some,
        set_aside=blank,
        sha256=of_rows(dataset.sha256, rows) if dataset.sha256 else (),
    )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a strategy made.

    Attributes:
        model: The trained classifier, from uint8 pixels to logits.
        strategy: Which strategy made it, in a word: "probe", "inline", "finetune" or "scratch".
        temperature: What the logits are divided by before the softmax.
        val_answers: Probabilities (image, class), or estimates in one column, for the val rows, by a model
            that had not learned from them.
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
        calibration: What prediction intervals of numbers are made from.
        frozen: The bodies of the model, where a head on their features was trained alone.
        out_of_fold: Answers to rows of the problem that the model which answered had not learned from: of
            heads to all that they learn from, of a net to val.
    """

    model: Classifier
    strategy: str
    temperature: float = 1.0
    val_answers: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    train_scores: Mapping[str, Any] = field(default_factory=dict)
    tried: Sequence[Mapping[str, Any]] = ()
    stopped: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    seen: TrainingStats | None = None
    diagnoses: tuple[Diagnosis, ...] = ()
    licences: tuple[Mapping[str, str], ...] = ()
    advice: str = ""
    thresholds: tuple[float, ...] = ()
    calibration: Calibration | None = None
    frozen: FrozenBodies | None = None
    out_of_fold: OutOfFold = field(default_factory=nothing_held_out)
