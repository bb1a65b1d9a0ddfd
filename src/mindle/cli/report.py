"""`mindle report`."""

from __future__ import annotations

from typing import Annotated

import typer

from mindle.cli import options


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A finished run.")],
    lang: options.Lang = "en",
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where to write it; the run's report.html unless set.")
    ] = None,
    json: Annotated[str | None, options.json_of("where the report is")] = None,
) -> None:
    """Write a run's report again, in another language or place."""
    from mindle import api
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    with Console() as console:
        path = api.report(run, lang=lang, out=out)
        console.say(f"Report: {path}")
    write_json_document({"schema": 1, "report": str(path)}, json)
