"""A task from outside of the package is answered, evaluated, written and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mindle
from mindle import tasks
from mindle.artifacts import answers as layouts
from mindle.artifacts import bundle as bundles
from mindle.artifacts.run import RunFolder
from mindle.evaluation.compare import compare
from mindle.evaluation.family import Reading
from mindle.evaluation.regression import Regression
from mindle.records import Estimates, TableSpec, Task
from mindle.serving.opened import open_model
from tests.serving.test_rows import COLUMNS, adder


@dataclass(frozen=True, kw_only=True)
class Counted(Estimates):
    """Whole numbers of at least 0."""

    @property
    def task(self) -> Task:
        return Task("count")


class Counting(Regression):
    """As for numbers, rounded."""

    record = Counted

    def answers(
        self, outputs: Mapping[str, Any], reading: Reading, paths: tuple[str, ...], truth: Any = None
    ) -> Estimates:
        found = super().answers(outputs, reading, paths, truth)
        return replace(found, values=np.maximum(np.rint(found.values), 0))


class CountLayout(layouts.NumberLayout):
    """As for numbers."""

    record = Counted


@pytest.fixture
def registered() -> Iterator[None]:
    with tasks.register("count", like="regression", evaluation=Counting(), layout=CountLayout()):
        yield


@pytest.mark.usefixtures("registered")
def test_a_count_is_answered_evaluated_written_and_compared(tmp_path: Path) -> None:
    bundle = replace(
        adder(tmp_path / "bundle"),
        spec=TableSpec(columns=COLUMNS, task=Task("count")),
        details={"task": "count"},
    )
    bundles.write_bundle_document(bundle)
    rows = pd.DataFrame({"who": ["Ada", "Bob", "Eva"], "a": [1, 2, -9], "b": [0.4, 1.7, 0]})
    found = mindle.load(tmp_path / "bundle").predict(rows)
    assert found["predicted"].tolist() == [1, 4, 0]
    assert (found["low"] < found["predicted"]).all()

    truth = np.array([1.0, 3.0, 0.0])
    result = mindle.evaluate(tmp_path / "bundle", rows.assign(sum=truth), out=tmp_path / "answers.csv")
    assert result["test"]["mae"]["value"] == pytest.approx(1 / 3)
    assert (tmp_path / "answers.csv").read_text().splitlines()[0] == "path,target,predicted,low,high"

    opened = open_model(tmp_path / "bundle")
    cells = {"a": rows["a"].to_numpy(float), "b": rows["b"].to_numpy(float)}
    test = opened.answer_stored(cells, ("1", "2", "3"), truth=truth)
    assert isinstance(test, Counted)
    folder = RunFolder(tmp_path)
    folder.write_answers({"test": test})
    again = folder.answers("count")["test"]
    assert isinstance(again, Counted)
    assert compare(test, again).main.value == 0
    assert compare(test, again).task == "count"
