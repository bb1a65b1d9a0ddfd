"""Rows outside of training: what a bundle of a table refuses, and that it refuses no more than it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mindle
from mindle.records import SILENT

QUICK: dict[str, Any] = {"model": "linear", "folds": 3, "repeats": 1, "listener": SILENT}
TOWNS = ("Daegu", "Busan", "서울", "Jeju")


def houses(count: int, seed: int) -> pd.DataFrame:
    """Sizes and rooms that go together, towns, and prices."""
    rng = np.random.default_rng(seed)
    size = rng.gamma(8, 12, count)
    frame = pd.DataFrame(
        {
            "size": size.round(1),
            "rooms": np.clip((size / 28 + rng.normal(0, 0.4, count)).round(), 1, None),
            "age": rng.integers(0, 60, count),
            "floor": rng.integers(1, 20, count),
            "town": rng.choice(TOWNS, count),
        }
    )
    frame["price"] = (
        3 * size - frame["age"] + 40 * (frame["town"] == "서울") + rng.normal(0, 15, count)
    ).round(1)
    return frame


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> mindle.Run:
    root = tmp_path_factory.mktemp("houses")
    houses(600, 0).to_csv(root / "houses.csv", index=False)
    return mindle.train(root / "houses.csv", target="price", out=root / "run", **QUICK)


def refused(run: mindle.Run, frame: pd.DataFrame) -> float:
    answers = mindle.predict(Path(run.path) / "bundle", frame.drop(columns="price"))
    assert answers["predicted"].notna().all()
    assert set(answers["abstain"]) <= {"", "unlike_training"}
    return float((answers["abstain"] != "").mean())


def test_rows_like_training_are_answered(run: mindle.Run) -> None:
    assert refused(run, houses(400, 1)) == pytest.approx(0.05, abs=0.03)
    test = run.metrics["test"]["abstain"]
    assert test["rate"]["value"] == pytest.approx(0.05, abs=0.002)
    assert test["mae_of_the_rest"]["low"] < run.metrics["test"]["mae"]["value"]


def test_rows_outside_of_training_are_refused(run: mindle.Run) -> None:
    new = houses(100, 2)
    assert refused(run, new.assign(size=10 * new["size"])) > 0.95  # in square feet
    assert refused(run, new.assign(town="Pyongyang")) == 1.0
    assert refused(run, new.assign(town=None)) == 1.0  # never missing in training
    missing = new.assign(size=np.nan, rooms=np.nan, age=np.nan)
    assert refused(run, missing) == 1.0
    assert refused(run, new.assign(age=np.nan)) < 0.2  # one cell of five: the median will do
    large, few = new.assign(size=240.0, rooms=1.0), new.assign(size=40.0, rooms=9.0)
    assert min(refused(run, large), refused(run, few)) > 0.9  # either alone occurs
