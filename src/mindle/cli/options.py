"""What commands take, as `commands.toml` and the options of reading declare it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import click

from mindle.data.reading import option_records

# How a value is typed: "names" have commas between them, those of `REPEATED` may be given again.
TYPES = {"text": str, "number": int, "flag": bool, "names": str, "list": str, "pairs": str}
REPEATED = ("list", "pairs")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option or argument of a command.

    Attributes:
        help: What it means.
        metavar: What stands for its value in `--help`.
        form: How it is typed, see `TYPES`; the help of an option says where it may be repeated.
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

    def parameter(self, name: str) -> click.Parameter:
        """The option or argument as Click parses it."""
        meaning, several = self.help.replace("{what}", self.what), self.form in REPEATED
        shared: dict[str, Any] = {
            "type": TYPES[self.form],
            "metavar": self.metavar,
            "required": self.required,
            # None is a default like others, with which nothing is missing.
            **({} if self.required else {"default": self.default}),
        }
        if self.argument:
            return click.Argument([name], nargs=-1 if several else 1, help=meaning, **shared)
        return click.Option(
            [self.flag or f"--{name.replace('_', '-')}", name],
            is_flag=self.form == "flag",
            multiple=several,
            help=meaning + " May be repeated." * several,
            envvar=self.envvar,
            show_envvar=True,
            show_default=True,
            **shared,
        )

    def value(self, typed: Any) -> Any:
        """What was typed, as the calls take it."""
        from mindle.cli.output import names, pairs

        if self.form == "names":
            return names(typed)
        if self.form == "pairs":
            return pairs(typed, self.flag or "--set", self.example)
        return typed


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


@cache
def _declared() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("commands.toml").read_text("utf-8"))


def command_of(name: str, call: Callable[..., None]) -> click.Command:
    """The command of a name as Click parses it.

    Args:
        name: Of the command.
        call: Is given what was typed, and what has a default.
    """
    options = options_of(name)

    def parsed(**typed: Any) -> None:
        given = {key: value for key, value in typed.items() if value not in (None, ())}
        call(**{key: options[key].value(value) for key, value in given.items()})

    parameters = [option.parameter(key) for key, option in options.items()]
    return click.Command(name, callback=parsed, params=parameters, help=call.__doc__)
