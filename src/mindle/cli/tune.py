"""`mindle tune`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mindle.cli import options


@options.takes_reading_options()
def tune(
    data: Annotated[str, typer.Argument(metavar="DATA", help="As `mindle train` takes it.")],
    *,
    space: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What is varied, as TOML; what suits the strategy unless set."),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(metavar="N", help="How many; 50 unless set or there is a budget, and all of a grid."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time for everything, such as 90s, 10m or 1h30m.")
    ] = None,
    sampler: Annotated[str, typer.Option(metavar="NAME", help="tpe, random or grid.")] = "tpe",
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A database for the search; a file in the run folder unless set."),
    ] = None,
    workers: Annotated[int, typer.Option(metavar="N", help="How many processes run trials at once.")] = 1,
    recipe: options.Recipe = None,
    model: options.Model = None,
    strategy: options.Strategy = None,
    weights: options.Weights = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the search and of every training.")] = 0,
    split_seed: options.SplitSeed = 0,
    device: options.Device = "auto",
    out: options.Out = None,
    resume: options.Resume = False,
    settings: options.Settings = None,
    reading: Mapping[str, Any],
    folds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Table: number of folds that score each trial (default 5)."),
    ] = None,
    lang: options.Lang = "en",
    track: options.Track = None,
    json: Annotated[str | None, options.json_of("the scores")] = None,
) -> None:
    """Search for the recipe that suits the data, then refit the best one and evaluate it once.

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
            set=pairs(settings or [], "--set", "train.learning_rate=3e-4"),
            folds=folds,
            lang=lang,
            track=track,
            listener=console,
            **reading,
        )
    document = {"run": str(run.path), "search": run.folder.document()["search"], **run.metrics}
    write_json_document(document, json)
