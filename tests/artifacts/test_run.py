"""The run folder: what is written comes back, and no run is ever overwritten."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from mindle.artifacts.run import (
    RunFolder,
    claim,
    claim_default,
    differences,
    read_runs,
    set_aside,
    whole_run,
)
from mindle.errors import ArtifactError, DataError, DeviceError
from mindle.messages import in_language, message
from mindle.records import Estimates, Finding, Predictions


def test_predictions_come_back_with_eight_decimals(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    classes = ("장미, 붉은", 'quoted "b"', "c")
    splits = {
        split: Predictions(
            classes=classes,
            paths=tuple(f"{split}/{i}, 사진.jpg" for i in range(5)),
            probabilities=rng.dirichlet(np.ones(3), 5),
            labels=rng.integers(0, 3, 5),
        )
        for split in ("val", "test")
    }
    folder = RunFolder(tmp_path)
    folder.write_answers(splits)
    back = folder.answers("multiclass")
    for split, predictions in splits.items():
        assert back[split].paths == predictions.paths
        assert back[split].classes == classes
        np.testing.assert_array_equal(back[split].labels, predictions.labels)
        np.testing.assert_allclose(back[split].probabilities, predictions.probabilities, atol=5.1e-9)


def test_what_answers_say_of_themselves_comes_back(tmp_path: Path) -> None:
    classes = ("p_a", 'quoted "b"', "다")
    predictions = Predictions(
        classes=classes,
        paths=("a", "b", "c"),
        probabilities=np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.4, 0.35, 0.25]]),
        labels=np.array([0, 1, 2]),
        sets=np.array([[True, True, False], [False, False, True], [True, True, True]]),
        abstain=np.array(["", "unlike_training", "dark"]),
        decisions=np.array([0, -1, 2]),
    )
    folder = RunFolder(tmp_path)
    folder.write_answers({"val": replace(predictions, decisions=None), "test": predictions})
    back = folder.answers("multiclass")
    assert back["test"].classes == classes
    for name in ("sets", "abstain", "decisions"):
        np.testing.assert_array_equal(getattr(back["test"], name), getattr(predictions, name))
    assert back["val"].decisions is None
    header, *_ = written = folder.path.joinpath("predictions.csv").read_text("utf-8-sig").splitlines()
    assert header.endswith("p_다,abstain,label_set,decision")
    assert written[2].endswith(',unlike_training,"[""다""]",')
    estimates = Estimates(
        paths=("a", "b"), values=np.ones(2), targets=np.ones(2), abstain=np.array(["", "unlike_training"])
    )
    ends = {"low": np.zeros(2), "high": np.full(2, 2.0)}
    folder.write_answers({"val": estimates, "test": replace(estimates, **ends)})
    back = folder.answers("regression")
    assert back["val"].abstain.tolist() == back["test"].abstain.tolist() == ["", "unlike_training"]
    assert back["val"].low is None


@pytest.mark.parametrize("bounded", [False, True], ids=["plain", "with intervals"])
def test_estimates_come_back_exactly(tmp_path: Path, bounded: bool) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(2e5, 1e5, 6)
    ends = {"low": values - rng.uniform(1, 9, 6), "high": values + 1e-3} if bounded else {}
    splits = {
        "val": Estimates(paths=("row 7",), values=values[:1], targets=values[:1] / 3),
        "test": Estimates(
            paths=("row 1", "row 2", "row 3") * 2, values=values, targets=-values, repeats=2, **ends
        ),
    }
    folder = RunFolder(tmp_path)
    folder.write_answers(splits)
    back = folder.answers("regression")
    for split, estimates in splits.items():
        assert (back[split].paths, back[split].repeats) == (estimates.paths, estimates.repeats)
        for name in ("values", "targets", "low", "high"):
            np.testing.assert_array_equal(getattr(back[split], name), getattr(estimates, name))


def test_folds_come_back_where_a_cross_validation_judged(tmp_path: Path) -> None:
    folds = np.array([0, 1, 1, 0])
    val = Estimates(paths=("row 1",), values=np.ones(1), targets=np.ones(1))
    folder, plain = RunFolder(tmp_path), RunFolder(tmp_path / "plain")
    plain.path.mkdir()
    test = replace(val, paths=("row 1", "row 2") * 2, values=np.ones(4), targets=np.ones(4), repeats=2)
    folder.write_answers({"val": val, "test": replace(test, folds=folds)})
    assert (tmp_path / "predictions.csv").read_text().splitlines()[:3] == [
        "path,split,fold,target,predicted",
        "row 1,val,,1,1",
        "row 1,test,1,1,1",
    ]
    assert folder.answers("regression")["val"].folds is None
    np.testing.assert_array_equal(folder.answers("regression")["test"].folds, folds)
    answers = Predictions(
        classes=("a", "b"), paths=test.paths, probabilities=np.eye(2)[folds], labels=folds, repeats=2
    )
    folder.write_answers({"test": replace(answers, folds=folds)})
    back = folder.answers("binary")["test"]
    np.testing.assert_array_equal(back.folds, folds)
    np.testing.assert_array_equal(back.probabilities, answers.probabilities)
    # Runs of old, and those evaluated on one split, have no such column.
    plain.write_answers({"test": answers})
    assert (plain.path / "predictions.csv").read_text().startswith("path,split,label,predicted")
    assert plain.answers("binary")["test"].folds is None


def test_history_comes_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.history() == []
    folder.write_history(
        [{"epoch": 1, "train_loss": 0.5}, {"epoch": 2, "train_loss": 0.25, "val_loss": 0.75}]
    )
    assert folder.history() == [
        {"epoch": 1, "train_loss": 0.5},
        {"epoch": 2, "train_loss": 0.25, "val_loss": 0.75},
    ]


def test_an_unfinished_run_has_no_predictions(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="--resume"):
        RunFolder(tmp_path).answers("binary")


def test_default_folders_are_numbered_and_never_shared(tmp_path: Path) -> None:
    names = [claim_default("my photos/예", tmp_path).path.name for _ in range(11)]
    assert names == [f"my-photos-예-{n}" for n in range(1, 12)]


def test_a_link_that_leads_nowhere_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DeviceError, match="must be one that can be made"):
        claim(tmp_path / "lost", "photos", {}, resume=False, say=print)
    with pytest.raises(DeviceError, match="must be one that can be made"):
        claim_default("photos", tmp_path / "lost")


def test_runs_are_listed_in_natural_order(tmp_path: Path) -> None:
    for name in ("a-10", "a-2", "b-1", "a-1"):
        RunFolder(tmp_path / name).write_document({"state": "finished"})
    (tmp_path / "notes").mkdir()
    assert [run.path.name for run, _ in read_runs(tmp_path, print)] == ["a-1", "a-2", "a-10", "b-1"]
    assert list(read_runs(tmp_path / "absent", print)) == []


def test_a_run_json_that_is_no_file_is_skipped_and_reported(tmp_path: Path) -> None:
    RunFolder(tmp_path / "good").write_document({"state": "finished"})
    for name in ("folder", "loop", "pipe"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / "run.json").mkdir()
    (tmp_path / "loop" / "run.json").symlink_to("run.json")
    os.mkfifo(tmp_path / "pipe" / "run.json")
    said: list[str] = []
    assert [run.path.name for run, _ in read_runs(tmp_path, said.append)] == ["good"]
    assert len(said) == 3
    assert all("is skipped" in sentence for sentence in said)


def test_a_file_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="which is a file"):
        claim(tmp_path / "notes.txt", "notes", {}, resume=False, say=print)


def test_setting_aside_keeps_every_file(tmp_path: Path) -> None:
    for turn in ("first", "second"):
        run = tmp_path / "run"
        run.mkdir()
        (run / "history.csv").write_text(turn)
        set_aside(run)
    assert (tmp_path / "run.partial-1" / "history.csv").read_text() == "first"
    assert (tmp_path / "run.partial-2" / "history.csv").read_text() == "second"
    assert not (tmp_path / "run").exists()


def test_differences_name_the_setting() -> None:
    stored = {"seed": 0, "recipe": {"train": {"learning_rate": 0.1, "epochs": 3}}}
    wanted = {"seed": 0, "recipe": {"train": {"learning_rate": 0.2, "epochs": 3}}, "device": "cpu"}
    assert list(differences(stored, wanted)) == [
        "device: None, now cpu",
        "recipe.train.learning_rate: 0.1, now 0.2",
    ]


@pytest.mark.parametrize(
    "error", [KeyError("test"), IndexError(), TypeError("int"), ZeroDivisionError()], ids=repr
)
def test_documents_that_do_not_fit_are_said_of_the_run(tmp_path: Path, error: Exception) -> None:
    with (
        pytest.raises(ArtifactError, match=rf"run must be a whole run.*{type(error).__name__}"),
        whole_run("run"),
    ):
        raise error


def test_mindles_own_errors_pass() -> None:
    with pytest.raises(DataError, match="other"), whole_run("run"):
        raise DataError("other")


def test_sentences_of_a_run_can_be_said_in_another_language(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    finding = Finding(kind="few", files=(), message=message("console.epoch", n=3), action="kept")
    folder.write_document({"data": {"findings": [asdict(finding)]}, "name": "photos"})
    raw = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert raw["data"]["findings"][0]["message"] == "epoch   3"
    assert raw["sentences"] == {"epoch   3": {"code": "console.epoch", "values": {"n": 3}}}
    (read,) = folder.document()["data"]["findings"]
    assert in_language(read["message"], "ko") == "에포크   3"
    folder.write_document({"name": "photos"})
    assert "sentences" not in (tmp_path / "run.json").read_text("utf-8")
