"""`mindle report`."""

from __future__ import annotations

from typing import Any


def report(run: str, *, json: str | None = None, **options: Any) -> None:
    """Write a run's report again.

    In another language, or to another file.
    """
    import mindle
    from mindle.cli.output import write_json_document
    from mindle.console import Console
    from mindle.messages import message

    with Console() as console:
        path = mindle.report(run, **options)
        console.say(message("commands.report", path=str(path)))
    write_json_document({"schema": 1, "report": str(path)}, json)
