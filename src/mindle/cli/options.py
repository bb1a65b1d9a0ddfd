"""Options that several commands take, each spelled once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mindle.messages.language import VARIABLE


def json_of(what: str) -> Any:
    """`--json FILE`, which writes `what` for programs."""
    return typer.Option(metavar="FILE", help=f"Write {what} as JSON to this file, - for standard output.")


Raw = Annotated[
    bool,
    typer.Option(
        "--raw", help="Leave texts in a CSV as they are, also those that a spreadsheet would run as formulas."
    ),
]

# ---- how to train -----------------------------------------------------------------------------------------

Recipe = Annotated[
    str | None, typer.Option(metavar="NAME|FILE", help="A named recipe (`mindle recipes`) or a TOML file.")
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Images: a backbone or net by name (`mindle models`); any timm model works. "
        "Table: models to compare, such as 'linear, CatBoost'.",
    ),
]
Strategy = Annotated[
    str | None, typer.Option(metavar="NAME", help="auto, probe, inline, finetune or scratch.")
]
Weights = Annotated[
    str | None, typer.Option(metavar="PATH", help="A weight file, or a folder of them with their cards.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a setting of the recipe: train.learning_rate=3e-4. May be repeated.",
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of the training.")]
SplitSeed = Annotated[int, typer.Option(metavar="N", help="Seed of the split.")]
Device = Annotated[
    str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps; tables train on the processor.")
]

# ---- what becomes of it -----------------------------------------------------------------------------------

Out = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="The run folder; runs/<data>-<n> unless set.")
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the unfinished run in --out (or the newest of this data)."),
]


def lang_of(what: str) -> Any:
    """`--lang CODE`, the language of `what`; the variable `MINDLE_LANG` is its default."""
    return typer.Option(metavar="CODE", envvar=VARIABLE, help=f"Language of {what}: en or ko.")


Lang = Annotated[str, lang_of("the report")]
Track = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE", help="Also log to MLflow or TensorBoard: mlflow[:URI] or tensorboard[:DIR]."
    ),
]

# ---- how data are read ------------------------------------------------------------------------------------

Separator = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="Table or list of images: what stands between cells, where the file misleads: , ; tab | space.",
    ),
]
Header = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Table or list of images: lines of header, 0 for none; inferred from the file."
    ),
]
Missing = Annotated[
    str | None,
    typer.Option(
        metavar="WORDS",
        help="Table or list of images: words that stand for nothing, such as '?,-200', instead of NA, NaN, "
        "None and the like.",
    ),
]
LabelFrom = Annotated[
    str | None,
    typer.Option(metavar="TEMPLATE", help="Images: how file names hold their labels, such as '{class}_{n}'."),
]
PerClass = Annotated[
    str | None,
    typer.Option(
        metavar="N|PART=N,…",
        help="Images: use so many of each class, such as 500 or train=1000,val=500,test=500.",
    ),
]

# ---- what a table's columns are for -----------------------------------------------------------------------

Target = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="Table or CSV of images: what to learn; a name, a position from 1, or last."
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Table, CSV or .npz of images: classification or regression, where the target cannot tell.",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(metavar="A,B,…", help="Table without a header: the columns' names; else c1…cN."),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        metavar="COLUMN=KIND",
        help="Table: number, category, date or ignored, where the guess is wrong. May be repeated.",
    ),
]
Group = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Table: rows with equal values stay on one side of a split."),
]
Time = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="Table: the order in which rows came; the most recent rows form the test set."
    ),
]
Ids = Annotated[
    list[str] | None,
    typer.Option(
        "--id", metavar="COLUMN", help="Table: names a row; carried through, not learned from. Repeatable."
    ),
]
