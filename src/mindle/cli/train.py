"""`mindle train`."""

from __future__ import annotations

from typing import Any


def train(data: str, *, json: str | None = None, **options: Any) -> None:
    """Check, split, train, evaluate once, write a report and a bundle.

    The test split stays sealed until it is evaluated, once, at the end.

    Exit code 0 also where files were set aside; the report names each.
    """
    import mindle
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    with Console() as console:
        run = mindle.train(data, listener=console, **options)
    write_json_document({"run": str(run.path), **run.metrics}, json)
