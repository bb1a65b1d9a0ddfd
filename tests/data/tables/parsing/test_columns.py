"""Columns: their kinds, what cells become, what nothing can be learned from, and the features of models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mindle.data.tables.parsing.columns import (
    as_written,
    describe_columns,
    features,
    infer_columns,
    kind_of,
    missing_cells,
    parse_cells,
    shown_value,
    why_useless,
)
from mindle.data.tables.reader import read_table
from mindle.records import Column


def kind_name(*texts: str) -> str:
    return infer_columns({"x": texts})[0].kind


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "2.5", ""], "number"),
        (["1", "0", "1"], "number"),
        (["0.5", "-0.25"], "number"),
        (["00123", "01067"], "category"),
        (["1234567890123456", "1234567890123457"], "category"),
        (["True", "False"], "category"),
        (["yes", "no", "?"], "category"),
        (["5 kg", "7 kg"], "category"),
        (["$5", "€5"], "category"),
        (["45%", "0.45", "10%"], "category"),
        (["45%", "50 %"], "number"),
        (["$1,200.50", "$3"], "number"),
        (["-$1,200.50", "$3"], "number"),
        (["($1,200.50)", "$3"], "number"),
        (["-$1,200.50", "€3"], "category"),
        (["01.02.23", "28.02.23"], "date"),
        (["2/1/23", "2/28/23"], "date"),
        (["2024-01", "2024-12"], "date"),
        (["2024/01", "2024/12"], "date"),
        (["2024년 1월", "2024년 12월"], "date"),
        (["2024-01", "2024-13"], "category"),
        (["1000-01", "1001-02"], "category"),
        (["(1)", "(2)"], "category"),
        (["24.06.01", "24.06.02", "24.06.13"], "category"),  # which of them is the year, nothing tells
        (["2024-01-02", "2024-02-29", "NA"], "date"),
        (["2024/01/02", "2024/02/29"], "date"),
        (["02.01.2024", "29.02.2024"], "date"),
        (["2024-01-02 10:30", "2024-02-29"], "date"),
        (["02.01.2024 10:30:15", "29.02.2024 00:00:01"], "date"),
        (["12:30", "13:45"], "category"),
        (["", "?"], "category"),
        (["20240102", "20240229"], "number"),
        (["1e400", "1e500", "2e400"], "category"),
    ],
)
def test_kinds(texts: list[str], kind: str) -> None:
    assert kind_name(*texts) == kind


def test_a_few_odd_cells_do_not_change_a_kind() -> None:
    numbers = [str(number / 7) for number in range(60)]
    assert kind_name(*numbers, "many", "few") == "number"
    assert kind_name(*numbers, *["unknown"] * 40) == "number"  # one odd value, however often
    assert kind_name(*numbers[:20], "a", "b", "c") == "category"
    assert kind_name("0", "1", "2", "3+") == "category"


def test_ways_of_writing_numbers() -> None:
    texts = {
        "plain": ["12.5", "3"],
        "thousands": ["1,234.5", "12"],
        "spaces": ["1 234,5", "12 000"],
        "ambiguous": ["1,234", "5,678"],
    }
    first = {column.name: (column.decimal, column.thousands) for column in infer_columns(texts)}
    assert first["spaces"] == (",", " ")
    alone = infer_columns({"ambiguous": texts["ambiguous"], "thousands": texts["thousands"]})
    assert [(column.decimal, column.thousands) for column in alone] == [(".", ","), (".", ",")]
    assert alone[1].note == "thousands separated by ','"


def test_one_decimal_comma_settles_what_points_mean_elsewhere() -> None:
    german = infer_columns(
        {"price": ["1,50", "12,90"], "people": ["1.234", "83.000"], "share": ["0.5", "0.25"]}
    )
    assert [(column.decimal, column.thousands) for column in german] == [(",", "."), (",", "."), (".", "")]
    assert parse_cells(["83.000"], german[1]) == 83000
    english = infer_columns({"people": ["1.234", "83.000"]})
    assert parse_cells(["83.000"], english[0]) == 83


def test_day_and_month_are_told_apart_where_they_can_be() -> None:
    def written(*texts: str) -> tuple[str, str]:
        column = infer_columns({"x": texts})[0]
        return column.date_format, column.note

    assert written("13/02/2024", "01/02/2024") == ("%d/%m/%Y", "")
    assert written("02/13/2024", "01/02/2024") == ("%m/%d/%Y", "")
    assert written("02/03/2024", "01/02/2024") == ("%d/%m/%Y", "the day is read before the month")
    assert written("2024-01-02") == ("%Y-%m-%d", "")
    assert written("2024-01-02T10:30") == ("", "")


def test_known_kinds_are_kept() -> None:
    texts = {"zip": ["12345", "54321"], "size": ["a", "1"], "day": ["20240102", "20240229"]}
    columns = infer_columns(texts, {"zip": "category", "size": "number", "day": "date"})
    assert [column.kind for column in columns] == ["category", "number", "date"]
    assert parse_cells(texts["day"], columns[2]).tolist() == [19724, 19782]


def test_cells_become_values() -> None:
    categories = parse_cells([" red", "red ", "?", "TRUE"], Column(name="x", kind="category"))
    assert categories.tolist() == ["red", "red", None, "True"]
    assert categories.dtype == object
    dates = parse_cells(["02.01.1970", "soon", ""], Column(name="x", kind="date", date_format="%d.%m.%Y"))
    np.testing.assert_array_equal(dates, [1, np.nan, np.nan])
    assert parse_cells([], Column(name="x", kind="category")).shape == (0,)


def test_unreadable_cells_are_not_missing_ones() -> None:
    column = Column(name="x", kind="number")
    texts = ["1", "", "many", "?", "1e999"]
    assert kind_of(column).unreadable(texts, column, parse_cells(texts, column)) == [2, 4]
    assert missing_cells(parse_cells(texts, column)).tolist() == [False, True, True, True, True]


# --------------------------------------------------------------------------------- what is left out


def useless(name: str, texts: list[str]) -> str:
    column = infer_columns({name: texts})[0]
    return why_useless(column, parse_cells(texts, column))[0]


def test_columns_that_teach_nothing() -> None:
    assert useless("x", ["5"] * 30) == "constant-column"
    assert useless("x", [""] * 300) == "empty-column"
    assert useless("x", ["a", *[""] * 299]) == "empty-column"
    assert useless("row", [str(number) for number in range(1, 41)]) == "id-like"
    assert useless("name", [f"person {number}" for number in range(40)]) == "id-like"
    assert useless("code", [f"{number:05d}" for number in range(40)]) == "id-like"
    assert useless("customer_id", [str(number * 17 + 5) for number in range(40)]) == "id-like"
    assert useless("customerId", [str(number * 17 + 5) for number in range(40)]) == "id-like"


def test_columns_that_may_teach_something() -> None:
    assert useless("x", ["yes", *[""] * 29]) == ""  # a mark that only some rows have
    assert useless("income", [str(number * 17 + 5) for number in range(40)]) == ""
    assert useless("weight", [str(number + 0.5) for number in range(40)]) == ""
    assert useless("day", [f"2024-01-{number:02d}" for number in range(1, 31)]) == ""
    assert useless("town", [f"town {number // 2}" for number in range(40)]) == ""
    assert useless("few", [str(number) for number in range(5)]) == ""


# ------------------------------------------------------------------------------------------- features


def test_features_are_in_the_order_of_the_columns() -> None:
    columns = [
        Column(name="town", kind="category"),
        Column(name="age", kind="number"),
        Column(name="who", kind="category", role="id"),
        Column(name="sold", kind="date"),
        Column(name="price", kind="number", role="target"),
    ]
    texts = {"age": ["36", ""], "town": ["Bonn", "?"], "sold": ["2024-12-31T23:59:59", ""]}
    cells = {
        column.name: parse_cells(texts[column.name], column) for column in columns if column.name in texts
    }
    found = features(cells, columns)
    assert found.number_names == (
        "age",
        "sold (days)",
        "sold (year)",
        "sold (month)",
        "sold (weekday)",
        "sold (hour)",
    )
    assert found.numbers[0, [0, 2, 3, 4, 5]].tolist() == [36, 2024, 12, 1, 23]  # a Tuesday
    assert np.isnan(found.numbers[1]).all()
    assert found.categories.tolist() == [["Bonn"], [None]]


def test_features_are_exact_in_float32() -> None:
    column = Column(name="x", kind="number")
    found = features({"x": parse_cells(["0.1", "16777217"], column)}, [column])
    assert found.numbers.dtype == np.float64
    assert found.numbers[:, 0].tolist() == [float(np.float32(0.1)), 16777216]


def test_tables_of_one_kind_have_no_columns_of_the_other() -> None:
    number, category = Column(name="x", kind="number"), Column(name="y", kind="category")
    cells = {"x": parse_cells(["1", "2"], number), "y": parse_cells(["a", "b"], category)}
    assert features(cells, [number]).categories.shape == (2, 0)
    assert features(cells, [category]).numbers.shape == (2, 0)


def test_dates_before_1970() -> None:
    column = Column(name="x", kind="date", date_format="%Y-%m-%d")
    found = features({"x": parse_cells(["1969-07-20"], column)}, [column])
    assert found.numbers[0].tolist() == [-165, 1969, 7, 6]  # a Sunday


def test_columns_in_words() -> None:
    facts = {fact.name: fact for fact in describe_columns(read_table("iris"))}
    assert facts["target"].role == "target"
    assert facts["target"].distinct == 3
    assert facts["petal width (cm)"].example == "0.2"
    assert facts["petal width (cm)"].missing_fraction == 0


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("{d:02d}-Mar-2004 00:00:00", 1),
        ("Mar {d}, 2004", 1),
        ("{d} March 2004", 1),
        ("March {d}th, 2004", 4),
        ("{d:02d}-MAR-04", 1),
        ("{d}. März 2004", 1),
        ("{d} mars 2004", 1),
        ("{d} de marzo de 2004", 1),
        ("{d} Mar. 2004 13:05", 1),
        ("03/{d:02d}/2004 1:05:00 PM", 13),
        ("2004년 3월 {d}일", 1),
        ("2004년3월{d}일 09:30", 1),
        ("200403{d:02d}", 1),
        ("{d:02d}.03.04", 1),
        ("{d:02d}.03.04 13:05", 1),
        ("3/{d}/04", 13),
        ("2004-03-{d:02d} 9:05", 1),
        ("2004-03-{d:02d} 오전 9:05:00", 1),
        ("2004. 3. {d}. 오후 9:05", 1),
    ],
)
def test_dates_with_names_of_months_and_days_as_numbers(written: str, day: int) -> None:
    texts = [written.format(d=d) for d in range(day, day + 8)]
    (column,) = infer_columns({"when": texts})
    assert column.kind == "date", column
    found = parse_cells(texts, column)
    assert np.floor(found - found[0]).tolist() == list(range(8))
    assert shown_value(column, found[0]).startswith(f"2004-03-{day:02d}")


def test_numbers_of_eight_digits_that_are_no_days_stay_numbers() -> None:
    assert infer_columns({"n": [f"2004{n:04d}" for n in range(1225, 1240)]})[0].kind == "number"
    assert infer_columns({"n": ["20040301", "20040302"]})[0].kind == "number"
    asked = infer_columns({"n": [f"200403{n:02d}" for n in range(1, 20)]}, {"n": "number"})
    assert asked[0].kind == "number"


def test_afternoons_in_korean_are_afternoons() -> None:
    texts = [f"2024-01-{day:02d} 오후 1:30" for day in range(1, 9)]
    (column,) = infer_columns({"when": texts})
    assert shown_value(column, parse_cells(texts, column)[0]) == "2024-01-01 13:30"


def test_codes_that_lost_their_zeros_are_filled_up() -> None:
    column = Column(name="zip", kind="category", digits=5)
    assert parse_cells(["1067", "01067", "1067.0", "99084", "x1", ""], column).tolist() == [
        *["01067"] * 3,
        *("99084", "x1", None),
    ]


# ------------------------------------------------------------------------------------------- new rows


def spelled(values: list[Any], column: Column) -> list[str]:
    return kind_of(column).spelled(values, column)


def sized(column: Column, values: np.ndarray) -> Column:
    return kind_of(column).sized(column, values)


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
