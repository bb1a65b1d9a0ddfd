"""What is wrong with the data, and how much more of them would help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from mindle.evaluation.report.figures import Axes, amounts
from mindle.evaluation.report.formatting import interval, percent
from mindle.evaluation.report.sections import Page, Values

# Below this share of labels that the model names, its own mistakes make up much of what it questions.
STRONG = 0.95
# The stated precision, in per cent, of the suggestions that are counted in a sentence.
STATED = "90"
MISTAKES_IN = 1_000


def labels(page: Page[Any]) -> Values:
    """How many labels are probably wrong, and the most questionable of them."""
    found = page.content.doctor.get("labels", {})
    if not found or found["share"]["value"] is None:
        return {"sentences": []}
    classes = sorted(found["per_class"], key=lambda each: -(each["value"] or 0.0))
    return {
        "sentences": list(_on_labels(page, found)),
        "classes": [{**each, "share": _span(each)} for each in classes if each["value"]],
        "examples": [_questioned(page, row) for row in page.content.doctor.get("issues", ())],
        "act": page.say("labels.act" if "suggestions" in found else "labels.act_by_hand"),
    }


def _span(score: Mapping[str, Any]) -> str:
    return f"{percent(score['value'])} ({interval(score['low'], score['high'], percent)})"


def _on_labels(page: Page[Any], found: Mapping[str, Any]) -> Sequence[str]:
    say, share = page.say, found["share"]
    ends = {"value": percent(share["value"]), "span": interval(share["low"], share["high"], percent)}
    if "suggestions" not in found:
        return [say("labels.targets", n=found["n"], **ends)]
    sentences = [say("labels.share", n=found["n"], **ends)]
    if found["accuracy"] < STRONG:
        certain = _span(found["certain"])
        sentences.append(say("labels.upper", accuracy=percent(found["accuracy"]), certain=certain))
    if count := found["suggestions"].get(STATED, 0):
        sentences.append(say("labels.stated", n=count))
    if count := found.get("unasked", 0):
        sentences.append(say("labels.unasked", n=count))
    return sentences


def _questioned(page: Page[Any], row: Mapping[str, str]) -> Values:
    """A label beside what is suggested, with its picture where there is one."""
    say, path = page.say, row["path"]
    truth, answer = say("labels.label", name=row["label"]), say("labels.suggested", name=row["suggested"])
    certain = "suggestions" in page.content.doctor["labels"]
    return {
        "path": path,
        "picture": page.content.explanation.pictures.get(path),
        "cells": (),
        "truth": truth,
        "answer": answer,
        "detail": say("labels.probability", value=percent(float(row["score"]))) if certain else "",
        "described": say("labels.picture", path=path, truth=row["label"], answer=row["suggested"]),
    }


def curve(page: Page[Any]) -> Values:
    """The loss against the number of samples, and where it is likely to go."""
    found = page.content.doctor.get("curve")
    if not found:
        return {"rows": []}
    return {
        "figure": curve_figure(page, found),
        "rows": [(each["n"], _loss(page, each)) for each in (found["now"], *found["extrapolated"])],
        "next": _next(page, found),
    }


def _loss(page: Page[Any], score: Mapping[str, Any]) -> str:
    return f"{page.main_text(score['value'])} ({interval(score['low'], score['high'], page.main_text)})"


def _next(page: Page[Any], found: Mapping[str, Any]) -> str:
    """Which class to collect next, in a sentence; "" of numbers."""
    if not found["per_class"]:
        return ""
    first = found["per_class"][0]
    fewer = {end: f"{MISTAKES_IN * first[end]:.1f}" for end in ("value", "low", "high")}
    form = "next" if found["next_class"] else "no_next"
    return page.say(f"curve.{form}", name=first["name"], **fewer)


def curve_figure(page: Page[Any], found: Mapping[str, Any]) -> Markup:
    """Measured points with their intervals, and the extrapolation as a band; the axis of samples doubles."""
    measured, ahead = found["points"], [found["now"], *found["extrapolated"]]
    every = [*measured, *ahead]
    n = np.log2([each["n"] for each in every])
    top = 1.05 * max(each["high"] for each in every) or 1.0
    up = amounts(0.0, top, page.say(f"curve.loss_{page.group}"), most=5, written=page.main_text)
    across = amounts(
        float(n.min()) - 0.2,
        float(n.max()) + 0.2,
        page.say("curve.samples"),
        most=7,
        written=lambda at: f"{round(2**at):,}",
    )
    axes = Axes(x=across, y=up, width=560 + up.room, height=320)
    points = {end: np.array([each[end] for each in measured]) for end in ("value", "low", "high")}
    at, later = n[: len(measured)], n[len(measured) :]
    low, high, value = (np.array([each[end] for each in ahead]) for end in ("low", "high", "value"))
    return axes.drawn(
        axes.area(np.append(later, later[::-1]), np.append(low, high[::-1]), "band"),
        axes.spans(at, points["low"], at, points["high"], "whisker"),
        axes.dots(at, points["value"], "point"),
        axes.line(later, value, "marked"),
        title=page.say("curve.heading"),
        description=page.say("curve.description", n=ahead[-1]["n"], value=_loss(page, ahead[-1])),
    )
