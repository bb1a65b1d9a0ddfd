"""Shortcuts, slices and outliers on the page, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mindle.evaluation.report import ReportContent
from mindle.messages import message
from mindle.records import Finding
from tests.evaluation.report.conftest import jpeg
from tests.evaluation.report.test_doctor import section

Make = Callable[..., ReportContent]


def score(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def shortcut(**changes: Any) -> dict[str, Any]:
    cue = message("shortcuts.cue.images.border")
    figures = {"label": "roses", "area": 0.97, "value": 0.62, "chance": 0.2}
    return {
        "cue": "border",
        "name": cue,
        "score": score(0.62),
        "chance": 0.2,
        "label": "roses",
        "ranking": score(0.97),
        "overall": score(0.8),
        "alarm": True,
        "content": "none",
        "message": message("shortcuts.class", cue=cue, **figures),
        **changes,
    }


def test_an_alarm_stands_above_the_table_with_what_it_explains(full: Make) -> None:
    content = full(doctor={"shortcuts": [shortcut(), shortcut(cue="date", alarm=False, score=score(0.21))]})
    english, korean = section(content, "shortcuts"), section(content, "shortcuts", "ko")
    assert "From the border of the images alone, class" in english
    assert "accounts for" in english
    assert "from something other than the subject alone: border of the images" in section(content, "trust")
    assert english.count("<tr>") == 3
    assert "이미지 테두리" in korean
    assert "지름길 단서" in korean


def test_what_says_little_explains_nothing(full: Make) -> None:
    quiet = shortcut(alarm=False, score=score(0.25), ranking=score(0.6))
    assert "accounts for" not in section(full(doctor={"shortcuts": [quiet]}), "shortcuts")
    assert section(full(doctor={}), "shortcuts") == ""


def test_slices_of_test_come_first(full: Make) -> None:
    where = message(
        "slices.where.low", cue=message("slices.facet.images.brightness"), part="", low=2.0, high=31.0
    )
    said = message("slices.wrong", where=where, n=18, value=0.44, rest=0.08, p=0.001)
    content = full(doctor={"slices": [{"message": said}], "test_slices": [{"message": said}]})
    english, korean = section(content, "slices"), section(content, "slices", "ko")
    assert "Lowest fifth by brightness (2 to 31): 44% of 18 answers are wrong, elsewhere 8%" in english
    assert "clearly worse in parts of the data" in section(content, "trust")
    assert english.index("On the test split") < english.index("out of fold")
    assert "밝기 하위 5분의 1" in korean


def test_outliers_are_shown_with_their_picture(full: Make) -> None:
    path = "train/=a <b>.jpg"
    content = full(
        doctor={"outliers": [{"path": path, "label": "daisy", "score": 21.0}]}, pictures={path: jpeg()}
    )
    assert "data:image/jpeg" in section(content, "outliers")
    assert "이상치" in section(content, "outliers", "ko")


def test_images_in_which_little_can_be_seen_are_shown(full: Make) -> None:
    names = tuple(f"roses/{number}.jpg" for number in range(9))
    found = [Finding(kind="dark", files=names, message="9 images are dark.", action="kept")]
    content = full(findings=found, pictures={names[0]: jpeg()})
    english, korean = section(content, "quality"), section(content, "quality", "ko")
    assert "data:image/jpeg" in english
    assert english.count("<figure>") == 6
    assert "Dark images" in english
    assert "어두운 이미지" in korean
    assert section(full(), "quality") == ""
