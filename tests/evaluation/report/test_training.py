"""Learning curves, diagnosis, model selection and search."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mindle.evaluation.report import ReportContent
from mindle.evaluation.report.page import page_of, report_html
from mindle.evaluation.report.training import MOST_TRIALS, history_curves, learning_curves
from mindle.messages import catalogue, message
from mindle.records import Diagnosis
from tests.evaluation.report.conftest import diagnoses
from tests.evaluation.report.test_page import read

Make = Callable[..., ReportContent]


def section(content: ReportContent, name: str, lang: str = "en") -> str:
    """The text of a section as it stands in the page."""
    page = report_html(content, lang=lang)
    start = page.index(f'<section id="{name}">')
    return page[start : page.index("</section>", start)]


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
            "settings": {"train.learning_rate": 10.0 ** -(number % 5 + 1), "probe.heads": ["rbf", "<b>"]},
        }
        for number in range(count)
    ]
    trials[1] |= {"state": "pruned", "accuracy": None}
    trials[2] |= {
        "state": "failed",
        "log_loss": None,
        "accuracy": None,
        "note": "its loss is NaN or infinite",
    }
    return {
        "sampler": "tpe",
        "trials": trials,
        "best": count - 1,
        "counts": {"complete": count - 2, "pruned": 1, "failed": 1},
        "importance": {"train.learning_rate": 0.75, "probe.heads": 0.25},
    }


def test_a_run_without_a_search_has_no_such_section(full: Make) -> None:
    assert 'id="search"' not in report_html(full())


def test_it_tells_the_trials_what_mattered_and_the_winner(full: Make) -> None:
    text = section(full(search=found()), "search")
    assert "6 trials by TPE (tree-structured Parzen estimator): 4 complete, 1 pruned, 1 failed" in text
    assert "Trial 5: log loss 0.167, 91.7% right" in text
    assert text.count("<circle") == 4
    assert "<strong>75.0%</strong>" in text
    assert "its loss is NaN or infinite" in text
    assert "rbf, &lt;b&gt;" in text
    assert "<b>&" not in text


def test_it_speaks_korean_and_stands_in_the_page(full: Make) -> None:
    page = report_html(full(search=found()), lang="ko")
    assert 'href="#search"' in page
    assert "6번 시행했습니다" in page


def test_a_long_search_is_cut(full: Make) -> None:
    text = section(full(search=found(MOST_TRIALS + 40)), "search")
    assert "trials.csv beside this page has all" in text
    assert text.count("rbf head") <= MOST_TRIALS


def test_one_trial_is_a_search_too(full: Make) -> None:
    one = found(3)
    one["trials"], one["best"] = one["trials"][:1], 0
    one["importance"] = {}
    assert "<circle" in section(full(search=one), "search")


def test_history_draws_what_there_is(full: Make) -> None:
    rows = [
        {"epoch": "1", "train_loss": "0.9", "rate": "0.1"},
        {"epoch": "2", "train_loss": "", "rate": "0.1"},
    ]
    assert {quantity: list(curves) for quantity, curves in history_curves(rows).items()} == {
        "loss": ["train"]
    }
    assert history_curves([{"rate": 1.0}]) == {}
    drawn = learning_curves(page_of(full(), "en"))
    assert list(drawn["figures"]) == ["accuracy", "loss"]
    labels = [float(y) for y in re.findall(r'y="([\d.]+)" class="label', drawn["figures"]["loss"])]
    assert abs(labels[0] - labels[1]) >= 15
    assert ">학습<" in section(full(), "training", "ko")


def test_candidates_say_what_was_kept_and_what_did_not_finish(full: Make) -> None:
    text = section(full(), "tried")
    assert text.index("support vectors") < text.index("selected") < text.index("fine-tune")
    assert "<strong>–</strong>" in text
    assert "The budget was spent." in text
    assert 'id="tried"' not in report_html(full(tried=[]))


def test_each_diagnosis_has_its_figure_and_what_to_try(full: Make) -> None:
    page = read(full(diagnoses=diagnoses()))
    assert "Learning rate too high It rose. What to try Try less." in page.words
    assert "Some new kind It fell & fell. What to try Try <more>." in page.words
    assert section(full(diagnoses=diagnoses()), "diagnosis").count("<svg") == 2
    assert 'id="diagnosis"' not in report_html(full())


def test_korean_pages_mark_english_sentences_and_translate_those_of_the_catalogue(full: Make) -> None:
    text = section(full(diagnoses=diagnoses()), "diagnosis", "ko")
    assert '<p lang="en">It rose.</p>' in text
    assert "너무 높은 학습률" in text
    said = Diagnosis(
        kind="rate-too-high",
        message=message("report.overfit.none"),
        remedy=message("report.overfit.some"),
        evidence=diagnoses()[0].evidence,
    )
    korean = section(full(diagnoses=[said]), "diagnosis", "ko")
    assert "<p>우연으로 설명할 수 있는 차이이며" in korean
    assert '<p lang="en">' not in korean


def test_every_kind_of_diagnosis_has_a_name_in_both_languages(full: Make) -> None:
    kinds = [
        name.removeprefix("report.diagnosed.") for name in catalogue() if name.startswith("report.diagnosed.")
    ]
    assert len(kinds) >= 10
    noticed = [replace(diagnoses()[0], kind=kind) for kind in kinds]
    called = re.findall("<h3>(.*?)</h3>", section(full(diagnoses=noticed), "diagnosis", "ko"))
    assert called == [catalogue()[f"report.diagnosed.{kind}"]["ko"] for kind in kinds]
