"""Tables: what is one, roles and tasks, and files as people have them."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mindle.data.reading import ReadingOptions
from mindle.data.tables.reader import find_column, read_table
from mindle.data.tables.rows import read_rows
from mindle.data.tables.sources import BUILT_IN, unique_names
from mindle.data.tables.tasks import labels_of
from mindle.errors import DataError
from mindle.records import Column, Finding, Table


def is_table(data: Any, target: str | None = None) -> bool:
    return ReadingOptions(target=target).is_table(data)


HOUSES = "size,town,price\n" + "".join(
    f"{40 + row * 7 % 60}.5,{('Bonn', 'Seoul', 'Rome')[row % 3]},{200 + row * 13 % 170}\n"
    for row in range(60)
)


def write(folder: Path, text: str, name: str = "houses.csv", encoding: str = "utf-8") -> Path:
    file = folder / name
    file.write_bytes(text.encode(encoding))
    return file


def the(table: Table, kind: str) -> Finding:
    """The only finding of a kind."""
    (found,) = [finding for finding in table.findings if finding.kind == kind]
    return found


def column(table: Table, name: str) -> Column:
    return next(column for column in table.columns if column.name == name)


# ------------------------------------------------------------------------------------ what is a table


def test_what_is_a_table(tmp_path: Path) -> None:
    houses = write(tmp_path, HOUSES)
    photos = write(tmp_path, "Path,label\na.jpg,cat\nb.jpg,dog\n", "photos.csv")
    assert is_table(houses)
    assert is_table(str(houses), "price")
    assert is_table(pd.DataFrame({"a": [1]}))
    assert all(map(is_table, BUILT_IN))
    assert not is_table(photos)
    assert is_table(photos, "label")
    assert not is_table("digits")
    assert not is_table(tmp_path)
    assert not is_table(tmp_path / "gone.csv")
    assert not is_table([1, 2])
    (tmp_path / "x.npz").write_bytes(b"")
    assert not is_table(tmp_path / "x.npz", "label")


def test_a_path_comes_before_a_built_in_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wine").mkdir()
    assert not is_table("wine")


@pytest.mark.parametrize(
    ("name", "task", "rows", "features", "classes"),
    [
        ("breast-cancer", "binary", 569, 30, ("benign", "malignant")),
        ("diabetes", "regression", 442, 10, ()),
        ("iris", "multiclass", 150, 4, ("setosa", "versicolor", "virginica")),
        ("wine", "multiclass", 178, 13, ("class_0", "class_1", "class_2")),
    ],
)
def test_built_in_tables(name: str, task: str, rows: int, features: int, classes: tuple[str, ...]) -> None:
    table = read_table(name)
    assert (table.kind, table.name, table.source) == ("builtin", name, name)
    assert (table.task, len(table), len(table.features), table.classes) == (task, rows, features, classes)
    assert table.findings == ()


# --------------------------------------------------------------------------------- target and columns


def test_the_target_by_name_position_or_last(tmp_path: Path) -> None:
    file = write(tmp_path, HOUSES)
    for typed in ("price", " price ", 3, "3", "last"):
        assert column(read_table(file, target=typed), "price").role == "target"
    with pytest.raises(ValueError, match=r"Did you mean 'price'\? The columns are size, town, price"):
        read_table(file, target="prize")
    with pytest.raises(ValueError, match=r"`target` must name.*The columns are size, town, price"):
        read_table(file)
    for typed in (0, 4, "4", -1):
        with pytest.raises(ValueError, match="position from 1 to 3"):
            read_table(file, target=typed)


def test_a_name_comes_before_a_position() -> None:
    assert find_column("2", ["a", "b", "2"], argument="target") == "2"
    assert find_column(2, ["a", "b", "2"], argument="target") == "b"
    assert find_column("last", ["last", "b"], argument="target") == "last"


def test_roles(tmp_path: Path) -> None:
    lines = [f"{row},p{row // 3},2024-01-{1 + row % 28:02d},{row * 7 % 11}.5,{row % 2}" for row in range(60)]
    file = write(tmp_path, "\n".join(["no,person,day,size,sold", *lines]))
    table = read_table(file, target="sold", group="person", time="day", ids=["no"])
    assert [(one.role, one.kind) for one in table.columns] == [
        ("id", "category"),
        ("group", "category"),
        ("time", "date"),
        ("feature", "number"),
        ("target", "number"),
    ]
    assert table.groups[:4] == ("p0", "p0", "p0", "p1")
    assert table.cells["no"][:2].tolist() == ["0", "1"]
    with pytest.raises(ValueError, match="one role"):
        read_table(file, target="sold", group="sold")
    with pytest.raises(DataError, match="time column must hold dates or numbers"):
        read_table(file, target="sold", time="person")


def test_kinds_can_be_said(tmp_path: Path) -> None:
    lines = [f"{10000 + row},{row % 7},text {row},{row % 2}" for row in range(60)]
    file = write(tmp_path, "\n".join(["zip,size,note,sold", *lines]))
    guessed = read_table(file, target="sold")
    assert [one.role for one in guessed.columns] == ["ignored", "feature", "ignored", "target"]
    told = read_table(file, target="sold", kinds={"zip": "category", "size": "ignored", "note": "category"})
    assert [one.role for one in told.columns] == ["feature", "ignored", "feature", "target"]
    assert told.cells["zip"][0] == "10000"
    with pytest.raises(ValueError, match="number, category, date or ignored"):
        read_table(file, target="sold", kinds={"zip": "text"})
    with pytest.raises(ValueError, match="Did you mean 'zip'"):
        read_table(file, target="sold", kinds={"zipp": "number"})
    with pytest.raises(ValueError, match="target must not be ignored"):
        read_table(file, target="sold", kinds={"sold": "ignored"})


def test_names_for_a_file_without_a_header(tmp_path: Path) -> None:
    body = HOUSES.partition("\n")[2]
    table = read_table(write(tmp_path, body), target="last")
    assert [one.name for one in table.columns] == ["c1", "c2", "c3"]
    for text in (body, HOUSES):  # a first line of these very names is no row
        table = read_table(write(tmp_path, text), target="price", columns=["size", "town", "price"])
        assert ([one.name for one in table.columns], len(table)) == (["size", "town", "price"], 60)
    with pytest.raises(ValueError, match=r"name each of the 3 columns.*2 names"):
        read_table(write(tmp_path, body), target="last", columns=["a", "b"])


def test_odd_names(tmp_path: Path) -> None:
    assert unique_names(["a", "a", "", " a ", "a (2)"])[0] == ("a", "a (2)", "c3", "a (3)", "a (2) (2)")
    table = read_table(write(tmp_path, HOUSES.replace("town", "size", 1)), target="price")
    assert [one.name for one in table.columns] == ["size", "size (2)", "price"]
    assert the(table, "renamed-column").files == ("size (2)",)


def test_a_header_of_numbers(tmp_path: Path) -> None:
    file = write(
        tmp_path, "2019,2020,2021\n" + "".join(f"{row}.5,{row * 3 % 7}.25,{row % 13}\n" for row in range(50))
    )
    table = read_table(file, target="2021")
    assert [one.name for one in table.columns] == ["2019", "2020", "2021"]
    assert len(table) == 50


# ----------------------------------------------------------------------------------------------- task


def task_of(folder: Path, targets: list[str], **options: str) -> Table:
    lines = [f"{row * 37 % 101}.5,{target}" for row, target in enumerate(targets)]
    return read_table(write(folder, "\n".join(["size,y", *lines])), target="y", **options)  # type: ignore[arg-type]


def test_the_task_is_told_from_the_target(tmp_path: Path) -> None:
    assert task_of(tmp_path, ["yes", "no"] * 10).task == "binary"
    assert task_of(tmp_path, ["a", "b", "c"] * 10).task == "multiclass"
    assert task_of(tmp_path, ["0", "1"] * 10).task == "binary"
    assert task_of(tmp_path, [str(row) for row in range(40)]).task == "regression"
    assert task_of(tmp_path, ["0.5", "1.5"] * 20).task == "regression"
    for table in (task_of(tmp_path, ["yes", "no"] * 10), task_of(tmp_path, ["0", "1"] * 10)):
        assert table.findings == ()


def test_a_few_whole_numbers_are_classes_where_each_has_many_rows(tmp_path: Path) -> None:
    classes = task_of(tmp_path, ["3", "4", "5"] * 20)
    assert classes.task == "multiclass"
    assert "taken for classes" in the(classes, "task").message
    numbers = task_of(tmp_path, ["3", "4", "5"] * 19)
    assert numbers.task == "regression"
    assert "taken for quantities" in the(numbers, "task").message
    eleven = task_of(tmp_path, [str(row % 11) for row in range(550)])
    assert (eleven.task, eleven.findings) == ("regression", ())


def test_the_task_can_be_said(tmp_path: Path) -> None:
    assert task_of(tmp_path, ["3", "4", "5"] * 20, task="regression").task == "regression"
    said = task_of(tmp_path, ["3", "4", "10"] * 5, task="classification")
    assert (said.task, said.classes, said.findings) == ("multiclass", ("3", "4", "10"), ())
    with pytest.raises(ValueError, match="`task` must be one of"):
        task_of(tmp_path, ["1"], task="ranking")


def test_labels_keep_their_text(tmp_path: Path) -> None:
    assert task_of(tmp_path, ["true", "FALSE"] * 10).classes == ("FALSE", "true")
    assert task_of(tmp_path, ["01", "02"] * 10).classes == ("01", "02")
    assert task_of(tmp_path, ["-1", "1", "1.0", "1"] * 10).classes == ("-1", "1")  # one value, spelled twice
    assert task_of(tmp_path, ["cafe\u0301", "caf\u00e9", "bar"] * 10).classes == ("bar", "caf\u00e9")
    table = task_of(tmp_path, ["1", "0", "1.0", "?"] * 10)
    assert table.labels[:4].tolist() == [1, 0, 1, -1]
    assert labels_of(["1", "0.0", "2"], column(table, "y"), table.classes).tolist() == [1, 0, -1]


def test_a_regression_keeps_rows_without_a_target_as_nan(tmp_path: Path) -> None:
    table = task_of(tmp_path, [str(row / 3) for row in range(40)] + ["", "soon"])
    assert np.isnan(table.targets[-2:]).all()
    assert np.isfinite(table.targets[:-2]).all()
    assert "y (1 cell such as 'soon', first in row 42)" in the(table, "mixed-cells").message


# -------------------------------------------------------------------------------------- odd contents


def test_ragged_rows_are_set_aside_by_number(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, HOUSES + "5.5,Bonn\n6.5,Rome,200,1\n7.5,Rome,200,,\n"), target="price")
    finding = the(table, "ragged")
    assert finding.files == ("row 61", "row 62")
    assert finding.decision
    assert "row 61 (line 62) with 2" in finding.message
    assert table.set_aside[-3:] == ("ragged", "ragged", "")
    assert len(table.rows()) == 61
    assert table.rows_from == tuple(range(1, 64))


def test_files_without_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="empty"):
        read_table(write(tmp_path, ""), target="last")
    with pytest.raises(DataError, match="only a header"):
        read_table(write(tmp_path, "size,town,price\n"), target="last")
    with pytest.raises(DataError, match=r"does not exist"):
        read_table(tmp_path / "gone.csv", target="last")
    with pytest.raises(DataError, match="without any"):
        read_table(pd.DataFrame({"a": []}), target="a")
    with pytest.raises(TypeError, match="a path, a built-in name, a data frame, or lists"):
        read_table([[1, 2]], target="last")


def test_rows_that_all_differ_from_the_header_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"each of its 2 columns.*mostly 4.*separated by"):
        read_table(write(tmp_path, "a,b\n1,2,3,4\n5,6,7,8\n"), target="b")


def test_one_column_is_a_target_without_features(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "price\n" + "".join(f"{row}\n" for row in range(30))), target="price")
    assert (table.task, table.features) == ("regression", ())


def test_encodings_and_what_is_told_of_them(tmp_path: Path) -> None:
    text = "크기,마을\n" + "".join(f"{row % 9},{('서울', '부산')[row % 2]}\n" for row in range(40))
    tables = [
        read_table(write(tmp_path, text, encoding=codec), target="마을")
        for codec in ("utf-8", "utf-8-sig", "cp949", "euc-kr", "utf-16")
    ]
    assert all(table.classes == ("부산", "서울") for table in tables)
    assert [len(table.findings) for table in tables] == [0, 0, 1, 1, 1]
    assert the(tables[2], "encoding").message == "houses.csv is not UTF-8 and was read as CP949."


def test_a_german_table(tmp_path: Path) -> None:
    lines = [
        f"{row % 28 + 1:02d}.03.2024;{row * 1234 % 90000 + 1000:_}".replace("_", ".") + f";{row},5"
        for row in range(40)
    ]
    table = read_table(write(tmp_path, "\n".join(["Tag;Einwohner;Preis", *lines])), target="Preis")
    assert [one.kind for one in table.columns] == ["date", "number", "number"]
    assert table.targets[:2].tolist() == [0.5, 1.5]
    assert table.cells["Einwohner"][1] == 2234


def test_a_data_frame_is_read_as_its_file(tmp_path: Path) -> None:
    frame = pd.read_csv(write(tmp_path, HOUSES))
    frame.loc[0, "town"] = None
    frame["sold"] = pd.to_datetime("2024-02-29")
    frame["since"] = frame["sold"] + pd.to_timedelta(np.arange(60), unit="D")
    frame["stars"] = pd.Categorical(np.arange(60) % 5)
    frame["garden"] = np.arange(60) % 2 == 0
    table = read_table(frame, target="price")
    assert (table.kind, table.task) == ("frame", "regression")
    assert [one.kind for one in table.columns] == [
        "number",
        "category",
        "number",
        "date",
        "date",
        "category",
        "category",
    ]
    assert column(table, "sold").role == "ignored"
    assert the(table, "constant-column").files == ("sold",)
    assert table.cells["town"][:2].tolist() == [None, "Seoul"]
    assert table.cells["garden"][:2].tolist() == ["True", "False"]
    csv = read_table(write(tmp_path, HOUSES), target="price")
    np.testing.assert_array_equal(table.cells["size"], csv.cells["size"])
    np.testing.assert_array_equal(table.targets, csv.targets)


PIECES = [
    *(
        "1",
        "2.5",
        "a",
        "no",
        "?",
        ",",
        ";",
        "\t",
        " ",
        "\n",
        "\r\n",
        '"',
        "2024-01-02",
        "1,234",
        "1.234,5",
        "\0",
    ),
    *("é", "한", "nan", "1e400", "007", "split", "train", "test", "True", "5%", "_", "９"),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(), st.lists(st.sampled_from(PIECES)).map(lambda some: "".join(some).encode())))
def test_any_file_is_a_table_or_refused_in_words(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any.csv"
    file.write_bytes(content)
    refused = ""
    try:
        table = read_table(file, target="last")
    except DataError as error:
        refused = str(error)
    if refused:
        assert "Received" in refused
        return
    rows = list(read_rows(file, table.columns))
    assert sum(map(len, rows)) == len(table)
    for one in table.features:
        found = np.concatenate([chunk.cells[one.name] for chunk in rows])
        np.testing.assert_array_equal(found, table.cells[one.name])


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The same bytes, some of them changed, left out or doubled."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(changed) + 1), rng.randint(0, 40)
        new = rng.choice([b"", rng.randbytes(3), changed[at : at + length] * 2, b'"', b"\n", b"\0", b";"])
        changed[at : at + length] = new
    return bytes(changed)


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "cp1252", "gzip"])
def test_a_damaged_file_is_a_table_or_refused_in_words(tmp_path: Path, codec: str) -> None:
    data = gzip.compress(HOUSES.encode()) if codec == "gzip" else HOUSES.encode(codec)
    refused = []
    for seed in range(25):
        (tmp_path / "any.csv").write_bytes(damaged(data, random.Random(seed)))
        try:
            read_table(tmp_path / "any.csv", target="last")
        except DataError as error:
            refused.append(str(error))
    assert all("Received" in sentence for sentence in refused)


# ----------------------------------------------------------------------------- files as people publish them

NUMBERS = "".join(f"{row % 7}.5,{row % 5},{30 - row}\n" for row in range(30))


@pytest.mark.parametrize("name", ["SPECT.train", "some.dat", "noending", "x.test", "y.data"])
def test_content_decides_and_not_the_ending(tmp_path: Path, name: str) -> None:
    file = write(tmp_path, NUMBERS, name)
    assert is_table(file)
    assert is_table(file, "last")
    assert len(read_table(file, target="last")) == 30


def test_a_picture_is_a_table_only_where_one_is_asked_for(tmp_path: Path) -> None:
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(b"\xff\xd8\xff\xe0" + bytes(40))
    assert not is_table(picture)
    with pytest.raises(DataError, match=r"photo.jpg.*a picture"):
        is_table(picture, "y")


@pytest.mark.parametrize("target", [None, "y"])
def test_a_workbook_is_asked_for_as_csv(tmp_path: Path, target: str | None) -> None:
    book = tmp_path / "shop.xlsx"
    book.write_bytes(b"PK\3\4" + bytes(26) + b"xl/workbook.xml")
    with pytest.raises(DataError, match=r"an Excel workbook. Save the sheet as CSV"):
        is_table(book, target)


def test_a_pipe_as_a_table_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="a pipe"):
        is_table(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="a pipe"):
        read_table(tmp_path / "pipe.csv", target="y")


def test_packed_and_parquet_files_are_the_same_table(tmp_path: Path) -> None:
    file = write(tmp_path, HOUSES)
    plain = read_table(file, target="price")
    packed = tmp_path / "houses.csv.gz"
    packed.write_bytes(gzip.compress(HOUSES.encode()))
    pd.read_csv(file).to_parquet(tmp_path / "houses.parquet")
    for other in (packed, tmp_path / "houses.parquet"):
        assert is_table(other)
        table = read_table(other, target="price")
        assert (table.name, table.columns, len(table)) == (plain.name, plain.columns, len(plain))
        np.testing.assert_array_equal(table.targets, plain.targets)


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1" + bytes(40) + b"PAR1")
    with pytest.raises(DataError, match=r"x.parquet.*damaged Parquet"):
        read_table(tmp_path / "x.parquet", target="y")


def test_parquet_names_its_columns(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2], "y": [1, 2]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="`separator` must be left out for Parquet"):
        read_table(tmp_path / "x.parquet", target="y", separator=";")


R_TABLE = "a b y\n" + "".join(f'"r{row}" {row % 7}.5 {row % 5} {30 - row}\n' for row in range(30))


def test_a_table_that_r_wrote(tmp_path: Path) -> None:
    file = write(tmp_path, R_TABLE, "r.txt")
    table = read_table(file, target="last")
    assert [one.name for one in table.columns] == ["c1", "a", "b", "y"]
    assert column(table, "c1").role == "ignored"
    assert the(table, "row-names").files == ("c1",)
    for names in (["a", "b", "y"], ["row", "a", "b", "y"]):
        assert read_table(file, target="y", columns=names).targets.tolist() == table.targets.tolist()
    with pytest.raises(ValueError, match=r"each of the 4 columns.*2 names. Cells were separated by spaces"):
        read_table(file, target="y", columns=["a", "y"])


def test_the_advice_about_rows_of_another_length_works(tmp_path: Path) -> None:
    file = write(tmp_path, "a;y\n" + "".join(f"{row % 7};{row % 5};{row % 3};{row}\n" for row in range(30)))
    with pytest.raises(DataError, match=r"separated by ';'.*name the 4 columns with --columns"):
        read_table(file, target="y")
    table = read_table(file, target="y", columns=["a", "b", "c", "y"])
    assert (len(table), table.targets[:3].tolist()) == (30, [0, 1, 2])


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_a_first_column_without_a_name_names_rows(tmp_path: Path, name: str) -> None:
    order = np.random.default_rng(0).permutation(90)[:30]
    text = f"{name},a,y\n" + "".join(f"{each},{row % 7}.5,{row}\n" for row, each in enumerate(order))
    file = write(tmp_path, text)
    for source in (file, pd.read_csv(file).rename(columns={"Unnamed: 0": name})):
        table = read_table(source, target="y")
        first = table.columns[0]
        assert (first.role, table.features) == ("ignored", (column(table, "a"),))
        assert the(table, "row-names").files == (first.name,)
        kept = read_table(source, target="y", kinds={first.name: "number"})
        assert [one.name for one in kept.features] == [first.name, "a"]
        assert all(finding.kind != "row-names" for finding in kept.findings)


def test_a_comma_at_the_end_of_each_line_is_no_column(tmp_path: Path) -> None:
    text = "".join(f"{line},\n" for line in NUMBERS.splitlines())
    table = read_table(write(tmp_path, text), target="last")
    assert [one.name for one in table.columns] == ["c1", "c2", "c3"]
    assert table.targets[0] == 30


def test_decimal_commas_cut_by_commas_are_refused(tmp_path: Path) -> None:
    rows = [f"{row},5,{row},5,{row},5" if row % 20 else "1,2,3" for row in range(60)]
    with pytest.raises(DataError, match=r"57 of 60 rows.*decimal commas"):
        read_table(write(tmp_path, "\n".join(["a,b,y", *rows])), target="y")


UNITS = "time,level,out\ns,m,m/s\n" + NUMBERS


def test_several_lines_of_header_are_joined_and_asked_about(tmp_path: Path) -> None:
    file = write(tmp_path, UNITS)
    for target in ("out", "m/s", "out m/s", "last"):
        table = read_table(file, target=target)
        assert (len(table), [one.kind for one in table.columns]) == (30, ["number"] * 3)
        assert the(table, "header-lines").decision
    settled = read_table(file, target="out", header=2, kinds={"level": "category"})
    assert [one.name for one in settled.columns] == ["time s", "level m", "out m/s"]
    assert settled.findings == ()
    assert len(read_table(file, target="out", header=1)) == 31


def test_a_separator_can_be_said(tmp_path: Path) -> None:
    file = write(tmp_path, "a,b|y\n" + "".join(f"{row % 7},5|{row}\n" for row in range(30)))
    assert column(read_table(file, target="y", separator="|"), "a,b").decimal == ","
    with pytest.raises(ValueError, match=r"The columns are a,b, y. Cells were separated by '\|'"):
        read_table(file, target="z", separator="|")
    with pytest.raises(ValueError, match="`separator` must be one character"):
        read_table(file, target="y", separator="komma")


# ----------------------------------------------------------------------------------------- given split


def split_table_text(words: list[str]) -> str:
    lines = [f"{row * 7 % 10}.5,{word},{row % 2}" for row, word in enumerate(words)]
    return "\n".join(["size,Split,sold", *lines])


def test_a_split_column_is_the_split(tmp_path: Path) -> None:
    words = ["train"] * 20 + ["Validation"] * 5 + ["test"] * 5
    table = read_table(write(tmp_path, split_table_text(words)), target="sold")
    assert table.given == ("train",) * 20 + ("val",) * 5 + ("test",) * 5
    assert column(table, "Split").role == "ignored"
    with pytest.raises(DataError, match="train, val or test in every row"):
        read_table(write(tmp_path, split_table_text([*words, ""])), target="sold")
    held = read_table(write(tmp_path, split_table_text(["train"] * 20 + ["dev"] * 10)), target="sold")
    assert held.given[-1] == "test"
    assert the(held, "held-out").files == ("dev",)
    other = read_table(write(tmp_path, split_table_text(["left", "right", "right"] * 10)), target="sold")
    assert other.given == ()
    assert column(other, "Split").role == "feature"


def test_a_class_that_training_lacks_is_set_aside(tmp_path: Path) -> None:
    lines = [
        f"{row}.5,{'train' if row < 30 else 'test'},{'ab'[row % 2] if row != 35 else 'new'}"
        for row in range(40)
    ]
    table = read_table(write(tmp_path, "\n".join(["size,split,y", *lines])), target="y")
    assert table.classes == ("a", "b")
    assert table.set_aside[35] == "class-extra"
    assert the(table, "class-extra").files == ("row 36",)
    assert table.labels[35] == -1


# -------------------------------------------------------------------------------------------- real data

# What the files that come with the data say: rows, target, task, classes, kinds (n numbers, c categories).
TABLES = {
    "boston-housing.csv": (506, "last", "regression", (), "n" * 14),
    "boston-housing.data": (506, "last", "regression", (), "n" * 14),
    "california-housing.csv": (20640, "median_house_value", "regression", (), "n" * 9 + "c"),
    "titanic-train.csv": (891, "Survived", "binary", ("0", "1"), "nnnccnnncncc"),
    "adult-test.csv": (16281, "last", "binary", ("<=50K.", ">50K."), "ncncncccccnnncc"),
    "iris.csv": (150, 5, "multiclass", ("Iris-setosa", "Iris-versicolor", "Iris-virginica"), "nnnnc"),
    "wine.csv": (178, "last", "multiclass", ("1", "2", "3"), "n" * 14),
    "winequality-red.csv": (1599, "last", "multiclass", ("3", "4", "5", "6", "7", "8"), "n" * 12),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", TABLES)
def test_real_tables(shared: Path, name: str) -> None:
    rows, target, task, classes, kinds = TABLES[name]
    table = read_table(shared / "data" / "tabular" / name, target=target)
    assert (len(table.rows()), table.task, table.classes) == (rows, task, classes)
    assert "".join(one.kind[0] for one in table.columns) == kinds


@pytest.mark.shared
def test_facts_that_are_known_of_real_tables(shared: Path) -> None:
    folder = shared / "data" / "tabular"
    boston = read_table(folder / "boston-housing.csv", target="last")
    assert boston.targets.max() == 50  # prices are censored there
    np.testing.assert_array_equal(
        boston.targets, read_table(folder / "boston-housing.data", target="last").targets
    )
    california = read_table(folder / "california-housing.csv", target="median_house_value")
    assert np.isnan(california.cells["total_bedrooms"]).sum() == 207
    assert len(set(california.cells["ocean_proximity"])) == 5
    titanic = read_table(folder / "titanic-train.csv", target="Survived")
    assert np.bincount(titanic.labels).tolist() == [549, 342]
    assert np.isnan(titanic.cells["Age"]).sum() == 177
    assert sum(cell is None for cell in titanic.cells["Cabin"]) == 687
    assert titanic.cells["Name"][0] == "Braund, Mr. Owen Harris"
    assert {one.name for one in titanic.columns if one.role == "ignored"} == {"PassengerId", "Name"}
    adult = read_table(folder / "adult-test.csv", target="last")
    assert np.bincount(adult.labels).tolist() == [12435, 3846]
    # 15,060 of 16,281 rows have no unknown value, as adult.names says.
    unknown = np.array([[cell is None for cell in adult.cells[name]] for name in ("c2", "c7", "c14")])
    assert (~unknown.any(axis=0)).sum() == 15060
    wine = read_table(folder / "wine.csv", target="last")
    assert np.bincount(wine.labels).tolist() == [59, 71, 48]
    quality = read_table(folder / "winequality-red.csv", target="last", task="regression")
    assert quality.targets.mean() == pytest.approx(5.636, abs=1e-3)
