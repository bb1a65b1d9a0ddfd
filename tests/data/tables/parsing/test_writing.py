"""How new rows are written: told from a source as a whole, said where it differs from training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mindle.data.tables.parsing.writing import as_written, sized, spelled
from mindle.records import Column


def number(name: str, **written: str) -> Column:
    return Column(name=name, kind="number", **written)


def date(name: str, written: str) -> Column:
    return Column(name=name, kind="date", date_format=written)


def told(cells: dict[str, list[Any]], *columns: Column, **separators: str) -> list[str]:
    read, _ = as_written(cells, columns, **separators)
    return [c.date_format if c.kind == "date" else c.decimal + c.thousands for c in read]


GERMAN = {"decimal": ",", "thousands": "."}


@pytest.mark.parametrize(
    ("cells", "trained", "separator", "read"),
    [
        (["2.5", "7"], {}, ",", "."),
        (["2,5", "7"], {}, ";", ",."),
        (["2,5", "7"], {}, "\t", ",."),
        (["2.5", "7"], GERMAN, ",", "."),
        (["1.234,5"], {}, ",", ",."),
        (["1,234.5"], {}, ",", ".,"),
        (["1 234,5"], {}, ";", ", "),
        (["1'234.5"], {}, ",", ".'"),
        # Either sign would do: the separator decides, or else the way of training stays.
        (["1,234"], {}, ";", ",."),
        (["1,234"], {}, ",", "."),
        (["1,234"], {}, "", "."),
        (["2.512"], {}, ";", "."),
        (["2.512"], GERMAN, ",", "."),
        (["2.512"], GERMAN, ";", ",."),
        (["2.512"], {"decimal": ","}, ";", ","),
        (["2,512"], {"thousands": ","}, ";", ",."),
        (["2,512"], {"thousands": ","}, ",", ".,"),
        # What is no number in any way changes nothing.
        (["abc", "inf", "7.5 EUR"], {}, ",", "."),
        (["2,5", "abc", "7,5"], {}, ";", ",."),
        ([f"{n}.5" for n in range(30)] + ["2,5"], {}, ",", "."),
        ([f"{n},5" for n in range(30)] + ["2.5"], {}, ",", ",."),
        ([], {}, ",", "."),
        ([2.5, 7.5], GERMAN, "", ",."),
    ],
)
def test_a_number_column_keeps_its_way_unless_another_reads_more(
    cells: list[Any], trained: dict[str, str], separator: str, read: str
) -> None:
    trained_separator = ";" if trained.get("decimal") == "," else ","
    assert told(
        {"a": cells}, number("a", **trained), separator=separator, trained_separator=trained_separator
    ) == [read]


def test_columns_that_allow_one_sign_only_decide_for_the_others() -> None:
    columns = number("a"), number("b")
    assert told({"a": ["2,5"], "b": ["1,234"]}, *columns) == [",.", ",."]
    assert told({"a": ["2,5"], "b": ["1.234"]}, *columns) == [",.", ",."]
    assert told({"a": ["2.5"], "b": ["1,234"]}, *columns) == [".", ".,"]
    assert told({"a": ["2"], "b": ["1,234"]}, *columns) == [".", "."]


@pytest.mark.parametrize(
    ("cells", "trained", "read"),
    [
        (["31.01.2024"], "%d.%m.%Y", "%d.%m.%Y"),
        (["2024-01-31"], "%d.%m.%Y", "%d.%m.%Y"),  # ISO 8601 is read whatever the format
        (["31.01.2024"], "%Y-%m-%d", "%d.%m.%Y"),
        (["01/31/2024", "02/03/2024"], "%d/%m/%Y", "%m/%d/%Y"),
        (["01/02/2024"], "%d/%m/%Y", "%d/%m/%Y"),
        (["01/02/2024"], "%d.%m.%Y", "%d/%m/%Y"),  # the order of training
        (["01/02/2024"], "%m/%d/%Y %H:%M", "%m/%d/%Y"),
        (["01/02/2024"], "%Y-%m-%d", "%Y-%m-%d"),  # which has no order to follow
        (["soon", "later"], "%d.%m.%Y", "%d.%m.%Y"),
    ],
)
def test_a_date_column_keeps_its_format_unless_another_reads_more(
    cells: list[str], trained: str, read: str
) -> None:
    assert told({"d": cells}, date("d", trained)) == [read]


@pytest.mark.parametrize(
    ("cells", "trained", "typical", "read"),
    [
        (["5,095", "2,512"], {}, 5.0, ",."),
        (["5,095", "2,512"], {}, 4000.0, ".,"),
        (["5,095", "2,512"], {}, 80.0, "."),  # as far from either
        (["5.095"], GERMAN, 5.0, "."),
        (["5.095"], GERMAN, 9000.0, ",."),
        (["5.095"], {}, 9000.0, ",."),
        (["0,500", "5,095"], {}, 5.0, ",."),
    ],
)
def test_the_size_of_numbers_tells_which_sign_is_meant(
    cells: list[str], trained: dict[str, str], typical: float, read: str
) -> None:
    column = replace(number("a", **trained), typical=typical)
    for separator in ("", ",", "\t"):
        assert told({"a": cells}, column, separator=separator, trained_separator=separator) == [read]


def test_dates_that_tell_no_order_follow_those_that_do() -> None:
    columns = date("d", "%d/%m/%Y"), date("e", "%d/%m/%Y")
    assert told({"d": ["01/31/2024"], "e": ["03/04/2024"]}, *columns) == ["%m/%d/%Y", "%m/%d/%Y"]


def test_what_differs_is_said_once_for_all_columns() -> None:
    columns = number("a"), number("b"), date("d", "%d.%m.%Y")
    _, said = as_written({"a": ["2,5"], "b": ["3,5"], "d": ["2024/01/31"]}, columns)
    assert said == (
        "a decimal comma in a, b (training: decimal point)",
        "dates as %Y/%m/%d in d (training: %d.%m.%Y)",
    )
    assert as_written({"a": ["2.5"], "b": ["?"], "d": [""]}, columns) == (columns, ())


def test_numbers_in_memory_are_numbers_whatever_the_sign() -> None:
    assert spelled([2.512, "2,5", None, 3], number("a", **GERMAN)) == ["2,512", "2,5", "", "3"]
    assert spelled([2.5, True, np.False_, "True"], number("a")) == ["2.5", "1", "0", "True"]
    assert spelled([True], Column(name="a", kind="category")) == ["True"]


def test_codes_without_their_zeros_are_said() -> None:
    columns = [Column(name="zip", kind="category", digits=5), Column(name="town", kind="category")]
    read, said = as_written({"zip": [1067, 99084, None], "town": [1, 2, 3]}, columns)
    assert read == tuple(columns)
    assert said == ("codes without leading zeros in zip (filled up as in training)",)
    assert as_written({"zip": ["01067", "x"], "town": ["1", "2"]}, columns)[1] == ()


@pytest.mark.parametrize(
    ("codes", "digits"),
    [
        (["01067", "99084", None], 5),
        (["11067", "99084"], 0),  # none begins with a zero
        (["01067", "990840"], 0),  # of several lengths
        (["01067", "9908x"], 0),
        (["0", "1"], 0),
        ([None], 0),
    ],
)
def test_codes_of_one_length(codes: list[Any], digits: int) -> None:
    assert sized(Column(name="zip", kind="category"), np.array(codes, object)).digits == digits
    told = Column(name="zip", kind="category", role="id")  # answers carry it as it stands
    assert sized(told, np.array(codes, object)).digits == 0
