"""`mindle check`."""

from __future__ import annotations

from typing import Any


def check(data: str, *, json: str | None = None, **options: Any) -> None:
    """Check images and labels, or a table.

    Lists what would spoil a training: unreadable files, duplicates across splits, wrong cells. Nothing is
    changed.

    Exit code 1 where something needs a person's decision.
    """
    import mindle
    from mindle.api.check import tell_findings
    from mindle.cli.output import write_json_document
    from mindle.console import Console
    from mindle.messages import message

    with Console() as console:
        result = mindle.check(data, listener=console, **options)
        for line in result.describe():
            console.say(line)
        tell_findings(result.findings, console, most=50)
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
        raise SystemExit(1)
