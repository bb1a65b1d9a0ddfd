"""Label issues and the learning curve on the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mindle.evaluation.report import ReportContent
from mindle.evaluation.report.page import report_html
from tests.evaluation.report.conftest import jpeg

Make = Callable[..., ReportContent]
SHARE = {"value": 0.052, "low": 0.041, "high": 0.066}


def section(content: ReportContent, name: str, lang: str = "en") -> str:
    """The text of a section as it stands in the page; "" where it has none."""
    page = report_html(content, lang=lang)
    start = page.find(f'<section id="{name}">')
    return page[start : page.index("</section>", start)] if start >= 0 else ""


def labels(**changes: Any) -> dict[str, Any]:
    return {
        "n": 2000,
        "share": SHARE,
        "certain": {"value": 0.01, "low": 0.005, "high": 0.02},
        "per_class": [
            {"name": "daisy", "n": 900, **SHARE},
            {"name": "roses", "n": 0, **dict.fromkeys(SHARE)},
        ],
        "accuracy": 0.98,
        "suggestions": {"90": 97},
        **changes,
    }


ISSUE = {"path": "train/=a <b>.jpg", "label": "daisy", "suggested": "roses", "score": "0.012345"}


def curve(**changes: Any) -> dict[str, Any]:
    def point(n: int, value: float) -> dict[str, Any]:
        return {"n": n, "value": value, "low": 0.8 * value, "high": 1.2 * value}

    return {
        "points": [point(100, 0.3), point(400, 0.2)],
        "now": point(1000, 0.1),
        "extrapolated": [point(2000, 0.08), point(4000, 0.07)],
        "fitted": {"a": 1.0, "b": 0.5, "c": 0.0},
        "per_class": [{"name": "daisy", "value": 0.004, "low": 0.001, "high": 0.008}],
        "next_class": "daisy",
        **changes,
    }


def test_questionable_labels_are_shown_with_their_picture(full: Make) -> None:
    content = full(doctor={"labels": labels(), "issues": [ISSUE]}, pictures={ISSUE["path"]: jpeg()})
    english, korean = section(content, "labels"), section(content, "labels", "ko")
    assert "about 5.2% are probably wrong (95% interval 4.1–6.6%)" in english
    assert "97 of them have a suggestion" in english
    assert "data:image/jpeg" in english
    assert "=a &lt;b&gt;.jpg" in english
    assert "(the label has 1.2%)" in english
    assert "upper limit" not in english
    assert "레이블 2,000개 가운데 약 5.2%" in korean
    assert english.count('<th scope="row">') == 1  # a class of nothing has no line


def test_a_weak_model_gives_an_upper_limit(full: Make) -> None:
    text = section(full(doctor={"labels": labels(accuracy=0.91)}), "labels")
    assert "agrees with only 91.0% of the labels" in text
    assert "most certain, 1.0% (0.5–2.0%) are probably wrong" in text


def test_what_a_net_has_learned_from_is_said(full: Make) -> None:
    assert "1,700 further labels could not be checked" in section(
        full(doctor={"labels": labels(unasked=1700)}), "labels"
    )


def test_numbers_have_targets_and_no_suggestions(estimated: Make) -> None:
    found = labels(per_class=[], accuracy=None)
    del found["suggestions"]
    text = section(estimated(doctor={"labels": found, "issues": [{**ISSUE, "path": "row 7"}]}), "labels")
    assert "Of 2,000 targets, 5.2% lie outside of three times" in text
    assert "suggested:RUN" not in text
    assert "Row 7" in text


def test_the_curve_goes_on_and_names_a_class(full: Make) -> None:
    content = full(doctor={"curve": curve()})
    english = section(content, "curve")
    assert "<svg" in english
    assert "8.0% (6.4–9.6%)" in english
    assert "Collect more of daisy next" in english
    assert "about 4.0 fewer mistakes in 1,000 images (1.0 to 8.0)" in english
    assert "daisy 클래스를 더 모으십시오" in section(content, "curve", "ko")
    assert "No class clearly" in section(full(doctor={"curve": curve(next_class="")}), "curve")


def test_the_curve_of_numbers_is_in_their_unit(estimated: Make) -> None:
    text = section(estimated(doctor={"curve": curve(per_class=[], next_class="")}), "curve")
    assert "Mean absolute error" in text
    assert "0.08 k$" in text
    assert "Collect more" not in text


def test_what_was_not_examined_has_no_section(full: Make) -> None:
    assert section(full(), "labels") == section(full(), "curve") == ""
    assert section(full(doctor={"labels": labels(share=dict.fromkeys(SHARE))}), "labels") == ""
