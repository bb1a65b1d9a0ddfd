"""`tune` from the data to the report: real small searches on the digits and on drawings."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import mindle
from mindle.api.tune import tune
from mindle.errors import DeviceError, ModelError
from mindle.messages import in_language
from mindle.records import SILENT, Silent
from mindle.training.recipe import read_recipe
from tests.pictures import photo_folder
from tests.processes import MINDLE, finished

SPACE = """
[space]
"train.learning_rate" = { low = 1e-3, high = 1e-1, log = true }
"model.layers.1.units" = { choices = [8, 16, 32] }
"""
RECIPE = """
strategy = "scratch"
[[model.layers]]
kind = "flatten"
[[model.layers]]
kind = "dense"
units = 16
activation = "relu"
[[model.layers]]
kind = "dense"
units = "classes"
[train]
epochs = 2
batch_size = 128
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    """A space and a recipe on disk, as arguments."""
    (tmp_path / "space.toml").write_text(SPACE)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return {"space": tmp_path / "space.toml", "recipe": tmp_path / "recipe.toml", "device": "cpu"}


def rows(out: Path) -> list[dict[str, Any]]:
    """trials.csv without its seconds."""
    trials = mindle.load(out).folder.trials()  # type: ignore[attr-defined]  # a run
    return [{name: value for name, value in trial.items() if name != "seconds"} for trial in trials]


class Sentences(Silent):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


def test_a_search_ends_in_an_ordinary_run(tmp_path: Path, files: dict[str, Any], cache: Path) -> None:
    out = tmp_path / "run"
    run = tune("digits", **files, trials=4, out=out, listener=SILENT)
    search = run.folder.document()["search"]
    trials = run.folder.trials()
    assert [trial["number"] for trial in trials] == [0, 1, 2, 3]
    complete = [trial for trial in trials if trial["state"] == "complete"]
    best = min(complete, key=lambda trial: trial["log_loss"])
    assert search["best"] == best["number"]
    assert search["storage"] == "search.db"
    # What was evaluated on val is what was trained again, epoch by epoch.
    assert run.metrics["val"]["accuracy"]["value"] == pytest.approx(best["accuracy"])
    assert run.metrics["test"]["n"] > 200
    recipe = read_recipe(out / "recipe.toml")
    assert recipe.train.learning_rate == best["settings"]["train.learning_rate"]
    assert recipe.model.layers[1]["units"] == best["settings"]["model.layers.1.units"]
    page = run.folder.report.read_text(encoding="utf-8")
    assert 'id="search"' in page
    assert "train.learning_rate" in page
    assert "탐색" in run.report(lang="ko", out=tmp_path / "ko.html").read_text(encoding="utf-8")
    # The same settings and seed, asked for again, give the very same trials.
    heard = Sentences()
    again = tune("digits", **files, trials=4, out=tmp_path / "again", listener=heard)
    assert rows(again.path) == rows(out)
    # Whatever it says is said in Korean too, rows of tables and names of files aside.
    said = [line for line in heard.said if re.match("[A-Za-z]", line) and "/" not in line]
    assert [line for line in said if not re.search("[가-힣]", in_language(line, "ko"))] == []
    assert any(line.startswith("Best of 4 trials: number") for line in heard.said)
    # A finished search is left as it is.
    before = (out / "run.json").read_bytes()
    tune("digits", **files, trials=9, out=out, resume=True, listener=SILENT)
    assert (out / "run.json").read_bytes() == before


def test_what_is_wrong_is_said_before_anything_is_done(tmp_path: Path, cache: Path) -> None:
    for arguments, words in (
        (
            {"space": {"train.learning_rat": {"low": 1e-4, "high": 1e-2}}},
            "Did you mean 'train.learning_rate'",
        ),
        ({"space": {"strategy": {"choices": ["probe", "guess"]}}}, "Received 'guess'"),
        ({"sampler": "bayes"}, "Received 'bayes'"),
        ({"trials": 0}, "`trials` must be 1 or more"),
        ({"trials": "many"}, "`trials` must be 1 or more. Received trials='many'"),
        ({"workers": 0}, "`workers` must be 1 or more"),
        ({"track": "wandb"}, "Received 'wandb'"),
        ({"lang": "fr"}, "`lang` must be"),
    ):
        with pytest.raises(ValueError, match=".*") as caught:
            tune("digits", strategy="scratch", out=tmp_path / "run", listener=SILENT, **arguments)  # type: ignore[arg-type]
        assert words in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_search_without_optuna_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # The call of the same name stands where the module would.
    monkeypatch.setattr(sys.modules["mindle.api.tune"], "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match=r"pip install 'mindle\[tune\]'"):
        tune("digits")


def test_a_space_in_which_nothing_can_be_trained_is_said(
    tmp_path: Path, files: dict[str, Any], cache: Path
) -> None:
    files["space"] = {"model.layers.1.units": {"choices": [0, -1]}}
    with pytest.raises(ModelError, match="No trial of 2 completed"):
        tune("digits", **files, trials=2, sampler="random", out=tmp_path / "run", listener=SILENT)


@pytest.mark.slow
def test_heads_are_searched_on_features_that_are_embedded_once(tmp_path: Path, cache: Path) -> None:
    class Heard(Silent):
        def __init__(self) -> None:
            self.stages: list[str] = []

        def progress(self, stage: str, done: int, total: int) -> None:
            if done == 0:
                self.stages.append(stage)

    heard = Heard()
    photos = photo_folder(tmp_path / "photos", 16)
    run = tune(
        photos,
        strategy="probe",
        model="tf_efficientnet_lite0",
        trials=12,
        out=tmp_path / "run",
        set={"probe.folds": 3},
        listener=heard,
    )
    # Pooling avg and both; the test split is embedded beside a fit, which says nothing.
    assert heard.stages.count("embed") == 2
    assert run.folder.document()["strategy"] == "probe"
    assert run.metrics["test"]["accuracy"]["value"] > 0.6


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
def test_a_search_killed_anywhere_resumes_with_no_trial_lost(
    tmp_path: Path, files: dict[str, Any], cache: Path
) -> None:
    whole = tune("digits", **files, trials=8, out=tmp_path / "whole", listener=SILENT)
    out = tmp_path / "killed"
    command = [*MINDLE, "tune", "digits", "--space", str(files["space"])]
    command += ["--recipe", str(files["recipe"]), "--device", "cpu", "--trials", "8", "--out", str(out)]
    clock = random.Random(5)
    for attempt in range(3):
        resume = ["--resume"] if attempt else []
        with subprocess.Popen([*command, *resume], stderr=subprocess.PIPE, text=True) as process:
            if process.stderr is None:
                raise OSError("the process has no standard error")
            for line in process.stderr:
                if "trials by tpe" in line:
                    break
            time.sleep(clock.uniform(0.05, 1.5))
            process.send_signal(signal.SIGKILL)
            process.wait()
    finished([*command, "--resume"])
    assert rows(out) == rows(whole.path)
    metrics = [json.loads((path / "metrics.json").read_text()) for path in (out, whole.path)]
    assert metrics[0]["test"] == metrics[1]["test"]


@pytest.mark.slow
def test_a_grid_by_two_workers(tmp_path: Path, files: dict[str, Any], cache: Path) -> None:
    files["space"] = {
        "train.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True, "steps": 2},
        "model.layers.1.units": {"choices": [8, 16]},
    }
    run = tune("digits", **files, sampler="grid", workers=2, out=tmp_path / "run", listener=SILENT)
    sampled = [trial["settings"] for trial in run.folder.trials()]
    assert sampled == [
        {"train.learning_rate": peak, "model.layers.1.units": units}
        for peak in (1e-3, 1e-1)
        for units in (8, 16)
    ]
