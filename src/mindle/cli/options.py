"""Options that several commands take, each spelled once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, cast

import typer

from mindle.data.reading import OptionRecord, option_records
from mindle.messages.language import VARIABLE

Command = TypeVar("Command", bound=Callable[..., None])


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

_TYPES = {
    "text": str | None,
    "number": int | None,
    "names": str | None,
    "list": list[str] | None,
    "pairs": list[str] | None,
}


def takes_reading_options(*names: str) -> Callable[[Command], Command]:
    """Give a command the options by which data are read, in the place of its parameter `reading`.

    Args:
        names: Of the options; all unless given.
    """
    records = option_records(*names)

    def command_with_options(command: Command) -> Command:
        @functools.wraps(command)
        def parsed(**arguments: Any) -> None:
            given = {name: arguments.pop(name) for name in records}
            reading = {
                name: _parsed(value, records[name])
                for name, value in given.items()
                if value is not None and value != []
            }
            command(reading=reading, **arguments)

        plain = inspect.signature(command, eval_str=True)
        shown: list[inspect.Parameter] = []
        for parameter in plain.parameters.values():
            options = [_parameter(name, record) for name, record in records.items()]
            shown += options if parameter.name == "reading" else [parameter]
        parsed.__dict__["__signature__"] = plain.replace(parameters=shown)
        return cast(Command, parsed)

    return command_with_options


def _parameter(name: str, record: OptionRecord) -> inspect.Parameter:
    """An option as Typer reads it from a signature."""
    flags = () if record.flag is None else (record.flag,)
    option = typer.Option(*flags, metavar=record.metavar, help=record.help)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[_TYPES[record.form], option],
    )


def _parsed(value: Any, record: OptionRecord) -> Any:
    """What was typed, as the calls take it."""
    from mindle.cli.output import names, pairs

    if record.form == "names":
        return names(value)
    if record.form == "pairs":
        return pairs(value, record.flag or "", record.example)
    return tuple(value) if record.form == "list" else value
