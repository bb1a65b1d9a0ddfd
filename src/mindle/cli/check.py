"""`mindle check`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mindle.cli import options


@options.takes_reading_options()
def check(
    data: Annotated[str, typer.Argument(metavar="DATA", help="What `mindle train` takes.")],
    *,
    reading: Mapping[str, Any],
    split_seed: options.SplitSeed = 0,
    json: Annotated[str | None, options.json_of("the findings")] = None,
) -> None:
    """Look for files and labels, or columns and rows, that would spoil a training.

    Nothing is changed.

    Exit code 1 where something needs a person's decision.
    """
    from mindle import api
    from mindle.cli.output import write_json_document
    from mindle.console import Console
    from mindle.messages import message

    with Console() as console:
        result = api.check(
            data,
            split_seed=split_seed,
            listener=console,
            **reading,
        )
        for line in result.describe():
            console.say(line)
        api.tell_findings(result.findings, console, most=50)
        decisions = sum(finding.decision for finding in result.findings)
        console.say(
            message(
                "data.check.found",
                n=len(result.findings),
                decisions=message("data.check.decisions", n=decisions),
            )
            if result.findings
            else message("data.check.nothing")
        )
    write_json_document(result.as_dict(), json)
    if result.needs_decision:
        raise typer.Exit(1)
