"""`mindle tune`."""

from __future__ import annotations

from typing import Annotated

import typer


def tune(
    data: Annotated[str, typer.Argument(metavar="DATA", help="As `mindle train` takes it.")],
    space: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What is varied, as TOML; what suits the strategy unless set."),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(metavar="N", help="How many; 50 unless set or there is a budget, and all of a grid."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time for everything, such as 90s, 10m or 2h.")
    ] = None,
    sampler: Annotated[str, typer.Option(metavar="NAME", help="tpe, random or grid.")] = "tpe",
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A data base for the search; a file in the run folder unless set."),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", help="How many processes run trials at once.")] = 1,
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
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the search and of every training.")] = 0,
    split_seed: Annotated[int, typer.Option(metavar="N", help="Seed of the split.")] = 0,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps.")] = "auto",
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="The run folder; runs/<data>-<n> unless set.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the unfinished search in --out (or the newest of this data)."
        ),
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a setting of the recipe in all trials: train.epochs=10. May be repeated.",
        ),
    ] = None,
    lang: Annotated[str, typer.Option(metavar="CODE", help="Language of the report: en or ko.")] = "en",
    track: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE", help="Tell MLflow or TensorBoard too: mlflow[:URI] or tensorboard[:DIR]."
        ),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the scores as JSON to this file, - for standard output."),
    ] = None,
) -> None:
    """Search for the recipe that suits the data, then train the winner and judge it once.

    Trials never see the test part. A search that was killed goes on with --resume and loses no trial.
    """
    from mindle import api
    from mindle.cli.output import pairs, write_json_document
    from mindle.console import Console

    with Console() as console:
        run = api.tune(
            data,
            space=space,
            trials=trials,
            budget=budget,
            sampler=sampler,
            storage=storage,
            workers=workers,
            recipe=recipe,
            model=model,
            strategy=strategy,
            weights=weights,
            seed=seed,
            split_seed=split_seed,
            device=device,
            out=out,
            resume=resume,
            set=pairs(set_ or [], "--set", "train.peak=3e-4"),
            lang=lang,
            track=track,
            listener=console,
        )
    document = {"run": str(run.path), "search": run.folder.document()["search"], **run.metrics}
    write_json_document(document, json)
