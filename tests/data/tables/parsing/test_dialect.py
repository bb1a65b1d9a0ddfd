"""How lines are cut into a table: separators, what stands before it, headers of one line and more."""

from __future__ import annotations

import pytest

from mindle.data.tables.parsing.dialect import Layout, dialect_of, is_number, separator_of, spelled

NUMBERS = "".join(f"{row},{row * 1.5},{30 - row}\n" for row in range(20))


def found(text: str, **told: object) -> Layout:
    dialect = dialect_of(text.splitlines(keepends=True), **told)  # type: ignore[arg-type]
    assert dialect is not None
    return dialect


def many(*rows: str, times: int = 10) -> str:
    return "".join(f"{row}\n" for row in rows) * times


# ------------------------------------------------------------------------------------------ separators


@pytest.mark.parametrize(
    ("text", "separator", "names"),
    [
        # a sign within each cell does not separate where the header lacks it
        (
            "year,genres,y\n" + many("1999,Action|Comedy,old", "2001,Drama|War,new"),
            ",",
            ("year", "genres", "y"),
        ),
        ("path,label\n" + many("a.jpg,cat;wild", "b.jpg,dog;tame"), ",", ("path", "label")),
        ("a;b\n" + many("x,y;1", "z,w;2"), ";", ("a", "b")),
        ("a\tb\n" + many("x|y\t1", "z|w\t2"), "\t", ("a", "b")),
        ("text|n\n" + many("a,b|1", "c,d|2"), "|", ("text", "n")),
        # nor where cells would be pieces of numbers, without a header too
        (many("1999,Action|Comedy,old", "2001,Drama|War,new"), ",", ("c1", "c2", "c3")),
        (many("1,5;2,5", "3,5;4,5"), ";", ("c1", "c2")),
        (many("1,5;2,5;x", "3,5;4,5;y"), ";", ("c1", "c2", "c3")),
        (many("1,5 2,5 3,5", "4,5 5,5 6,5"), " ", ("c1", "c2", "c3")),
        (many("1,5\t2,5", "3,5\t4,5"), "\t", ("c1", "c2")),
        (many("1.234,5;2.345,6", "3.456,7;4.567,8"), ";", ("c1", "c2")),
        (many("2024-01-01 00:00,5", "2024-01-02 00:00,6"), ",", ("c1", "c2")),
        (many("Smith, John;3", "Doe, Jane;4"), ";", ("c1", "c2")),
        # quotes
        ('a,"b|c",d\n' + many('1,"x|y",2', '3,"z|w",4'), ",", ("a", "b|c", "d")),
        ('"a";"b";"c,d"\n' + many('1;"x;y";2', '3;"z;w";4'), ";", ("a", "b", "c,d")),
        ('"a b"|"c"\n' + many('"x|y"|2', '"z|w"|4'), "|", ("a b", "c")),
        # blank cells at the end of lines decide nothing
        (
            "Day;Level;Out\n" + many("01/03/2004;12,5;3,5;;", "02/03/2004;13,5;4,5;;"),
            ";",
            ("Day", "Level", "Out"),
        ),
        ("Day;Level;Out;;\n" + many("01/03/2004;12,5;3,5;;"), ";", ("Day", "Level", "Out")),
        ("a,b,\n" + many("1,2", "3,4"), ",", ("a", "b")),
        ("a,b,\n" + many("1,2,3", "3,4,5"), ",", ("a", "b", "")),
        ("a,b,c\n" + many("1,2,", "3,4,"), ",", ("a", "b", "c")),
        (many("1,2,", "3,4,"), ",", ("c1", "c2")),
        (many("1\t2\t", "3\t4\t"), "\t", ("c1", "c2")),
        # one column
        ("price\n" + many("1,5", "2,5"), ",", ("price",)),
        ("note\n" + many("Hello; world", "Good; bye"), ",", ("note",)),
        ("name\n" + many("Ada Lovelace", "Bob Smith"), ",", ("name",)),
        # a header in the first cell alone
        ("name,,,\n" + many("Ada,1,2,3", "Bob,4,5,6"), ",", ("name", "", "", "")),
        ("x y z\n" + many("1   2  3", "10  20 30"), " ", ("x", "y", "z")),
    ],
)
def test_which_separator(text: str, separator: str, names: tuple[str, ...]) -> None:
    dialect = found(text)
    assert (dialect.separator, dialect.names) == (separator, names)


def test_what_the_user_says_separates() -> None:
    text = "a,b|c\n" + many("1,2|3", "4,5|6")
    assert found(text, separator="|").names == ("a,b", "c")
    assert found(text, separator=",").names == ("a", "b|c")
    assert found("a^b\n1^2\n", separator="^").names == ("a", "b")


@pytest.mark.parametrize(
    ("typed", "separator"),
    [
        (",", ","),
        ("tab", "\t"),
        ("TAB", "\t"),
        ("\\t", "\t"),
        ("\t", "\t"),
        ("space", " "),
        ("|", "|"),
        ("^", "^"),
    ],
)
def test_words_for_separators(typed: str, separator: str) -> None:
    assert separator_of(typed) == separator


@pytest.mark.parametrize("typed", ["", ",,", '"', "\n", "komma"])
def test_what_is_no_separator(typed: str) -> None:
    with pytest.raises(ValueError, match="`separator` must be one character"):
        separator_of(typed)


def test_separators_have_names_in_sentences() -> None:
    assert [spelled(each) for each in "\t ;"] == ["tabs", "spaces", "';'"]


# ------------------------------------------------------------------------------------ before the table


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=;;;", "sep=; "])
def test_the_first_line_of_excel(line: str) -> None:
    dialect = found(f"{line}\na;b\n1,5;2\n3,5;4\n")
    assert (dialect.separator, dialect.before, dialect.names) == (";", 1, ("a", "b"))


def test_the_first_line_of_excel_decides() -> None:
    assert found("sep=|\na,b|c\n1,2|3\n").names == ("a,b", "c")
    assert found("sep=\t\na\tb\n1\t2\n").separator == "\t"
    assert found("sep,b\n1,2\n").names == ("sep", "b")


@pytest.mark.parametrize(
    ("text", "before", "names"),
    [
        ("# made on Monday\n# by a, b, c\na,b,y\n" + NUMBERS, 2, ("a", "b", "y")),
        ("# a,b,y\n" + NUMBERS, 0, ("a", "b", "y")),  # numpy.savetxt
        ("# one\n# a b y\n" + NUMBERS.replace(",", " "), 1, ("a", "b", "y")),
        ("#CHROM\tPOS\tREF\n" + many("1\t5\tA", "2\t6\tC"), 0, ("#CHROM", "POS", "REF")),
        ("#,name,size\n" + many("1,Ada,5", "2,Bob,6"), 0, ("#", "name", "size")),
        ("# note\n\n" + NUMBERS, 2, ("c1", "c2", "c3")),
        (many("#ff0000,3", "#00ff00,4"), 0, ("c1", "c2")),
        ("Sales of 2020\na,b,y\n" + NUMBERS, 1, ("a", "b", "y")),
        ("Sales of 2020\n\nall regions\n\na,b,y\n" + NUMBERS, 4, ("a", "b", "y")),
        ("Sales of 2020,,\na,b,y\n" + NUMBERS, 1, ("a", "b", "y")),
    ],
)
def test_comments_and_titles(text: str, before: int, names: tuple[str, ...]) -> None:
    dialect = found(text)
    assert (dialect.before, dialect.names) == (before, names)


def test_a_short_first_row_is_no_title() -> None:
    assert found("1,2\n" + NUMBERS).before == 0


# -------------------------------------------------------------------------------------------- headers


@pytest.mark.parametrize(
    "text",
    [
        ",0,1,2\n0,0.1,0.2,0.3\n1,0.4,0.5,0.6\n2,0.7,0.8,0.9\n",
        ",0,1\n0,0,1\n1,1,0\n2,0,0\n",  # names that come again below: the index tells
        ",0\n0,1.5\n1,2.5\n",
        ";0;1\n0;0,5;1,5\n1;2,5;3,5\n",
        '"",0,1\n"0",5,6\n"1",7,8\n',
    ],
)
def test_a_data_frame_without_names_written_with_its_index(text: str) -> None:
    dialect = found(text)
    assert (dialect.header, dialect.names[0]) == (1, "")


def test_a_blank_cell_alone_makes_no_header() -> None:
    assert found("?,0,1\n5,0,1\n5,1,0\n").header == 0


@pytest.mark.parametrize("separator", [" ", "\t", ",", ";"])
def test_a_header_one_name_short_as_r_writes_it(separator: str) -> None:
    rows = ['"Mazda RX4" 21 6 160', '"Datsun 710" 22.8 4 108', '"Hornet" 21.4 6 258']
    text = '"mpg" "cyl" "disp"\n' + "\n".join(rows)
    text = text.replace('" ', f'"{separator}').replace(" 6 ", f"{separator}6{separator}")
    text = text.replace("21 ", f"21{separator}").replace(" 4 ", f"{separator}4{separator}")
    dialect = found(text + "\n")
    assert (dialect.row_names, dialect.names) == (True, ("", "mpg", "cyl", "disp"))


def test_rows_that_are_not_told_apart_have_no_names() -> None:
    assert not found("a,b\n" + many("x,1,2", "x,3,4")).row_names


THREE = "District,People,People,People\nDistrict,All,Men,Women\nDistrict,All,Men,Women\n"
FEW = "".join(f"D{row},{2 * row},{row},{row}\n" for row in range(5, 11))


@pytest.mark.parametrize(
    ("text", "header", "names"),
    [
        (THREE + FEW, 3, ("District", "People All", "People Men", "People Women")),
        ("time,level,out\ns,m,m/s\n" + NUMBERS, 2, ("time s", "level m", "out m/s")),
        (",x,x\n,a,b\n0,1,2\n1,3,4\n2,5,6\n", 2, ("", "x a", "x b")),
        (",x,x\n,a,b\nidx,,\n0,1,2\n1,3,4\n2,5,6\n", 3, ("idx", "x a", "x b")),
        (
            "Region,2019,2019\nRegion,Men,Women\n" + many("N,1,2", "S,3,4"),
            2,
            ("Region", "2019 Men", "2019 Women"),
        ),
        (
            "Region,People,\n,Men,Women\n" + many("N,1,2", "S,3,4"),
            2,
            ("Region", "People Men", "People Women"),
        ),
        ("a,b,y\n" + NUMBERS, 1, ("a", "b", "y")),
        ("a,b,y\nNA,NA,NA\n" + NUMBERS, 1, ("a", "b", "y")),  # a row that lacks everything
        ("a,b,y\n?,x,3\n" + NUMBERS, 1, ("a", "b", "y")),
        ("name,town\nAda,Bonn\nBob,Rome\nEva,Oslo\n", 1, ("name", "town")),
    ],
)
def test_several_lines_of_header(text: str, header: int, names: tuple[str, ...]) -> None:
    dialect = found(text)
    assert (dialect.header, dialect.names) == (header, names)


def test_a_number_of_header_lines_that_is_said() -> None:
    assert found(THREE + FEW, header=1).names == ("District", "People", "People", "People")
    assert found(THREE + FEW, header=2).header == 2
    assert found("a,b,y\n" + NUMBERS, header=0).names == ("c1", "c2", "c3")
    assert found(NUMBERS, header=1).names == ("0", "0.0", "30")


def test_the_names_of_one_line_find_joined_ones() -> None:
    assert dict(found(THREE + FEW).aliases)["Men"] == "People Men"
    assert dict(found("time,out\ns,m/s\n" + many("1,2", "3,4")).aliases)["out"] == "out m/s"


def test_nothing_is_no_table() -> None:
    assert dialect_of([]) is None
    assert dialect_of(["\n", "  \n"]) is None


def test_numbers_in_any_way_of_writing() -> None:
    assert all(map(is_number, ["1", "1,234.5", "1.234,5", "1 234", "-3 %"]))
    assert not any(map(is_number, ["", "a1", "1-2", "?"]))


@pytest.mark.parametrize(
    ("text", "is_header"),
    [
        ("Country,2019,2020,2021\n" + many("Peru,1.5,2,3", "Chad,4,5.5,6"), True),
        ("Country,Code,2021,2020\n" + many("Peru,PE,1.5,2", "Chad,TD,4,5.5"), True),
        ("Country,2000,2005,2020\n" + many("Peru,1.5,2,3", "Chad,4,5.5,6"), True),
        (many("Peru,2019,2020", "Chad,2019,2020"), False),
        (many("Peru,3,4", "Chad,5,7.5"), False),
        ("Chad,2019,2021\n" + many("Peru,1.5,2", "Chad,4,5.5"), False),
    ],
)
def test_years_beside_texts_name_columns(text: str, is_header: bool) -> None:
    assert found(text).header == int(is_header)
