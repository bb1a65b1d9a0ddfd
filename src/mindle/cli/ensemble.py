"""`mindle ensemble`."""

from __future__ import annotations

from typing import Annotated

import typer

from mindle.cli import options


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
    out: options.Out = None,
    lang: options.Lang = "en",
    json: Annotated[str | None, options.json_of("the scores")] = None,
) -> None:
    """Let several runs answer together, as one run with one bundle."""
    from mindle import api
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    with Console() as console:
        run = api.ensemble(runs, method=method, out=out, lang=lang, listener=console)
    write_json_document({"run": str(run.path), **run.metrics}, json)
