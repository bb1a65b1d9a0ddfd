"""What commands take, as `commands.toml` and the options of reading declare it."""

from __future__ import annotations

import functools
import inspect
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from typing import Annotated, Any

import typer

from mindle.data.reading import option_records

# How a value is typed: "names" have commas between them, "list" and "pairs" may be repeated.
_TYPES: Mapping[str, Any] = {
    "text": str,
    "number": int,
    "flag": bool,
    "names": str,
    "list": list[str],
    "pairs": list[str],
}


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option or argument of a command.

    Attributes:
        help: What it means.
        metavar: What stands for its value in `--help`.
        form: How it is typed, see `_TYPES`; the help of an option says where it may be repeated.
        flag: How it is spelled, where that is not its name.
        default: What holds where it is not given.
        argument: Whether it has a position in place of a flag.
        required: Whether it must be given.
        envvar: A variable that is its default.
        example: A value of the form "pairs".
        what: Stands in the gap of a help text that commands share.
    """

    help: str
    metavar: str | None = None
    form: str = "text"
    flag: str | None = None
    default: Any = None
    argument: bool = False
    required: bool = False
    envvar: str | None = None
    example: str = ""
    what: str = ""

    def parameter(self, name: str) -> inspect.Parameter:
        """What Typer reads from the signature of a command."""
        kind: Any = _TYPES[self.form]
        meaning = self.help.replace("{what}", self.what)
        if self.form in ("list", "pairs") and not self.argument:
            meaning += " May be repeated."
        shown: dict[str, Any] = {"metavar": self.metavar, "help": meaning}
        if self.argument:
            shown_as = typer.Argument(**shown)
        else:
            flags = (self.flag or f"--{name.replace('_', '-')}",)
            shown_as = typer.Option(*flags, envvar=self.envvar, **shown)
        default = False if self.form == "flag" else self.default
        return inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if self.required else default,
            annotation=Annotated[kind if self.required or default is not None else kind | None, shown_as],
        )

    def value(self, typed: Any) -> Any:
        """What was typed, as the calls take it."""
        from mindle.cli.output import names, pairs

        if self.form == "names":
            return names(typed)
        if self.form == "pairs":
            return pairs(typed, self.flag or "--set", self.example)
        return tuple(typed) if self.form == "list" else typed


def command_names() -> list[str]:
    """The commands, in the order of `--help`; each is a function of its name in a module of its name.

    Example:
        >>> command_names()[:2]
        ['train', 'tune']
    """
    return [name for name in _declared() if name != "shared"]


def options_of(command: str) -> dict[str, Option]:
    """The options and arguments of a command by name, in the order of `--help`.

    Example:
        >>> list(options_of("report"))
        ['run', 'lang', 'out', 'json']
    """
    declared, records, known = _declared(), option_records(), {one.name for one in fields(Option)}
    reading = {
        name: {key: value for key, value in asdict(record).items() if key in known}
        for name, record in records.items()
    }
    shared, special = {**reading, **declared["shared"]}, declared[command]
    names = [each for name in special["takes"] for each in (records if name == "reading" else (name,))]
    return {name: Option(**{**shared.get(name, {}), **special.get(name, {})}) for name in names}


@functools.cache
def _declared() -> dict[str, Any]:
    return tomllib.loads(files("mindle.cli").joinpath("commands.toml").read_text("utf-8"))


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with what is declared for its name; what was not typed is not handed on."""
    options = options_of(command.__name__)

    @functools.wraps(command)
    def parsed(**typed: Any) -> None:
        given = {name: value for name, value in typed.items() if value is not None and value != []}
        command(**{name: options[name].value(value) for name, value in given.items()})

    parameters = [option.parameter(name) for name, option in options.items()]
    parsed.__dict__["__signature__"] = inspect.Signature(parameters)
    return parsed
