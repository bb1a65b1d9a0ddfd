"""`mindle runs`."""

from __future__ import annotations

from typing import Annotated

import typer


def runs(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="The folder that holds the runs.")] = "runs",
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the list as JSON to this file, - for standard output."),
    ] = None,
) -> None:
    """List the runs below a folder with their scores."""
    from mindle import api
    from mindle.cli.output import print_table, write_json_document

    found = api.list_runs(folder)
    write_json_document({"schema": 1, "runs": found}, json)
    if json == "-":
        return
    rows = [
        (row["name"], row["state"], row["strategy"], row["data"], _accuracy(row["accuracy"]), row["created"])
        for row in found
    ]
    print_table(("run", "state", "strategy", "data", "test accuracy", "begun"), rows)


def _accuracy(interval: dict[str, float] | None) -> str:
    if interval is None:
        return ""
    return f"{interval['value']:.1%} [{interval['low']:.1%}, {interval['high']:.1%}]"
