"""`mindle cache`."""

from __future__ import annotations

import sys


def cache(*, prune: str | None = None, json: str | None = None) -> None:
    """Show the size of the cache, and prune it.

    All of it can be made again from your photos.
    """
    import mindle
    from mindle.cli.output import show
    from mindle.console import Console
    from mindle.messages import message

    document = mindle.cache(prune=prune)
    with Console() as console:
        if prune is not None:
            console.say(message("commands.cache.freed", size=document["freed_bytes"] / 1e6))
    rows = [(row["name"], f"{row['rows']:,}", f"{row['bytes'] / 1e6:,.1f}") for row in document["stores"]]
    if show(document, json, ("what", "rows", "MB"), rows):
        print()
        Console(sys.stdout).say(message("commands.cache.folder", folder=document["folder"]))
