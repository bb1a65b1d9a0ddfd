from __future__ import annotations

from collections.abc import Callable

from mindle.evaluation.report import ReportContent
from mindle.evaluation.report.formatting import Score
from mindle.evaluation.report.page import page_of
from mindle.evaluation.report.sections import bar, cell, cell_of, cell_text, column_cell, facts, trust

Make = Callable[..., ReportContent]


def test_a_score_is_written_as_what_it_is() -> None:
    share = {"value": 0.9356, "low": 0.909, "high": 0.955}
    assert cell("accuracy", share)[:2] == ("93.6%", "90.9–95.5%")
    assert cell("accuracy", share).bar.startswith("--low:90.9%")
    assert cell("roc_auc", 0.5) == ("0.500", "", "")
    assert cell("mae", {"value": 1234.5, "low": 1000.0, "high": 2000.0}) == ("1,234", "1,000–2,000", "")
    assert cell_of("ece", {"ece": 0.02, "ece_interval": {"low": 0.01, "high": 0.04}})[:2] == (
        "0.020",
        "0.010–0.040",
    )


def test_bars_are_drawn_to_scale_and_never_vanish() -> None:
    assert bar(Score(3.5, 2.0, 5.0), 5.0) == "--low:40.0%;--wide:60.0%;--value:70.0%"
    assert bar(Score(0.5)) == "--low:50.0%;--wide:0.4%;--value:50.0%"
    assert bar(Score(None)) == bar(Score(1.0), 0.0) == ""
    assert column_cell("mae", {"value": 0.5, "low": 0.25, "high": 1.0}, 50.0)[:2] == ("0.5", "0.2–1.0")


def test_the_baselines_stand_in_order(full: Make, estimated: Make) -> None:
    orders = [
        (full(), ["this model", "linear model on a colour histogram", "always the most frequent class"]),
        (estimated(), ["this model", "linear model", "always the mean"]),
    ]
    for content, order in orders:
        rows = trust(page_of(content, "en"))["baselines"]["rows"]
        assert [row[0] for row in rows] == order
        assert [own for *_, own in rows] == [True, False, False]


def test_facts_name_what_is_known(full: Make, bare: Make) -> None:
    assert dict(facts(page_of(full(), "en")))["task"] == "multiclass classification"
    assert [name for name, _ in facts(page_of(bare(), "en"))] == ["task", "classes"]


def test_missing_cells_are_dashes() -> None:
    assert [cell_text(value) for value in (None, "", float("nan"), 2.5, "서울")] == [
        "–",
        "–",
        "–",
        "2.5",
        "서울",
    ]
