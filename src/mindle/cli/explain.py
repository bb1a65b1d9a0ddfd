"""`mindle explain`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def explain(model: str, images: Sequence[str] = (), *, json: str | None = None, **options: Any) -> None:
    """Show what answers are based on, and whether the explanations can be trusted.

    Maps of where a model looks in images, each checked, or Shapley values of the columns of rows, as
    pictures and one page.
    """
    import mindle
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    if not images:
        raise ValueError(
            "`mindle explain` must be given images, or files of rows. "
            "Received none. Example: `mindle explain runs/photos-1 photo.jpg`."
        )
    with Console() as console:
        found = mindle.explain(model, images, listener=console, **options)
    write_json_document({**found.document, "checks": dict(found.checks), "page": str(found.page)}, json)
