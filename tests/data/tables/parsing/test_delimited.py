"""Delimited text: encodings, separators, headers, and what files of this kind get wrong."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from mindle.data.tables.parsing.delimited import (
    layout_findings,
    layout_of,
    records,
    require_whole_rows,
    whole_row,
)
from mindle.data.tables.parsing.dialect import Layout
from mindle.errors import DataError

PEOPLE = "name,age,town\nAda,36,London\nBob,25,Seoul\nEva,41,Bonn\n"


def write(folder: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    file = folder / "table.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return file


def rows(file: Path) -> list[list[str]]:
    return [cells for _, cells in records(file, layout_of(file))]


# ------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize(
    ("codec", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("cp949", "cp949"),
        ("euc-kr", "cp949"),
    ],
)
def test_korean_text_in_every_encoding(tmp_path: Path, codec: str, found: str) -> None:
    file = write(tmp_path, "이름,나이\n김철수,36\n이영희,25\n", codec)
    layout = layout_of(file)
    assert layout.encoding == found
    assert layout.names == ("이름", "나이")
    assert rows(file) == [["김철수", "36"], ["이영희", "25"]]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark(tmp_path: Path, codec: str) -> None:
    file = write(tmp_path, PEOPLE, codec)
    assert layout_of(file).encoding == codec
    assert rows(file)[0] == ["Ada", "36", "London"]


def test_western_text_is_not_taken_for_korean(tmp_path: Path) -> None:
    file = write(tmp_path, "name,age\nMüller,36\nRené,25\n", "cp1252")
    assert layout_of(file).encoding == "cp1252"
    assert rows(file)[0] == ["Müller", "36"]


def test_a_character_beyond_the_first_block_still_decides(tmp_path: Path) -> None:
    file = write(tmp_path, "name,age\n" + "Ada,36\n" * 200_000 + "김철수,25\n", "cp949")
    assert layout_of(file).encoding == "cp949"


def test_nul_characters_are_left_out(tmp_path: Path) -> None:
    file = write(tmp_path, "name,age\nA\0da,36\nBob,2\0\n")
    assert rows(file) == [["Ada", "36"], ["Bob", "2"]]


def test_a_workbook_and_other_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Excel.*Save the sheet as CSV"):
        layout_of(write(tmp_path, b"PK\x03\x04" + bytes(range(256))))
    with pytest.raises(DataError, match="must be text"):
        layout_of(write(tmp_path, bytes(range(256)) * 20))


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", "".encode("utf-16"), b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="empty"):
        layout_of(write(tmp_path, content))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be readable"):
        layout_of(tmp_path)


# ------------------------------------------------------------------------------------------ separators


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ", "])
def test_separators(tmp_path: Path, separator: str) -> None:
    file = write(tmp_path, PEOPLE.replace(",", separator))
    assert layout_of(file).separator == separator.strip(" ")
    assert rows(file)[1] == ["Bob", "25", "Seoul"]


def test_runs_of_spaces(tmp_path: Path) -> None:
    file = write(tmp_path, "  0.1   18.00  2.31 \n 10.5    0.00  7.07\n")
    layout = layout_of(file)
    assert (layout.separator, layout.header, layout.names) == (" ", False, ("c1", "c2", "c3"))
    assert rows(file) == [["0.1", "18.00", "2.31"], ["10.5", "0.00", "7.07"]]


def test_decimal_commas_do_not_separate(tmp_path: Path) -> None:
    file = write(tmp_path, "x;y\n1,5;2,5\n3,5;4,5\n")
    assert layout_of(file).separator == ";"
    assert rows(file)[0] == ["1,5", "2,5"]


def test_texts_with_spaces_and_semicolons_in_a_comma_file(tmp_path: Path) -> None:
    file = write(tmp_path, "title,genres\nThe Big Sleep,a;b\nAlien vs Predator,a\nHeat,a;b;c\n")
    assert layout_of(file).separator == ","


def test_quotes_hold_separators_quotes_and_line_breaks(tmp_path: Path) -> None:
    file = write(tmp_path, 'name,said\n"Doe, Jane","She said ""no""\nand went"\nBob, "yes, sir"\n')
    assert rows(file) == [["Doe, Jane", 'She said "no"\nand went'], ["Bob", "yes, sir"]]
    assert [line for line, _ in records(file, layout_of(file))] == [2, 4]


def test_a_quote_that_is_never_closed_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, 'name,said\nAda,yes\nBob,"no\nEva,yes\nJan,no\n')
    with pytest.raises(DataError, match=r"quote.*line 3"):
        rows(file)


def test_an_inch_sign_is_no_open_quote(tmp_path: Path) -> None:
    assert rows(write(tmp_path, 'size,price\n5",3\n7",4\n6",5\n'))[0] == ['5"', "3"]


def test_a_very_long_cell(tmp_path: Path) -> None:
    text = "x" * 3_000_000
    file = write(tmp_path, f"note,n\n{text},1\nshort,2\n")
    assert rows(file)[0] == [text, "1"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path: Path, end: str) -> None:
    file = write(tmp_path, PEOPLE.replace("\n", end).rstrip(end))
    assert len(rows(file)) == 3


def test_one_column(tmp_path: Path) -> None:
    file = write(tmp_path, "price\n1\n2\n")
    assert layout_of(file).names == ("price",)
    assert rows(file) == [["1"], ["2"]]


@pytest.mark.parametrize("text", ["a,b,\n1,2\n3,4\n", "a,b\n1,2,\n3,4,\n", "a,b\n1,2\n3,4\n"])
def test_a_separator_at_the_end_of_lines(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, text)
    assert layout_of(file).names == ("a", "b")
    assert [whole_row(cells, 2) for cells in rows(file)] == [["1", "2"], ["3", "4"]]


def test_rows_of_another_length_are_told_from_blank_ends() -> None:
    assert whole_row(["1", "2"], 2) == ["1", "2"]
    assert whole_row(["1", "2", " ", ""], 2) == ["1", "2"]
    assert whole_row(["1", "2", "3"], 2) is None
    assert whole_row(["1"], 2) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n\n3,4\n\n", [["1", "2"], ["3", "4"]]),  # an empty line is no row
        ("a,b\n1,2\n   \n3,4\n", [["1", "2"], ["3", "4"]]),
        ("a,b\n1,2\n,\n3,4\n", [["1", "2"], ["", ""], ["3", "4"]]),  # one of separators is
        ("a;b\n1;2\n ; \n3;4\n", [["1", "2"], ["", ""], ["3", "4"]]),
        ("a\tb\n1\t2\n\t\n3\t4\n", [["1", "2"], ["", ""], ["3", "4"]]),
        ("a\n1\n\n2\n", [["1"], ["2"]]),
        ('a\n1\n""\n2\n', [["1"], [""], ["2"]]),
        ("a b\n1 2\n   \n3 4\n", [["1", "2"], ["3", "4"]]),
        (",,\n\na,b,c\n1,2,3\n,,\n", [["1", "2", "3"], ["", "", ""]]),  # before the header neither is
    ],
)
def test_a_row_that_holds_nothing_keeps_its_place(
    tmp_path: Path, text: str, expected: list[list[str]]
) -> None:
    file = write(tmp_path, text)
    names = layout_of(file).names
    read = [whole_row(cells, len(names)) for _, cells in records(file, layout_of(file))]
    assert [[cell.strip() for cell in row or ()] for row in read] == expected


# --------------------------------------------------------------------------------------------- headers


@pytest.mark.parametrize(
    ("text", "header"),
    [
        (PEOPLE, True),
        ("Ada,36,London\nBob,25,Seoul\n", False),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", False),
        ("id,0,1,label\n7,5,6,cat\n8,5,6,dog\n", True),  # some names are numbers
        ("2019,2020,2021\n5,6,7\n8,9,8\n", True),  # numbers that count up
        ("0,1,2\n0,5,7\n1,9,8\n", False),  # they come again
        ("1,3,2\n5,6,7\n", False),
        ("city,colour\nBonn,red\nSeoul,blue\nBonn,blue\n", True),
        ("Bonn,red\nSeoul,blue\nBonn,blue\n", False),
        ("a,b\n", True),
        ("1,2\n", False),
        ("2024-01-01,red\n2024-01-02,blue\n", False),
        ("?,3.5,x\n4.9,3.0,y\n", False),
    ],
)
def test_whether_there_is_a_header(tmp_path: Path, text: str, header: bool) -> None:
    assert layout_of(write(tmp_path, text)).header == header


def test_a_known_name_proves_a_header(tmp_path: Path) -> None:
    file = write(tmp_path, "Bonn,red\nSeoul,blue\nBonn,blue\n")
    assert layout_of(file, known=["red"]).names == ("Bonn", "red")


def test_names_are_composed_and_trimmed(tmp_path: Path) -> None:
    file = write(tmp_path, "cafe\u0301 , price\nx,1\ny,2\n")
    assert layout_of(file).names == ("caf\u00e9", "price")


# -------------------------------------------------------------------------------- how files are written


def test_byte_order_marks_before_a_separator_line(tmp_path: Path) -> None:
    for codec in ("utf-8-sig", "utf-16"):
        file = write(tmp_path, "sep=;\r\nName;Größe\r\nAda;1,5\r\n\r\nBob;2,5\r\n", codec)
        assert layout_of(file).names == ("Name", "Größe")
        assert list(records(file, layout_of(file))) == [(3, ["Ada", "1,5"]), (5, ["Bob", "2,5"])]


def test_what_stands_before_the_header_is_passed_over(tmp_path: Path) -> None:
    file = write(tmp_path, "Sales of 2020\n\na,b,y\n1,2,3\n,,\n4,5,6\n")
    assert list(records(file, layout_of(file))) == [
        (4, ["1", "2", "3"]),
        (5, ["", "", ""]),
        (6, ["4", "5", "6"]),
    ]


def test_several_lines_of_header_are_left_out(tmp_path: Path) -> None:
    file = write(tmp_path, "a,b\nm,s\n1,2\n3,4\n5,6\n")
    assert layout_of(file).header == 2
    assert [cells for _, cells in records(file, layout_of(file, header=1))] == [
        ["m", "s"],
        ["1", "2"],
        ["3", "4"],
        ["5", "6"],
    ]
    assert len(rows(file)) == 3
    assert len(list(records(file, layout_of(file, header=0)))) == 5


def test_a_header_of_fewer_than_no_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`header` must be a number of lines"):
        layout_of(write(tmp_path, PEOPLE), header=-1)


def test_a_packed_file_is_read_as_itself(tmp_path: Path) -> None:
    plain = write(tmp_path, PEOPLE)
    layout = layout_of(plain)
    expected = list(records(plain, layout))
    plain.write_bytes(gzip.compress(PEOPLE.encode()))
    assert layout_of(plain) == layout
    assert list(records(plain, layout)) == expected


def test_a_very_wide_file(tmp_path: Path) -> None:
    names = [f"x{place}" for place in range(20_000)]
    lines = [",".join(names), *(",".join(str(row + place) for place in range(20_000)) for row in range(5))]
    assert layout_of(write(tmp_path, "\n".join(lines))).names == tuple(names)


# How the files that come with the data are cut, with a hash of all cells; it must stay so.
REAL = {
    "adult-test.csv": (",", 0, 15, 16281, "486d578376688f0e"),
    "boston-housing.csv": (",", 0, 14, 506, "ec92011e87604bca"),
    "boston-housing.data": (" ", 0, 14, 506, "ec92011e87604bca"),
    "california-housing.csv": (",", 1, 10, 20640, "9982248886460fd5"),
    "iris.csv": (",", 0, 5, 150, "4b7b41dcedaef47f"),
    "titanic-test.csv": (",", 1, 11, 418, "a853087f561ee9ec"),
    "titanic-train.csv": (",", 1, 12, 891, "f269c5dd8aaa9c85"),
    "wine.csv": (",", 0, 14, 178, "dc11983fa023657c"),
    "winequality-red.csv": (",", 0, 12, 1599, "4b8ff3d038e13cdb"),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_real_files_are_cut_as_ever(shared: Path, name: str) -> None:
    file = shared / "data" / "tabular" / name
    layout = layout_of(file)
    found = list(records(file, layout))
    digest = hashlib.sha256()
    for line, cells in found:
        digest.update(repr((line, cells)).encode())
    cut = (layout.separator, layout.header, len(layout.names), len(found), digest.hexdigest()[:16])
    assert cut == REAL[name]
    assert (layout.before, layout.row_names, layout.others) == (0, False, ())


# ------------------------------------------------------------------------------------- assumptions


def layout(**changes: object) -> Layout:
    plain = {"encoding": "utf-8", "separator": ",", "header": 1, "names": ("a", "b"), "width": 2}
    return Layout(**{**plain, **changes})  # type: ignore[arg-type]


def said(*, settled: bool = False, **changes: object) -> list[tuple[str, bool, str]]:
    findings = layout_findings(Path("cars.csv"), layout(**changes), settled=settled)
    return [(finding.kind, finding.decision, finding.message) for finding in findings]


def test_what_is_plain_needs_no_words() -> None:
    assert said() == said(separator=";") == said(separator="\t") == said(header=0, settled=True) == []


def test_what_was_assumed_is_said() -> None:
    ((kind, decision, message),) = said(separator="|", header=0, before=2)
    assert (kind, decision) == ("layout", False)
    assert "separated by '|'" in message
    assert "after 2 lines" in message
    assert "no line names the columns" in message
    assert "rather than by ';'" in said(others=(";",))[0][2]
    assert not list(layout_findings(Path("x"), layout(separator="^"), settled=True, separated=True))


def test_several_lines_of_header_are_a_decision_until_they_are_said() -> None:
    ((kind, decision, message),) = said(header=2, names=("a x", "b"), aliases=(("x", "a x"),))
    assert (kind, decision) == ("header-lines", True)
    assert "--header 2" in message
    assert said(header=2, settled=True) == []


def test_rows_of_another_length_are_refused_with_their_likely_cause() -> None:
    require_whole_rows("cars.csv", layout(), [3, 3], 4)
    with pytest.raises(DataError, match=r"3 of 5 rows.*mostly 4.*separated by ','.*decimal commas"):
        require_whole_rows("cars.csv", layout(), [4, 4, 3], 5)
    with pytest.raises(DataError, match=r"--separator.*--header.*3 columns with --columns"):
        require_whole_rows("cars.csv", layout(separator=";"), [3, 3, 3], 4)
    with pytest.raises(DataError, match="only a header"):
        require_whole_rows("cars.csv", layout(), [], 0)


def test_errors_name_the_separator() -> None:
    assert layout(separator="\t").description == "Cells were separated by tabs."
