from __future__ import annotations

import re
from collections.abc import Callable

from mindle.evaluation.report import ReportContent, report_html
from mindle.evaluation.report.features import (
    MOST_COLUMNS_OPEN,
    MOST_FEATURES,
    columns,
    dependence,
    importance,
)
from mindle.evaluation.report.words import Words
from tests.evaluation.report.test_page import Reader, read

Make = Callable[..., ReportContent]
EN = Words("en", "rows")


def test_each_column_says_how_it_was_read(estimated: Make) -> None:
    page = read(estimated())
    assert "town <b> category feature 0 2 towns" in page.words
    assert "price number target" in page.words
    assert "when date left out 0 always the same" in page.words
    assert "area 수 특징 3" in read(estimated(), "ko").words


def test_many_columns_are_folded_away(estimated: Make) -> None:
    many = [
        {"name": f"c{i}", "kind": "number", "role": "feature", "missing": 0, "note": ""}
        for i in range(MOST_COLUMNS_OPEN + 1)
    ]
    found = columns(estimated(columns=many), EN)
    assert found is not None
    assert "31 columns" in found
    assert found.count("<details") == 1
    assert "<details" not in (columns(estimated(columns=many[:-1]), EN) or "<details")


def test_importance_is_sorted_and_drawn_to_scale(estimated: Make) -> None:
    found = importance(estimated(), EN)
    assert found is not None
    assert found.index("area") < found.index("town &lt;b&gt;")
    assert "--low:40.0%;--wide:60.0%;--value:70.0%" in found
    assert "−0.01" in found
    many = [{"name": f"c{i}", "mean": float(i), "low": None, "high": None} for i in range(MOST_FEATURES + 3)]
    assert "3 more columns matter less" in (importance(estimated(importance=many), EN) or "")


def test_importance_where_nothing_matters(estimated: Make) -> None:
    nothing = [{"name": "area", "mean": 0.0, "low": -0.1, "high": 0.0}]
    found = importance(estimated(importance=nothing), EN)
    assert found is not None
    assert Reader(found).problems == []


def test_dependences_share_one_scale(estimated: Make) -> None:
    found = dependence(estimated(), EN)
    assert found is not None
    assert found.count("<svg") == 2
    assert "Mokpo: 0.5; 서울: 0.45" in found
    assert re.search("10: 0.2; 20: 0.4; 90: 0.9", found)


def test_shares_of_a_class_are_percentages(classified_rows: Make) -> None:
    assert "10: 20.0%; 20: 40.0%" in (dependence(classified_rows(), EN) or "")


def test_what_is_not_there_has_no_section(full: Make, estimated: Make) -> None:
    for make in (columns, importance, dependence):
        assert make(full(), EN) is None
    empty = [{"name": "area", "kind": "number", "at": [], "values": []}]
    assert dependence(estimated(dependence=empty), EN) is None


def test_classes_of_rows_show_cards_not_pictures(classified_rows: Make) -> None:
    text = report_html(classified_rows())
    assert 'class="cards"' in text
    assert 'class="gallery"' not in text
    assert "A simpler model does as well: logistic regression, 99.0%" in text


def test_repeats_are_counted_once_where_rows_are_counted(classified_rows: Make) -> None:
    once, thrice = read(classified_rows()), read(classified_rows(3))
    right = re.search(r"(\d+) of 90 test rows were answered correctly", once.words)
    assert right
    assert f"{right.group(1)} of 90 rows were answered correctly, each by a model" in thrice.words
    assert "Each row was answered 3 times" in thrice.words
    assert "5 folds × 3" in thrice.words
