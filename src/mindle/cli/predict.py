"""`mindle predict`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from mindle.artifacts.outputs import ANSWERS, keep_apart, require_ending
from mindle.errors import DataError
from mindle.messages import message


def predict(
    model: str,
    images: Sequence[str] = (),
    *,
    out: str | None = None,
    json: str | None = None,
    raw: bool = False,
    **options: Any,
) -> None:
    """Predict images, or the rows of a table.

    An image or a row that cannot be read gets a reason instead of a prediction, and the rest go on.

    Exit code 3 where nothing at all could be predicted.
    """
    from mindle.api.predict import inputs_of, open_model
    from mindle.cli.output import as_stream
    from mindle.cli.tables import write_answers
    from mindle.console import Console
    from mindle.evaluation.trust.abstention import reasons_said

    if not images:
        raise ValueError(
            "`mindle predict` must be given what to predict: files, folders, globs, or - for names on "
            "standard input."
        )
    out, json = as_stream(out), as_stream(json)
    require_ending("--out", out, ANSWERS)
    keep_apart({"--out": out, "--json": json}, [options.get("cost")])
    with Console() as console:
        opened = open_model(model, **options)
        began = time.perf_counter()
        inputs = inputs_of(opened, images, written={"--out": out, "--json": json})
        counts = write_answers(opened, inputs, out=out, json=json, raw=raw)
        for sentence in opened.source.report.sentences():
            console.say(message("commands.noticed", said=sentence))
        seconds = time.perf_counter() - began
        rate = message("predict.rate", rate=counts.answered / seconds) if seconds > 1 else ""
        failed = message("predict.failed", n=counts.failed) if counts.failed else ""
        unit = opened.source.unit
        console.say(message("predict.answered", n=counts.answered, rate=rate, failed=failed, unit=unit))
        if counts.abstained:
            codes = reasons_said(counts.abstained)
            console.say(message("predict.abstained", n=counts.abstained.total(), codes=codes))
        for column, count in counts.guarded.items():
            console.say(message("predict.guarded", n=count, column=column))
    if counts.failed and not counts.answered:
        raise SystemExit(DataError.exit_code)
