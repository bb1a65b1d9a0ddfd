"""`evaluate`: how good a run or a bundle is on new labelled data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mindle.api.check import finding_document, tell_findings
from mindle.api.predict import open_model
from mindle.artifacts.outputs import keep_apart, require_ending
from mindle.messages import message
from mindle.records import SILENT, Listener

Source = str | os.PathLike[str]


def evaluate(
    model: Source,
    data: Source,
    *,
    target: str | int | None = None,
    separator: str | None = None,
    header: int | None = None,
    label_from: str | None = None,
    out: Source | None = None,
    raw: bool = False,
    listener: Listener = SILENT,
) -> dict[str, Any]:
    """Evaluate a model on new labelled data: every image of every part, or every row that has a target.

    Args:
        model: A run or a bundle.
        data: What `train` takes; classes and columns are matched by name.
        target: Of a list of images: the column that holds the labels or numbers.
        separator: Of a table or a list of images: what stands between cells, where the file misleads.
        header: Of these: how many lines of header there are, where the file misleads.
        label_from: Of images in a folder: how file names hold their labels, such as "{class}_{n}".
        out: Where to write the answers as CSV, if anywhere; outside of the data.
        raw: Whether texts in `out` that a spreadsheet would run as formulas are left as they are.
        listener: Hears sentences and progress.

    Returns:
        `{"schema": 1, "test": …, "findings": […], "unknown_classes": {…}}`, the scores as in metrics.json. Of
        rows also `unreadable`, the cells that hold nothing that can be read, by column with the first of
        them, and `written`, what is written otherwise than in training. Where no listener is given these are
        warnings too.

    Raises:
        DataError: If the data share no class with the model.
        ValueError: If `out` lies in the data, or is no CSV file.
    """
    from mindle.evaluation import tasks

    require_ending("out", out, (".csv",))
    keep_apart({"out": out}, [model, data])
    opened = open_model(model)
    reading = {"separator": separator, "header": header, "target": target, "label_from": label_from}
    read, findings = opened.source.read_labelled(data, reading, opened.target, listener)
    tell_findings(findings, listener)
    evaluated = opened.evaluate(read, listener=listener)
    if out is not None:
        evaluated.write(Path(out), raw=raw)
    task, report = tasks.of(opened.target.task), opened.source.report
    scores = task.score(evaluated.answers)
    listener.say(task.headline(scores))
    for name, count in evaluated.unknown_classes.items():
        listener.say(message("evaluation.unknown-class", n=count, name=name, unit=opened.source.unit))
    for sentence in report.sentences():
        listener.say(f"! {sentence}")
    if listener is SILENT:
        report.warn()
    if evaluated.skipped:
        listener.say(message("evaluation.skipped", n=evaluated.skipped))
    return {
        "schema": 1,
        "test": scores,
        "classes": list(opened.classes),
        "unknown_classes": evaluated.unknown_classes,
        "findings": [finding_document(finding) for finding in findings],
        **opened.source.document(),
    }
