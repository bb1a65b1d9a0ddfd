"""The section on a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mindle.evaluation.report import ReportContent
from mindle.evaluation.report.page import report_html
from mindle.evaluation.report.search import MOST_LISTED, search
from mindle.evaluation.report.words import Words

Make = Callable[..., ReportContent]
EN, KO = Words("en"), Words("ko")


def found(count: int = 6) -> dict[str, Any]:
    """A search of so many trials: one pruned, one failed, the last the best."""
    trials = [
        {
            "number": number,
            "state": "complete",
            "log_loss": 1.0 / (number + 1),
            "accuracy": 1 - 0.5 / (number + 1),
            "seconds": 0.5,
            "note": "rbf head",
            "settings": {"train.peak": 10.0 ** -(number % 5 + 1), "probe.heads": ["rbf", "<b>"]},
        }
        for number in range(count)
    ]
    trials[1] |= {"state": "pruned", "accuracy": None}
    trials[2] |= {"state": "failed", "log_loss": None, "accuracy": None, "note": "its loss is no number"}
    return {
        "sampler": "tpe",
        "trials": trials,
        "best": count - 1,
        "counts": {"complete": count - 2, "pruned": 1, "failed": 1},
        "importance": {"train.peak": 0.75, "probe.heads": 0.25},
    }


def test_a_run_without_a_search_has_no_such_section(full: Make) -> None:
    assert search(full(), EN) is None
    assert 'id="search"' not in report_html(full())


def test_it_tells_the_trials_what_mattered_and_the_winner(full: Make) -> None:
    text = str(search(full(search=found()), EN))
    assert (
        "6 trials by tree-structured Parzen estimation: 4 ran to their end, 1 were given up early, 1 failed"
        in text
    )
    assert "Trial 5: log loss 0.167, 91.7% right" in text
    assert text.count("<circle") == 4
    assert "<strong>75.0%</strong>" in text
    assert "its loss is no number" in text
    assert "rbf + &lt;b&gt;" in text
    assert "<b>&" not in text


def test_it_speaks_korean_and_stands_in_the_page(full: Make) -> None:
    page = report_html(full(search=found()), lang="ko")
    assert 'href="#search"' in page
    assert "6번 시도했습니다" in page


def test_a_long_search_is_cut(full: Make) -> None:
    text = str(search(full(search=found(MOST_LISTED + 40)), EN))
    assert "trials.csv beside this page has all" in text
    assert text.count("rbf head") <= MOST_LISTED


def test_one_trial_is_a_search_too(full: Make) -> None:
    one = found(3)
    one["trials"], one["best"] = one["trials"][:1], 0
    one["importance"] = {}
    assert "<circle" in str(search(full(search=one), EN))
