"""`mindle ensemble`."""

from __future__ import annotations

from typing import Annotated

import typer


def ensemble(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN…", help="Two finished runs or more, of the same split of the same data."
        ),
    ],
    method: Annotated[
        str, typer.Option(metavar="NAME", help="How they answer together: vote, weighted, stack or average.")
    ] = "vote",
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="The run folder; runs/<data>-<n> unless set.")
    ] = None,
    lang: Annotated[str, typer.Option(metavar="CODE", help="Language of the report: en or ko.")] = "en",
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the scores as JSON to this file, - for standard output."),
    ] = None,
) -> None:
    """Let several runs answer together, as one run with one bundle."""
    from mindle import api
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    with Console() as console:
        run = api.ensemble(runs, method=method, out=out, lang=lang, listener=console)
    write_json_document({"run": str(run.path), **run.metrics}, json)
