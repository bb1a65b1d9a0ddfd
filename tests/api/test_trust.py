"""What answers say of themselves is the same in a run, in its bundle and in predictions.csv."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

import mindle
from mindle.records import SILENT
from tests.api.test_image_pipeline import train, weights
from tests.pictures import draw, photo_folder
from tests.processes import python

weights = weights  # the fixture of that file: a small backbone with random weights
NET = """
strategy = "scratch"
[train]
epochs = 3
[[model.layers]]
kind = "conv"
channels = 8
stride = 2
activation = "relu"
[[model.layers]]
kind = "global_pool"
[[model.layers]]
kind = "dense"
units = "classes"
"""
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import mindle
model, folder, out = sys.argv[1:]
mindle.predict(model, folder).to_csv(out, index=False)
"""


@pytest.fixture(scope="module", params=["probe", pytest.param("scratch", marks=pytest.mark.slow)])
def run(
    request: pytest.FixtureRequest, weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> mindle.Run:
    """A head on a frozen backbone, and a net."""
    root = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINDLE_CACHE", str(root / "cache"))
        photos = photo_folder(root / "photos", 240 if request.param == "scratch" else 60)
        if request.param == "probe":
            return train(photos, weights, root / "run")
        (root / "net.toml").write_text(NET, encoding="utf-8")
        return mindle.train(photos, recipe=root / "net.toml", out=root / "run", listener=SILENT)


def many(folder: Path) -> Path:
    """200 pictures: such as were learned from, and others of every kind."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for at in range(200):
        picture = draw(at % 3, 5000 + at)
        kind = ("", "", "", "noise", "blank", "dark", "blurred", "small", "large", "torn")[at % 10]
        if kind == "noise":
            picture = Image.fromarray(rng.integers(0, 256, (48, 48, 3), np.uint8))
        elif kind == "blank":
            picture = Image.new("RGB", (48, 48), tuple(rng.integers(0, 256, 3).tolist()))
        elif kind == "dark":
            picture = picture.point(lambda value: value // 12)
        elif kind == "blurred":
            picture = picture.filter(ImageFilter.GaussianBlur(8))
        elif kind in ("small", "large"):
            picture = picture.resize((10, 10) if kind == "small" else (200, 150))
        file = folder / f"{at:03} {kind}.png"
        picture.save(file)
        if kind == "torn":
            file.write_bytes(file.read_bytes()[:-200])
    return folder


def said(frame: pd.DataFrame) -> list[tuple[str, Any, str, Any]]:
    rows = frame.sort_values("path").astype(object).fillna("")
    return list(zip(rows["path"], rows["predicted"], rows["abstain"], rows["label_set"], strict=True))


def test_200_pictures_get_the_same_with_and_without_torch(run: mindle.Run, tmp_path: Path) -> None:
    folder = many(tmp_path / "many")
    python(WITHOUT_TORCH, str(run.path / "bundle"), str(folder), str(tmp_path / "bare.csv"))
    bare = pd.read_csv(tmp_path / "bare.csv")
    with_torch, by_run = (mindle.predict(run.path, folder, engine=engine) for engine in ("torch", "onnx"))
    assert len(bare) == 200
    assert said(bare) == said(by_run) == said(with_torch)
    assert {"torn", "dark", "unlike_training"} <= set(bare["abstain"].dropna())
    assert bare["abstain"].isna().sum() > 20


def test_predictions_of_the_test_split_are_those_of_the_bundle(run: mindle.Run) -> None:
    with (run.path / "predictions.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    source = Path(run.folder.document()["asked"]["source"])
    served = run.predict([source / row["path"] for row in rows])
    for name in ("predicted", "abstain", "label_set"):
        assert served[name].tolist() == [row[name] for row in rows], name


def test_val_is_judged_without_itself(run: mindle.Run) -> None:
    """The bundle remembers val, whose nearest neighbour is itself: it refuses no more of it."""
    val = run.folder.answers()["val"]
    source = Path(run.folder.document()["asked"]["source"])
    served = run.predict([source / path for path in val.paths])
    assert (val.abstain != "").sum() >= (served["abstain"] != "").sum()
    document = json.loads((run.path / "bundle" / "bundle.json").read_text("utf-8"))["abstention"]
    assert document["refuse"] == 0.05
    assert document["refused"]["value"] <= 0.05 + 1e-9


def rows_of(path: Path, count: int, *, numbers: bool = False) -> Path:
    """A table in which three columns say what a fourth is."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 3))
    score = x @ [2.0, -1.0, 0.5] + rng.normal(size=count)
    table = pd.DataFrame(x, columns=["a", "b", "c"])
    table["target"] = score.round(3) if numbers else np.where(score > 0, "예", "아니요")
    table.to_csv(path, index=False)
    return path


def of_table(data: Path, out: Path, **settings: Any) -> mindle.Run:
    return mindle.train(
        data,
        target="target",
        model="linear",
        out=out,
        listener=SILENT,
        set={"table.repeats": 2, "table.folds": 3} | settings,
    )


@pytest.mark.parametrize("count", [300, pytest.param(2400, marks=pytest.mark.slow)])
def test_rows_are_refused_and_have_label_sets(count: int, tmp_path: Path, cache: Path) -> None:
    run = of_table(rows_of(tmp_path / "rows.csv", count), tmp_path / "run", **{"trust.level": 0.95})
    test = run.folder.answers()["test"]
    assert test.abstain is not None
    assert test.sets is not None
    assert 0.01 <= (test.abstain != "").mean() <= 0.1
    assert set(test.abstain.tolist()) == {"", "unlike_training"}
    inside = test.sets[np.arange(len(test)), test.labels].mean()
    assert abs(inside - 0.95) < 0.04
    assert run.metrics["test"]["conformal"]["target"] == 0.95
    new = pd.DataFrame({"a": [0.1, 30.0], "b": [0.2, -20.0], "c": [0.0, 10.0]})
    served = run.predict(new)
    assert served["abstain"].tolist() == ["", "unlike_training"]
    assert [served["predicted"][at] in json.loads(served["label_set"][at]) for at in (0, 1)] == [True, True]


def test_estimates_are_refused_and_have_no_label_sets(tmp_path: Path, cache: Path) -> None:
    run = of_table(rows_of(tmp_path / "rows.csv", 300, numbers=True), tmp_path / "run")
    for answers in run.folder.answers().values():
        assert set(answers.abstain.tolist()) == {"", "unlike_training"}
    served = run.predict(pd.DataFrame({"a": [0.1, 30.0], "b": [0.2, -20.0], "c": [0.0, 10.0]}))
    assert served["abstain"].tolist() == ["", "unlike_training"]
    assert "label_set" not in served
    assert served["predicted"].notna().all()


def test_nothing_is_refused_where_that_was_not_asked_for(tmp_path: Path, cache: Path) -> None:
    asked = {"trust.refuse": 0, "trust.per_class": True, "trust.sets": "raps"}
    run = of_table(rows_of(tmp_path / "rows.csv", 300), tmp_path / "run", **asked)
    assert run.folder.answers()["test"].abstain is None
    assert not (run.path / "bundle" / "abstention.npz").exists()
    document = json.loads((run.path / "bundle" / "bundle.json").read_text("utf-8"))["abstention"]
    sets = document["label_sets"]
    assert (sets["method"], len(sets["limit"]), sum(sets["n"])) == ("raps", 2, 300)
    assert "abstain" not in run.predict(pd.DataFrame({"a": [30.0], "b": [1.0], "c": [0.0]}))


def test_a_promise_that_is_too_large_is_refused(tmp_path: Path, cache: Path) -> None:
    run = of_table(rows_of(tmp_path / "rows.csv", 60), tmp_path / "run", **{"trust.level": 0.99})
    test = run.folder.answers()["test"]
    assert (test.sets.sum(axis=1) == 1).all()
    refused = run.metrics["test"]["conformal"]["refused"]
    assert (refused["n"], refused["needed"]) == (60, 99)
