"""`mindle models`."""

from __future__ import annotations

import sys


def models(*, weights: str | None = None, json: str | None = None) -> None:
    """List what can be trained now, backbones and nets.

    A backbone is listed where its weights are on this machine; a net is trained from scratch.
    """
    import mindle
    from mindle.cli.output import show
    from mindle.console import Console
    from mindle.messages import known_message, message

    found = mindle.list_models(weights=weights)
    keys = ("name", "kind", "input", "size", "licence", "from")
    rows = [[known_message(f"commands.models.{key}.{row[key]}", row[key]) for key in keys] for row in found]
    if show({"schema": 1, "models": found}, json, ("model", *keys[1:]), rows):
        print()
        from mindle.models.listing import engine_note

        for note in (message("commands.models.others"), engine_note()):
            Console(sys.stdout).say(note)
