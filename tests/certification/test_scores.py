"""Scores beside those of the same rows as they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindle.certification import scores
from mindle.evaluation.compare import compare
from mindle.records import Estimates, Predictions

N = 200
LABELS = np.arange(N) % 2


def predictions(wrong: int, **more: object) -> Predictions:
    """Answers of which the first are wrong."""
    named = np.where(np.arange(N) < wrong, 1 - LABELS, LABELS)
    probabilities = np.where(np.eye(2)[named] > 0, 0.9, 0.1)
    paths = tuple(map(str, range(N)))
    made = Predictions(classes=("a", "b"), paths=paths, probabilities=probabilities, labels=LABELS)
    return replace(made, **more)  # type: ignore[arg-type]


def estimates(off: float) -> Estimates:
    targets = np.linspace(0, 10, N)
    values = targets + off * np.where(LABELS > 0, 1.0, -1.0)
    return Estimates(
        paths=tuple(map(str, range(N))), values=values, targets=targets, low=values - 1.5, high=values + 1.5
    )


def test_accuracy_and_what_is_left_of_it() -> None:
    found = scores.of("binary").of(predictions(60), predictions(20))
    assert found["accuracy"]["value"] == 0.7
    assert found["difference"]["value"] == pytest.approx(-0.2)
    assert found["relative"]["value"] == pytest.approx(0.7 / 0.9)
    assert found["relative"]["low"] < 0.7 / 0.9 < found["relative"]["high"]
    assert found["ece"] == pytest.approx(0.2)
    assert 0 < found["ece_by_chance"] < 0.1
    assert "abstained" not in found
    assert "coverage" not in found


def test_the_difference_is_that_of_compare() -> None:
    clean, worse = predictions(20), predictions(60)
    found, expected = scores.of("binary").of(worse, clean)["difference"], compare(clean, worse).main
    assert [found[name] for name in ("value", "low", "high")] == pytest.approx(
        [expected.value, expected.low, expected.high]
    )


def test_coverage_and_abstentions() -> None:
    sets = np.ones((N, 2), bool)
    sets[:50, :] = np.eye(2, dtype=bool)[1 - LABELS[:50]]
    codes = np.array(["dark"] * 30 + ["unlike_training"] * 10 + [""] * (N - 40))
    found = scores.of("binary").of(predictions(20, sets=sets, abstain=codes), predictions(20))
    assert found["coverage"]["value"] == 0.75
    assert found["set_size"] == 1.75
    assert found["abstained"]["value"] == 0.2
    assert found["by_reason"] == {"dark": 30, "unlike_training": 10}


def test_numbers() -> None:
    found = scores.of("regression").of(estimates(2.0), estimates(1.0))
    assert found["mae"]["value"] == pytest.approx(2.0)
    assert found["relative"]["value"] == pytest.approx(2.0)
    assert found["difference"]["low"] == pytest.approx(1.0)
    assert found["coverage"]["value"] == 0.0
    assert found["width"] == pytest.approx(3.0)


def test_few_rows_have_a_ratio_without_an_interval() -> None:
    found = scores.of("binary").of(predictions(N - 2), predictions(N - 1))
    assert found["relative"] == {"value": pytest.approx(2.0), "low": None, "high": None}


def test_what_is_left_where_the_model_abstains() -> None:
    codes = np.array(["dark"] * 30 + [""] * (N - 30))
    alone = scores.of("binary").alone(predictions(50, abstain=codes))
    assert alone["accuracy_of_the_rest"]["value"] == pytest.approx(150 / 170)
    everything = scores.of("regression").alone(replace(estimates(1.0), abstain=np.array(["dark"] * N)))
    assert everything["mae_of_the_rest"] is None


def test_nothing_is_relative_to_a_model_that_is_never_right() -> None:
    found = scores.of("binary").of(predictions(N), predictions(N))
    assert found["relative"] == {"value": None, "low": None, "high": None}
