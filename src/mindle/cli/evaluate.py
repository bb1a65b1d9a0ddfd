"""`mindle evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mindle.cli import options


@options.takes_reading_options("separator", "header", "label_from")
def evaluate(
    model: Annotated[str, typer.Argument(metavar="RUN|BUNDLE", help="A run or a bundle.")],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="New labelled data: what `mindle train` takes, with the same class names."
        ),
    ],
    *,
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Write the answers to this CSV.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="List of images: the column of labels or numbers.")
    ] = None,
    reading: Mapping[str, Any],
    json: Annotated[str | None, options.json_of("the scores")] = None,
    raw: options.Raw = False,
) -> None:
    """Evaluate a model on new labelled data, every image of it."""
    from mindle import api
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    with Console() as console:
        result = api.evaluate(
            model,
            data,
            target=target,
            out=out,
            raw=raw,
            listener=console,
            **reading,
        )
    write_json_document(result, json)
