"""`mindle prepare`."""

from __future__ import annotations

from typing import Any


def prepare(data: str, out: str, *, size: str | None = None, json: str | None = None, **options: Any) -> None:
    """Write the split as folders or as one .npz.

    Other programs can read it, and so can `mindle train`.

    Exit code 1 where an image could not be written; each is named.
    """
    import mindle
    from mindle.cli.output import write_json_document
    from mindle.console import Console
    from mindle.data.images.prepare import parse_shape

    with Console() as console:
        shape = None if size is None else parse_shape(size)
        prepared = mindle.prepare(data, out, size=shape, listener=console, **options)
    write_json_document(prepared.as_dict(), json)
    if prepared.failed:
        raise SystemExit(1)
