"""CSV lists of images: columns, encodings, paths, splits, and what is wrong in them."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindle import data
from mindle.data.images.sources.headings import image_list
from mindle.data.reading import ReadingOptions
from mindle.errors import DataError
from mindle.records import Dataset, Finding
from tests.discs import write_discs


def is_table(data: Any, target: str | None = None) -> bool:
    return ReadingOptions(target=target).is_table(data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four files that lists name."""
    for name in ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def listed(folder: Path, *lines: str, encoding: str = "utf-8") -> Dataset:
    file = folder / "list.csv"
    file.write_bytes("\n".join([*lines, ""]).encode(encoding))
    return data.read(file)


def finding(dataset: Dataset, kind: str) -> Finding:
    found = [one for one in dataset.findings if one.kind == kind]
    assert len(found) == 1, (kind, dataset.findings)
    return found[0]


FOUR = ("cat/1.jpg,cat", "cat/2.jpg,cat", "dog/1.jpg,dog", "dog/2.jpg,dog")


def test_paths_and_labels(folder: Path) -> None:
    dataset = listed(folder, "path,label", *reversed(FOUR))
    assert (dataset.kind, dataset.classes) == ("csv", ("cat", "dog"))
    assert dataset.paths == ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")
    assert dataset.labels.tolist() == [0, 0, 1, 1]
    assert dataset.findings == ()


@pytest.mark.parametrize("header", ["path,label", "Path , LABEL", '"path","label"'])
def test_the_header_is_read_generously(folder: Path, header: str) -> None:
    assert len(listed(folder, header, *FOUR)) == 4


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters(folder: Path, delimiter: str) -> None:
    assert len(listed(folder, f"path{delimiter}label", *(line.replace(",", delimiter) for line in FOUR))) == 4


def test_further_columns_quotes_and_blank_lines(folder: Path) -> None:
    dataset = listed(folder, "id,label,path,note", "", '1,"cat, wild",cat/1.jpg,"a', 'b"', "2,dog,dog/1.jpg")
    assert dataset.classes == ("cat, wild", "dog")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_encodings(folder: Path, encoding: str) -> None:
    dataset = listed(folder, "path,label", "cat/1.jpg,고양이", "dog/1.jpg,개", encoding=encoding)
    assert dataset.classes == ("개", "고양이")
    assert ("encoding" in [one.kind for one in dataset.findings]) == (encoding == "cp949")


def test_labels_in_both_unicode_forms_are_one_class(folder: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "고양이")
    dataset = listed(folder, "path,label", "cat/1.jpg,고양이", f"cat/2.jpg,{decomposed}", *FOUR[2:])
    assert dataset.classes == ("dog", "고양이")


def test_a_path_in_the_other_unicode_form_is_found(folder: Path) -> None:
    name = unicodedata.normalize("NFD", "고양이.jpg")
    (folder / name).write_bytes(b"")
    dataset = listed(folder, "path,label", "고양이.jpg,cat", *FOUR[2:])
    assert not any(dataset.set_aside)
    assert "고양이.jpg" in dataset.paths


def test_split_and_group(folder: Path) -> None:
    lines = [
        f"{line},{part},g{n % 2}"
        for n, (line, part) in enumerate(zip(FOUR, ("train", "TEST") * 2, strict=True))
    ]
    dataset = listed(folder, "path,label,split,group", *lines)
    assert dataset.given == ("train", "test", "train", "test")
    assert dataset.groups == ("g0", "g1", "g0", "g1")


def test_one_held_out_part_is_the_test_part(folder: Path) -> None:
    lines = [f"{line},{part}" for line, part in zip(FOUR, ("train", "valid") * 2, strict=True)]
    dataset = listed(folder, "path,label,split", *lines)
    assert dataset.given == ("train", "test", "train", "test")
    assert "'valid'" in finding(dataset, "held-out").message


def test_an_empty_split_column_is_no_split(folder: Path) -> None:
    assert set(listed(folder, "path,label,split", *(f"{line}," for line in FOUR)).given) == {""}


def test_an_incomplete_or_unknown_split_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"must say train, val or test.*Received '' in line 3"):
        listed(folder, "path,label,split", FOUR[0] + ",train", FOUR[1] + ",")
    with pytest.raises(DataError, match="Received 'holdout' in line 3"):
        listed(folder, "path,label,split", FOUR[0] + ",train", FOUR[1] + ",holdout")


def test_one_file_in_two_parts_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"one split.*cat/1.jpg.*lines 2, 3"):
        listed(folder, "path,label,split", FOUR[0] + ",train", FOUR[0] + ",test")


def test_missing_files_are_rows_set_aside(folder: Path) -> None:
    dataset = listed(folder, "path,label", *FOUR, "cat/9.jpg,cat", "cat,cat")
    assert [path for path, why in zip(dataset.paths, dataset.set_aside, strict=True) if why == "missing"] == [
        "cat",
        "cat/9.jpg",
    ]
    missing = finding(dataset, "missing")
    assert missing.files == ("cat", "cat/9.jpg")
    assert missing.decision


def test_a_file_listed_under_two_labels_is_set_aside(folder: Path) -> None:
    dataset = listed(folder, "path,label", *FOUR, "./cat/1.jpg,dog")
    assert dataset.set_aside == ("two-labels", "", "", "")
    assert dataset.labels[0] == -1
    conflict = finding(dataset, "two-labels")
    assert conflict.files == ("cat/1.jpg",)
    assert "'cat' and 'dog' (lines 2, 6)" in conflict.message
    assert conflict.decision


def test_a_file_listed_twice_under_one_label_is_one_row(folder: Path) -> None:
    dataset = listed(folder, "path,label", *FOUR, FOUR[0])
    assert len(dataset) == 4
    assert finding(dataset, "listed-twice").files == ("cat/1.jpg",)


def test_rows_without_path_or_label(folder: Path) -> None:
    dataset = listed(folder, "path,label", *FOUR[1:], "cat/1.jpg,", ",cat")
    assert dataset.set_aside[0] == "unlabelled"
    assert "first: line 6" in finding(dataset, "incomplete-row").message


def test_absolute_paths_and_backslashes(folder: Path) -> None:
    outside = folder / "lists"
    outside.mkdir()
    dataset = listed(outside, "path,label", f"{folder / 'cat' / '1.jpg'},cat", "..\\dog\\1.jpg,dog")
    assert not any(dataset.set_aside)
    inside = listed(folder, "path,label", f"{folder / 'cat' / '1.jpg'},cat", "dog\\1.jpg,dog")
    assert inside.paths == ("cat/1.jpg", "dog/1.jpg")


def test_other_columns_are_named_in_the_error(folder: Path) -> None:
    with pytest.raises(DataError, match=r"must have the columns path and label.*'age', 'fare'"):
        listed(folder, "age,fare", "1,2")
    with pytest.raises(DataError, match="which is empty"):
        listed(folder)


def test_a_column_named_twice_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="two columns 'label'"):
        listed(folder, "path,label,Label", "cat/1.jpg,cat,dog")


def test_a_list_without_rows_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="with none"):
        listed(folder, "path,label")


def test_something_else_than_text_is_refused(folder: Path) -> None:
    (folder / "list.csv").write_bytes(b"\x00\xff\xfe\x01" * 40)
    with pytest.raises(DataError, match="text in UTF-8, UTF-16, CP949"):
        data.read(folder / "list.csv")


def test_a_class_only_in_test_is_set_aside(folder: Path) -> None:
    dataset = listed(
        folder, "path,label,split", "cat/1.jpg,cat,train", "cat/2.jpg,cat,test", "dog/1.jpg,dog,test"
    )
    assert dataset.classes == ("cat",)
    assert finding(dataset, "class-extra").files == ("dog/1.jpg",)


# ------------------------------------------------------------------------------------------- numbers


NUMBERS = ("cat/1.jpg,1.5", "cat/2.jpg,2.5", "dog/1.jpg,-3", "dog/2.jpg,4e2")


def test_a_target_is_a_number(folder: Path) -> None:
    dataset = listed(folder, "path,target", *NUMBERS)
    assert (dataset.task, dataset.classes, dataset.target) == ("regression", (), "target")
    assert dataset.targets.tolist() == [1.5, 2.5, -3.0, 400.0]
    assert set(dataset.labels.tolist()) == {-1}
    assert dataset.findings == ()


def test_decimal_commas_are_read(folder: Path) -> None:
    lines = [line.replace(",", ";").replace(".5", ",5") for line in NUMBERS]
    assert listed(folder, "path;target", *lines).targets.tolist() == [1.5, 2.5, -3.0, 400.0]


@pytest.mark.parametrize("text", ["tall", "inf", "-Infinity", "1e999", "1.2.3"])
def test_what_is_no_finite_number_is_set_aside(folder: Path, text: str) -> None:
    dataset = listed(folder, "path,target", *NUMBERS[:3], f"dog/2.jpg,{text}")
    assert dataset.set_aside == ("", "", "", "not-a-number")
    assert finding(dataset, "not-a-number").decision
    assert np.isnan(dataset.targets[3])


@pytest.mark.parametrize("text", ["", "NaN", "n/a"])
def test_an_empty_target_is_set_aside(folder: Path, text: str) -> None:
    dataset = listed(folder, "path,target", *NUMBERS[:3], f"dog/2.jpg,{text}")
    assert dataset.set_aside[3] == "unlabelled"
    assert "empty target" in finding(dataset, "unlabelled").message


def test_missing_and_repeated_files_with_numbers(folder: Path) -> None:
    lines = (*NUMBERS, "gone.jpg,7", "cat/1.jpg,1.50", "cat/2.jpg,9")
    dataset = listed(folder, "path,target", *lines)
    aside = dict(zip(dataset.paths, dataset.set_aside, strict=True))
    assert aside["gone.jpg"] == "missing"
    assert aside["cat/1.jpg"] == ""  # 1.5 and 1.50 are one number
    assert aside["cat/2.jpg"] == "two-targets"
    assert finding(dataset, "listed-twice").files == ("cat/1.jpg",)
    assert "'2.5' and '9'" in finding(dataset, "two-targets").message


def test_which_column_is_learned(folder: Path) -> None:
    file = folder / "list.csv"
    lines = ["path,label,Age", "cat/1.jpg,1,31", "cat/2.jpg,2,28", "dog/1.jpg,1,7", "dog/2.jpg,2,9"]
    file.write_text("\n".join(lines), encoding="utf-8")

    def read(**asked: str) -> Dataset:
        return data.read(file, **asked)

    assert read().classes == ("1", "2")
    assert read(task="regression").targets.tolist() == [1, 2, 1, 2]
    assert read(target="age").targets.tolist() == [31, 28, 7, 9]
    assert read(target="3").target == read(target="last").target == "age"
    assert read(target="age", task="classification").classes == ("7", "9", "28", "31")
    with pytest.raises(ValueError, match="'label', 'age'"):
        read(target="size")
    with pytest.raises(ValueError, match="`task` must be one of"):
        read(task="ranking")


def test_a_target_without_any_number_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="must hold numbers to estimate"):
        listed(folder, "path,target", "cat/1.jpg,small", "dog/1.jpg,large")


def test_a_list_of_pictures_is_told_from_a_table(tmp_path: Path) -> None:
    pictures = write_discs(tmp_path / "discs", 3)
    listed = image_list(pictures)
    assert listed is not None
    assert listed.leads_to_images()
    logs = tmp_path / "logs.csv"
    (tmp_path / "a.log").write_text("x")
    logs.write_text("path,size\na.log,3\nb.log,4\n", encoding="utf-8")
    listed = image_list(logs)
    assert listed is not None
    assert not listed.leads_to_images()  # a file, and no picture
    assert not is_table(pictures, "target")
    assert is_table(logs, "size")


def test_words_for_missing_are_no_labels_unless_said(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("path,label\n" + "".join(f"{n}.jpg,{('cat', 'dog', 'NaN')[n % 3]}\n" for n in range(9)))
    for n in range(9):
        (tmp_path / f"{n}.jpg").touch()
    dataset = data.read(file)
    assert dataset.classes == ("cat", "dog")
    (found,) = [finding for finding in dataset.findings if finding.kind == "missing-words"]
    assert "'label' (3 cells are 'NaN')" in found.message
    kept = data.read(file, missing=("?",))
    assert kept.classes == ("NaN", "cat", "dog")


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_that_excel_wrote(folder: Path, codec: str) -> None:
    text = "sep=;\r\npath;label\r\ncat/1.jpg;cat, wild\r\ncat/2.jpg;cat|tame\r\n;\r\n"
    (folder / "excel.csv").write_bytes(text.encode(codec))
    dataset = data.read(folder / "excel.csv")
    assert dataset.paths == ("cat/1.jpg", "cat/2.jpg")
    assert dataset.classes == ("cat, wild", "cat|tame")


def test_labels_with_signs_that_separate_elsewhere(folder: Path) -> None:
    dataset = listed(folder, "path,label", "cat/1.jpg,cat;wild", "cat/2.jpg,dog;tame")
    assert set(dataset.classes) == {"cat;wild", "dog;tame"}


def test_the_separator_of_a_list_can_be_said(folder: Path) -> None:
    (folder / "list.csv").write_text("path^label\ncat/1.jpg^cat\ncat/2.jpg^dog\n", encoding="utf-8")
    dataset = data.read(folder / "list.csv", separator="^")
    assert dataset.classes == ("cat", "dog")
    with pytest.raises(DataError, match="Cells were separated by"):
        data.read(folder / "list.csv")
