"""A page that sets variants beside each other: what differs, what came of it, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from mindle.artifacts.files import write_text
from mindle.evaluation.compare import Comparison
from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.figures import Axes, amounts, downwards, named, shortened
from mindle.evaluation.report.formatting import NONE, amount, count, p_value
from mindle.evaluation.report.page import built, page_of, render
from mindle.evaluation.report.sections import (
    SHARE,
    Page,
    Values,
    bar_style,
    cell_of,
    diagnosis_values,
    score_format,
)
from mindle.evaluation.report.training import history_curves, learning_curve
from mindle.evaluation.report.verdict import chance_text, gap_texts, verdict

Paired = Sequence[tuple[str, str, Comparison]]


def _no_facts() -> Mapping[str, str]:
    return {}


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
    facts: Mapping[str, str] = field(default_factory=_no_facts)


def comparison_html(
    title: str,
    variants: Sequence[Variant],
    comparisons: Paired,
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
        answer: What was learnt, in the author's own words, under "Why".
        lang: "en" or "ko".

    Raises:
        ValueError: If there is no variant, their tasks differ, or a name is not theirs.
    """
    _require_comparable(variants, comparisons)
    page = page_of(variants[0].content, lang)
    made = {
        "outcome": lambda page: _outcome(variants, page),
        "paired": lambda page: _paired(comparisons, page),
        "settings": lambda _: _settings(variants),
        "curves": lambda page: _curves(variants, page),
        "why": lambda page: _why(variants, answer, page),
        "commands": lambda _: _commands(variants),
    }
    return render(
        "comparison.html",
        page=page,
        say=page.say,
        title=page.say("comparison.title", name=title),
        name=title,
        question=question,
        verdict=_verdict(comparisons[0], page) if comparisons else "",
        forest=_forest(variants, page),
        sections=built(page, made.items()),
    )


def write_comparison(
    path: str | Path,
    title: str,
    variants: Sequence[Variant],
    comparisons: Paired,
    *,
    question: str = "",
    answer: str = "",
    lang: str = "en",
) -> Path:
    """Write the page as one file that opens anywhere, offline; see `comparison_html`.

    Raises:
        DeviceError: If it cannot be written.
    """
    page = comparison_html(title, variants, comparisons, question=question, answer=answer, lang=lang)
    write_text(Path(path), page)
    return Path(path)


def _require_comparable(variants: Sequence[Variant], comparisons: Paired) -> None:
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


def _verdict(pair: tuple[str, str, Comparison], page: Page) -> str:
    one, two, found = pair
    return verdict(found, one, two, lang=page.say.lang, unit=page.say.unit)


def _forest(variants: Sequence[Variant], page: Page) -> Markup:
    """The main score of each variant as a dot on its interval."""
    name = page.task.main
    form, label = score_format(name), page.say(f"metric.{name}")
    found = [variant.content.test_score(name) for variant in variants]
    ends = np.array([end for score in found for end in score if end is not None])
    spread = float(np.ptp(ends)) or float(abs(ends[0])) or 1.0
    low, high = max(0.0, float(ends.min()) - 0.15 * spread), float(ends.max()) + 0.15 * spread
    high = min(1.0, high) if form is SHARE else high
    names = [shortened(variant.name, 20) for variant in variants]
    rows = downwards(named(names))
    written = (lambda value: f"{100 * value:g}%") if form is SHARE else amount
    x = amounts(low, high, label, most=5, written=written)
    axes = Axes(x=x, y=rows, width=330 + rows.room, height=70 + 62 * len(variants), right=26)
    marks: list[Markup] = []
    for at, (value, start, end) in enumerate(found):
        class_ = "val" if at == len(variants) - 1 else "other"
        if value is None:
            continue
        if start is not None and end is not None:
            marks.append(axes.spans(start, at, end, at, f"span {class_}"))
        marks.append(axes.dots([value], [at], f"mean {class_}", 7.0))
        marks += axes.texts([value], [at], [form.text(value)], "label", above=14)
    described = "; ".join(
        f"{name}: {form.text(score.value)}" for name, score in zip(names, found, strict=True)
    )
    return axes.drawn(*marks, title=page.say("comparison.forest", metric=label), description=described)


def _outcome(variants: Sequence[Variant], page: Page) -> Values:
    """Scores, size and time of each."""
    facts = list(dict.fromkeys(name for variant in variants for name in variant.facts))
    rows = []
    for variant in variants:
        seconds = variant.content.metrics.get("seconds", {}).get("total")
        rows.append(
            {
                "name": variant.name,
                "scores": [cell_of(name, variant.content.test) for name in page.task.compared],
                "parameters": NONE if variant.parameters is None else count(variant.parameters),
                "seconds": "" if seconds is None else page.say.duration(seconds),
                "facts": [variant.facts.get(name, "") for name in facts],
            }
        )
    return {"metrics": page.task.compared, "facts": facts, "rows": rows}


def _paired(comparisons: Paired, page: Page) -> Values | None:
    """Each pair: the difference of every score with its interval, and how easily luck does the same."""
    pairs = []
    for one, two, found in comparisons:
        rows = []
        for each in found.differences:
            value, low, high = gap_texts(each, page.say)
            reach = max(abs(each.low), abs(each.high), 1e-12)
            left, right, middle = (0.5 + 0.5 * end / reach for end in (each.low, each.high, each.value))
            chance = f"{chance_text(each.chance, page.say)} ({p_value(each.chance)})"
            style = bar_style(left, right, middle)
            rows.append(
                (page.say(f"metric.{each.name}"), value, f"{low} – {high}", chance, style, bool(each.better))
            )
        # A single verdict stands at the top of the page.
        conclusion = _verdict((one, two, found), page) if len(comparisons) > 1 else ""
        pairs.append({"title": f"{two} − {one}", "verdict": conclusion, "rows": rows})
    return {"pairs": pairs} if pairs else None


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
    rows = {
        name: [each.get(name) for each in known]
        for name in dict.fromkeys(name for each in known for name in each)
    }
    return {
        "names": [variant.name for variant in variants],
        "differ": {
            name: values for name, values in rows.items() if any(value != values[0] for value in values)
        },
        "same": {
            name: values[0] for name, values in rows.items() if all(value == values[0] for value in values)
        },
    }


def _curves(variants: Sequence[Variant], page: Page) -> Values | None:
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
    return {"figures": figures} if figures else None


def _why(variants: Sequence[Variant], answer: str, page: Page) -> Values | None:
    """What was noticed about the training of each, below what its author says."""
    if not answer and not any(variant.content.training.diagnoses for variant in variants):
        return None
    noticed = [(each.name, diagnosis_values(each.content.training.diagnoses, page.say)) for each in variants]
    return {"answer": answer, "variants": noticed}


def _commands(variants: Sequence[Variant]) -> Values | None:
    """What to type to get each."""
    known = [
        (each.name, each.content.provenance.command) for each in variants if each.content.provenance.command
    ]
    return {"commands": known} if known else None
