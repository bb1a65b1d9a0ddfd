"""Options that commands share: one spelling, one meaning."""

from __future__ import annotations

import inspect
from collections import defaultdict
from typing import Any

import pytest
from click.testing import CliRunner

import mindle
from mindle.cli.main import app
from mindle.cli.options import _declared, command_of, options_of
from mindle.data.reading import option_records

COMMANDS = app.commands
SHARED = ("--recipe", "--weights", "--split-seed", "--device", "--lang", "--target", "--kind", "--id")


def helps(flag: str) -> dict[str, list[str]]:
    """What commands say of a flag, and which ones say it."""
    said = defaultdict(list)
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if flag in parameter.opts:
                said[parameter.help].append(name)
    return said


@pytest.mark.parametrize("flag", SHARED)
def test_a_shared_option_means_the_same_wherever_it_stands(flag: str) -> None:
    sentences = helps(flag)
    assert max(len(names) for names in sentences.values()) >= 2, sentences


def test_what_is_said_of_a_table_is_said_alike_by_train_and_check() -> None:
    for flag in ("--target", "--task", "--columns", "--kind", "--group", "--time", "--id"):
        assert any({"train", "check"} <= set(names) for names in helps(flag).values()), flag


def test_every_command_writes_json_where_it_is_told() -> None:
    wanted = " as JSON to this file, - for standard output."
    for name, command in COMMANDS.items():
        (option,) = (parameter for parameter in command.params if "--json" in parameter.opts)
        assert option.help.endswith(wanted), name


def test_help_says_which_options_may_be_repeated() -> None:
    for name, command in COMMANDS.items():
        for option in command.params:
            if option.param_type_name == "option":
                assert ("May be repeated." in (option.help or "")) == option.multiple, (name, option.name)


def test_the_variable_is_the_default_of_every_language() -> None:
    found = [
        parameter
        for command in COMMANDS.values()
        for parameter in command.params
        if "--lang" in parameter.opts
    ]
    assert len(found) == len(COMMANDS)
    assert {parameter.envvar for parameter in found} == {"MINDLE_LANG"}


@pytest.mark.parametrize("command", ["train", "tune", "check"])
def test_commands_take_every_option_of_reading(command: str) -> None:
    shown = {parameter.name: parameter for parameter in COMMANDS[command].params}
    for name, record in option_records().items():
        meaning = shown[name].help.removesuffix(" May be repeated.")
        assert (meaning, shown[name].metavar) == (record.help, record.metavar)
        assert shown[name].opts == [record.flag or f"--{name.replace('_', '-')}"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--header", "0"], {"header": 0}),
        (["--columns", "a, b,"], {"columns": ("a", "b")}),
        (["--kind", "zip=category", "--kind", "day = date"], {"kinds": {"zip": "category", "day": "date"}}),
        (["--id", "a", "--id", "b"], {"ids": ("a", "b")}),
        (["--label-from", ""], {"label_from": ""}),  # no template, which the call refuses
        (["--per-class", "500", "--target", "last"], {"per_class": "500", "target": "last"}),
    ],
)
def test_options_come_as_the_calls_take_them(arguments: list[str], expected: dict[str, Any]) -> None:
    received: list[dict[str, Any]] = []

    def check(**given: Any) -> None:
        received.append(given)

    result = CliRunner().invoke(command_of("check", check), ["wine", *arguments])
    assert result.exit_code == 0, result.output
    assert received == [{"data": "wine", "split_seed": 0, "language": "en", **expected}]


# What a command has beyond its call, and what a call has beyond its command.
BEYOND = {"predict": {"out", "raw"}}
IN_PYTHON_ALONE = {"compare": {"seed"}}


@pytest.mark.parametrize(
    "name",
    ["train", "tune", "check", "prepare", "predict", "evaluate", "compare", "ensemble", "report", "course"],
)
def test_commands_take_what_the_calls_take_with_the_same_defaults(name: str) -> None:
    parameters = inspect.signature(getattr(mindle, name)).parameters
    options = options_of(name)
    assert set(options) - {"json", "language"} - BEYOND.get(name, set()) == set(
        parameters
    ) - IN_PYTHON_ALONE.get(name, {"listener"})
    for key in set(options) & set(parameters):
        default = parameters[key].default
        if default is not inspect.Parameter.empty:
            assert (options[key].default or None) == (default or None), key


def test_every_entry_of_the_declaration_is_used() -> None:
    declared = dict(_declared())  # a copy: the table itself is read once a process
    shared = declared.pop("shared")
    assert set(declared) == set(COMMANDS)
    used = set()
    for command, entry in declared.items():
        assert set(entry) - {"takes"} <= set(entry["takes"]), command
        used |= set(entry["takes"])
    assert set(shared) <= used
