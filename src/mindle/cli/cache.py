"""`mindle cache`."""

from __future__ import annotations


def cache(*, prune: str | None = None, json: str | None = None) -> None:
    """Show how much room the cache takes, and free it.

    All of it can be made again from your photos.
    """
    from mindle import api
    from mindle.cli.output import print_table, write_json_document
    from mindle.console import Console

    document = api.cache(prune=prune)
    with Console() as console:
        if prune is not None:
            console.say(f"{document['freed_bytes'] / 1e6:,.1f} MB freed.")
    write_json_document(document, json)
    if json != "-":
        rows = [(row["name"], f"{row['rows']:,}", f"{row['bytes'] / 1e6:,.1f}") for row in document["stores"]]
        print_table(("what", "rows", "MB"), rows)
        print(f"\n{document['folder']} (MINDLE_CACHE chooses another)")
