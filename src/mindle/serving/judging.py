"""A model's answers to labelled data, matched by class name."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mindle.data import pixels
from mindle.errors import DataError, DeviceError
from mindle.records import SILENT, Dataset, Listener, Predictions
from mindle.serving.opened import Opened


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Answers to labelled data.

    Attributes:
        predictions: Every image whose class the model knows.
        unknown_classes: How many images were left out for each class that it does not know.
    """

    predictions: Predictions
    unknown_classes: dict[str, int]

    def write(self, path: Path) -> None:
        """Write the answers as CSV: path, label, predicted, confidence and one column a class.

        Raises:
            DeviceError: If the file cannot be written.
        """
        answers = self.predictions
        try:
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(
                    ["path", "label", "predicted", "confidence", *(f"p_{name}" for name in answers.classes)]
                )
                labels = answers.labels if answers.labels is not None else ()
                for name, label, row in zip(answers.paths, labels, answers.probabilities, strict=True):
                    best = int(row.argmax())
                    cells = [f"{p:.8f}" for p in row]
                    writer.writerow(
                        [name, answers.classes[label], answers.classes[best], cells[best], *cells]
                    )
        except OSError as error:
            raise DeviceError(
                f"{path} must be a file that can be written ({error.strerror}). Choose another."
            ) from error


def judge(opened: Opened, dataset: Dataset, *, listener: Listener = SILENT, batch: int = 16) -> Judged:
    """Answer every usable image of a checked data set.

    Args:
        opened: The model.
        dataset: Checked; its classes are matched to the model's by name.
        listener: Hears progress.
        batch: How many images are answered at once.

    Raises:
        DataError: If the data share no class with the model.
    """
    index = {name: i for i, name in enumerate(opened.classes)}
    rows = dataset.rows()
    names = [dataset.classes[label] for label in dataset.labels[rows]]
    known = np.array([name in index for name in names], bool)
    if not known.any():
        raise DataError(
            "The data must have at least one image of a class the model knows "
            f"({', '.join(opened.classes[:10])}). "
            f"Received {', '.join(dataset.classes[:10]) or 'no class'}. Name the class folders as in "
            "training."
        )
    used = rows[known]
    images = pixels(dataset, used, opened.spec, listener=listener)
    answers = []
    for start in range(0, len(used), batch):
        answers.append(opened.forward(images[np.arange(start, min(start + batch, len(used)))]))
        listener.progress("evaluate", min(start + batch, len(used)), len(used))
    return Judged(
        predictions=Predictions(
            classes=opened.classes,
            paths=tuple(dataset.paths[row] for row in used.tolist()),
            probabilities=np.concatenate(answers).astype(np.float64),
            labels=np.array([index[name] for name in names if name in index], np.int64),
        ),
        unknown_classes=dict(Counter(name for name in names if name not in index)),
    )
