"""Rows to answer: every form they come in, read as those of training were."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mindle.data.tables.reader import read_table
from mindle.data.tables.rows import Rows, read_rows
from mindle.errors import DataError
from mindle.records import Column

COLUMNS = (
    Column(name="who", kind="category", role="id"),
    Column(name="age", kind="number"),
    Column(name="income", kind="number", thousands=","),
    Column(name="town", kind="category"),
    Column(name="since", kind="date", date_format="%d.%m.%Y"),
    Column(name="note", kind="category", role="ignored"),
    Column(name="sold", kind="category", role="target"),
)
PEOPLE = [
    {"who": "Ada", "age": 36, "income": "1,200.5", "town": "Bonn", "since": "02.01.1970", "sold": "yes"},
    {"who": "Bob", "age": None, "income": 7, "town": None, "since": "", "sold": "no"},
]


def one(source: object) -> Rows:
    (chunk,) = read_rows(source, COLUMNS)
    return chunk


def check_people(rows: Rows) -> None:
    np.testing.assert_array_equal(rows.cells["age"], [36, np.nan])
    np.testing.assert_array_equal(rows.cells["income"], [1200.5, 7])
    np.testing.assert_array_equal(rows.cells["since"], [1, np.nan])
    assert rows.cells["town"].tolist() == ["Bonn", None]
    assert set(rows.cells) == {"age", "income", "town", "since"}
    assert rows.ids == {"who": ("Ada", "Bob")}
    assert rows.truth == ("yes", "no")
    assert rows.reasons == ("", "")
    assert rows.names == ("row 1", "row 2")


def test_every_form_gives_the_same_rows(tmp_path: Path) -> None:
    check_people(one(PEOPLE))
    check_people(one(iter(PEOPLE)))
    check_people(one(pd.DataFrame(PEOPLE)))
    files = {
        "rows.json": json.dumps(PEOPLE),
        "rows.jsonl": "\n".join(map(json.dumps, PEOPLE)),
        "rows.csv": 'sold,extra,since,town,who,income,age\nyes,x,02.01.1970,Bonn,Ada,"1,200.5",36\n'
        "no,y,,?,Bob,7,NA\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        check_people(one(tmp_path / name))


def test_the_names_of_the_rows_are_made_once() -> None:
    (chunk,) = read_rows(PEOPLE, COLUMNS)
    assert chunk.names[:2] == ("row 1", "row 2")
    assert chunk.names is chunk.names, "who asks for each row's name would make those of all"


def test_one_mapping_is_one_row(tmp_path: Path) -> None:
    assert len(one(PEOPLE[0])) == 1
    (tmp_path / "row.json").write_text(json.dumps(PEOPLE[0]), encoding="utf-8")
    assert len(one(tmp_path / "row.json")) == 1


def test_missing_columns_are_named_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("who,age,colour\nAda,36,red\n", encoding="utf-8")
    for source in (tmp_path / "rows.csv", [{"age": 3}], pd.DataFrame({"age": [3]})):
        with pytest.raises(DataError, match="without income, town, since") as caught:
            read_rows(source, COLUMNS)
        assert "It has" in str(caught.value)
    with pytest.raises(DataError, match="It has age, colour, who"):
        read_rows([{"who": "Ada", "age": 36, "colour": "red"}], COLUMNS)


def test_the_target_and_ids_may_be_absent() -> None:
    rows = one(
        [{name: value for name, value in row.items() if name not in ("sold", "who")} for row in PEOPLE]
    )
    assert rows.truth is None
    assert rows.ids == {"who": ("", "")}


def test_a_row_that_cannot_be_read_has_its_reason_and_its_id(tmp_path: Path) -> None:
    rows = one([PEOPLE[0], {"who": "Eva", "age": 3, "town": "Bonn"}, "text", [1, 2]])
    assert rows.reasons[0] == ""
    assert rows.reasons[1] == "The row lacks 'income', 'since'."
    assert rows.ids["who"][1] == "Eva"
    assert "must be an object" in rows.reasons[2]
    (tmp_path / "rows.csv").write_text(
        "who,age,income,town,since\nAda,36,5,Bonn,02.01.1970\nBob,25\nEva,1,2,Bonn,,extra\n", encoding="utf-8"
    )
    rows = one(tmp_path / "rows.csv")
    assert rows.reasons == (
        "",
        "The row in line 3 has 2 cells instead of 5.",
        "The row in line 4 has 6 cells instead of 5.",
    )
    assert rows.rows_from == (1, 2, 3)


def test_chunks_follow_each_other() -> None:
    chunks = list(read_rows((PEOPLE[row % 2] for row in range(25)), COLUMNS, chunk_rows=10))
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    assert [chunk.rows_from[0] for chunk in chunks] == [1, 11, 21]


def test_no_rows_are_no_chunks(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("who,age,income,town,since\n", encoding="utf-8")
    assert list(read_rows(tmp_path / "rows.csv", COLUMNS)) == []
    assert list(read_rows([], COLUMNS)) == []


def test_a_file_without_header_is_read_by_position(tmp_path: Path) -> None:
    train = tmp_path / "train.csv"
    train.write_text("5.5,red,a\n6.5,blue,b\n" * 20, encoding="utf-8")
    table = read_table(train, target="last")
    (tmp_path / "new.csv").write_text("7.5,blue\n8.5,red\n", encoding="utf-8")
    (rows,) = read_rows(tmp_path / "new.csv", table.columns)
    assert rows.cells["c1"].tolist() == [7.5, 8.5]
    assert rows.truth is None
    (rows,) = read_rows(train, table.columns)
    assert rows.truth is not None
    assert rows.truth[:2] == ("a", "b")
    for name in ("c1", "c2"):
        np.testing.assert_array_equal(rows.cells[name], table.cells[name])


def test_new_rows_are_read_as_those_of_training_were(tmp_path: Path) -> None:
    lines = [
        f'"{row * 1234.5:,.1f}",{row % 28 + 1:02d}.02.2024,{"Ab c"[row % 4]},0{row % 9},x{row % 2}'
        for row in range(60)
    ]
    odd = ['many,soon,"",?,x1', "N/A,,True,07,x0"]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,d,y", *lines, *odd]), encoding="utf-8")
    table = read_table(tmp_path / "t.csv", target="y")
    assert [column.kind for column in table.columns] == ["number", "date", "category", "category", "category"]
    for source in (tmp_path / "t.csv", pd.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False)):
        (rows,) = read_rows(source, table.columns)
        for column in table.features:
            np.testing.assert_array_equal(rows.cells[column.name], table.cells[column.name])


@pytest.mark.shared
def test_real_rows_are_read_as_in_training(shared: Path) -> None:
    for name, target in (("titanic-train.csv", "Survived"), ("adult-test.csv", "last")):
        file = shared / "data" / "tabular" / name
        table = read_table(file, target=target)
        chunks = list(read_rows(file, table.columns))
        for column in table.features:
            found = np.concatenate([chunk.cells[column.name] for chunk in chunks])
            np.testing.assert_array_equal(found, table.cells[column.name])
    titanic = read_table(shared / "data" / "tabular" / "titanic-train.csv", target="Survived")
    new = list(read_rows(shared / "data" / "tabular" / "titanic-test.csv", titanic.columns))
    assert sum(map(len, new)) == 418  # and without the column Survived
    assert new[0].truth is None


def test_what_holds_no_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[{"age": ', encoding="utf-8")
    with pytest.raises(DataError, match="readable JSON"):
        read_rows(tmp_path / "rows.json", COLUMNS)
    (tmp_path / "rows.jsonl").write_text('{"age": 1}\n{"age": ', encoding="utf-8")
    with pytest.raises(DataError, match=r"rows.jsonl' \(line 2: Expecting value\)"):
        read_rows(tmp_path / "rows.jsonl", COLUMNS)
    with pytest.raises(DataError, match="must come from a file"):
        read_rows(tmp_path / "gone.csv", COLUMNS)
    with pytest.raises(TypeError, match="mappings by column name"):
        read_rows(5, COLUMNS)


def test_a_file_that_is_written_otherwise_is_read_its_own_way(tmp_path: Path) -> None:
    file = tmp_path / "german.csv"
    file.write_text("age;income;town;since;sold\n36,5;1.200,5;Bonn;1970/01/02;yes\n2;7;?;;no\n", "utf-8")
    rows = one(file)
    assert rows.cells["age"].tolist() == [36.5, 2]
    assert rows.cells["income"].tolist() == [1200.5, 7]
    np.testing.assert_array_equal(rows.cells["since"], [1, np.nan])
    assert rows.written == (
        "a decimal comma in age, income (training: decimal point)",
        "dates as %Y/%m/%d in since (training: %d.%m.%Y)",
    )
    assert rows.unreadable == ()


def test_the_first_chunk_tells_the_way_and_later_ones_are_counted(tmp_path: Path) -> None:
    columns = [Column(name="a", kind="number")]
    cells = [f"{n},5" for n in range(10)] + ["2.5", "many", "", *["3,5"] * 3]
    file = tmp_path / "a.csv"
    file.write_text("\n".join(["a;b", *(f"{cell};x" for cell in cells)]), "utf-8")
    first, second = read_rows(file, columns, chunk_rows=10)
    assert first.written == ("a decimal comma in a (training: decimal point)",)
    assert (second.written, first.unreadable) == ((), ())
    assert [(odd.count, odd.row, odd.cell) for odd in second.unreadable] == [(2, 11, "2.5")]
    np.testing.assert_array_equal(second.cells["a"], [np.nan, np.nan, np.nan, 3.5, 3.5, 3.5])


def test_a_number_in_memory_is_no_text_under_a_decimal_comma() -> None:
    columns = [
        Column(name="a", kind="number", decimal=",", thousands="."),
        Column(name="b", kind="number", decimal=",", thousands=".", role="target"),
    ]
    for source in ({"a": [2.512, 7.0], "b": [1.234, 5]}, pd.DataFrame({"a": [2.512, 7.0], "b": [1.234, 5]})):
        (rows,) = read_rows(source, columns)
        assert rows.cells["a"].tolist() == [2.512, 7]
        assert rows.truth == ("1,234", "5")


def test_a_target_is_told_as_training_wrote_it(tmp_path: Path) -> None:
    columns = [Column(name="a", kind="number"), Column(name="y", kind="number", role="target")]
    (tmp_path / "a.csv").write_text("a;y\n2,5;3,5\n7,5;?\n1;many\n", "utf-8")
    (rows,) = read_rows(tmp_path / "a.csv", columns)
    assert rows.truth == ("3.5", "?", "many")


def test_json_of_columns_is_a_table(tmp_path: Path) -> None:
    frame = pd.DataFrame(PEOPLE)
    for layout in ("columns", "records"):
        frame.to_json(tmp_path / "rows.json", orient=layout)
        check_people(one(tmp_path / "rows.json"))
    (tmp_path / "deep.json").write_text("[" * 100_000, "utf-8")
    with pytest.raises(DataError, match="readable JSON"):
        read_rows(tmp_path / "deep.json", COLUMNS)


def test_the_content_of_a_file_is_read_as_the_file() -> None:
    lines = 'who,age,income,town,since,sold\nAda,36,"1,200.5",Bonn,02.01.1970,yes\nBob,,7,?,,no\n'
    content = lines.encode("utf-8-sig")
    for source in (
        content,
        bytearray(content),
        io.BytesIO(content),
        io.StringIO(lines),
        json.dumps(PEOPLE).encode(),
    ):
        check_people(one(source))
    for junk in (b"", b"\x89PNG\r\n\x1a\n\0\0", b'[{"age": '):
        with pytest.raises(DataError):
            one(junk)


def test_decimal_commas_that_cut_cells_are_no_names_of_rows(tmp_path: Path) -> None:
    columns = [Column(name="price", kind="number"), Column(name="town", kind="category")]
    (tmp_path / "cut.csv").write_text("price,town\n2,5,Bonn\n7,5,Bonn\n", "utf-8")
    (rows,) = read_rows(tmp_path / "cut.csv", columns)
    assert all("has 3 cells instead of 2" in reason for reason in rows.reasons)
    (tmp_path / "named.csv").write_text("price,town\n1,2.5,Bonn\n2,7.5,Bonn\n", "utf-8")
    (rows,) = read_rows(tmp_path / "named.csv", columns)
    assert rows.cells["price"].tolist() == [2.5, 7.5]


def test_parquet_holds_rows(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pd.DataFrame(PEOPLE).astype({"income": str}).to_parquet(tmp_path / "rows.parquet")
    check_people(one(tmp_path / "rows.parquet"))


def test_packed_and_parquet_files_are_rows(tmp_path: Path) -> None:
    text = "age,who\n36,Ada\n41,Bob\n"
    columns = [Column(name="age", kind="number"), Column(name="who", kind="category", role="id")]
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(text.encode()))
    pd.DataFrame({"age": [36, 41], "who": ["Ada", "Bob"]}).to_parquet(tmp_path / "rows.parquet")
    for name in ("rows.csv.gz", "rows.parquet"):
        for source in (tmp_path / name, (tmp_path / name).read_bytes()):
            chunk = next(read_rows(source, columns))
            assert chunk.cells["age"].tolist() == [36, 41]
            assert chunk.ids["who"] == ("Ada", "Bob")
