"""A model's answers to labelled data, matched by class name; or to rows with a target."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.files import write_csv
from mindle.data import pixels
from mindle.data.common.names import count_of
from mindle.data.tables.parsing.cells import is_missing
from mindle.data.tables.parsing.columns import parse_cells
from mindle.data.tables.parsing.unreadable import CellReport, unreadable_of
from mindle.data.tables.reader import labels_of
from mindle.errors import DataError
from mindle.evaluation.thresholds import named_classes
from mindle.records import SILENT, Dataset, Estimates, Listener, Predictions
from mindle.serving.opened import Opened, OpenedNumbers
from mindle.serving.rows import OpenedRows, RowAnswers


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Answers to labelled data.

    Attributes:
        answers: Every image or row whose truth is known to the model: classes, or numbers.
        unknown_classes: How many images or rows were left out for each class that it does not know.
        left_out: How many rows were left out because they have no target or cannot be read.
        report: What of rows was read otherwise than in training, and what could not be read.
    """

    answers: Predictions | Estimates
    unknown_classes: dict[str, int] = field(default_factory=dict)
    left_out: int = 0
    report: CellReport = field(default_factory=CellReport)

    def write(self, path: Path, *, raw: bool = False) -> None:
        """Write the answers as CSV: path, label, predicted, confidence and one column a class.

        Numbers have path, target, predicted, and low and high where there are prediction intervals.

        Args:
            path: The file.
            raw: Whether texts that a spreadsheet would run as formulas are left as they are.

        Raises:
            DeviceError: If the file cannot be written.
        """
        answers = self.answers
        header, rows = _estimated(answers) if isinstance(answers, Estimates) else _classified(answers)
        write_csv(path, header, rows, raw=raw)


def _classified(answers: Predictions) -> tuple[list[str], Iterable[list[str]]]:
    def rows() -> Iterable[list[str]]:
        labels = answers.labels if answers.labels is not None else ()
        named = answers.predicted.tolist()
        for name, label, best, row in zip(answers.paths, labels, named, answers.probabilities, strict=True):
            cells = [f"{p:.8f}" for p in row]
            yield [name, answers.classes[label], answers.classes[best], cells[best], *cells]

    return ["path", "label", "predicted", "confidence", *(f"p_{name}" for name in answers.classes)], rows()


def _estimated(answers: Estimates) -> tuple[list[str], Iterable[list[str]]]:
    columns = {
        "target": answers.targets, "predicted": answers.values, "low": answers.low, "high": answers.high
    }  # fmt: skip
    there = {name: values.tolist() for name, values in columns.items() if values is not None}
    numbers = ([f"{number:.8f}" for number in row] for row in zip(*there.values(), strict=True))
    return ["path", *there], ([name, *row] for name, row in zip(answers.paths, numbers, strict=True))


def judge_rows(opened: OpenedRows, source: Any) -> Judged:
    """Answer every row that has a target.

    Args:
        opened: The model.
        source: A CSV or JSON file, a data frame, or mappings, with the target among the columns.

    Raises:
        DataError: If the source lacks the target or other columns, or no row has a target the model knows.
    """
    target = opened.spec.target
    names: list[str] = []
    truths: list[NDArray[Any]] = []
    found: list[RowAnswers] = []
    unknown: Counter[str] = Counter()
    rows, report = 0, CellReport()
    path = os.fspath(source) if isinstance(source, str | os.PathLike) else ""
    for chunk in opened.read(source):
        if chunk.truth is None:
            raise DataError(
                f"Rows to judge by must have the target {target.name!r}. Received none. `mindle predict` "
                "answers rows without it."
            )
        rows += len(chunk)
        report.add(path, chunk.written, chunk.unreadable)
        readable = np.array([not reason for reason in chunk.reasons])
        if opened.classes:
            truth: NDArray[Any] = labels_of(chunk.truth, target, opened.classes)
            strange = (
                readable
                & (truth < 0)
                & np.array([not is_missing(text, target.missing) for text in chunk.truth])
            )
            unknown.update(chunk.truth[at].strip() for at in np.flatnonzero(strange))
            known = readable & (truth >= 0)
        else:
            truth = parse_cells(chunk.truth, target)
            known = readable & ~np.isnan(truth)
            odd = unreadable_of(target, chunk.truth, truth, chunk.rows_from)
            report.add(path, (), () if odd is None else (odd,))
        names += [chunk.names[at] for at in np.flatnonzero(known)]
        truths.append(truth[known])
        found.append(opened.predictor.forward({name: cells[known] for name, cells in chunk.cells.items()}))
    if not names:
        raise DataError(
            f"Rows to judge by must hold at least one {target.name!r} that the model knows"
            + (f" ({', '.join(opened.classes[:10])})." if opened.classes else ".")
            + f" Received {count_of(rows, 'row', 'rows')} without"
            + (f", such as {next(iter(unknown))!r}." if unknown else ".")
        )
    return Judged(
        answers=_joined(names, np.concatenate(truths), found, opened.classes),
        unknown_classes=dict(unknown),
        left_out=rows - len(names) - unknown.total(),
        report=report,
    )


def _joined(
    names: Sequence[str], truth: NDArray[Any], found: Sequence[RowAnswers], classes: tuple[str, ...]
) -> Predictions | Estimates:
    def column(name: str) -> NDArray[np.float64] | None:
        parts = [getattr(answers, name) for answers in found]
        return None if parts[0] is None else np.concatenate(parts)

    probabilities, estimates = column("probabilities"), column("estimates")
    if probabilities is not None:
        return Predictions(
            classes=classes, paths=tuple(names), probabilities=probabilities, labels=truth.astype(np.int64)
        )
    if estimates is None:
        raise TypeError("A model of rows must give probabilities or estimates. Received neither.")
    return Estimates(
        paths=tuple(names), values=estimates, targets=truth, low=column("low"), high=column("high")
    )


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
    if isinstance(opened, OpenedNumbers):
        return _judge_numbers(opened, dataset, listener, batch)
    if dataset.task == "regression":
        raise DataError(
            f"The data must tell classes, as the model does. Received {dataset.source!r}, where "
            f"{dataset.target!r} holds numbers to estimate."
        )
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
    probabilities = _answers(opened, dataset, used, listener, batch)
    return Judged(
        answers=Predictions(
            classes=opened.classes,
            paths=tuple(dataset.paths[row] for row in used.tolist()),
            probabilities=probabilities,
            answers=None if opened.thresholds is None else named_classes(probabilities, opened.thresholds),
            labels=np.array([index[name] for name in names if name in index], np.int64),
        ),
        unknown_classes=dict(Counter(name for name in names if name not in index)),
    )


def _judge_numbers(opened: OpenedNumbers, dataset: Dataset, listener: Listener, batch: int) -> Judged:
    """Answer every usable image that has a number."""
    rows = dataset.rows()
    if dataset.task != "regression" or not len(rows):
        raise DataError(
            f"The data must be a list of images with {opened.target!r} as a column of numbers. Received "
            f"{dataset.source!r} with {len(rows):,} usable images"
            f"{'' if dataset.task == 'regression' else ' in classes'}."
        )
    found = _answers(opened, dataset, rows, listener, batch)  # (image, name)
    columns = dict(zip(opened.names, found.T, strict=True))
    return Judged(
        answers=Estimates(
            paths=tuple(dataset.paths[row] for row in rows.tolist()),
            values=columns["predicted"],
            targets=dataset.targets[rows],
            low=columns.get("low"),
            high=columns.get("high"),
        )
    )


def _answers(
    opened: Opened, dataset: Dataset, rows: NDArray[np.int64], listener: Listener, batch: int
) -> NDArray[np.float64]:
    images = pixels(dataset, rows, opened.spec, listener=listener)
    answers = []
    for start in range(0, len(rows), batch):
        answers.append(opened.forward(images[np.arange(start, min(start + batch, len(rows)))]))
        listener.progress("evaluate", min(start + batch, len(rows)), len(rows))
    return np.concatenate(answers).astype(np.float64)
