"""Records come from JSON with every field of its type."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from mindle.artifacts.typed import read_record, typed
from mindle.records import Column, InputSpec, TableSpec


def test_records_come_back_as_they_were_written() -> None:
    columns = (Column(name="age", kind="number"), Column(name="sold", kind="date", role="target"))
    for record in (InputSpec(height=8, width=9), TableSpec(columns=columns, task="regression")):
        assert read_record(type(record), json.loads(json.dumps(asdict(record))), "input") == record


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"height": "8"}, r"`input\.height` must be a whole number\. Received '8'"),
        ({"height": True}, r"`input\.height` must be a whole number\. Received True"),
        ({"height": 8.0}, r"`input\.height` must be a whole number"),
        ({"mean": [0.5, 0.5, None]}, r"`input\.mean\[2\]` must be a finite number\. Received None"),
        ({"mean": [0.5, 0.5, 10**400]}, r"`input\.mean\[2\]` must be a finite number.*more than 60 digits"),
        ({"std": 1}, r"`input\.std` must be a list\. Received 1"),
        ({"fit": ["pad"]}, r"`input\.fit` must be a text\. Received a list of 1"),
        ({"depth": 3}, r"`input` must hold height.* It also holds 'depth'"),
        ({"height": None}, r"`input\.height` must be a whole number\. Received None"),
        ({"height": 5000}, r"must lie in 1 to 4096"),
    ],
)
def test_the_field_that_is_wrong_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_record(InputSpec, {"height": 8, "width": 8} | fields, "input")


def test_missing_fields_are_named_unless_they_have_a_default() -> None:
    with pytest.raises(ValueError, match="It lacks width"):
        read_record(InputSpec, {"height": 8}, "input")
    assert read_record(InputSpec, {"height": 8, "width": 8}, "input").fit == "squash"


def test_none_and_mappings() -> None:
    assert typed(str | None, None, "x") is None
    assert typed(dict[str, float], {"a": 1}, "x") == {"a": 1}
    with pytest.raises(ValueError, match=r"`x\.a` must be a finite number"):
        typed(dict[str, float], {"a": "1"}, "x")
    with pytest.raises(ValueError, match="`x` must be an object"):
        typed(dict[str, float], [1], "x")
