"""What `check` and `train` agree upon: whatever one refuses is a decision of the other, in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mindle
from mindle.cli.main import app as cli
from mindle.errors import DataError
from mindle.records import SILENT
from tests.pictures import draw

A = np.random.default_rng(0).normal(50, 9, 60).round(1)
TABLES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one class": ({"a": A, "y": ["yes"] * 60}, {}),
    "six rows": ({"a": A[:6], "y": ["p", "q"] * 3}, {}),
    "nothing but an id": ({"image": [f"p/{n}.jpg" for n in range(60)], "y": ["p", "q"] * 30}, {}),
    "no class": ({"a": A, "y": [None] * 60}, {}),
    "texts that all differ": ({"a": A, "y": [f"name {n}" for n in range(60)]}, {}),
    "dates": ({"a": A, "y": [f"2024-01-{n % 28 + 1:02d}" for n in range(60)]}, {}),
    "texts as numbers": ({"a": A, "y": ["p", "q"] * 30}, {"task": "regression"}),
    "a feature of texts": ({"a": A, "b": ["p", "q"] * 30, "y": ["p", "q"] * 30}, {"kinds": {"b": "number"}}),
    "one number": ({"a": A, "y": [0.5] * 60}, {"task": "regression"}),
    "one row of the second class": ({"a": A, "y": ["p"] * 59 + ["q"]}, {}),
    "two rows of the second class": ({"a": A, "y": ["p"] * 58 + ["q"] * 2}, {}),
    "three groups": ({"a": A, "who": ["x", "y", "z"] * 20, "y": ["p", "q"] * 30}, {"group": "who"}),
    "no training rows": ({"a": A, "split": ["val", "test"] * 30, "y": ["p", "p", "q", "q"] * 15}, {}),
    "one class in train": ({"a": A, "split": ["train", "test"] * 30, "y": ["p", "q"] * 30}, {}),
}


def refusals(data: Any, folder: Path, **options: Any) -> tuple[str, str]:
    """What `check` decides upon, and what `train` says, of the same data."""
    checked = mindle.check(data, listener=SILENT, **options)
    assert checked.needs_decision
    (found,) = [finding for finding in checked.findings if finding.kind == "not-learnable"]
    with pytest.raises(DataError) as refused:
        mindle.train(data, out=folder / "run", listener=SILENT, **options)
    return found.message, str(refused.value)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_training_refuses_is_a_decision(name: str, tmp_path: Path) -> None:
    columns, options = TABLES[name]
    decided, refused = refusals(pd.DataFrame(columns), tmp_path, target="y", **options)
    assert decided == refused


@pytest.mark.parametrize("counts", [{"a": 1, "b": 1}, {"a": 9}])
def test_images_that_training_refuses_are_a_decision(counts: dict[str, int], tmp_path: Path) -> None:
    for kind, (name, count) in enumerate(counts.items()):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for seed in range(count):
            draw(kind, seed).save(tmp_path / "photos" / name / f"{seed}.png")
    decided, refused = refusals(tmp_path / "photos", tmp_path)
    assert decided == refused


def test_what_can_be_learned_is_no_decision() -> None:
    assert not mindle.check("digits", listener=SILENT).needs_decision
    assert not mindle.check("wine", listener=SILENT).needs_decision


def test_one_finding_is_counted_as_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pd.DataFrame({"a": A, "y": ["yes"] * 60}).to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(SystemExit) as ended:
        cli(["check", str(tmp_path / "one.csv"), "--target", "y"])
    assert ended.value.code == 1
    printed = capsys.readouterr().err
    assert "findings, of which 1 needs your decision" in printed or "1 finding, of which 1 needs" in printed
    assert "1 feature, to predict y (1 class)" in printed
