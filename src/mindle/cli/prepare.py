"""`mindle prepare`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mindle.cli import options


@options.takes_reading_options("target", "task", "separator", "header", "missing", "label_from", "per_class")
def prepare(
    data: Annotated[str, typer.Argument(metavar="DATA", help="What `mindle train` takes.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="A new folder, or an .npz file.")],
    *,
    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="folders or npz; inferred from OUT's suffix unless set."),
    ] = None,
    link: Annotated[
        str, typer.Option(metavar="NAME", help="How files get into folders: copy, hard or symbolic.")
    ] = "copy",
    size: Annotated[
        str | None,
        typer.Option(metavar="H,W", help="Height and width of the images in an .npz; their own unless set."),
    ] = None,
    reading: Mapping[str, Any],
    split_seed: options.SplitSeed = 0,
    json: Annotated[str | None, options.json_of("what was laid out")] = None,
) -> None:
    """Lay the split out as folders or as one .npz, for use elsewhere.

    Exit code 1 where an image could not be laid out; each is named.
    """
    from mindle import api
    from mindle.cli.output import write_json_document
    from mindle.console import Console
    from mindle.data.images.prepare import parse_shape

    with Console() as console:
        prepared = api.prepare(
            data,
            out,
            layout=as_,
            link=link,
            size=None if size is None else parse_shape(size),
            split_seed=split_seed,
            listener=console,
            **reading,
        )
    write_json_document(prepared.as_dict(), json)
    if prepared.failed:
        raise typer.Exit(1)
