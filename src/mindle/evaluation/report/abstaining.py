"""How far answers can be trusted: calibration, label sets, what is refused and why, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from mindle.evaluation import tasks
from mindle.evaluation.report.figures import Axes, amounts, shares
from mindle.evaluation.report.formatting import Score, count, decimal, interval, percent
from mindle.evaluation.report.sections import Page, Values
from mindle.messages import forms_of

MOST_REFUSED = 12


def abstaining(page: Page[Any]) -> Values:
    """Sentences, the reasons with their counts, the curve of risk against coverage, and refused samples."""
    test = page.content.test
    found = test.get("abstain")
    sentences = [*_on_confidence(page, test), *_on_sets(page, test.get("conformal"))]
    if found:
        sentences += _on_refusals(page, found)
        sentences += _on_foreign(page, page.content.metrics.get("abstention", {}))
    sentences += _on_costs(page, test)
    rows = tasks.of(page.content.task).refused(page.answers, MOST_REFUSED)
    return {
        "sentences": sentences,
        "reasons": [] if not found else _reasons(page, found["by_reason"], int(test["n"])),
        "figure": risk_figure(page, found) if found else "",
        "examples": [_refused(page, row) for row in rows],
    }


def _with_span(score: Mapping[str, Any], written: Any = percent) -> dict[str, str]:
    value, low, high = Score.of(score)
    return {"value": written(value), "span": interval(low, high, written)}


def _on_confidence(page: Page[Any], test: Mapping[str, Any]) -> Iterator[str]:
    """How far confidence lies from accuracy, and how much of that is chance."""
    if "ece_by_chance" not in test:
        return
    chance, before = test["ece_by_chance"], test.get("ece_uncalibrated")
    figures = {
        "ece": decimal(test["ece"]),
        "classwise": decimal(test["ece_classwise"]),
        "chance": decimal(chance["mean"]),
        "high": decimal(chance["high"]),
    }
    by_chance = "within" if test["ece"] <= chance["high"] else "beyond"
    yield page.say(f"abstaining.ece_{by_chance}", **figures)
    if before is not None:
        yield page.say("abstaining.before", before=decimal(before))


def _on_sets(page: Page[Any], found: Mapping[str, Any] | None) -> Iterator[str]:
    """How often the truth is in its label set, and whether that was promised."""
    if not found:
        return
    level, n = percent(found["target"]), int(page.content.test["n"])
    if refused := found.get("refused"):
        yield page.say(
            "abstaining.sets_refused", level=level, n=refused["n"], needed=count(refused["needed"])
        )
        return
    yield page.say("abstaining.sets", level=level, n=n, **_with_span(found["coverage"]))
    if (alone := found.get("alone")) is not None:
        yield page.say("abstaining.sets_alone", alone=percent(alone), level=level)
    sizes = [f"{size}: {percent(share)}" for size, share in found["sizes"].items()]
    yield page.say("abstaining.sizes", size=f"{found['mean_set_size']:.2f}", sizes=", ".join(sizes))


def _on_refusals(page: Page[Any], found: Mapping[str, Any]) -> Iterator[str]:
    """How many are refused, and how good the rest is."""
    yield page.say("abstaining.rate", **_with_span(found["rate"]))
    rest = found[f"{page.main}_of_the_rest"]
    if rest["value"] is not None:
        yield page.say(f"abstaining.rest_{page.group}", **_with_span(rest, page.main_text))


def _on_foreign(page: Page[Any], found: Mapping[str, Any]) -> Iterator[str]:
    """How much of what it never saw it would refuse."""
    if left_out := found.get("left_out_classes"):
        shares = sorted(left_out.values())
        ends = {"low": percent(shares[0]), "high": percent(shares[-1])}
        yield page.say("abstaining.left_out", value=percent(sum(shares) / len(shares)), **ends)
    if others := found.get("others"):
        named = [f"{_called(page, name)} {percent(share)}" for name, share in others.items()]
        yield page.say("abstaining.others", shares=", ".join(named))


def _called(page: Page[Any], name: str) -> str:
    """Inputs of the panel in words; by their name where a newer mindle has others."""
    code = f"abstaining.foreign_{name}"
    return page.say(code) if forms_of(f"report.{code}") else name.replace("_", " ")


def _on_costs(page: Page[Any], test: Mapping[str, Any]) -> Iterator[str]:
    if "cost" in test:
        without = decimal(test["cost_without_abstaining"])
        yield page.say("abstaining.cost", without=without, **_with_span(test["cost"], decimal))


def _reasons(page: Page[Any], counts: Mapping[str, int], n: int) -> list[tuple[str, str, str]]:
    """Each reason in words, how many it refused, and their share."""
    return [
        (page.say(f"abstaining.code_{code}"), count(number), percent(number / n))
        for code, number in sorted(counts.items(), key=lambda each: -each[1])
    ]


def risk_figure(page: Page[Any], found: Mapping[str, Any]) -> Markup:
    """The loss of the answers that are kept, against their share."""
    kept, risk = np.array(found["risk_coverage"]).T
    label = page.say(f"abstaining.risk_{page.group}")
    top = max(1.1 * float(risk.max()), 1e-9)
    up = amounts(0.0, top, label, most=5, written=page.main_text)
    axes = Axes(x=shares(page.say("abstaining.kept")), y=up, width=520 + up.room, height=300)
    answered = 1 - (Score.of(found["rate"]).value or 0.0)
    return axes.drawn(
        axes.line([answered, answered], [0, top], "guess"),
        axes.line(kept, risk, "marked"),
        title=page.say("abstaining.curve"),
        description=page.say(
            "abstaining.curve_description",
            share=percent(answered),
            risk=page.main_text(float(np.interp(answered, kept, risk))),
            every=page.main_text(float(risk[-1])),
        ),
    )


def _refused(page: Page[Any], row: int) -> Values:
    """A refused sample: what it is, what was answered, and why a person should look."""
    path = page.answers.paths[row]
    reason = page.say(f"abstaining.code_{page.answers.abstain[row]}")
    return {
        **page.example(row),
        "path": path,
        "picture": page.content.explanation.pictures.get(path),
        "cells": (),
        "detail": reason,
    }
