"""`mindle prepare`."""

from __future__ import annotations

from typing import Annotated

import typer

from mindle.cli import options


def prepare(
    data: Annotated[str, typer.Argument(metavar="DATA", help="What `mindle train` takes.")],
    out: Annotated[str, typer.Argument(metavar="OUT", help="A new folder, or an .npz file.")],
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
    target: options.Target = None,
    task: options.Task = None,
    separator: options.Separator = None,
    header: options.Header = None,
    missing: options.Missing = None,
    label_from: options.LabelFrom = None,
    per_class: options.PerClass = None,
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
            target=target,
            task=task,
            separator=separator,
            header=header,
            missing=missing,
            label_from=label_from,
            per_class=per_class,
            split_seed=split_seed,
            listener=console,
        )
    write_json_document(prepared.as_dict(), json)
    if prepared.failed:
        raise typer.Exit(1)
