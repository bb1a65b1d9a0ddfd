"""Slices and outliers as run.json and the page have them, of images and of tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mindle
from mindle.api.slices import outliers, slices_of_answers, slices_out_of_fold
from mindle.artifacts.run import RunFolder
from mindle.data import check, read
from mindle.data.tables.reader import read_table
from mindle.messages import in_language
from mindle.records import SILENT, Dataset, Estimates, OutOfFold, Predictions, Table
from tests.pictures import photo_folder, scene

GENERATOR = np.random.default_rng(0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two classes; every fifth photo of the second one is dark."""
    place = tmp_path_factory.mktemp("photos")
    for number in range(200):
        image = scene(72, 72, seed=number)
        dark = number % 10 == 1
        path = place / "data" / "ab"[number % 2] / f"{'night ' if dark else ''}{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.point(lambda value: value // 12).save(path) if dark else image.save(path)
    return check(read(place / "data"), cache=place / "cache")


def predictions(photos: Dataset) -> Predictions:
    """Wrong for the dark ones, and for one other in twenty."""
    rows = photos.rows()
    dark = np.array(["night" in photos.paths[row] for row in rows])
    wrong = dark | (GENERATOR.random(len(rows)) < 0.05)
    named = np.where(wrong, 1 - photos.labels[rows], photos.labels[rows])
    return Predictions(
        paths=tuple(photos.paths[row] for row in rows),
        classes=photos.classes,
        probabilities=np.where(np.eye(2)[named] == 1, 0.9, 0.1),
        labels=photos.labels[rows],
    )


def test_what_is_wrong_in_the_dark_is_named(photos: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, rows = predictions(photos), photos.rows()
    monkeypatch.setenv("MINDLE_CACHE", str(Path(photos.images.root).parent / "cache"))
    (first, *_) = slices_of_answers(photos, answers)
    assert (first["name"], first["side"], first["label"]) == ("brightness", "low", "b")
    assert first["message"].startswith("Class 'b': Lowest fifth by brightness")
    assert "밝기" in in_language(first["message"], "ko")
    assert all("night" in name for name in first["examples"])
    found = OutOfFold(
        rows=rows,
        outputs={"probabilities": answers.probabilities},
        truth=photos.labels[rows],
        folds=rows % 5,
        groups=rows,
        learned_from=np.ones(len(rows), bool),
    )
    assert slices_out_of_fold(photos, found)[0]["message"] == first["message"]
    assert outliers(photos, found) == []


def test_a_range_and_a_category_of_a_table(tmp_path: Path) -> None:
    size = GENERATOR.normal(size=600)
    kind = GENERATOR.choice(["flat", "house"], 600)
    table = read_table(pd.DataFrame({"size": size, "kind": kind, "price": size}), target="price")
    assert isinstance(table, Table)
    table = mindle.check(pd.DataFrame({"size": size, "kind": kind, "price": size}), target="price").dataset
    off = GENERATOR.normal(size=600) * np.where(kind == "house", 4, 1)
    answers = Estimates(paths=table.row_names, values=size + off, targets=size)
    (first, *_) = slices_of_answers(table, answers)
    assert (first["name"], first["part"]) == ("kind", "house")
    assert "column 'kind' 'house': the mean error of" in first["message"]


def test_one_fold_of_a_table_that_is_not_split_is_looked_at() -> None:
    size, kind = np.arange(600.0), np.repeat(["flat", "house"], 300)
    table = mindle.check(pd.DataFrame({"size": size, "kind": kind, "price": size}), target="price").dataset
    assert isinstance(table, Table)
    assert not any(table.splits)
    fold = np.arange(599, 0, -2)
    off = np.random.default_rng(0).normal(size=300) * np.where(kind[fold] == "house", 4, 1)
    answers = Estimates(
        paths=tuple(table.row_names[row] for row in fold), values=size[fold] + off, targets=size[fold]
    )
    (first, *_) = slices_of_answers(table, answers)
    assert (first["name"], first["part"]) == ("kind", "house")


@pytest.mark.slow
def test_a_training_writes_what_it_found(tmp_path: Path) -> None:
    run = mindle.train(photo_folder(tmp_path / "photos"), out=tmp_path / "run", listener=SILENT)
    found = RunFolder(run.path).document()["doctor"]["shortcuts"]
    assert {"border", "sharpness"} <= {each["cue"] for each in found}
