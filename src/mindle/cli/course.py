"""`mindle course`."""

from __future__ import annotations

from typing import Any


def course(name: str | None = None, *, json: str | None = None, **options: Any) -> None:
    """Run an exercise of the course, or your own.

    An experiment (an exercise of the course, or a TOML file) trains its variants on the same data and
    compares them on one page.

    Each variant is an ordinary run below --out; the same command goes on after an interruption.
    """
    import mindle
    from mindle.cli.output import show, write_json_document
    from mindle.console import Console

    if name is None:
        found = mindle.list_experiments()
        rows = [(row["name"], row["about"], row["notes"]) for row in found]
        columns = ("experiment", "what it is about", "course notes")
        show({"schema": 1, "experiments": found}, json, columns, rows)
        return
    with Console() as console:
        done = mindle.course(name, listener=console, **options)
    write_json_document(done.document, json)
