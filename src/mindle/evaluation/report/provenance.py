"""What the answers rest on, and where the run comes from: columns, data, time, recipe, licences, limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from mindle.evaluation.report.figures import Axes, amounts, downwards, named, shortened
from mindle.evaluation.report.formatting import Score, alike, amount, count, interval
from mindle.evaluation.report.sections import Cell, Page, Values, bar, capitalised
from mindle.records import PARTS, Finding

SPLITS = (*PARTS, "set_aside")
SHORT_LIST = 40  # lists up to this length are printed too
MOST_FEATURES = 20
MOST_DEPENDENCES = 9
MOST_COLUMNS_OPEN = 30

# ---- what the answers rest on ------------------------------------------------------------------------------


def importance(page: Page) -> Values | None:
    """Permutation importance as bars with the spread of the shuffles."""
    ranked = sorted(page.content.explanation.importance, key=lambda each: -float(each["mean"]))
    if not ranked:
        return None
    largest = max(float(each.get("high") or each["mean"]) for each in ranked)
    rows = []
    for each in ranked[:MOST_FEATURES]:
        score = Score(float(each["mean"]), each.get("low"), each.get("high"))
        ends = interval(score.low, score.high, largest)
        rows.append((str(each["name"]), Cell(alike(score.value, largest), ends, bar(score, largest))))
    return {"rows": rows, "left": len(ranked) - len(rows)}


def dependence(page: Page) -> Values | None:
    """Partial dependence as small figures on one scale."""
    drawn = [each for each in page.content.explanation.dependence if len(each["values"])][:MOST_DEPENDENCES]
    if not drawn:
        return None
    every = np.concatenate([np.asarray(each["values"], np.float64) for each in drawn])
    low, high = float(every.min()), float(every.max())
    spread = (high - low) or abs(high) or 1.0
    ends = (low - 0.06 * spread, high + 0.06 * spread)
    return {"figures": [(str(each["name"]), dependence_figure(each, ends, page)) for each in drawn]}


def dependence_figure(each: Mapping[str, Any], ends: tuple[float, float], page: Page) -> Markup:
    """The mean answer by one feature: a line for numbers, dots in a column each for categories."""
    draw = _dependence_on_category if each["kind"] == "category" else _dependence_on_number
    return draw(str(each["name"]), list(each["at"]), np.asarray(each["values"], np.float64), ends, page)


def _dependence_on_number(
    name: str, at: Sequence[Any], values: Any, ends: tuple[float, float], page: Page
) -> Markup:
    written, x = page.task.answer, np.array(at, np.float64)
    axes = Axes(
        x=amounts(float(x.min()), float(x.max()), most=4),
        y=amounts(*ends, page.say("dependence.answer"), most=4, written=written),
        width=300,
        height=210,
        right=24,
        bottom=30,
    )
    described = _described([amount(float(each)) for each in at], values, written)
    return axes.drawn(axes.line(x, values, "marked"), title=name, description=described)


def _dependence_on_category(
    name: str, at: Sequence[Any], values: Any, ends: tuple[float, float], page: Page
) -> Markup:
    """Names on the left, dots to the right: names of categories need the room."""
    written = page.task.answer
    axes = Axes(
        x=amounts(*ends, most=3, written=written),
        y=downwards(named(shortened(str(each), 16) for each in at)),
        width=300,
        height=max(110, 40 + 24 * len(at)),
        right=28,
        bottom=30,
        top=8,
    )
    described = _described([str(each) for each in at], values, written)
    return axes.drawn(axes.dots(values, np.arange(len(at)), "point", 5.0), title=name, description=described)


def _described(names: Sequence[str], values: Any, written: Callable[[float], str]) -> str:
    return "; ".join(f"{name}: {written(float(value))}" for name, value in zip(names, values, strict=True))


# ---- data --------------------------------------------------------------------------------------------------


def columns(page: Page) -> Values | None:
    """How each column was read, and what for."""
    found = page.content.data.columns
    return {"columns": found, "folded": len(found) > MOST_COLUMNS_OPEN} if found else None


def data(page: Page) -> Values:
    """How many lie in which split, what was set aside and why, and every finding with every file."""
    summary, say, group = page.content.data, page.say, page.task.group
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in summary.findings:
        groups.setdefault((finding.kind, str(finding.action)), []).append(finding)
    return {
        "crossed": "folds" in page.content.test,
        "title": say(f"{group}.split"),
        "by": say(f"{group}.split_by", target=summary.target or say("fact.target")),
        "splits": SPLITS,
        "counts": [
            (name, [count(numbers.get(split, 0)) for split in SPLITS])
            for name, numbers in summary.counts.items()
        ],
        "totals": [count(summary.total(split)) for split in SPLITS] if len(summary.counts) > 1 else [],
        "aside": [(capitalised(say.known("kind", kind)), count(n)) for kind, n in summary.set_aside.items()],
        "findings": [_finding_group(found, page) for found in groups.values()],
    }


def _finding_group(findings: Sequence[Finding], page: Page) -> Values:
    """Findings of one kind and outcome, closed, with each sentence and every file inside."""
    files = sum(len(finding.files) for finding in findings)
    return {
        "kind": capitalised(page.say.known("kind", findings[0].kind)),
        "files": files,
        "action": page.say.known("action", findings[0].action),
        "decision": any(finding.decision for finding in findings),
        "printed": files <= SHORT_LIST,
        "findings": findings,
    }


# ---- time, recipe, licences, limits ------------------------------------------------------------------------


def timing(page: Page) -> Values | None:
    """Seconds of each stage and images a second where a stage counts images."""
    seconds: Mapping[str, float] = page.content.metrics.get("seconds", {})
    rates: Mapping[str, float] = page.content.metrics.get("images_per_second", {})
    stages = dict.fromkeys([*seconds, *rates])
    rows = [
        (
            page.say.known("stage", name),
            page.say.duration(seconds[name]) if name in seconds else "",
            page.say("unit.rate", n=amount(rates[name], 2 if rates[name] < 10 else 3))
            if name in rates
            else "",
        )
        for name in stages
        if name != "total"
    ]
    total = page.say.duration(seconds["total"]) if "total" in seconds else ""
    return {"rows": rows, "total": total} if stages else None


def reproduce(page: Page) -> Values | None:
    """Command, seeds, versions, fingerprint and recipe."""
    content, provenance = page.content, page.content.provenance
    facts = {name: str(value) for name, value in provenance.environment.items()}
    if content.data.fingerprint:
        facts[page.say("reproduce.fingerprint")] = content.data.fingerprint
    if not (provenance.command or facts or provenance.recipe):
        return None
    recipe = "\n".join(recipe_lines(provenance.recipe))
    return {"command": provenance.command, "facts": facts, "recipe": recipe}


def recipe_lines(recipe: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The recipe as TOML: plain settings first, then a table for each concern.

    Example:
        >>> recipe_lines({"strategy": "probe", "train": {"epochs": 3}})
        ['strategy = "probe"', '', '[train]', 'epochs = 3']
    """
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False, default=str)}"
        for key, value in recipe.items()
        if value is not None and not isinstance(value, Mapping)
    ]
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{prefix}{key}]", *recipe_lines(value, f"{prefix}{key}.")]
    return lines


def licences(page: Page) -> Values | None:
    """Whose weights are inside, and what they may be used for."""
    found = page.content.provenance.licences
    return {"licences": found} if found else None


def limits(page: Page) -> Values:
    """What the numbers do not say."""
    sealed = "refitted" if "folds" in page.content.test else "once"
    names = ("kind", "", "labels", "interval", sealed)
    return {"limits": [page.say(f"limits.{name}") if name else page.task.limit(page) for name in names]}
