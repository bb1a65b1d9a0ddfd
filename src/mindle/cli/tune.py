"""`mindle tune`."""

from __future__ import annotations

from typing import Any


def tune(data: str, *, json: str | None = None, **options: Any) -> None:
    """Search hyperparameters, and refit the best.

    The best recipe is refitted as an ordinary run and evaluated once on the test split.

    Trials never see the test split. A search that was killed goes on with --resume and loses no trial.
    """
    import mindle
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    with Console() as console:
        run = mindle.tune(data, listener=console, **options)
    document = {"run": str(run.path), "search": run.folder.document()["search"], **run.metrics}
    write_json_document(document, json)
