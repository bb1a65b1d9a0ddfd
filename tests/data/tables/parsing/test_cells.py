"""Single cells: what is missing, and how text becomes numbers, dates and categories."""

from __future__ import annotations

import math
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindle.data.tables.parsing.cells import (
    NUMBER_FORMATS,
    category_of,
    date_of,
    is_missing,
    label_of,
    number_of,
    numbers_of,
    text_of,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "?",
        " ? ",
        "NA",
        "N/A",
        "n/a",
        "nan",
        "NaN",
        "null",
        "NULL",
        "None",
        "-",
        "#N/A",
        "NaT",
        "#REF!",
    ],
)
def test_cells_that_hold_nothing(text: str) -> None:
    assert is_missing(text)
    assert math.isnan(number_of(text))
    assert math.isnan(date_of(text))
    assert category_of(text) is None
    assert label_of(text) is None


@pytest.mark.parametrize("text", ["no", "0", "Nan Goldin", "--", "None of these", "n", "#1"])
def test_cells_that_hold_something(text: str) -> None:
    assert not is_missing(text)


@pytest.mark.parametrize(
    ("text", "decimal", "thousands", "value"),
    [
        (" 12.5 ", ".", "", 12.5),
        (".28", ".", "", 0.28),
        ("1e-3", ".", "", 0.001),
        ("\u22125", ".", "", -5),
        ("1,234.5", ".", ",", 1234.5),
        ("12", ".", ",", 12),
        ("1.234,5", ",", ".", 1234.5),
        ("-0,5", ",", ".", -0.5),
        ("1 234,5", ",", " ", 1234.5),
        ("1\u00a0234\u202f567,5", ",", " ", 1234567.5),
        ("1'234.5", ".", "'", 1234.5),
        ("45 %", ".", "", 45),
        ("$1,234.50", ".", ",", 1234.5),
        ("1.299,00 €", ",", ".", 1299),
        ("12,000원", ".", ",", 12000),
        ("１２", ".", "", 12),  # full width, as Korean keyboards write
    ],
)
def test_numbers(text: str, decimal: str, thousands: str, value: float) -> None:
    assert number_of(text, decimal, thousands) == value


@pytest.mark.parametrize(
    ("text", "decimal", "thousands"),
    [
        ("abc", ".", ""),
        ("1,234", ".", ""),
        ("12,34", ".", ","),
        ("0,123", ".", ","),  # a decimal comma: thousands do not begin with 0
        ("1_000", ".", ""),
        ("inf", ".", ""),
        ("1e400", ".", ""),
        ("1e39", ".", ""),  # beyond float32
        ("0x1f", ".", ""),
        ("5 apples", ".", ""),
        ("1.234.5", ",", "."),
    ],
)
def test_what_is_no_number(text: str, decimal: str, thousands: str) -> None:
    assert math.isnan(number_of(text, decimal, thousands))


@given(st.integers(-(10**12), 10**12), st.integers(0, 99), st.sampled_from(NUMBER_FORMATS))
def test_every_way_of_writing_gives_the_number_back(
    whole: int, hundredths: int, way: tuple[str, str]
) -> None:
    decimal, thousands = way
    grouped = f"{whole:,}".replace(",", thousands)
    assert number_of(f"{grouped}{decimal}{hundredths:02d}", decimal, thousands) == float(
        f"{whole}.{hundredths:02d}"
    )


@given(
    st.lists(st.one_of(st.floats().map(repr), st.sampled_from(["", "1_0", "5 %", "1,5", "x", "inf", "1e39"])))
)
def test_many_numbers_are_read_as_each_of_them(texts: list[str]) -> None:
    for way in NUMBER_FORMATS:
        np.testing.assert_array_equal(numbers_of(texts, *way), [number_of(text, *way) for text in texts])


@pytest.mark.parametrize(
    ("text", "written", "day"),
    [
        ("1970-01-11", "", 10),
        ("1970-01-11 06:00", "", 10.25),
        ("1970-01-11T12:00:00Z", "", 10.5),
        ("1970-01-11T09:00:00+09:00", "", 10),
        ("1970/01/11", "%Y/%m/%d", 10),
        ("11.01.1970", "%d.%m.%Y", 10),
        ("1970년 1월 11일", "%Y년 %m월 %d일", 10),
        ("1970-01-11", "%d.%m.%Y", 10),  # ISO 8601 is always understood
        ("1969-12-31", "", -1),
    ],
)
def test_dates(text: str, written: str, day: float) -> None:
    assert date_of(text, written) == day


@pytest.mark.parametrize("text", ["31.02.1970", "yesterday", "1970", "12:30"])
def test_what_is_no_date(text: str) -> None:
    assert math.isnan(date_of(text, "%d.%m.%Y"))


def test_categories_that_look_alike_are_one() -> None:
    assert category_of("cafe\u0301") == category_of(" caf\u00e9 ") == "caf\u00e9"
    assert category_of("true") == category_of("TRUE") == category_of("True")
    assert category_of("3.0") == category_of("3")
    assert category_of("00123") != category_of("123")
    assert category_of("v1.0") == "v1.0"


def test_a_label_keeps_its_spelling() -> None:
    assert [label_of(text) for text in (" true ", "3.0", "cafe\u0301")] == ["true", "3.0", "caf\u00e9"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (math.nan, ""),
        (pd.NA, "<NA>"),  # missing, as is_missing knows
        (3.0, "3"),
        (np.float32(0.5), "0.5"),
        (np.int64(7), "7"),
        (True, "True"),
        (np.bool_(False), "False"),
        (1e20, "1e+20"),
        ("1.0", "1.0"),
        (datetime(2024, 2, 29, 12, 30), "2024-02-29T12:30:00"),
        (pd.Timestamp("2024-02-29"), "2024-02-29"),
        (date(2024, 2, 29), "2024-02-29"),
        (pd.NaT, "NaT"),
    ],
)
def test_the_text_of_values_in_memory(value: object, text: str) -> None:
    assert text_of(value) == text


@given(st.floats(allow_nan=False, min_value=-1e38, max_value=1e38))
def test_numbers_in_memory_survive_as_text(value: float) -> None:
    assert number_of(text_of(value)) == value


def test_half_a_character_is_a_category_that_can_be_written() -> None:
    assert category_of("a\ud800") == "a\\ud800"
    assert category_of("가") == "가"


@pytest.mark.parametrize(
    ("text", "number"),
    [("-$5", -5), ("$-5", -5), ("\u2212€5", -5), ("($5)", -5), ("(5) $", -5), ("+5 %", 5), ("-5 $", -5)],
)
def test_negative_numbers_with_units(text: str, number: float) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize("text", ["(-5)", "()", "(5", "5)", "--5", "-", "(x)"])
def test_brackets_and_signs_that_are_no_numbers(text: str) -> None:
    assert math.isnan(number_of(text))
