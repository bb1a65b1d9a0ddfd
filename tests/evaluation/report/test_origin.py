from __future__ import annotations

import tomllib
from collections.abc import Callable

from mindle.evaluation.report import ReportContent, origin
from mindle.evaluation.report.words import Words
from mindle.records import Finding

Make = Callable[..., ReportContent]
EN, KO = Words("en"), Words("ko")


def test_the_split_table_adds_up(full: Make) -> None:
    text = origin.data(full(), EN)
    assert "<td>300</td><td>60</td><td>120</td><td>3</td>" in text


def test_long_lists_are_not_printed_and_short_ones_are(full: Make) -> None:
    files = tuple(f"{i}.jpg" for i in range(41))
    many = origin.data(full(findings=[Finding(kind="tiny", files=files, message="m", action="kept")]), EN)
    few = origin.data(full(findings=[Finding(kind="tiny", files=files[:3], message="m", action="kept")]), EN)
    assert 'class="finding"' in many
    assert 'class="finding printed"' in few
    assert all(f"<bdi>{file}</bdi>" in many for file in files)


def test_the_findings_are_translated_by_kind_and_their_sentences_marked_english(full: Make) -> None:
    text = origin.data(full(), KO)
    assert "서로 다른 구분에 있는 같은 이미지(누출)" in text
    assert "학습에서 뺌" in text
    assert '<p lang="en">A leak.</p>' in text


def test_nothing_found_is_said(full: Make) -> None:
    assert "found nothing to mention" in origin.data(full(findings=[], set_aside={}), EN)


def test_the_ladder_tells_what_was_kept_and_what_did_not_finish(full: Make) -> None:
    text = str(origin.tried(full(), EN))
    assert text.index("support vectors") < text.index("kept") < text.index("fine-tune")
    assert "<strong>–</strong>" in text
    assert "The budget was spent." in text
    assert origin.tried(full(tried=[]), EN) is None


def test_times_and_rates(full: Make) -> None:
    text = str(origin.timing(full(), EN))
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
    assert tomllib.loads("\n".join(origin.recipe_lines(recipe))) == expected


def test_reproduce_holds_command_versions_and_fingerprint(full: Make) -> None:
    text = str(origin.reproduce(full(), EN))
    assert "mindle train &#x27;my photos&#x27; --seed 0" in text
    assert "<dt>data fingerprint</dt><dd>abcdef</dd>" in text
    assert "<dt>seed</dt><dd>0</dd>" in text
