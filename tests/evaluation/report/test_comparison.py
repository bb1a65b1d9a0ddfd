from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mindle.evaluation.compare import compare
from mindle.evaluation.report import ReportContent, Variant, comparison_html
from mindle.evaluation.report.comparison import flattened
from tests.evaluation.report.conftest import answers, diagnoses, estimates
from tests.evaluation.report.test_page import Reader

Make = Callable[..., ReportContent]
SECTIONS = ["outcome", "paired", "settings", "curves", "why", "commands"]


@pytest.fixture
def variants(full: Make) -> list[Variant]:
    from mindle.evaluation.metrics import score

    found = []
    for name, strength, rate in (("as written", 0.2, 1.0), ("done well", 3.0, 0.01)):
        test = answers(("a", "b", "c"), 120, strength=strength)
        metrics = {"task": "multiclass", "test": score(test), "seconds": {"total": 75.0}}
        content = full(
            metrics=metrics,
            answers={"test": test},
            diagnoses=diagnoses() if name == "as written" else (),
        )
        settings = {
            "strategy": "scratch",
            "train": {"learning_rate": rate, "shuffle": name == "done well", "epochs": 5},
        }
        found.append(
            Variant(name=name, content=content, parameters=12_345, settings=settings, facts={"Disk": "3 MB"})
        )
    return found


def pairs(variants: list[Variant]) -> list[Any]:
    one, two = variants
    return [(one.name, two.name, compare(one.content.answers["test"], two.content.answers["test"]))]


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_page_is_whole_and_loads_nothing(variants: list[Variant], lang: str) -> None:
    text = comparison_html(
        "cats <&> dogs", variants, pairs(variants), question="Why?", answer="So.", lang=lang
    )
    page = Reader(text)
    assert page.problems == []
    assert [section["id"] for section in page.all("section")] == SECTIONS
    assert [link["href"] for link in page.all("a")][1:] == [f"#{name}" for name in SECTIONS]
    assert page.all("html") == [{"lang": lang}]
    assert not {name for name, _ in page.elements} & {"script", "link", "iframe", "img"}
    assert "http" not in text
    assert len(page.all("table")) == len(page.all("caption"))
    assert "cats <&> dogs" in page.words
    assert (
        comparison_html("cats <&> dogs", variants, pairs(variants), question="Why?", answer="So.", lang=lang)
        == text
    )


def test_it_says_which_is_better_and_what_differs(variants: list[Variant]) -> None:
    page = Reader(comparison_html("digits", variants, pairs(variants)))
    assert "“done well” is clearly better than “as written”." in page.words
    assert "train.learning_rate 1 0.01" in page.words
    assert "train.shuffle false true" in page.words
    behind = page.words.index("The settings that were the same")
    assert page.words.index("train.epochs 5") > behind
    assert "12,345" in page.words
    assert "1 min 15 s" in page.words
    assert "Disk" in page.words
    assert "Learning rate too high" in page.words
    assert "Nothing was noticed about its training." in page.words


def test_only_differences_beyond_chance_are_yellow(variants: list[Variant]) -> None:
    same = [replace(variants[0], name="a"), replace(variants[0], name="b")]
    for compared, some in ((variants, True), (same, False)):
        text = comparison_html("digits", compared, pairs(compared))
        assert ('class="bar wide zero main"' in text) == some


def test_curves_of_both_lie_in_one_figure(variants: list[Variant]) -> None:
    text = comparison_html("digits", variants, [])
    curves = text[text.index('id="curves"') : text.index('id="why"')]
    assert curves.count("<svg") == 2  # accuracy and loss
    for name in ("as written", "done well", "as written, training", "done well, training"):
        assert curves.count(f">{name}</text>") == 2
    assert 'id="paired"' not in text


def test_numbers_are_compared_by_their_error(estimated: Make) -> None:
    from mindle.evaluation.regression import score_estimates

    variants = []
    for name, spread in (("one", 1.0), ("two", 0.4)):
        test = estimates(80, spread=spread)
        content = estimated(
            metrics={"task": "regression", "test": score_estimates(test)},
            answers={"test": test},
            diagnoses=(),
        )
        variants.append(Variant(name=name, content=content, parameters=10, settings={}))
    page = Reader(comparison_html("houses", variants, pairs(variants)))
    assert page.problems == []
    assert "“two” is clearly better than “one”. Mean absolute error over the same 80 rows" in page.words
    assert "No setting differs." in page.words
    assert "Root mean squared error" in page.words


def test_what_cannot_be_compared_is_refused(variants: list[Variant], estimated: Make) -> None:
    number = Variant(name="number", content=estimated(), parameters=1, settings={})
    with pytest.raises(ValueError, match="one or more, of different names. Received \\[\\]"):
        comparison_html("x", [], [])
    with pytest.raises(ValueError, match="of one task. Received multiclass, regression"):
        comparison_html("x", [variants[0], number], [])
    with pytest.raises(ValueError, match="between as written, done well. Received elsewhere"):
        comparison_html("x", variants, [("as written", "elsewhere", pairs(variants)[0][2])])


def test_settings_have_their_full_names() -> None:
    nested = {"a": {"b": {"c": 1}, "d": None}, "e": [1, 2]}
    assert list(flattened(nested)) == [("a.b.c", 1), ("a.d", None), ("e", [1, 2])]
