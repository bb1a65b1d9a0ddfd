"""`mindle evaluate`."""

from __future__ import annotations

from typing import Any


def evaluate(model: str, data: str, *, json: str | None = None, **options: Any) -> None:
    """Evaluate a model on new labelled data.

    Every image counts, whatever split it lies in, or every row that has a target.
    """
    import mindle
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    with Console() as console:
        result = mindle.evaluate(model, data, listener=console, **options)
    write_json_document(result, json)
