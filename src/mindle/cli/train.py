"""`mindle train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mindle.cli import options


@options.takes_reading_options()
def train(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder of class folders, a CSV (path,label or path,target), an .npz, a folder of idx or "
            "CIFAR files, a table (CSV) with --target, or a built-in name (digits, breast-cancer, diabetes, "
            "iris, wine).",
        ),
    ],
    *,
    recipe: options.Recipe = None,
    model: options.Model = None,
    strategy: options.Strategy = None,
    weights: options.Weights = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Time for everything, such as 90s or 1h30m; auto: default 10m (images) / 4.5m (tables).",
        ),
    ] = None,
    seed: options.Seed = 0,
    split_seed: options.SplitSeed = 0,
    device: options.Device = "auto",
    out: options.Out = None,
    resume: options.Resume = False,
    imbalance: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Class imbalance: auto, none, weights, sampling, augment, smote, focal, thresholds.",
        ),
    ] = None,
    prefer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Images: accuracy, or the cheapest answer shown to lose at most 0.5 points (balance, the "
            "default) or 2 (speed).",
        ),
    ] = None,
    settings: options.Settings = None,
    reading: Mapping[str, Any],
    folds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Table under 2,000 rows: number of folds (default 5)."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(metavar="N", help="Table under 2,000 rows: number of repeats (default 3).")
    ] = None,
    lang: options.Lang = "en",
    track: options.Track = None,
    json: Annotated[str | None, options.json_of("the scores")] = None,
) -> None:
    """Check, split, train, evaluate once, write a report and a bundle.

    The test split stays sealed until it is evaluated, once, at the end.

    Exit code 0 also where files were set aside; the report names each.
    """
    from mindle import api
    from mindle.cli.output import pairs, write_json_document
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
            imbalance=imbalance,
            prefer=prefer,
            set=pairs(settings or [], "--set", "train.learning_rate=3e-4"),
            folds=folds,
            repeats=repeats,
            lang=lang,
            track=track,
            listener=console,
            **reading,
        )
    write_json_document({"run": str(run.path), **run.metrics}, json)
