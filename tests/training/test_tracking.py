"""Trackers hear a whole run; one that fails does no harm."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mindle
from mindle.records import SILENT, Silent
from mindle.training.tracking import Tracking, final_scores, require_tracker, tracking
from tests.pictures import photo_folder
from tests.processes import python

pytestmark = [
    # MLflow and TensorBoard warn of their own dependencies, which a user of mindle can do nothing about.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

QUICK = {"train.epochs": 2, "input.height": 16, "input.width": 16}


class Heard(Silent):
    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.epochs: list[int] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def epoch(self, row: Mapping[str, Any]) -> None:
        self.epochs.append(int(row["epoch"]))


class Broken:
    """A tracker whose server is gone."""

    def __init__(self) -> None:
        self.calls = 0

    def _fail(self, *_: object) -> str:
        self.calls += 1
        raise ConnectionError("nobody answers\nat all")

    begin = log = end = abandon = _fail


# ── harmless ─────────────────────────────────────────────────────────────────────────────────────


def test_a_tracker_that_fails_is_told_of_once_and_asked_no_more() -> None:
    heard, broken = Heard(), Broken()
    tracked = Tracking(broken, "mlflow", heard)  # type: ignore[arg-type]  # it fails, whatever it is given
    assert tracked.begin("run", "data", {"a": {"b": 1}}) == ""
    tracked.epoch({"epoch": 1, "val_loss": 0.5})
    tracked.abandon()
    assert broken.calls == 1
    assert heard.epochs == [1]
    (sentence,) = heard.sentences
    assert "mlflow failed" in sentence
    assert sentence.endswith("nobody answers")


def test_without_a_tracker_it_only_listens() -> None:
    heard = Heard()
    with tracking(None, heard) as tracked:
        tracked.say("hello")
        tracked.epoch({"epoch": 3})
        tracked.end(Path("nowhere"), {})
    assert (heard.sentences, heard.epochs) == (["hello"], [3])


def test_an_error_is_told_and_passed_on() -> None:
    ended: list[str] = []

    class Noting(Broken):
        def abandon(self) -> None:  # type: ignore[override]
            ended.append("abandoned")

    def go_wrong() -> None:
        with tracking(None, SILENT) as tracked:
            tracked._tracker = Noting()  # type: ignore[assignment]
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        go_wrong()
    assert ended == ["abandoned"]


@pytest.mark.parametrize("spec", ["wandb", "", "mlflow2:x"])
def test_unknown_trackers_are_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r"mlflow, mlflow:URI, tensorboard or tensorboard:DIR"):
        require_tracker(spec)


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindle.training.tracking.find_spec", lambda name: None)
    with pytest.raises(mindle.errors.DeviceError, match=r"pip install 'mindle\[track\]'"):
        require_tracker("tensorboard:logs")


def test_scores_get_one_name_each() -> None:
    document = {"test": {"n": 2, "confusion": [[1]], "ece": {"value": 0.1, "low": None}}, "classes": ["a"]}
    assert dict(final_scores(document)) == {"test.n": 2.0, "test.ece": 0.1}


# ── TensorBoard ──────────────────────────────────────────────────────────────────────────────────


def test_tensorboard_gets_every_epoch_and_score(tmp_path: Path, cache: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    photos = photo_folder(tmp_path / "photos", 8)
    run = mindle.train(
        photos,
        strategy="scratch",
        set=QUICK,
        device="cpu",
        out=tmp_path / "run",
        track=f"tensorboard:{tmp_path / 'logs'}",
        listener=SILENT,
    )
    events = EventAccumulator(str(tmp_path / "logs" / "photos" / "run"))
    events.Reload()
    history = run.folder.history()
    losses = events.Scalars("loss/val")
    assert [event.step for event in losses] == [1, 2]
    assert [event.value for event in losses] == pytest.approx([row["val_loss"] for row in history])
    (accuracy,) = events.Scalars("final/test.accuracy")
    assert accuracy.value == pytest.approx(run.metrics["test"]["accuracy"]["value"])
    assert "recipe/text_summary" in events.Tags()["tensors"]


# ── MLflow ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Address of an MLflow server of the test's own, with an SQLite store."""
    pytest.importorskip("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts"), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with open(tmp_path / "server.log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1500):
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=2):
                    break
            except OSError:
                if process.poll() is not None:
                    pytest.fail((tmp_path / "server.log").read_text())
                time.sleep(0.2)
        else:
            pytest.fail("the MLflow server did not start")
        yield address
    finally:
        import signal

        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="process groups are of POSIX")
def test_an_mlflow_server_gets_the_run_and_gives_the_model_back(
    server: str, tmp_path: Path, cache: Path
) -> None:
    import mlflow

    photos = photo_folder(tmp_path / "photos", 8)
    heard = Heard()
    run = mindle.train(
        photos,
        strategy="scratch",
        set=QUICK,
        device="cpu",
        out=tmp_path / "run",
        track=f"mlflow:{server}",
        listener=heard,
    )
    assert [sentence for sentence in heard.sentences if "Tracking" in sentence] == []
    client = mlflow.MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name("photos")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "run"
    assert found.data.params["recipe.train.epochs"] == "2"
    assert found.data.metrics["test.accuracy"] == run.metrics["test"]["accuracy"]["value"]
    losses = client.get_metric_history(found.info.run_id, "val_loss")
    assert [(point.step, point.value) for point in losses] == [
        (row["epoch"], pytest.approx(row["val_loss"])) for row in run.folder.history()
    ]
    files = {artifact.path for artifact in client.list_artifacts(found.info.run_id)}
    assert {"report.html", "metrics.json", "predictions.csv"} <= files
    assert json.loads((tmp_path / "run" / "run.json").read_text())["tracking"] == {
        "mlflow": found.info.run_id
    }
    # Whoever loads the model has no torch in the process.
    code = f"""
import sys, mlflow, pandas
mlflow.set_tracking_uri({server!r})
model = mlflow.pyfunc.load_model("runs:/{found.info.run_id}/model")
frame = pandas.DataFrame({{"path": {[str(path) for path in sorted(photos.rglob("*.png"))[:3]]!r}}})
print(model.predict(frame).to_json(orient="records"))
print("torch" in sys.modules)
"""
    done = python(code)
    answers, torch = done.stdout.strip().splitlines()[-2:]
    expected = run.predict([str(path) for path in sorted(photos.rglob("*.png"))[:3]])
    got = pd.DataFrame(json.loads(answers))
    assert got["predicted"].tolist() == expected["predicted"].tolist()
    assert got["confidence"].tolist() == pytest.approx(expected["confidence"].tolist(), abs=1e-6)
    assert torch == "False"


@pytest.mark.slow
def test_a_server_that_is_not_there_costs_a_sentence(tmp_path: Path, cache: Path, monkeypatch: Any) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    photos, heard = photo_folder(tmp_path / "photos", 8), Heard()
    run = mindle.train(
        photos,
        strategy="scratch",
        set=QUICK,
        device="cpu",
        out=tmp_path / "run",
        track="mlflow:http://127.0.0.1:9",
        listener=heard,
    )
    assert len([sentence for sentence in heard.sentences if "Tracking with mlflow failed" in sentence]) == 1
    assert run.metrics["test"]["n"] > 0


@pytest.mark.slow
def test_a_model_of_a_table_that_mlflow_keeps_answers_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)  # MLflow keeps artifacts in the current folder
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    rows = pd.DataFrame({"a": [n / 3 for n in range(60)], "word": ["x", "y", "z"] * 20})
    rows["sold"] = np.where(rows["a"] > 10, "yes", "no")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    run = mindle.train(
        tmp_path / "rows.csv",
        target="sold",
        model="linear",
        folds=3,
        repeats=1,
        out=tmp_path / "run",
        track=f"mlflow:{uri}",
        listener=SILENT,
    )
    found = json.loads((tmp_path / "run" / "run.json").read_text())["tracking"]["mlflow"]
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        model = mlflow.pyfunc.load_model(f"runs:/{found}/model")
    finally:
        mlflow.set_tracking_uri(before)
    new = rows[["word", "a"]].head(9)
    pd.testing.assert_frame_equal(model.predict(new), run.predict(new))
