"""`evaluate`: how good a run or a bundle is on new labelled data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from mindle.api.check import finding_document, tell_findings
from mindle.api.predict import open_model
from mindle.artifacts.outputs import keep_apart, require_ending
from mindle.data.reading import ReadingKeywords, ReadingOptions, takes_reading_options
from mindle.messages import message
from mindle.records import SILENT, Listener

if TYPE_CHECKING:
    from mindle.evaluation.family import Evaluation

Source = str | os.PathLike[str]

READ_AS = ("target", "separator", "header", "label_from")


@takes_reading_options(*READ_AS)
def evaluate(
    model: Source,
    data: Source,
    *,
    out: Source | None = None,
    cost: Source | None = None,
    raw: bool = False,
    listener: Listener = SILENT,
    **reading: Unpack[ReadingKeywords],
) -> dict[str, Any]:
    """Evaluate a model on new labelled data: every image of every split, or every row that has a target.

    Args:
        model: A run or a bundle.
        data: What `train` takes; classes and columns are matched by name.
        out: Where to write the answers as CSV, if anywhere; outside of the data.
        cost: What wrong answers cost, as `train` takes it; in place of what the model was trained with.
        raw: Whether texts in `out` that a spreadsheet would run as formulas are left as they are.
        listener: Receives messages and progress.
        **reading: How the data are read, see `ReadingOptions`.

    Returns:
        `{"schema": 1, "test": …, "findings": […], "unknown_classes": {…}}`, the scores as in metrics.json. Of
        rows also `unreadable`, the cells that hold nothing that can be read, by column with the first of
        them, and `written`, what is written otherwise than in training. Where no listener is given these are
        warnings too.

    Raises:
        DataError: If the data share no class with the model.
        ValueError: If `out` lies in the data, or is no CSV file, or `cost` holds other classes than the
            model.
    """
    from mindle.evaluation import tasks

    options = ReadingOptions.of(reading, evaluate)
    require_ending("out", out, (".csv",))
    keep_apart({"out": out}, [model, data, cost])
    opened = open_model(model, cost=cost)
    read_as = {name: getattr(options, name) for name in READ_AS}
    read, findings = opened.source.read_labelled(data, read_as, opened.target, listener)
    tell_findings(findings, listener)
    evaluated = opened.evaluate(read, listener=listener)
    if out is not None:
        evaluated.write(Path(out), raw=raw)
    task, report = tasks.of(opened.target.task), opened.source.report
    scores = task.score(evaluated.answers)
    if opened.abstention is not None:
        scores |= task.trust_scores(evaluated.answers, opened.abstention)
    listener.say(task.headline(scores))
    tell_trust(scores, task, listener)
    for name, count in evaluated.unknown_classes.items():
        listener.say(message("evaluation.unknown-class", n=count, name=name, unit=opened.source.unit))
    for sentence in report.sentences():
        listener.say(message("commands.noticed", said=sentence))
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


def tell_trust(scores: Mapping[str, Any], task: Evaluation[Any], listener: Listener) -> None:
    """Say how many answers should not be used alone, how good the others are, and what decisions cost."""
    _tell_abstained(scores, task, listener)
    if "cost" in scores:
        ends = {name: f"{end:.4g}" for name, end in scores["cost"].items()}
        without = f"{scores['cost_without_abstaining']:.4g}"
        listener.say(message("evaluation.cost", **ends, without=without))


def _tell_abstained(scores: Mapping[str, Any], task: Evaluation[Any], listener: Listener) -> None:
    from mindle.evaluation.trust.abstention import reasons_said

    counts = scores.get("abstain", {}).get("by_reason", {})
    n = sum(counts.values())
    if not n or n == scores["n"]:
        return
    rest = {task.main: scores["abstain"][f"{task.main}_of_the_rest"], "n": scores["n"] - n}
    codes = reasons_said(counts)
    listener.say(message("evaluation.abstained", n=n, codes=codes, rest=task.headline(rest)))
