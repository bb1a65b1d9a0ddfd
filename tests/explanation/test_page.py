from __future__ import annotations

import pytest

from mindle.explanation.page import Drawn, Explained, PageContent, explanations_html, failed, picture_source

PNG, JPEG = b"\x89PNG\r\n", b"\xff\xd8\xff"
SCORE = {"value": 0.5, "low": 0.4, "high": 0.6}
CHECKS = {
    "pictures": 12,
    "of": "test",
    "methods": {
        "occlusion": dict.fromkeys(("deletion", "pixels", "moved", "insertion", "shuffled"), SCORE)
        | {"failures": []},
        "grad-cam": dict.fromkeys(("deletion", "pixels", "moved", "insertion", "shuffled"), SCORE)
        | {"failures": ["deletion", "shuffled", "empty"]},
    },
    "borders": [{"name": "<b>", "n": 12, "share": SCORE, "area": 0.51, "warned": True}],
}


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_map_that_fails_is_shown_with_the_warning(lang: str) -> None:
    maps = [
        Drawn(name=name, file=f"{name}.png", picture=PNG, document={"beats_chance": name == "occlusion"})
        for name in ("occlusion", "grad-cam")
    ]
    answer = {"predicted": "<b>", "confidence": 0.9, "reason": ""}
    shown = Explained(key="a.jpg", answer=answer, photo=JPEG, maps=maps)
    page = explanations_html(
        PageContent(name="run", unit="images", explained=[shown], checks=CHECKS), lang=lang
    )
    assert page.count("data:image/png") == 2
    assert {"en": "fails its checks", "ko": "점검 불통과"}[lang] in page
    assert {"en": "hardly change when the weights", "ko": "가중치를 뒤섞어도"}[lang] in page
    assert "&lt;b&gt;" in page
    assert "<bdi><b>" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert failed(CHECKS) == {"grad-cam": ["deletion", "shuffled", "empty"]}


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_rows_have_a_table_of_columns(lang: str) -> None:
    columns = [{"name": "bmi", "value": "32", "share": 1.5, "error": 0.1}]
    shown = Explained(key="a.csv 1", answer={"predicted": 3.2, "reason": ""}, columns=columns, base=2.0)
    unread = Explained(key="a.csv 2", answer={"predicted": None, "reason": "No cell."})
    page = explanations_html(PageContent(name="run", unit="rows", explained=[shown, unread]), lang=lang)
    assert "+1.500" in page
    assert "No cell." in page


def test_pictures_say_what_they_are() -> None:
    assert picture_source(PNG).startswith("data:image/png;base64,")
    assert picture_source(JPEG).startswith("data:image/jpeg;base64,")
