"""Documents and tables that commands print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindle.cli.output import print_table, write_json_document
from mindle.errors import DeviceError


def test_a_document_goes_where_it_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_json_document({"schema": 1, "name": "장미"}, None)
    assert capsys.readouterr().out == ""
    write_json_document({"schema": 1, "name": "장미"}, "-")
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "name": "장미"}
    write_json_document({"schema": 1}, str(tmp_path / "a.json"))
    assert json.loads((tmp_path / "a.json").read_text()) == {"schema": 1}


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="--json"):
        write_json_document({}, str(tmp_path / "absent" / "a.json"))


def test_wide_letters_take_two_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("class", "n"), [("장미", 1), ("tulip", 20)])
    assert capsys.readouterr().out == "class  n\n장미   1\ntulip  20\n"
