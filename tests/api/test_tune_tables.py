"""`tune` on tables, from the rows to a bundle: real small searches."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_iris, load_wine

import mindle
from mindle.artifacts.manifest import read_manifest
from mindle.errors import DataError
from mindle.records import SILENT
from mindle.training.recipe import read_recipe
from tests.processes import MINDLE
from tests.processes import mindle as typed

QUICK: dict[str, Any] = {"model": "linear, SVM", "folds": 3, "listener": SILENT}


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> mindle.Run:
    """A search over two models and the settings of one."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MINDLE_CACHE", str(tmp_path_factory.mktemp("cache")))
    run = mindle.tune("wine", trials=6, out=tmp_path_factory.mktemp("wine") / "run", **QUICK)
    patch.undo()
    return run


def rows(run: mindle.Run) -> list[dict[str, Any]]:
    """trials.csv without its seconds."""
    return [{k: v for k, v in trial.items() if k != "seconds"} for trial in run.folder.trials()]


def test_a_search_ends_in_an_ordinary_run(wine: mindle.Run) -> None:
    document, test = wine.folder.document(), wine.metrics["test"]
    trials = wine.folder.trials()
    assert [trial["number"] for trial in trials] == list(range(6))
    best = min((t for t in trials if t["state"] == "complete"), key=lambda trial: trial["log_loss"])
    assert document["search"]["best"] == best["number"]
    assert document["search"]["score"] == "log_loss"
    assert document["recipe"]["table"]["models"] == best["settings"]["table.models"]
    assert test["protocol"] == "one split, sealed from the search"
    assert test["n"] == 36
    assert test["accuracy"]["value"] > 0.85
    page = wine.folder.report.read_text(encoding="utf-8")
    assert 'id="search"' in page
    assert "table.models" in page
    assert "evaluated on rows it had not learned from" in page


def test_the_winners_bundle_answers_new_rows(wine: mindle.Run) -> None:
    frame = load_wine(as_frame=True).data
    parts = {row.path: row.split for row in read_manifest(wine.folder.manifest)}
    sealed = [number for number in range(178) if parts[f"row {number + 1}"] == "test"]
    answers = mindle.load(wine.folder.bundle).predict(frame.iloc[sealed])
    written = pd.read_csv(wine.path / "predictions.csv").query("split == 'test'")
    assert answers["predicted"].tolist() == written["predicted"].tolist()


def test_the_winners_recipe_trains_the_same_model(wine: mindle.Run, tmp_path: Path) -> None:
    recipe = read_recipe(wine.path / "recipe.toml")
    assert recipe.strategy == "table"
    assert recipe.table.folds == 3
    again = mindle.train(
        "wine", recipe=wine.path / "recipe.toml", repeats=1, out=tmp_path / "run", listener=SILENT
    )
    chosen = {attempt["name"] for attempt in again.folder.document()["tried"]}
    assert set(recipe.table.models) <= chosen <= {*recipe.table.models, "baseline", "stack"}


@pytest.mark.slow
def test_the_same_search_again_and_a_finished_one_left_alone(
    wine: mindle.Run, tmp_path: Path, cache: Path
) -> None:
    again = mindle.tune("wine", trials=6, out=tmp_path / "again", **QUICK)
    assert rows(again) == rows(wine)
    assert again.metrics["test"] == wine.metrics["test"]
    before = (wine.path / "run.json").read_bytes()
    mindle.tune("wine", trials=9, out=wine.path, resume=True, **QUICK)
    assert (wine.path / "run.json").read_bytes() == before


def test_a_search_that_was_stopped_goes_on(wine: mindle.Run, tmp_path: Path, cache: Path) -> None:
    """Stopped while it hears of the third trial; the rest are what they would have been."""

    class Stopping:
        heard = 0

        def say(self, sentence: str) -> None:
            pass

        def progress(self, stage: str, done: int, total: int) -> None:
            if stage == "search" and done == 3:
                raise KeyboardInterrupt

        def epoch(self, row: Any) -> None:
            pass

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        mindle.tune("wine", trials=6, out=out, **{**QUICK, "listener": Stopping()})
    run = mindle.tune("wine", trials=6, out=out, resume=True, **QUICK)
    assert rows(run) == rows(wine)
    assert run.metrics["test"] == wine.metrics["test"]


def test_numbers_are_searched_by_their_error(tmp_path: Path, cache: Path) -> None:
    space = {"table.svm_C": {"choices": [0.1, 10.0]}, "table.models": ["SVM"]}
    run = mindle.tune("diabetes", space=space, sampler="grid", folds=3, out=tmp_path / "run", listener=SILENT)
    trials = run.folder.trials()
    assert [trial["settings"] for trial in trials] == [
        {"table.svm_C": 0.1},
        {"table.svm_C": 10.0},
    ]
    assert all(40 < trial["rmse"] < 90 and trial["accuracy"] is None for trial in trials)
    assert run.folder.document()["search"]["score"] == "rmse"
    assert "coverage" in run.metrics["test"]
    page = run.folder.report.read_text(encoding="utf-8")
    assert "Root mean squared error by trial" in page
    assert "평균제곱근오차" in run.report(lang="ko", out=tmp_path / "ko.html").read_text("utf-8")


def test_a_frame_with_a_target_and_ids(tmp_path: Path, cache: Path) -> None:
    frame = load_iris(as_frame=True).frame.rename(columns={"target": "kind"})
    frame.insert(0, "plant", [f"P{n:03d}" for n in range(150)])
    space = {"table.svm_gamma": {"low": 0.1, "high": 2.0}, "table.models": ["SVM"]}
    arguments: dict[str, Any] = {"target": "kind", "ids": ["plant"], "space": space, "folds": 3}
    run = mindle.tune(frame, **arguments, trials=2, out=tmp_path / "run", listener=SILENT)
    assert run.predict(frame.head(2))["plant"].tolist() == ["P000", "P001"]
    with pytest.raises(ValueError, match="`workers` must be 1 for a data frame"):
        mindle.tune(frame, **arguments, workers=2, out=tmp_path / "two", listener=SILENT)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"space": {"train.learning_rate": {"low": 1e-4, "high": 1e-2}}}, "must name settings table"),
        ({"space": {"table.folds": {"choices": [3, 5]}}}, "must name settings table"),
        ({"space": {"table.svm_gama": {"low": 0.1, "high": 1.0}}}, "Did you mean 'table.svm_gamma'"),
        ({"space": {"table.svm_gamma": {"low": -1.0, "high": 1.0}}}, "`svm_gamma` must lie in"),
        ({"model": "magic"}, "`table.models` must be among"),
        ({"strategy": "probe"}, "`strategy` must be left out for a table"),
        ({"device": "cuda"}, "`device` must be left out for a table"),
        ({"sampler": "magic"}, "`sampler` must be one of"),
        ({"recipe": "scratch"}, "`recipe` must be for a table"),
        ({"trials": 0}, "`trials` must be 1 or more"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mindle.tune("wine", out=tmp_path / "run", listener=SILENT, **arguments)
    assert not (tmp_path / "run").exists()


def test_options_of_tables_are_refused_for_images(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`target` must be left out for images"):
        mindle.tune("digits", target="x", listener=SILENT)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises((ValueError, DataError), match="target"):
        mindle.tune(tmp_path / "rows.csv", listener=SILENT)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
def test_a_search_that_was_killed_goes_on_at_the_prompt(tmp_path: Path, cache: Path) -> None:
    load_wine(as_frame=True).frame.to_csv(tmp_path / "wine.csv", index=False)
    command = ["tune", str(tmp_path / "wine.csv"), "--target", "target"]
    command += ["--model", "linear, SVM, extra trees", "--folds", "3", "--trials", "8"]
    whole = tmp_path / "whole"
    typed(*command, "--workers", "2", "--out", str(whole))
    out = tmp_path / "killed"
    with subprocess.Popen(
        [*MINDLE, *command, "--out", str(out)], stderr=subprocess.PIPE, text=True
    ) as process:
        if process.stderr is None:
            raise OSError("the process has no standard error")
        for line in process.stderr:
            if "trial 0:" in line:
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
    typed(*command, "--out", str(out), "--resume")
    numbers = [trial["number"] for trial in mindle.load(out).folder.trials()]  # type: ignore[attr-defined]  # a run
    assert numbers == list(range(8))
    for run in (whole, out):
        assert json.loads((run / "metrics.json").read_text())["test"]["accuracy"]["value"] > 0.85
