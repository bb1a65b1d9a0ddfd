"""`mindle check`."""

from __future__ import annotations

from typing import Annotated

import typer


def check(
    data: Annotated[str, typer.Argument(metavar="DATA", help="What `mindle train` takes.")],
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the findings as JSON to this file, - for standard output."),
    ] = None,
) -> None:
    """Look for files and labels that would spoil a training.

    Nothing is changed.

    Exit code 1 where something needs a person's decision.
    """
    from mindle import api
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    with Console() as console:
        result = api.check(data, listener=console)
        for line in result.describe():
            console.say(line)
        api.tell_findings(result.findings, console, most=50)
        decisions = sum(finding.decision for finding in result.findings)
        console.say(
            f"{len(result.findings)} findings, {decisions} that need your decision (marked !)."
            if result.findings
            else "Nothing was found that would spoil a training."
        )
    write_json_document(result.as_dict(), json)
    if result.needs_decision:
        raise typer.Exit(1)
