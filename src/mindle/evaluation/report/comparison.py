"""A page that sets variants beside each other: what differs, what came of it, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup

from mindle.evaluation.compare import Comparison
from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.figures import Axes, amounts, downwards, named, shortened
from mindle.evaluation.report.formatting import amount, p_value, percent, writer
from mindle.evaluation.report.page import page_of
from mindle.evaluation.report.sections import Page, Sections, Values
from mindle.evaluation.report.training import history_curves, learning_curve
from mindle.evaluation.report.verdict import chance_text, gap_texts, verdict

Pairs = Sequence[tuple[str, str, Comparison]]  # names of a first and a second variant, and their comparison


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way of doing it: its run as a report shows it, its size and its settings.

    Attributes:
        name: As people know it, such as "as written".
        content: Its run; scores, seconds, history and diagnosis are taken from here.
        parameters: How many numbers training could change; None where that is not known.
        settings: What was set, nested by concern.
        facts: More columns of the table of outcomes, such as {"Peak memory": "1.2 GB"}.
    """

    name: str
    content: ReportContent
    parameters: int | None
    settings: Mapping[str, Any]
    facts: Mapping[str, str] = field(default_factory=dict)


def comparison_html(
    title: str,
    variants: Sequence[Variant],
    comparisons: Pairs,
    *,
    question: str = "",
    answer: str = "",
    lang: str = "en",
) -> str:
    """The whole page as text: no script, nothing to load, the same bytes for the same content.

    Args:
        title: Of the experiment.
        variants: All of one task; the last one is drawn in yellow. Usually two or more; a page of one works
            all the same.
        comparisons: Names of a first and a second variant with their paired `Comparison`.
        question: What was asked, one sentence.
        answer: What was learned, as the author puts it, under "Why".
        lang: "en" or "ko".

    Raises:
        ValueError: If there is no variant, their tasks differ, or a name is not theirs.
    """
    _require_comparable(variants, comparisons)
    page = page_of(variants[0].content, lang)
    shown = {"variants": variants, "answer": answer}
    sections: Sections = {
        "outcome": lambda _: shown,
        "paired": lambda page: {"pairs": [_paired(pair, page) for pair in comparisons]},
        "settings": lambda _: {**shown, **_settings(variants)},
        "curves": lambda page: {"figures": _curves(variants, page)},
        "why": lambda _: shown,
        "commands": lambda _: shown,
    }
    return page.render(
        "comparison.html",
        title=page.say("comparison.title", name=title),
        name=title,
        question=question,
        verdict=_verdict(comparisons[0], page) if comparisons else "",
        forest=_forest(variants, page),
        sections=page.rendered(sections),
    )


def _require_comparable(variants: Sequence[Variant], comparisons: Pairs) -> None:
    names = [variant.name for variant in variants]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"`variants` must be one or more, of different names. Received {names}.")
    tasks = sorted({variant.content.task for variant in variants})
    if len(tasks) > 1:
        raise ValueError(f"`variants` must be of one task. Received {', '.join(tasks)}.")
    unknown = {name for one, two, _ in comparisons for name in (one, two)} - set(names)
    if unknown:
        raise ValueError(
            f"`comparisons` must be between {', '.join(names)}. Received {', '.join(sorted(unknown))}."
        )


def _verdict(pair: tuple[str, str, Comparison], page: Page[Any]) -> str:
    one, two, found = pair
    return verdict(found, one, two, lang=page.say.lang, unit=page.say.unit)


def _forest(variants: Sequence[Variant], page: Page[Any]) -> Markup:
    """The main score of each variant as a dot on its interval."""
    written, label = writer(page.main), page.say(f"metric.{page.main}")
    is_share = written is percent
    found = [variant.content.test_score(page.main) for variant in variants]
    ends = np.array([end for score in found for end in score if end is not None])
    spread = float(np.ptp(ends)) or float(abs(ends[0])) or 1.0
    low, high = max(0.0, float(ends.min()) - 0.15 * spread), float(ends.max()) + 0.15 * spread
    tick = (lambda value: f"{100 * value:g}%") if is_share else amount
    names = [shortened(variant.name, 20) for variant in variants]
    rows = downwards(named(names))
    x = amounts(low, min(1.0, high) if is_share else high, label, most=5, written=tick)
    axes = Axes(x=x, y=rows, width=330 + rows.room, height=70 + 62 * len(variants), right=26)
    marks: list[Markup] = []
    for at, (value, start, end) in enumerate(found):
        class_ = "val" if at == len(variants) - 1 else "other"
        if value is None:
            continue
        if start is not None and end is not None:
            marks.append(axes.spans(start, at, end, at, f"span {class_}"))
        marks.append(axes.dots([value], [at], f"mean {class_}", 7.0))
        marks += axes.texts([value], [at], [written(value)], "label", above=14)
    described = "; ".join(f"{name}: {written(score.value)}" for name, score in zip(names, found, strict=True))
    return axes.drawn(*marks, title=page.say("comparison.forest", metric=label), description=described)


def _paired(pair: tuple[str, str, Comparison], page: Page[Any]) -> Values:
    """A pair: the difference of every score with its interval, and how easily chance does the same."""
    one, two, found = pair
    rows = []
    for each in found.differences:
        value, low, high = gap_texts(each, page.say)
        reach = 2 * max(abs(each.low), abs(each.high), 1e-12)
        rows.append(
            {
                "metric": each.name,
                "value": value,
                "interval": f"{low} – {high}",
                "chance": f"{chance_text(each.chance, page.say)} ({p_value(each.chance)})",
                "ends": [0.5 + end / reach for end in (each.low, each.high, each.value)],
                "decided": bool(each.better),
            }
        )
    return {"title": f"{two} − {one}", "verdict": _verdict(pair, page), "rows": rows}


def flattened(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its full name.

    Example:
        >>> list(flattened({"strategy": "scratch", "train": {"epochs": 3}}))
        [('strategy', 'scratch'), ('train.epochs', 3)]
    """
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _settings(variants: Sequence[Variant]) -> Values:
    """The settings that differ side by side, and behind a line those that do not."""
    known = [dict(flattened(variant.settings)) for variant in variants]
    rows = {name: [each.get(name) for each in known] for each in known for name in each}
    same = {name: values[0] for name, values in rows.items() if all(value == values[0] for value in values)}
    return {"differ": {name: values for name, values in rows.items() if name not in same}, "same": same}


def _curves(variants: Sequence[Variant], page: Page[Any]) -> dict[str, Markup]:
    """One figure a quantity: validation of each variant, training faint behind it."""
    drawn = {variant.name: history_curves(variant.content.training.history) for variant in variants}
    figures = {}
    for quantity in dict.fromkeys(name for curves in drawn.values() for name in curves):
        series, styles = {}, {}
        for variant, curves in drawn.items():
            strong = "val" if variant == variants[-1].name else "other-strong"
            for split, curve in sorted(curves.get(quantity, {}).items(), reverse=True):  # validation first
                name = variant if split == "val" else page.say("curves.training", name=variant)
                series[name], styles[name] = curve, strong if split == "val" else f"{strong} faint"
        figures[quantity] = learning_curve(quantity, series, styles, page.say)
    return figures
