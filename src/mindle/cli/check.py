"""`mindle check`."""

from __future__ import annotations

from typing import Annotated

import typer


def check(
    data: Annotated[str, typer.Argument(metavar="DATA", help="What `mindle train` takes.")],
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Table: what to learn; see `mindle train`.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="Table: classification or regression.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Table without a header: the columns' names.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=KIND", help="Table: number, category, date or ignored. Repeatable."),
    ] = None,
    group: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Table: equal values stay on one side of a split.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Table: the order in which rows came.")
    ] = None,
    id_: Annotated[
        list[str] | None, typer.Option("--id", metavar="COLUMN", help="Table: names a row. Repeatable.")
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the findings as JSON to this file, - for standard output."),
    ] = None,
) -> None:
    """Look for files and labels, or columns and rows, that would spoil a training.

    Nothing is changed.

    Exit code 1 where something needs a person's decision.
    """
    from mindle import api
    from mindle.cli.output import names, pairs, write_json_document
    from mindle.console import Console

    with Console() as console:
        result = api.check(
            data,
            target=target,
            task=task,
            columns=names(columns),
            kinds=pairs(kind or [], "--kind", "zip=category"),
            group=group,
            time=time,
            ids=tuple(id_ or ()),
            listener=console,
        )
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
