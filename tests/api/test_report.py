"""Reports of runs that estimate numbers; the run folder is written as a training writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mindle
from mindle.artifacts.run import FINISHED, RunFolder
from mindle.evaluation.regression import score_estimates
from mindle.records import Estimates


@pytest.fixture
def run(tmp_path: Path) -> mindle.Run:
    """A finished run whose answers are numbers."""
    generator = np.random.default_rng(0)
    truth = generator.normal(50, 10, 40)
    test = Estimates(
        paths=tuple(f"{i}.png" for i in range(40)), values=truth + generator.normal(size=40), targets=truth
    )
    folder = RunFolder(tmp_path / "ages-1")
    folder.path.mkdir()
    folder.write_answers({"test": test})
    folder.write_metrics(
        {
            "task": "regression",
            "test": score_estimates(test),
            "train": {"mae": 0.5},
            "strategy": "probe",
            "seconds": {"total": 3.0},
        }
    )
    document: dict[str, Any] = {
        "state": FINISHED,
        "name": "ages",
        "command": "mindle train ages.csv --target age",
        "finished": "2026-01-31T10:00+00:00",
        "data": {"findings": [], "counts": {}, "set_aside": {}, "fingerprint": "abc"},
        "tried": [],
        "stopped": "",
        "advice": "",
        "asked": {
            "source": str(tmp_path / "gone.csv"), "recipe": {}, "seed": 0, "split_seed": 0, "device": "cpu"
        },
        "mindle": "0.1.0",
        "libraries": {},
        "hardware": {},
        "licences": [],
    }  # fmt: skip
    folder.write_document(document)
    return mindle.Run(folder.path)


@pytest.mark.parametrize(("lang", "words"), [("en", "mean absolute error"), ("ko", "평균절대오차")])
def test_a_run_on_numbers_has_a_report(run: mindle.Run, lang: str, words: str) -> None:
    page = run.report(lang=lang).read_text(encoding="utf-8")
    assert words in page
    assert 'id="agreement"' in page
    assert 'id="confusion"' not in page
    assert "mindle-summary" in run._repr_html_()


def test_its_mistakes_are_the_largest_errors(run: mindle.Run) -> None:
    found = run.mistakes
    assert list(found.columns) == ["path", "target", "predicted", "error"]
    assert len(found) == 40
    sizes = found["error"].abs()
    assert sizes.is_monotonic_decreasing
    assert sizes.mean() == pytest.approx(run.metrics["test"]["mae"]["value"])


def test_it_is_listed_by_its_error(run: mindle.Run) -> None:
    (row,) = mindle.list_runs(run.path.parent)
    assert row["accuracy"] is None
    assert row["mae"] == run.metrics["test"]["mae"]
