"""`mindle ensemble`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def ensemble(runs: Sequence[str], *, json: str | None = None, **options: Any) -> None:
    """Combine several runs into an ensemble.

    The result is a run like any other, with one bundle.
    """
    import mindle
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    with Console() as console:
        run = mindle.ensemble(runs, listener=console, **options)
    write_json_document({"run": str(run.path), **run.metrics}, json)
