from __future__ import annotations

from mindle.evaluation.report.formatting import (
    Score,
    bar,
    cell,
    cell_text,
    column_cell,
    count,
    interval,
    percent,
    points,
    score_in,
    setting,
)


def test_numbers() -> None:
    assert [percent(x) for x in (0.0, 0.0004, 0.5, 0.99951, 1.0)] == [
        "0%",
        "0.04%",
        "50.0%",
        "99.95%",
        "100%",
    ]
    assert percent(0.9999999) == "100.000%"
    assert interval(None, 0.5, percent) == "–"
    assert interval(0.0, 1.0, percent) == "0–100%"
    assert points(-0.0312) == "−3.1"
    assert count(1234567) == "1,234,567"
    assert Score.of(0.5) == (0.5, None, None)
    assert Score.of(None) == (None, None, None)


def test_settings_look_as_a_recipe_writes_them() -> None:
    assert setting({"kind": "cosine", "warmup": 3}) == "cosine"
    assert [setting(value) for value in (12345.0, 0.003, 1, "", ())] == ["12345", "0.003", "1", "–", ""]


def test_a_score_is_written_as_what_it_is() -> None:
    share = {"value": 0.9356, "low": 0.909, "high": 0.955}
    assert cell(share, "accuracy")[:2] == ("93.6%", "90.9–95.5%")
    assert cell(share, "accuracy").bar.startswith("--low:90.9%")
    assert cell(0.5, "roc_auc") == ("0.500", "", "")
    assert cell({"value": 1234.5, "low": 1000.0, "high": 2000.0}, "mae") == ("1,234", "1,000–2,000", "")
    ece = score_in({"ece": 0.02, "ece_interval": {"low": 0.01, "high": 0.04}}, "ece")
    assert cell(ece, "ece") == ("0.020", "0.010–0.040", "")


def test_bars_are_drawn_to_scale_and_never_vanish() -> None:
    assert bar(Score(3.5, 2.0, 5.0), 5.0) == "--low:40.0%;--wide:60.0%;--value:70.0%"
    assert bar(Score(0.5)) == "--low:50.0%;--wide:0.4%;--value:50.0%"
    assert bar(Score(None)) == bar(Score(1.0), 0.0) == ""
    assert column_cell({"value": 0.5, "low": 0.25, "high": 1.0}, "mae", 50.0)[:2] == ("0.5", "0.2–1.0")


def test_missing_cells_are_dashes() -> None:
    assert [cell_text(value) for value in (None, "", float("nan"), 2.5, "서울")] == [
        "–",
        "–",
        "–",
        "2.5",
        "서울",
    ]
