from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from mindle.evaluation.report.rendering import coded, jpeg_source, render


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'axes' is undefined"):
        render("figures/axes.html", marks=[], title="t", description="d")


def test_values_are_escaped_and_characters_that_no_document_may_hold_replaced() -> None:
    said = render("examples/rows.html", values={"examples": []}, say=None)
    assert said.strip().startswith('<div class="cards">')
    example = {"truth": "<b>\x00", "answer": "&", "detail": "", "cells": [("a\udce9", "\x1f")], "path": "1"}
    drawn = render("examples/rows.html", values={"examples": [example]}, say=lambda *_, **__: "row")
    assert "&lt;b&gt;\ufffd" in drawn
    assert "&amp;" in drawn
    assert "<bdi>a\ufffd</bdi></dt><dd><bdi>\ufffd</bdi>" in drawn


def test_pictures_stand_inside_the_page() -> None:
    assert jpeg_source(b"abc") == "data:image/jpeg;base64,YWJj"


def test_code_in_a_sentence_is_an_element_and_the_rest_is_escaped() -> None:
    assert coded("Give `--group <a>` & `x`.") == ("Give <code>--group &lt;a&gt;</code> &amp; <code>x</code>.")
