"""`mindle train`."""

from __future__ import annotations

from typing import Annotated

import typer


def train(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder of class folders, a CSV (path,label), an .npz, a folder of idx or CIFAR files, "
            "or a built-in name (digits).",
        ),
    ],
    recipe: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="A named recipe (`mindle recipes`) or a TOML file."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A backbone or net by name (`mindle models`); any timm model works."
        ),
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(metavar="NAME", help="auto, probe, inline, finetune or scratch.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="PATH", help="A weight file, or a folder of them with their cards.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Time for everything, such as 90s, 10m or 2h; auto takes 10m."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the training.")] = 0,
    split_seed: Annotated[int, typer.Option(metavar="N", help="Seed of the split.")] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="The run folder; runs/<data>-<n> unless set.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the unfinished run in --out (or the newest of this data)."),
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a setting of the recipe: train.peak=3e-4. May be repeated.",
        ),
    ] = None,
    lang: Annotated[str, typer.Option(metavar="CODE", help="Language of the report: en or ko.")] = "en",
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the scores as JSON to this file, - for standard output."),
    ] = None,
) -> None:
    """Check, split, train, judge once, write a report and a bundle.

    The test part stays sealed until it is judged, once, at the end.

    Exit code 0 also where files were set aside; the report names each.
    """
    from mindle import api
    from mindle.cli.output import write_json_document
    from mindle.console import Console

    with Console() as console:
        run = api.train(
            data,
            recipe=recipe,
            model=model,
            strategy=strategy,
            weights=weights,
            budget=budget,
            seed=seed,
            split_seed=split_seed,
            device=device,
            out=out,
            resume=resume,
            set=_pairs(set_ or []),
            lang=lang,
            listener=console,
        )
    write_json_document({"run": str(run.path), **run.metrics}, json)


def _pairs(settings: list[str]) -> dict[str, str]:
    """Turn `train.peak=3e-4` into a mapping."""
    pairs = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"`--set` must look like train.peak=3e-4. Received {setting!r}.")
        pairs[name.strip()] = value.strip()
    return pairs
