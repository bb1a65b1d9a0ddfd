"""`mindle predict`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mindle.artifacts.outputs import ANSWERS, require_ending
from mindle.cli import options
from mindle.errors import DataError
from mindle.messages import message


@options.takes_reading_options("separator", "header")
def predict(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN|BUNDLE",
            help="A run, a bundle, or imagenet:NAME for a backbone with its own 1,000 classes.",
        ),
    ],
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE|DIR…",
            help="Images: files, folders, globs. Rows: CSV or JSON files. - reads names from standard input.",
        ),
    ] = None,
    *,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Write to this file (.csv or .json) instead of CSV on standard output."
        ),
    ] = None,
    json: Annotated[str | None, options.json_of("the answers")] = None,
    raw: options.Raw = False,
    reading: Mapping[str, Any],
    weights: Annotated[
        str | None, typer.Option(metavar="PATH", help="For imagenet:NAME, where its weights lie.")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(metavar="NAME", help="onnx answers from the bundle, torch from the run's own model."),
    ] = "onnx",
) -> None:
    """Answer images, or the rows of a table.

    An image or a row that cannot be read gets a reason instead of an answer, and the rest go on.

    Exit code 3 where nothing at all could be answered.
    """
    from mindle import api
    from mindle.cli.output import as_stream
    from mindle.cli.tables import write_answers
    from mindle.console import Console

    if not images:
        raise ValueError(
            "`mindle predict` must be given what to predict: files, folders, globs, or - for names on "
            "standard input."
        )
    out, json = as_stream(out), as_stream(json)
    require_ending("--out", out, ANSWERS)
    with Console() as console:
        opened = api.open_model(model, weights=weights, engine=engine, **reading)
        began = time.perf_counter()
        inputs = api.inputs_of(opened, images, written={"--out": out, "--json": json})
        counts = write_answers(opened, inputs, out=out, json=json, raw=raw)
        for sentence in opened.source.report.sentences():
            console.say(f"! {sentence}")
        seconds = time.perf_counter() - began
        rate = message("predict.rate", rate=counts.answered / seconds) if seconds > 1 else ""
        failed = message("predict.failed", n=counts.failed) if counts.failed else ""
        unit = opened.source.unit
        console.say(message("predict.answered", n=counts.answered, rate=rate, failed=failed, unit=unit))
        for column, count in counts.guarded.items():
            console.say(message("predict.guarded", n=count, column=column))
    if counts.failed and not counts.answered:
        raise typer.Exit(DataError.exit_code)
