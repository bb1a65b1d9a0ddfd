"""Odd names, from photos to every file that tells of them, and back."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pandas as pd
import pytest

import mindle
from mindle.artifacts.manifest import read_manifest
from mindle.cli.main import app
from mindle.text import spelled, uncell, unspelled
from tests.pictures import photo_folder

pytestmark = pytest.mark.slow

FORMULA, BYTE, ESCAPE = "=cat.png", os.fsdecode(b"caf\xe9.png"), "a\x1b[2J\nb.png"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, some of odd names, a class that would run in a spreadsheet, and a run of them."""
    root = tmp_path_factory.mktemp("names")
    photo_folder(root / "photos", 12)
    folders = sorted((root / "photos").iterdir())
    folders[0].rename(root / "photos" / "=class")
    for folder in sorted((root / "photos").iterdir()):
        for file, name in zip(sorted(folder.iterdir()), (FORMULA, BYTE, ESCAPE), strict=False):
            file.rename(folder / name)
    mindle.train(root / "photos", strategy="scratch", set={"train.epochs": 1}, out=root / "run")
    return root


def test_a_run_tells_of_them_and_is_read_back(work: Path) -> None:
    run = mindle.load(work / "run")
    rows = {row.path: row for row in read_manifest(run.folder.manifest)}
    names = {path.rpartition("/")[2] for path in rows}
    assert {FORMULA, spelled(BYTE), spelled(ESCAPE)} <= names
    assert rows[f"=class/{FORMULA}"].label == "=class"
    text = run.folder.manifest.read_text(encoding="utf-8")

    assert f"\n'=class/{FORMULA}," in text
    assert "\x1b" not in text
    answers = run.folder.answers()["test"]
    assert "=class" in answers.classes
    assert set(answers.paths) <= set(rows)
    page = mindle.report(work / "run", out=work / "again.html").read_text(encoding="utf-8")
    assert "\x1b" not in page
    again = mindle.ensemble([work / "run", _twin(work)], out=work / "both")
    assert again.folder.answers()["test"].paths == answers.paths
    assert mindle.compare([work / "run", work / "both"]).pairs


def _twin(work: Path) -> Path:
    mindle.train(work / "photos", strategy="scratch", set={"train.epochs": 1}, seed=1, out=work / "twin")
    return work / "twin"


def test_every_name_is_answered_and_spelled_alike(work: Path) -> None:
    folder, table = work / "photos" / "=class", work / "answers.csv"
    frame = mindle.predict(work / "run", str(folder))
    assert not frame["reason"].any()
    arguments = ["predict", str(work / "run"), str(folder), "--out", str(table)]
    with pytest.raises(SystemExit, match="0"):
        app(arguments)
    with table.open(encoding="utf-8", newline="") as file:
        written = [uncell(row["path"]) for row in csv.DictReader(file)]
    assert written == frame["path"].tolist() == pd.read_csv(table)["path"].map(uncell).tolist()
    assert {unspelled(path) for path in written} == {str(path) for path in folder.iterdir()}


def test_a_manifest_is_a_list_again(work: Path) -> None:
    (work / "photos" / "list.csv").write_bytes((work / "run" / "manifest.csv").read_bytes())
    checked = mindle.check(work / "photos" / "list.csv")
    assert "missing" not in checked.dataset.set_aside
    assert "=class" in checked.dataset.classes
