"""A model's answers to labelled data, beside their truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mindle.artifacts.answers import with_truth
from mindle.artifacts.files import write_csv
from mindle.records import SILENT, Answers, Listener
from mindle.serving.opened import Opened


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """Answers to labelled data.

    Attributes:
        answers: To every image or row whose truth the model knows.
        unknown_classes: How many images or rows were skipped of each class that it does not know.
        skipped: How many were skipped because they have no truth or cannot be read.
    """

    answers: Answers
    unknown_classes: dict[str, int] = field(default_factory=dict)
    skipped: int = 0

    def write(self, path: Path, *, raw: bool = False) -> None:
        """Write the answers as CSV: path, the truth, and what was answered, numbers with eight decimals.

        Args:
            path: The file.
            raw: Whether texts that a spreadsheet would run as formulas are left as they are.

        Raises:
            DeviceError: If the file cannot be written.
        """
        columns, rows = with_truth(self.answers, "{:.8f}")
        paths = self.answers.paths
        named = ([path, *row] for path, row in zip(paths, rows, strict=True))
        write_csv(path, ["path", *columns], named, raw=raw)


def evaluate(opened: Opened, data: Any, *, listener: Listener = SILENT) -> Evaluated:
    """Answer every image or row whose truth the model knows.

    Args:
        opened: The model.
        data: What `read_labelled` of the model's source gave.
        listener: Hears progress.

    Raises:
        DataError: If the data hold no truth that the model knows.
    """
    outputs, paths, truth = [], list[str](), []
    unknown, skipped = Counter[str](), 0
    for batch in opened.source.labelled(data, opened.target, listener):
        unknown, skipped = unknown + batch.unknown, skipped + batch.skipped
        if batch.paths:
            outputs.append(opened.graph(batch.feed))
            paths += batch.paths
            truth.append(batch.truth)
    return Evaluated(
        answers=opened.answers(outputs, tuple(paths), truth=np.concatenate(truth)),
        unknown_classes=dict(unknown),
        skipped=skipped,
    )
