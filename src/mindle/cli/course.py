"""`mindle course`."""

from __future__ import annotations

from typing import Annotated

import typer

from mindle.cli import options


def course(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|FILE", help="The experiment, or a TOML file; without it, all are listed."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="The data, or a folder that holds them under their usual name."),
    ] = None,
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Where to write; runs/course-<name> unless set.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two epochs a variant, to see that everything runs.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="At most so many epochs in each variant.")
    ] = None,
    weights: options.Weights = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of the trainings; 0, or the file's, unless set.")
    ] = None,
    device: options.Device = "auto",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a setting, of all variants (train.learning_rate=3e-4) or of one "
            "(as_written.train.epochs=3). May be repeated.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="VARIANT", help="Run this variant alone (as_written). May be repeated."),
    ] = None,
    lang: Annotated[str, options.lang_of("the pages")] = "en",
    json: Annotated[str | None, options.json_of("the list, or course.json,")] = None,
) -> None:
    """Train the variants of an experiment and compare them on one page: an exercise of the course, or a file.

    Each variant is an ordinary run below --out; the same command goes on after an interruption.
    """
    from mindle import api
    from mindle.cli.output import pairs, print_table, write_json_document
    from mindle.console import Console

    if name is None:
        found = api.list_experiments()
        write_json_document({"schema": 1, "experiments": found}, json)
        if json != "-":
            print_table(
                ("experiment", "what it is about", "course notes"),
                [(row["name"], row["about"], row["notes"]) for row in found],
            )
        return
    with Console() as console:
        done = api.course(
            name,
            data,
            out=out,
            weights=weights,
            seed=seed,
            device=device,
            epochs=epochs,
            quick=quick,
            set=pairs(set_ or [], "--set", "train.learning_rate=3e-4"),
            only=only or (),
            lang=lang,
            listener=console,
        )
    write_json_document(done.document, json)
