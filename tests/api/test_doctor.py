"""The examination of data that every training makes, on images and on tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

import mindle
from mindle.artifacts.files import read_rows
from mindle.artifacts.run import RunFolder
from mindle.records import SILENT, Silent

QUICK: dict[str, Any] = {"model": "linear", "folds": 3, "repeats": 1}


def doctor(run: mindle.Run) -> dict[str, Any]:
    found: dict[str, Any] = RunFolder(run.path).document()["doctor"]
    return found


class Heard(Silent):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> mindle.Run:
    return mindle.train("iris", out=tmp_path_factory.mktemp("iris") / "run", listener=SILENT, **QUICK)


def test_labels_of_a_clean_table_are_hardly_questioned(iris: mindle.Run) -> None:
    labels = doctor(iris)["labels"]
    assert labels["n"] == 150
    assert labels["share"]["value"] < 0.02
    assert [each["name"] for each in labels["per_class"]] == ["setosa", "versicolor", "virginica"]
    rows = read_rows(iris.path / "label_issues.csv")
    assert len(rows) == 150
    assert sum(bool(row["suggested"]) for row in rows) == round((1 - labels["accuracy"]) * 150)


def test_slips_in_numbers_are_found_and_have_no_suggestions(tmp_path: Path) -> None:
    frame = load_diabetes(as_frame=True).frame
    slips = [3, 200, 400]
    frame.loc[slips, "target"] *= 100
    heard = Heard()
    run = mindle.train(frame, target="target", out=tmp_path / "run", listener=heard, **QUICK)
    rows = read_rows(run.path / "label_issues.csv")
    assert {row["path"] for row in rows[:3]} == {f"row {row + 1}" for row in slips}
    labels = doctor(run)["labels"]
    assert labels["share"]["value"] == pytest.approx(3 / 442)
    assert "suggestions" not in labels
    assert np.isfinite([float(row["suggested"]) for row in rows]).all()


def test_a_training_says_how_many_labels_are_probably_wrong(tmp_path: Path) -> None:
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "=bad", 1: "good"})
    flipped = np.random.default_rng(0).permutation(len(frame))[:40]
    frame.loc[flipped, "target"] = frame.loc[flipped, "target"].map({"=bad": "good", "good": "=bad"})
    heard = Heard()
    run = mindle.train(frame, target="target", out=tmp_path / "run", listener=heard, **QUICK)
    said = [sentence for sentence in heard.sentences if "label_issues.csv" in sentence]
    assert len(said) == 1
    assert "labels are probably wrong" in said[0]
    low, high = (doctor(run)["labels"]["share"][end] for end in ("low", "high"))
    assert low < 40 / 569 < high
    assert {row["label"] for row in read_rows(run.path / "label_issues.csv")} == {"=bad", "good"}
