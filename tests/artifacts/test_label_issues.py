from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from mindle.artifacts.files import read_rows
from mindle.artifacts.label_issues import (
    ASKED,
    COLUMNS,
    Verdict,
    digest,
    path_of,
    questioned,
    read_decisions,
    read_verdicts,
    write_label_issues,
)
from mindle.artifacts.run import RunFolder
from mindle.errors import ArtifactError, DataError

A, B, C = "a" * 64, "b" * 64, "c" * 64


def decided(folder: Path, *rows: str, separator: str = ",", encoding: str = "utf-8") -> Path:
    lines = [",".join(ASKED), *rows]
    path = folder / "decisions.csv"
    path.write_bytes("\r\n".join(line.replace(",", separator) for line in lines).encode(encoding))
    return path


def run_of(folder: Path, suggestions: dict[str, int] | None, rows: list[list[object]]) -> RunFolder:
    labels = {} if suggestions is None else {"suggestions": suggestions}
    (folder / "run.json").write_text(json.dumps({"schema": 1, "doctor": {"labels": labels}}), "utf-8")
    write_label_issues(path_of(RunFolder(folder)), rows)
    return RunFolder(folder)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "label_issues.csv"
    write_label_issues(
        path, [["=cat/1.jpg", A, "train", "=cat", "dog", 0.0123456789], ["x", B, "val", "dog", "", None]]
    )
    assert path.read_text("utf-8").splitlines()[1] == f"'=cat/1.jpg,{A},train,'=cat,dog,0.012346,,"
    first, second = read_rows(path)
    assert list(first) == list(COLUMNS)
    assert first["path"] == "=cat/1.jpg"
    assert second["score"] == second["verdict"] == ""
    assert read_verdicts(path) == ()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_that_went_through_a_spreadsheet(tmp_path: Path, separator: str, encoding: str) -> None:
    path = decided(
        tmp_path,
        f"'=한글.jpg,{A.upper()},Relabel,'=cat",
        f"b.jpg,{B},set aside,",
        "",
        f"c.jpg,{C},,",
        f"d.jpg,{C},KEEP,",
        separator=separator,
        encoding=encoding,
    )
    found = read_verdicts(path)
    assert [(each.path, each.sha256, each.verdict, each.new_label) for each in found] == [
        ("=한글.jpg", A, "relabel", "=cat"),
        ("b.jpg", B, "set_aside", ""),
        ("d.jpg", C, "keep", ""),
    ]
    assert [each.line for each in found] == [2, 3, 6]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"b,{B},relable,dog", "line 3: `verdict` must be keep.*Did you mean 'relabel'"),
        (f"b,{B},relabel,", "line 3: `new_label` must say"),
        (f"b,{B},,dog", "line 3: `new_label` must be empty unless.*`verdict` is empty"),
        (f"b,{B},keep,dog", "line 3: `new_label` must be empty unless.*`verdict` is keep"),
        ("b,1.2E+63,keep,", "line 3: `sha256` must be the 64 digits"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_verdicts(decided(tmp_path, f"a,{A},keep,", row))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which is not there"):
        read_verdicts(tmp_path / "none.csv")
    with pytest.raises(DataError, match="CSV file in UTF-8"):
        read_verdicts(decided(tmp_path, "한글,,,", encoding="cp949"))
    with pytest.raises(DataError, match="CSV file in UTF-8"):
        read_verdicts(tmp_path)
    other = tmp_path / "other.csv"
    other.write_text("path,label\na,b\n", "utf-8")
    with pytest.raises(DataError, match="Missing: sha256, verdict, new_label"):
        read_verdicts(other)


def test_suggestions_are_the_longest_list_at_the_precision(tmp_path: Path) -> None:
    rows = [
        ["a", A, "train", "cat", "dog", 0.01],
        ["b", B, "train", "cat", "", 0.1],
        ["c", C, "val", "dog", "cat", 0.2],
    ]
    run_of(tmp_path, {"50": 2, "90": 1, "91": 0}, rows)
    given = f"suggested:{tmp_path}"
    assert [(each.path, each.new_label) for each in read_decisions(given, 0.9)] == [("a", "dog")]
    assert [each.path for each in read_decisions(given, 0.5)] == ["a", "c"]
    assert read_decisions(given, 0.901) == ()
    assert {each.verdict for each in read_decisions(given, 0.5)} == {"relabel"}
    file = path_of(RunFolder(tmp_path))  # opened, sorted and saved in a spreadsheet of another country
    header, *lines = file.read_text("utf-8").splitlines()
    text = "\n".join([header, *reversed(lines)]).replace(",", ";").replace("0.", "0,")
    file.write_text("\ufeff" + text, "utf-8")
    assert [each.path for each in read_decisions(given, 0.5)] == ["a", "c"]


def test_a_run_whose_file_went_through_a_spreadsheet_is_read_all_the_same(tmp_path: Path) -> None:
    rows = [["1", A, "train", "x", "y", 0.25], ["2", B, "val", "y", "x", 0.125], ["3", C, "val", "y", "x", 1]]
    run = run_of(tmp_path, {"90": 1}, [list(row) for row in rows])
    text = path_of(run).read_text("utf-8").replace(",", ";").replace("0.", "0,").replace("1.000000", "high")
    head, *lines = text.splitlines()
    path_of(run).write_text("\r\n".join([f"{head};note", *(f"{line};seen" for line in lines)]), "utf-8-sig")
    shown = questioned(path_of(run), {"suggestions": {}}, 9)
    assert [(row["path"], row["score"]) for row in shown] == [("2", "0.125"), ("1", "0.25")]
    assert [each.path for each in read_decisions(f"suggested:{tmp_path}", 0.9)] == ["2"]


def test_runs_without_suggestions_are_refused(tmp_path: Path) -> None:
    run_of(tmp_path, None, [])
    with pytest.raises(ArtifactError, match="must be a run that suggests labels"):
        read_decisions(f"suggested:{tmp_path}", 0.9)
    with pytest.raises(ArtifactError):
        read_decisions(f"suggested:{tmp_path / 'none'}", 0.9)


def test_the_digest_is_of_what_was_decided(tmp_path: Path) -> None:
    one = Verdict(path="a", sha256=A, verdict="keep", line=2)
    two = Verdict(path="b", sha256=B, verdict="relabel", new_label="cat", line=3)
    assert digest([one, two]) == digest([two, one])
    assert digest([one]) != digest([one, two])
    path = decided(tmp_path, f"b,{B},relabel,cat", "", f"a,{A},keep,")
    assert digest(read_verdicts(path)) == digest([one, two])
    with path.open(newline="") as file:
        assert len(list(csv.reader(file))) == 4


def test_what_is_no_path_is_refused() -> None:
    given: Any = ["keep"]
    with pytest.raises(TypeError, match="`decisions` must be the path of a CSV file.*Received list"):
        read_decisions(given, 0.9)
