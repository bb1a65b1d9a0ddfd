"""Labelled data are matched to a model by class name."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest

import mindle.data
from mindle.errors import DataError
from mindle.records import Estimates, InputSpec, Predictions, Task
from mindle.serving.images import ImageSource
from mindle.serving.opened import Opened, open_model
from mindle.serving.rows import RowSource
from mindle.serving.source import target_of
from tests.pictures import draw
from tests.serving.test_rows import adder


def test_answers_are_written_beside_the_truth(tmp_path: Path, cache: Path) -> None:
    spec = InputSpec(height=8, width=8)
    opened = Opened(
        ImageSource(spec),
        target_of(Task("binary"), ("b", "a")),
        lambda feed: {"probabilities": np.tile([0.25, 0.75], (len(feed["pixels"]), 1))},
        {"probabilities": np.zeros((0, 2))},
    )
    for name in ("a", "b", "c"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for seed in range(3):
            draw(ord(name) % 3, seed).save(tmp_path / "data" / name / f"{seed}.png")
    dataset = mindle.data.check(mindle.data.read(tmp_path / "data"))
    evaluated = opened.evaluate(dataset)
    assert evaluated.unknown_classes == {"c": 3}
    assert isinstance(evaluated.answers, Predictions)
    assert evaluated.answers.labels is not None
    assert evaluated.answers.labels.tolist() == [1, 1, 1, 0, 0, 0]
    evaluated.write(tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["predicted"] for row in rows} == {"a"}
    assert [row["label"] for row in rows] == ["a", "a", "a", "b", "b", "b"]


def test_rows_without_a_number_to_judge_by_are_reported(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    opened = open_model(tmp_path / "bundle")
    rows = {"a": ["1,5", "2,5", "x"], "b": [1, 2, 3], "sum": ["2,5", "many", "3,5"]}
    evaluated = opened.evaluate(rows)
    assert isinstance(evaluated.answers, Estimates)
    assert evaluated.answers.targets.tolist() == [2.5, 3.5]
    assert evaluated.answers.values[0] == 2.5
    assert evaluated.skipped == 1
    assert opened.source.report.sentences() == [
        "The rows are read as they are written: a decimal comma in a, sum (training: decimal point)",
        "1 cell of 'a' is not a number and is read as missing; first in row 3: 'x'",
        "1 cell of 'sum' is not a number and is read as missing; first in row 2: 'many'",
    ]


def test_classes_that_the_model_does_not_know_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(Path(__file__).parents[1] / "fixtures" / "iris.zip") as archive:
        archive.extractall(tmp_path)
    opened = open_model(tmp_path / "iris" / "bundle")
    assert isinstance(opened.source, RowSource)
    rows = {column.name: ["1", "2"] for column in opened.source.spec.columns}
    with pytest.raises(DataError, match=r"Received 2 rows without, such as 'SETOSA'\.$"):
        opened.evaluate({**rows, opened.source.spec.target.name: ["SETOSA", "?"]})
