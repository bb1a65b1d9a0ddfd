from __future__ import annotations

import re
from typing import Any

import pytest

from mindle.evaluation.compare import Comparison
from mindle.evaluation.paired import Difference
from mindle.evaluation.report.sentences import Sentences
from mindle.evaluation.report.verdict import chance_text, gap_texts, verdict


def comparison(task: str = "multiclass", n: int = 300, **changes: Any) -> Comparison:
    given: dict[str, Any] = {
        "name": "mae" if task == "regression" else "accuracy",
        "first": 0.8,
        "second": 0.9,
        "value": 0.1,
        "low": 0.05,
        "high": 0.15,
        "chance": 0.0001,
        "interval": "bootstrap",
        "test": "swaps",
    }
    return Comparison(task=task, n=n, repeats=1, differences=(Difference(**{**given, **changes}),))


def test_more_accuracy_is_better_and_more_error_is_worse() -> None:
    assert verdict(comparison(), "A", "B").startswith("“B” is clearly better than “A”.")
    assert verdict(comparison(value=-0.1), "A", "B").startswith("“A” is clearly better than “B”.")
    assert verdict(comparison("regression"), "A", "B").startswith("“A” is clearly better than “B”.")


def test_what_luck_could_do_is_not_called_better() -> None:
    said = verdict(comparison(chance=0.3), "A", "B")
    assert said.startswith("No clear difference between “A” and “B”.")
    assert "in 30 of 100 tests (p = 0.3)" in said
    assert "are equally good" in verdict(comparison(value=0.0, chance=1.0), "A", "B")


def test_numbers_are_written_with_their_signs_and_units() -> None:
    difference = comparison("regression", value=-1234.5, low=-2000.0, high=-0.25).main
    assert gap_texts(difference, Sentences("en")) == ("−1,234", "−2,000", "−0.25")
    assert gap_texts(comparison().main, Sentences("ko")) == ("+10.0%p", "+5.0", "+15.0")


def test_what_was_answered_is_named() -> None:
    assert "the same 300 images" in verdict(comparison(), "A", "B")
    assert "the same 300 rows" in verdict(comparison("regression"), "A", "B", unit="rows")
    assert "the same 1 row," in verdict(comparison(n=1), "A", "B", unit="rows")


@pytest.mark.parametrize("chance", [0.0, 0.02, 0.5, 1.0])
def test_korean_says_the_same(chance: float) -> None:
    said = verdict(comparison(chance=chance), "가", "나", lang="ko")
    assert chance_text(chance, Sentences("ko")) in said
    assert "300장" in said
    assert re.search(r"입니다\(p [<=] [\d.]+\)\.$", said)
