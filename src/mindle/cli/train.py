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
            "a table (CSV) with --target, or a built-in name (digits, breast-cancer, diabetes, iris, wine).",
        ),
    ],
    recipe: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="A named recipe (`mindle recipes`) or a TOML file."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A backbone or net by name (`mindle models`); any timm model works. Table: models to try.",
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
    imbalance: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="For scarce classes: auto, none, weights, sampling, augment, smote, focal, thresholds.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a setting of the recipe: train.peak=3e-4. May be repeated.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Table: what to learn; a name, a position from 1, or last."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Table: classification or regression, where the target cannot tell."
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Table without a header: the columns' names; else c1…cN."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=KIND",
            help="Table: number, category, date or ignored, where the guess is wrong. May be repeated.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Table: rows with equal values stay on one side of a split."),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Table: the order in which rows came; the latest judge."),
    ] = None,
    id_: Annotated[
        list[str] | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Table: names a row; carried through, not learned from. Repeatable.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Table under 2,000 rows: parts of the cross-validation; 5."),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(metavar="N", help="Table under 2,000 rows: how often it is repeated; 3.")
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
    """Check, split, train, judge once, write a report and a bundle.

    The test part stays sealed until it is judged, once, at the end.

    Exit code 0 also where files were set aside; the report names each.
    """
    from mindle import api
    from mindle.cli.output import names, pairs, write_json_document
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
            set=pairs(set_ or [], "--set", "train.peak=3e-4"),
            target=target,
            task=task,
            columns=names(columns),
            kinds=pairs(kind or [], "--kind", "zip=category"),
            group=group,
            time=time,
            ids=tuple(id_ or ()),
            folds=folds,
            repeats=repeats,
            lang=lang,
            track=track,
            listener=console,
        )
    write_json_document({"run": str(run.path), **run.metrics}, json)
