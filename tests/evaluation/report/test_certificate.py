"""The page of a certificate, from its document alone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mindle.evaluation.report.certificate import certificate_html
from mindle.messages.catalogue import catalogue

SCORE = {"value": 0.9, "low": 0.8, "high": 0.95}


def document(**changes: Any) -> dict[str, Any]:
    """A certificate of classes with one corruption."""
    block = {
        "accuracy": SCORE,
        "relative": SCORE,
        "ece": 0.02,
        "ece_by_chance": 0.03,
        "abstained": SCORE,
        "coverage": SCORE,
    }
    return {
        "model": {"name": "a <b>", "path": "runs/a", "task": "binary"},
        "unit": "images",
        "n": 300,
        "of": 1200,
        "seed": 7,
        "abstains": True,
        "compared_with_training": True,
        "amounts": {"blur": [1, 2, 3, 4, 6], "blank": [0.0]},
        "clean": block,
        "corruptions": [{"name": "blur", "severity": at, **block} for at in range(1, 6)],
        "irrelevant": [{"name": "blank", "abstained": SCORE}],
        "latency": [{"batch": 1, "p50": 1.0, "p95": 2.0, "p99": 3.0, "calls": 9, "memory_bytes": 0}],
        "size_bytes": 5_000_000,
        "hardware": {"processor": "a chip", "cores": 2},
        "card": {
            "model_details": {
                "task": "binary",
                "classes": ["cat", "dog"],
                "target": "",
                "strategy": "probe",
                "made_with": "mindle",
                "parameters": None,
                "licences": [],
                "owner": "Ada",
                "contact": None,
            },
            "intended_use": {"intended_use": None, "out_of_scope": None},
            "factors": "factors",
            "metrics": "metrics",
            "evaluation_data": {"source": None, "n": 300, "of": 1200, "seed": 7},
            "training_data": {"name": None, "fingerprint": None, "findings": []},
            "quantitative_analyses": "analyses",
            "ethical_considerations": None,
            "caveats": ["a caveat"],
        },
        "limits": [
            {
                "name": "accuracy.blur.3",
                "bound": "least",
                "limit": 0.95,
                "found": 0.9,
                "interval": [0.8, 0.95],
                "passed": False,
            },
            {
                "name": "size_mb",
                "bound": "most",
                "limit": 10.0,
                "found": None,
                "interval": None,
                "passed": False,
            },
        ],
        "passed": False,
        **changes,
    }


EXAMPLES = {"blur": [{"picture": b"\xff\xd8"}] * 5, "blank": [{"picture": b"\xff\xd8"}]}


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def test_the_page_states_what_was_measured() -> None:
    page = certificate_html(document(), EXAMPLES)
    text = text_of(page)
    for said in (
        "2 of 2 limits do not hold",
        "300 of 1,200 labelled images",
        "seed 7",
        "accuracy.blur.3 at least 95.0% 90.0% 80.0% – 95.0% does not hold",
        "size_mb at most 10 not measured does not hold",
        "80.0% – 95.0%",
        "abstains on 90.0%",
        "chance: 0.03",
        "mindle certify runs/a --seed 7",
        "Ada",
        "not stated by the owner",
    ):
        assert said in text
    assert "a &lt;b&gt;" in page
    assert page.count("data:image/jpeg") == 6


def test_a_model_that_cannot_abstain_is_called_so() -> None:
    block = {"accuracy": SCORE, "relative": SCORE, "ece": 0.02}
    changes = {
        "abstains": False,
        "clean": block,
        "corruptions": [{"name": "blur", "severity": at, **block} for at in range(1, 6)],
        "irrelevant": [{"name": "blank"}],
    }
    text = text_of(certificate_html(document(**changes, compared_with_training=False), EXAMPLES))
    assert "cannot abstain" in text
    assert "does not know its training data" in text
    assert "answers all of them" in text


def test_the_page_is_one_file_and_the_same_each_time() -> None:
    page = certificate_html(document(), EXAMPLES)
    assert page == certificate_html(document(), EXAMPLES)
    assert not re.search(r"<script|https?://[^\s]*\.(js|css)|src=\"(?!data:)", page)


def test_all_of_it_is_said_in_korean() -> None:
    text = text_of(certificate_html(document(), EXAMPLES, lang="ko"))
    for english in ("Under corruptions", "Model card", "does not hold", "Blurred", "severity"):
        assert english not in text
    assert "인증서" in text


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_rows_show_cells(lang: str) -> None:
    cells = [{"cells": [{"column": "age", "before": "36", "after": ""}]}] * 5
    examples = {"blur": cells, "blank": cells[:1]}
    assert "age : 36 → –" in text_of(certificate_html(document(unit="rows"), examples, lang=lang))


def test_every_corruption_has_a_name() -> None:
    from mindle.data.images import corruptions as pictures
    from mindle.data.tables import corruptions as tables
    from mindle.records import Column

    columns = [Column(name=kind, kind=kind) for kind in ("number", "category", "date")]
    every = (*pictures.CORRUPTIONS, *pictures.IRRELEVANT, *tables.corruptions_of(columns), *tables.IRRELEVANT)
    assert {f"certificate.corruption.{one.name}" for one in every} <= set(catalogue())
