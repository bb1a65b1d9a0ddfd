"""`mindle evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from mindle.cli import options


def evaluate(
    model: Annotated[str, typer.Argument(metavar="RUN|BUNDLE", help="A run or a bundle.")],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="New labelled data: what `mindle train` takes, with the same class names."
        ),
    ],
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Write the answers to this CSV.")] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="List of images: the column of labels or numbers.")
    ] = None,
    separator: options.Separator = None,
    header: options.Header = None,
    label_from: options.LabelFrom = None,
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
            separator=separator,
            header=header,
            label_from=label_from,
            out=out,
            raw=raw,
            listener=console,
        )
    write_json_document(result, json)
