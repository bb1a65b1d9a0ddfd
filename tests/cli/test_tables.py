"""Answers as CSV and as JSON, in files and on standard output, those that failed included."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mindle.cli.tables import Counts, write_answers
from mindle.errors import DeviceError
from mindle.records import InputSpec, Task
from mindle.serving.images import ImageSource
from mindle.serving.opened import Opened
from mindle.serving.source import target_of
from mindle.text import uncell

COLUMNS = ["path", "predicted", "confidence", "p_어둠", "p_bright", "reason"]


def brightness(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    bright = pixels.reshape(len(pixels), -1).mean(axis=1) / 255
    return np.stack([1 - bright, bright], axis=1)


OPENED = Opened(
    ImageSource(InputSpec(height=4, width=4)),
    target_of(Task("binary"), ("어둠", "bright")),
    lambda feed: {"probabilities": brightness(feed["pixels"])},
    {"probabilities": np.zeros((0, 2))},
)


def png(value: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (6, 5), (value, value, value)).save(file, "PNG")
    return file.getvalue()


IMAGES: list[tuple[str, Any]] = [
    ("사진 1.png", png(51)),
    ("not, an image.png", b"some text"),
    ("b.png", png(204)),
]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def check_rows(found: list[dict[str, str]]) -> None:
    """The three rows as CSV has them."""
    dark, failed, light = found
    assert dark == {
        "path": "사진 1.png",
        "predicted": "어둠",
        "confidence": "0.80000000",
        "p_어둠": "0.80000000",
        "p_bright": "0.20000000",
        "reason": "",
    }
    assert (light["path"], light["predicted"], light["confidence"]) == ("b.png", "bright", "0.80000000")
    assert failed["path"] == "not, an image.png"
    assert failed["reason"]
    assert {failed[name] for name in COLUMNS[1:5]} == {""}


def check_document(found: dict[str, Any]) -> None:
    """The same three rows as JSON has them."""
    dark, failed, light = found["predictions"]
    assert found["schema"] == 1
    assert list(dark) == COLUMNS
    assert (dark["path"], dark["predicted"], dark["reason"]) == ("사진 1.png", "어둠", "")
    assert (dark["confidence"], light["p_bright"]) == pytest.approx((0.8, 0.8))
    assert failed["reason"]
    assert [failed[name] for name in COLUMNS[1:5]] == [None] * 4


def test_csv_goes_to_standard_output_unless_told(capsys: pytest.CaptureFixture[str]) -> None:
    counts = write_answers(OPENED, IMAGES, out=None, json=None)
    printed = capsys.readouterr().out
    assert counts == Counts(answered=2, failed=1)
    assert printed.splitlines()[0] == ",".join(COLUMNS)
    check_rows(rows(printed))


def test_csv_goes_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "답.csv"
    counts = write_answers(OPENED, IMAGES, out=str(file), json=None)
    assert counts == Counts(answered=2, failed=1)
    assert capsys.readouterr().out == ""
    assert b"\r" not in file.read_bytes()
    check_rows(rows(file.read_text("utf-8")))


def test_json_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    counts = write_answers(OPENED, IMAGES, out=None, json="-")
    printed = capsys.readouterr().out
    assert counts == Counts(answered=2, failed=1)
    assert "사진 1.png" in printed  # as people write it, not as escapes
    check_document(json.loads(printed))


@pytest.mark.parametrize(
    ("option", "name"), [("json", "answers"), ("out", "answers.json"), ("out", "A.JSON")]
)
def test_json_goes_to_a_file_that_is_named_for_it(option: str, name: str, tmp_path: Path) -> None:
    wish: dict[str, str | None] = {"out": None, "json": None, option: str(tmp_path / name)}
    counts = write_answers(OPENED, IMAGES, **wish)
    assert counts == Counts(answered=2, failed=1)
    check_document(json.loads((tmp_path / name).read_text("utf-8")))


def test_no_images_give_an_empty_table_and_an_empty_document(tmp_path: Path) -> None:
    assert write_answers(OPENED, [], out=str(tmp_path / "a.csv"), json=None) == Counts()
    assert (tmp_path / "a.csv").read_text("utf-8") == ",".join(COLUMNS) + "\n"
    assert write_answers(OPENED, [], out=None, json=str(tmp_path / "a.json")) == Counts()
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"schema": 1, "predictions": []}


def test_an_old_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("old\n" * 1000, "utf-8")
    write_answers(OPENED, IMAGES[:1], out=str(file), json=None)
    assert len(rows(file.read_text("utf-8"))) == 1


def test_rows_are_written_before_all_images_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Memory stays flat: rows come out while the images still come in."""

    def broken_off() -> Iterator[tuple[str, Any]]:
        for number in range(200):
            yield f"{number}.png", png(number)
        raise OSError("the disk was pulled out")

    with pytest.raises(OSError, match="pulled out"):
        write_answers(OPENED, broken_off(), out=None, json=None)
    assert len(capsys.readouterr().out.splitlines()) > 100


@pytest.mark.parametrize("option", ["out", "json"])
def test_a_target_that_cannot_be_written_is_the_machines_fault(option: str, tmp_path: Path) -> None:
    for target in (tmp_path / "absent" / "answers.csv", tmp_path):
        wish: dict[str, str | None] = {"out": None, "json": None, option: str(target)}
        with pytest.raises(DeviceError, match=r"must be a file that can be written \(.+\)\. Choose another"):
            write_answers(OPENED, IMAGES, **wish)


def test_both_files_are_written_where_both_are_asked_for(tmp_path: Path) -> None:
    table, document = tmp_path / "a.csv", tmp_path / "b.json"
    assert write_answers(OPENED, IMAGES, out=str(table), json=str(document)) == Counts(2, 1)
    check_rows(rows(table.read_text(encoding="utf-8")))
    assert len(json.loads(document.read_text(encoding="utf-8"))["predictions"]) == 3


@pytest.mark.parametrize("raw", [False, True])
def test_a_text_that_a_spreadsheet_would_run_is_made_safe_unless_raw(raw: bool, tmp_path: Path) -> None:
    names = ["=cat.png", "+1 cat.png", "-3.2", "@cat.png", "cat=.png", "'=cat.png"]
    table, document = tmp_path / "a.csv", tmp_path / "b.json"
    images = [(name, png(51)) for name in names]
    counts = write_answers(OPENED, images, out=str(table), json=str(document), raw=raw)
    written = [row["path"] for row in rows(table.read_text(encoding="utf-8"))]
    safe = ["'=cat.png", "'+1 cat.png", "-3.2", "'@cat.png", "cat=.png", "''=cat.png"]
    assert written == (names if raw else safe)
    assert counts.guarded == ({} if raw else {"path": 4})
    assert [uncell(name) for name in safe] == names
    found = json.loads(document.read_text(encoding="utf-8"))["predictions"]
    assert [row["path"] for row in found] == names  # JSON runs nothing


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    table, document = tmp_path / "a.csv", tmp_path / "b.json"
    table.write_text("before")
    met: list[str] = []

    def images() -> Iterator[tuple[str, Any]]:
        for number in range(400):  # more than are decoded before the first is written
            yield f"{number}.png", png(51)
        met.extend(sorted(path.name for path in tmp_path.iterdir()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_answers(OPENED, images(), out=str(table), json=str(document))
    assert met == ["a.csv", "a.csv.partial", "b.json.partial"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert table.read_text() == "before"


def test_no_header_is_printed_before_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def images() -> Iterator[tuple[str, Any]]:
        raise ValueError("no such column")
        yield

    with pytest.raises(ValueError, match="no such column"):
        write_answers(OPENED, images(), out=None, json=None)
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_the_machines_fault() -> None:
    with pytest.raises(DeviceError, match="Make room"):
        write_answers(OPENED, IMAGES, out="/dev/full", json=None)
