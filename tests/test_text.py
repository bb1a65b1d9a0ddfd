"""Names on a terminal, in tables and back."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mindle.text import cell, json_safe, printable, spelled, uncell, unspelled

NASTY = st.text(
    st.sampled_from("\\xu0e9a.=+-@'\n\t\x1b\x7f\x85\u202e\ud800" + os.fsdecode(b"\xe9")) | st.characters(),
    max_size=12,
)


@given(NASTY)
@example("\\" + os.fsdecode(b"\xe9"))
@example("\\\\x41 \\u202e \\x4")
def test_every_name_is_printable_and_comes_back(name: str) -> None:
    written = spelled(name)
    assert unspelled(written) == name
    written.encode()
    assert not set(written) & {chr(code) for code in (*range(32), *range(0x7F, 0xA0), 0x202E, 0x2028)}


@given(NASTY)
def test_every_cell_is_safe_and_comes_back(text: str) -> None:
    written = cell(text)
    assert uncell(written) == text
    assert written == text or (written == "'" + text and text.lstrip("'")[0] in "=+-@\t\r\n＝＋－＠")


@pytest.mark.parametrize("number", ["-3.2", "+5", "-1,234.50", "-1e-5", "-.5", "-3,2", "-12 %", "0"])
def test_numbers_are_never_changed(number: str) -> None:
    assert cell(number) == number


@pytest.mark.parametrize(
    "text", ["=1+1", "@SUM(A1)", "-2+3", "+cmd|' /C calc'!A0", "\t=1", "\r=1", "＝1", "'=1"]
)
def test_what_a_spreadsheet_runs_is_guarded(text: str) -> None:
    assert cell(text) == "'" + text


def test_names_people_use_are_left_alone() -> None:
    for name in ("cat.jpg", "장미 1.png", "a\\b.jpg", "it's.jpg", "'tis", "a=b", "naïve", "👩‍🚀.png"):
        assert spelled(name) == cell(name) == printable(name) == name


def test_two_names_are_never_spelled_alike() -> None:
    byte, typed = os.fsdecode(b"caf\xe9.jpg"), "caf\\xe9.jpg"
    assert spelled(byte) == "caf\\xe9.jpg"
    assert spelled(typed) == "caf\\\\xe9.jpg"


def test_json_keeps_what_it_says() -> None:
    assert json_safe('["a\x85\x7f\u2028"]') == '["a\\u0085\\u007f\\u2028"]'
