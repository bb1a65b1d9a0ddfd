"""Options that commands share: one spelling, one meaning."""

from __future__ import annotations

from collections import defaultdict

import pytest
import typer

from mindle.cli.main import app
from mindle.cli.options import json_of

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
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
    words = helps(flag)
    assert max(len(names) for names in words.values()) >= 2, words


def test_what_is_said_of_a_table_is_said_alike_by_train_and_check() -> None:
    for flag in ("--target", "--task", "--columns", "--kind", "--group", "--time", "--id"):
        assert any({"train", "check"} <= set(names) for names in helps(flag).values()), flag


def test_every_command_writes_json_where_it_is_told() -> None:
    wanted = json_of("…").help.partition("…")[2]
    for name, command in COMMANDS.items():
        (option,) = (parameter for parameter in command.params if "--json" in parameter.opts)
        assert option.help.endswith(wanted), name
