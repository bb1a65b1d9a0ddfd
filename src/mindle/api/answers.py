"""`predict` and `evaluate`: what a run or a bundle says about new data."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mindle.api.checks import finding_document, tell_findings
from mindle.artifacts.outputs import STREAM, Output, keep_apart, outputs_of, require_ending
from mindle.records import SILENT, Finding, Listener

if TYPE_CHECKING:
    from io import BufferedReader

    import pandas as pd

    from mindle.serving.judging import Judged

Source = str | os.PathLike[str]

# Findings that say what data lack to be learned from, which nobody asks of data to judge by.
_OF_LEARNING = (
    "class-missing", "few", "few-numbers", "imbalance", "one-class", "one-target", "single"
)  # fmt: skip


def predict(
    model: Source,
    images: Any,
    *,
    separator: str | None = None,
    header: int | None = None,
    weights: Source | None = None,
    engine: str = "onnx",
) -> pd.DataFrame:
    """Answer images, or rows of a table.

    Args:
        model: A run, a bundle, their folder, or "imagenet:NAME" for a backbone with its own ImageNet classes.
        images: One or several of: a path, a folder (searched downwards), a glob, a PIL image, a uint8 array
            (height, width[, channel]). For a model of tables: a CSV or JSON file (a path, an open file, its
            bytes), a data frame, a mapping by column name (of cells: one row; of lists: a table), with the
            columns in any order.
        separator: Of a file of rows: what stands between cells, where the file does not show it.
        header: Of a file of rows: how many lines of header it has, where the file does not show it.
        weights: For "imagenet:NAME", where to look for its weights first.
        engine: "onnx" answers from the bundle; "torch" from the run's own PyTorch model.

    Returns:
        A data frame with `path`, `predicted`, `confidence`, `p_<class>` and `reason`; an image that cannot be
        read has a reason and nothing else. An estimated number stands in `predicted`, the ends of its
        prediction interval in `low` and `high`. For rows, `row` counts them and id columns are carried
        through; cells that cannot be read are missing, and a `DataWarning` counts them by column.

    Raises:
        ArtifactError: If there is no such run or bundle.
        DataError: If rows lack columns that the model learned from (all of them are named), or no cell of
            one can be read.
    """
    import pandas as pd

    source = open_model(model, separator=separator, header=header, weights=weights, engine=engine)
    found = pd.DataFrame(list(source.rows(inputs_of(source, images))), columns=source.columns)
    if source.unit == "rows":
        source.report.warn()
    return found


def open_model(
    model: Source,
    *,
    separator: str | None = None,
    header: int | None = None,
    weights: Source | None = None,
    engine: str = "onnx",
) -> Any:
    """Open what `predict` takes once, to answer many times; see `mindle.serving.opened`."""
    from mindle.data.reading import refuse
    from mindle.serving import opened
    from mindle.serving.rows import OpenedRows

    found = opened.open_model(model, weights=None if weights is None else Path(weights), engine=engine)
    if isinstance(found, OpenedRows):
        found.reading = {"separator": separator, "header": header}
    else:
        refuse({"separator": separator, "header": header}, "a table", "a model of images")
    return found


def inputs_of(
    source: Any, given: Any, *, written: Mapping[str, Source | None] | None = None
) -> Iterator[Any]:
    """What an opened model's `rows` takes; "-" reads names from standard input.

    Args:
        source: The opened model.
        given: What the user gave.
        written: Outputs of the same call by option: left out of folders, refused where they are named.

    Raises:
        ValueError: If standard input names an output.
    """
    outputs = outputs_of(written or {})
    single = (
        isinstance(given, str | os.PathLike | Mapping | bytes | bytearray | memoryview)
        or not isinstance(given, Iterable)
        or hasattr(given, "shape")
        or hasattr(given, "read")  # an open file, which is iterable by line
    )
    inputs: Iterator[Any] = source.inputs(_expanded([given] if single else given, written or {}))
    return (one for one in inputs if not _is_output(one, outputs)) if outputs else inputs


def _is_output(one: Any, outputs: Sequence[Output]) -> bool:
    """Whether an image, named, is a file that this call is writing."""
    image = one[1] if isinstance(one, tuple) else one
    return isinstance(image, Path) and any(output.is_one_of(image) for output in outputs)


def _expanded(images: Iterable[Any], written: Mapping[str, Source | None]) -> Iterator[Any]:
    for image in images:
        if isinstance(image, str) and image == STREAM:
            for name in _names():
                keep_apart(written, [name], among=True)
                yield name
        else:
            yield image


def _names() -> Iterator[str]:
    """The names on standard input as `xargs` and `xargs -0` read them: one a line, or each before a NUL."""
    if sys.stdin is None:
        raise ValueError("`-` must find names on standard input. Received none: it is closed.")
    stream = cast("BufferedReader", sys.stdin.buffer)
    end, rest = b"\n", b""
    while chunk := stream.read1():
        end = b"\0" if b"\0" in chunk else end
        *whole, rest = (rest + chunk).split(end)
        yield from (os.fsdecode(name) for line in whole if (name := line.removesuffix(b"\r")))
    if rest.strip():
        yield os.fsdecode(rest)


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
    """Judge a model on new labelled data: every image of every part, or every row that has a target.

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
    from mindle.data.reading import refuse
    from mindle.evaluation import tasks

    require_ending("out", out, (".csv",))
    keep_apart({"out": out}, [model, data])
    opened, reading = open_model(model), {"separator": separator, "header": header}
    about_images = {"target": target, "label_from": label_from}
    if opened.unit == "rows":
        refuse(about_images, "images", "a model of rows")
        judged, findings = _judged_rows(opened, data, reading)
    else:
        judged, findings = _judged(opened, data, {**reading, **about_images}, listener)
    if out is not None:
        judged.write(Path(out), raw=raw)
    task = tasks.of(judged.answers.task)
    scores = task.score(judged.answers)
    listener.say(task.headline(scores))
    for name, count in judged.unknown_classes.items():
        listener.say(
            f"! {count:,} {opened.unit} of {name!r}, a class the model does not know, are not in the score"
        )
    for sentence in judged.report.sentences():
        listener.say(f"! {sentence}")
    if listener is SILENT:
        judged.report.warn()
    if judged.left_out:
        from mindle.data.common.names import count_of

        rows = count_of(judged.left_out, "row is", "rows are")
        listener.say(f"! {rows} not in the score: without a target, or unreadable")
    return {
        "schema": 1,
        "test": scores,
        "classes": list(opened.classes),
        "unknown_classes": judged.unknown_classes,
        "findings": [finding_document(finding) for finding in findings],
        **(judged.report.document() if opened.unit == "rows" else {}),
    }


def _judged(
    opened: Any, data: Source, reading: Mapping[str, Any], listener: Listener
) -> tuple[Judged, tuple[Finding, ...]]:
    from mindle import data as data_room
    from mindle.data.images.sources.source import ARCHIVE, LISTINGS
    from mindle.serving.judging import judge

    # A model says itself whether it tells classes or numbers, and of a list in which column numbers stand.
    suffix, asked = Path(data).suffix.lower(), dict(reading)
    if suffix in LISTINGS and not opened.classes:
        asked |= {"task": "regression", "target": asked["target"] or opened.target}
    elif suffix in LISTINGS and asked["target"]:
        asked["task"] = "classification"
    elif suffix == ARCHIVE and not opened.classes:
        asked["task"] = "regression"
    dataset = data_room.check(data_room.read(data, **asked), specs=(opened.spec,), listener=listener)
    findings = tuple(finding for finding in dataset.findings if finding.kind not in _OF_LEARNING)
    tell_findings(findings, listener)
    return judge(opened, dataset, listener=listener), findings


def _judged_rows(opened: Any, data: Any, reading: dict[str, Any]) -> tuple[Judged, tuple[Finding, ...]]:
    from mindle.serving.judging import judge_rows

    opened.reading = reading
    return judge_rows(opened, data), ()
