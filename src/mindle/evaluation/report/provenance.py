"""What the answers rest on, and where the run comes from: columns, data, time, recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from mindle.evaluation.report.figures import Axes, amounts, downwards, named, shortened, widened
from mindle.evaluation.report.formatting import amount
from mindle.evaluation.report.sections import Page, Values
from mindle.messages import in_language
from mindle.records import SPLITS, Finding

COUNTED = (*SPLITS, "set_aside")
MOST_FEATURES = 20
MOST_DEPENDENCES = 9


def importance(page: Page[Any]) -> Values:
    """Permutation importance: the most important columns, and the end of the scale of their bars."""
    ranked = sorted(page.content.explanation.importance, key=lambda each: -float(each["mean"]))
    largest = max((float(each.get("high") or each["mean"]) for each in ranked), default=0.0)
    return {"ranked": ranked[:MOST_FEATURES], "largest": largest, "left": len(ranked[MOST_FEATURES:])}


def borders(page: Page[Any]) -> Values:
    """How much of the evidence for each class lies in the border of the images."""
    return {"borders": [each for each in page.content.explanation.borders if each["n"]]}


def dependence(page: Page[Any]) -> Values:
    """Partial dependence as small figures on one scale."""
    drawn = [each for each in page.content.explanation.dependence if len(each["values"])][:MOST_DEPENDENCES]
    every = np.concatenate([np.asarray(each["values"], np.float64) for each in drawn] or [np.zeros(1)])
    ends = widened(every, 0.06)
    return {"figures": [(each["name"], dependence_figure(page, ends, **each)) for each in drawn]}


def dependence_figure(
    page: Page[Any],
    ends: tuple[float, float],
    *,
    name: str,
    kind: str,
    at: Sequence[Any],
    values: Sequence[float],
) -> Markup:
    """The mean answer by one feature: a line for numbers, dots in a column each for categories."""
    places = list(map(str, at)) if kind == "category" else [amount(float(each)) for each in at]
    if kind == "category":  # names on the left, dots to the right: names of categories need the room
        rows = downwards(named(shortened(place, 16) for place in places))
        height = max(110, 40 + 24 * len(places))
        x = amounts(*ends, most=3, written=page.answer)
        axes = Axes(x=x, y=rows, width=300, height=height, right=28, bottom=30, top=8)
        drawn = axes.dots(values, np.arange(len(places)), "point", 5.0)
    else:
        x = amounts(float(min(at)), float(max(at)), most=4)
        y = amounts(*ends, page.say("dependence.answer"), most=4, written=page.answer)
        axes = Axes(x=x, y=y, width=300, height=210, right=24, bottom=30)
        drawn = axes.line(at, values, "marked")
    pairs = zip(places, values, strict=True)
    described = "; ".join(f"{place}: {page.answer(float(value))}" for place, value in pairs)
    return axes.drawn(drawn, title=name, description=described)


def data(page: Page[Any]) -> Values:
    """The splits, and the findings together that are of one kind and outcome."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in page.content.data.findings:
        groups.setdefault((finding.kind, str(finding.action)), []).append(finding)
    return {"splits": COUNTED, "groups": groups}


def reproduce(page: Page[Any]) -> Values:
    """Seeds, versions and fingerprint by name, and the recipe."""
    content, provenance = page.content, page.content.provenance
    facts = dict(provenance.environment)
    if content.data.fingerprint:
        facts[page.say("reproduce.fingerprint")] = content.data.fingerprint
    recipe = dict(provenance.recipe)
    if "about" in recipe:
        recipe["about"] = in_language(recipe["about"], page.say.lang)
    return {"facts": facts, "recipe": "\n".join(recipe_lines(recipe))}


def recipe_lines(recipe: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The recipe as TOML: plain settings first, then a table for each concern.

    Example:
        >>> recipe_lines({"strategy": "probe", "train": {"epochs": 3}})
        ['strategy = "probe"', '', '[train]', 'epochs = 3']
    """
    lines, tables = [], []
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            tables += ["", f"[{prefix}{key}]", *recipe_lines(value, f"{prefix}{key}.")]
        elif value is not None:
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False, default=str)}")
    return lines + tables
