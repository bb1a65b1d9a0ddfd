from __future__ import annotations

import re
import tomllib
from collections.abc import Callable

from mindle.evaluation.report import ReportContent, provenance, report_html
from mindle.evaluation.report.provenance import MOST_FEATURES
from mindle.messages import message
from mindle.records import Finding
from tests.evaluation.report.test_page import read
from tests.evaluation.report.test_training import section

Make = Callable[..., ReportContent]


def test_the_split_table_adds_up(full: Make) -> None:
    text = section(full(), "data")
    assert "<td>300</td><td>60</td><td>120</td><td>3</td>" in text


def test_long_lists_are_not_printed_and_short_ones_are(full: Make) -> None:
    files = tuple(f"{i}.jpg" for i in range(41))
    many = section(full(findings=[Finding(kind="tiny", files=files, message="m", action="kept")]), "data")
    few = section(full(findings=[Finding(kind="tiny", files=files[:3], message="m", action="kept")]), "data")
    assert 'class="finding"' in many
    assert 'class="finding printed"' in few
    assert all(f"<bdi>{file}</bdi>" in many for file in files)


def test_the_findings_are_translated_by_kind_and_their_sentences_marked_english(full: Make) -> None:
    text = section(full(), "data", "ko")
    assert "분할의 서로 다른 세트에 있는 같은 이미지(누출)" in text
    assert "학습 세트에서 뺌" in text
    assert '<p lang="en">A leak.</p>' in text


def test_nothing_found_is_said(full: Make) -> None:
    assert "found nothing to mention" in section(full(findings=[], set_aside={}), "data")


def test_times_and_rates(full: Make) -> None:
    text = section(full(), "time")
    assert "1 min 15 s" in text
    assert "196 images/s" in text
    assert "3.2 images/s" in text
    assert "1 h 1 min" in text


def test_the_recipe_is_toml_again() -> None:
    recipe = {
        "strategy": "auto",
        "train": {"peak": 0.001, "milestones": [1, 2], "swa": {"on": True}},
        "none": None,
    }
    expected = {"strategy": "auto", "train": {"peak": 0.001, "milestones": [1, 2], "swa": {"on": True}}}
    assert tomllib.loads("\n".join(provenance.recipe_lines(recipe))) == expected


def test_reproduce_holds_command_versions_and_fingerprint(full: Make) -> None:
    text = section(full(), "reproduce")
    assert "mindle train &#39;my photos&#39; --seed 0" in text
    assert "<dt>data fingerprint</dt><dd>abcdef</dd>" in text
    assert "<dt>seed</dt><dd>0</dd>" in text


def test_each_column_says_how_it_was_read(estimated: Make) -> None:
    page = read(estimated())
    assert "town <b> category feature 0 2 towns" in page.words
    assert "price number target" in page.words
    assert "when date ignored 0 always the same" in page.words
    assert "area 숫자 특성 3" in read(estimated(), "ko").words


def test_many_columns_are_folded_away(estimated: Make) -> None:
    many = [
        {"name": f"c{i}", "kind": "number", "role": "feature", "missing": 0, "note": ""} for i in range(31)
    ]
    found = section(estimated(columns=many), "columns")
    assert "31 columns" in found
    assert found.count("<details") == 1
    assert "<details" not in section(estimated(columns=many[:-1]), "columns")


def test_importance_is_sorted_and_drawn_to_scale(estimated: Make) -> None:
    found = section(estimated(), "importance")
    assert found.index("area") < found.index("town &lt;b&gt;")
    assert "--low:40.0%;--wide:60.0%;--value:70.0%" in found
    assert "−0.01" in found
    many = [{"name": f"c{i}", "mean": float(i), "low": None, "high": None} for i in range(MOST_FEATURES + 3)]
    assert "3 more columns matter less" in section(estimated(importance=many), "importance")


def test_importance_where_nothing_matters(estimated: Make) -> None:
    nothing = [{"name": "area", "mean": 0.0, "low": -0.1, "high": 0.0}]
    found = section(estimated(importance=nothing), "importance")
    assert "bar" not in found


def test_dependences_share_one_scale(estimated: Make) -> None:
    found = section(estimated(), "dependence")
    assert found.count("<svg") == 2
    assert "Mokpo: 0.5; 서울: 0.45" in found
    assert re.search("10: 0.2; 20: 0.4; 90: 0.9", found)


def test_shares_of_a_class_are_percentages(classified_rows: Make) -> None:
    assert "10: 20.0%; 20: 40.0%" in section(classified_rows(), "dependence")


def test_what_is_not_there_has_no_section(full: Make, estimated: Make) -> None:
    text = report_html(full())
    assert not [name for name in ("columns", "importance", "dependence") if f'id="{name}"' in text]
    empty = [{"name": "area", "kind": "number", "at": [], "values": []}]
    assert 'id="dependence"' not in report_html(estimated(dependence=empty))


def test_classes_of_rows_show_cards_not_pictures(classified_rows: Make) -> None:
    text = report_html(classified_rows())
    assert 'class="cards"' in text
    assert 'class="gallery"' not in text
    assert "A simpler model does as well: logistic regression, 99.0%" in text


def test_repeats_are_counted_once_where_rows_are_counted(classified_rows: Make) -> None:
    once, thrice = read(classified_rows()), read(classified_rows(3))
    right = re.search(r"(\d+) of 90 test rows were classified correctly", once.words)
    assert right
    assert f"{right.group(1)} of 90 rows were classified correctly, each by a model" in thrice.words
    assert "Each row was answered 3 times" in thrice.words
    assert "5-fold cross-validation × 3" in thrice.words


def test_long_names_of_categories_are_shortened_and_described_whole(estimated: Make) -> None:
    places = ["a", "b", "a very long name of a place"]
    each = {"name": "town", "kind": "category", "at": places, "values": [0.2, 0.3, 0.9]}
    found = section(estimated(dependence=[each]), "dependence")
    assert found.count("<circle") == 3
    assert "a very long nam…" in found
    assert "a very long name of a place: 0.9" in found


def test_findings_of_the_catalogue_are_said_in_the_language_of_the_page(full: Make) -> None:
    said = Finding(kind="leak", files=("a.jpg",), message=message("report.overfit.none"), action="kept")
    text = section(full(findings=[said]), "data", "ko")
    assert "<p>우연으로 설명할 수 있는 차이이며" in text
