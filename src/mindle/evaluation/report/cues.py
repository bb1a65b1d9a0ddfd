"""What a class can be predicted from alone, where the model is clearly worse, and outliers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mindle.evaluation.report.formatting import decimal, interval, percent
from mindle.evaluation.report.sections import Page, Values
from mindle.records import Finding

MOST_CUES = 12
EXPLAINED = 0.5  # share of the model's gain over guessing, from which a cue is said to explain it
# Findings about single images of which the page shows the first with their pictures.
QUALITY = ("dark", "blurred", "blank", "tiny")
MOST_EACH = 6


def shortcuts(page: Page[Any]) -> Values:
    """How much each cue says alone; the alarms as sentences."""
    found = page.content.doctor.get("shortcuts", ())
    alarms = [page.say.translated(each["message"]) for each in found if each["alarm"]]
    if not found:
        return {"rows": []}
    classes = "ranking" in found[0]
    return {
        "alarms": alarms,
        "classes": classes,
        "rows": [_row(page, each, classes) for each in found[:MOST_CUES]],
        "chance": percent(found[0]["chance"]) if classes else "",
        "explaining": [_explaining(page, each) for each in found if explains(page, each)],
    }


def _row(page: Page[Any], each: Mapping[str, Any], classes: bool) -> Values:
    written = percent if classes else decimal
    cells = [_span(each["score"], written)]
    if classes:
        cells += [each["label"], _span(each["ranking"], decimal)]
    return {"name": page.say.translated(each["name"]), "alarm": each["alarm"], "cells": cells}


def _span(score: Mapping[str, Any], written: Any) -> str:
    return f"{written(score['value'])} ({interval(score['low'], score['high'], written)})"


def explains(page: Page[Any], each: Mapping[str, Any]) -> float:
    """The share of what the model is better than chance that a cue reaches alone; 0 where that is little."""
    reached = page.content.test_score("accuracy" if "ranking" in each else "r2").value or 0.0
    gained, alone = reached - each["chance"], (each["score"]["value"] or 0.0) - each["chance"]
    share = alone / gained if gained > 0 else 0.0
    return min(share, 1.0) if share >= EXPLAINED and each["content"] != "all" else 0.0


def _explaining(page: Page[Any], each: Mapping[str, Any]) -> str:
    share = percent(explains(page, each))
    return page.say("shortcuts.explains", name=page.say.translated(each["name"]), share=share)


def slices(page: Page[Any]) -> Values:
    """Where the model is clearly worse, out of fold and on the test split."""
    parts = {
        "test_slices": page.say("slices.on_test"),
        "slices": page.say("slices.out_of_fold"),
    }
    doctor = page.content.doctor
    return {
        "parts": [
            (heading, [page.say.translated(each["message"]) for each in doctor[name]])
            for name, heading in parts.items()
            if doctor.get(name)
        ]
    }


def unclear(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Kind and path of the first images of each kind in which little can be seen."""
    return [
        (found.kind, path) for found in findings if found.kind in QUALITY for path in found.files[:MOST_EACH]
    ]


def quality(page: Page[Any]) -> Values:
    """Images in which little can be seen, with their pictures."""
    say, pictures = page.say, page.content.explanation.pictures
    return {
        "examples": [
            {
                "path": path,
                "picture": pictures.get(path),
                "cells": (),
                "truth": say(f"kind.{kind}"),
                "answer": "",
                "detail": "",
                "described": f"{path}: {say(f'kind.{kind}')}",
            }
            for kind, path in unclear(page.content.data.findings)
        ]
    }


def outliers(page: Page[Any]) -> Values:
    """Samples that lie far from all others, with their pictures."""
    say, pictures = page.say, page.content.explanation.pictures
    return {
        "examples": [
            {
                "path": each["path"],
                "picture": pictures.get(each["path"]),
                "cells": (),
                "truth": say("labels.label", name=each["label"]) if each["label"] else "",
                "answer": "",
                "detail": "",
                "described": say("outliers.picture", path=each["path"]),
            }
            for each in page.content.doctor.get("outliers", ())
        ]
    }
