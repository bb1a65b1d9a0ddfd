from __future__ import annotations

from mindle.evaluation.report.formatting import Score, count, percent, points, setting, span


def test_numbers() -> None:
    assert [percent(x) for x in (0.0, 0.0004, 0.5, 0.99951, 1.0)] == [
        "0%",
        "0.04%",
        "50.0%",
        "99.95%",
        "100%",
    ]
    assert percent(0.9999999) == "100.000%"
    assert span(None, 0.5) == "–"
    assert span(0.0, 1.0) == "0–100%"
    assert points(-0.0312) == "−3.1"
    assert count(1234567) == "1,234,567"
    assert Score.of(0.5) == (0.5, None, None)
    assert Score.of(None) == (None, None, None)


def test_settings_look_as_a_recipe_writes_them() -> None:
    assert setting({"kind": "cosine", "warmup": 3}) == "cosine"
    assert [setting(value) for value in (12345.0, 0.003, 1, "", ())] == ["12345", "0.003", "1", "–", ""]
