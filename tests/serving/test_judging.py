"""Labelled data are matched to a model by class name."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

import mindle.data
from mindle.records import InputSpec, Predictions
from mindle.serving.judging import judge
from mindle.serving.opened import Opened
from tests.pictures import draw


def test_answers_are_written_beside_the_truth(tmp_path: Path, cache: Path) -> None:
    spec = InputSpec(height=8, width=8)
    opened = Opened(("b", "a"), spec, lambda pixels: np.tile([0.25, 0.75], (len(pixels), 1)))
    for name in ("a", "b", "c"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for seed in range(3):
            draw(ord(name) % 3, seed).save(tmp_path / "data" / name / f"{seed}.png")
    dataset = mindle.data.check(mindle.data.read(tmp_path / "data"))
    judged = judge(opened, dataset)
    assert judged.unknown_classes == {"c": 3}
    assert isinstance(judged.answers, Predictions)
    assert judged.answers.labels is not None
    assert judged.answers.labels.tolist() == [1, 1, 1, 0, 0, 0]
    judged.write(tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["predicted"] for row in rows} == {"a"}
    assert [row["label"] for row in rows] == ["a", "a", "a", "b", "b", "b"]
