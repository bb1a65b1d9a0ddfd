"""A page that sets two ways, or more, beside each other: what differs, what came of it, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mindle.artifacts.files import write_text
from mindle.evaluation.compare import Comparison
from mindle.evaluation.report import numbers
from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.diagnosis import diagnosed
from mindle.evaluation.report.judged import bar, section, share_cell
from mindle.evaluation.report.lines import series_figure, shortened, text_width
from mindle.evaluation.report.markup import Child, Html, named, table, tag
from mindle.evaluation.report.page import document
from mindle.evaluation.report.plots import Axes, history_curves, history_epochs, number
from mindle.evaluation.report.verdict import chance_text, gap_texts, verdict
from mindle.evaluation.report.words import NONE, Words, amount, count, parts_of, percent


def _no_facts() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way of doing it: its run as a report tells it, its size and its settings.

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
    comparisons: Sequence[tuple[str, str, Comparison]],
    *,
    question: str = "",
    answer: str = "",
    lang: str = "en",
) -> str:
    """The whole page as text: no script, nothing to load, the same bytes for the same content.

    Args:
        title: Of the experiment.
        variants: All of one task; the last one is drawn in yellow. Usually two or more; one alone is told of
            all the same.
        comparisons: Names of a first and a second variant with their paired `Comparison`.
        question: What was asked, one sentence.
        answer: What was learnt, in the author's own words, under "Why".
        lang: "en" or "ko".

    Raises:
        ValueError: If there is no variant, their tasks differ, or a name is not theirs.
    """
    _require_comparable(variants, comparisons)
    words = Words(lang, variants[0].content.subject)
    body: list[Child] = [_headline(title, variants, comparisons, question, words)]
    made = {
        "outcome": _outcome(variants, words),
        "paired": _paired(comparisons, words),
        "settings": _settings(variants, words),
        "curves": _curves(variants, words),
        "why": _why(variants, answer, words),
        "commands": _commands(variants, words),
    }
    built = {name: each for name, each in made.items() if each}
    links = [tag("li", tag("a", words(f"{name}.heading"), href=f"#{name}")) for name in built]
    styles = ("page.css", "more.css", "comparison.css")
    return document(words("comparison.title", name=title), [*body, *built.values()], links, styles, words)


def write_comparison(
    path: str | Path,
    title: str,
    variants: Sequence[Variant],
    comparisons: Sequence[tuple[str, str, Comparison]],
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


def _require_comparable(
    variants: Sequence[Variant], comparisons: Sequence[tuple[str, str, Comparison]]
) -> None:
    names = [variant.name for variant in variants]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"`variants` must be one or more, of different names. Received {names}.")
    tasks = sorted({str(variant.content.metrics["task"]) for variant in variants})
    if len(tasks) > 1:
        raise ValueError(f"`variants` must be of one task. Received {', '.join(tasks)}.")
    unknown = {name for one, two, _ in comparisons for name in (one, two)} - set(names)
    if unknown:
        raise ValueError(
            f"`comparisons` must be between {', '.join(names)}. Received {', '.join(sorted(unknown))}."
        )


# ---- headline ----------------------------------------------------------------------------------------------


def _headline(
    title: str,
    variants: Sequence[Variant],
    comparisons: Sequence[tuple[str, str, Comparison]],
    question: str,
    words: Words,
) -> Html:
    """The question, what was found, and the main score of each with its interval."""
    said = [
        tag("p", verdict(found, one, two, lang=words.lang, subject=words.subject), class_="lead")
        for one, two, found in comparisons[:1]
    ]
    text: list[Child] = [
        tag("p", words("comparison.eyebrow"), class_="eyebrow"),
        tag("h1", tag("bdi", title)),
        tag("p", question, class_="lead soft question") if question else None,
        *said,
    ]
    return tag("header", tag("div", *text), tag("figure", _forest(variants, words)), class_="hero comparison")


def _forest(variants: Sequence[Variant], words: Words) -> Html:
    """The main score of each variant as a dot on its interval."""
    name = _main(variants[0])
    parts = [parts_of(variant.content.test[name]) for variant in variants]
    ends = np.array([end for part in parts for end in part if end is not None])
    share = name == "accuracy"
    low, high = numbers_range(ends, share=share)
    labels = [shortened(variant.name, 20) for variant in variants]
    left = 22 + max(text_width(label) for label in labels)
    axes = Axes(
        x=(low, high),
        y=(len(variants) - 0.4, -0.6),
        x_label=words(f"metric.{name}"),
        x_percent=share,
        y_names={},
        amounts=not share,
        width=330 + left,
        height=70 + 62 * len(variants),
        left=left,
        right=26,
    )
    marks: list[Html] = []
    for at, (label, (value, start, end)) in enumerate(zip(labels, parts, strict=True)):
        best = "val" if at == len(variants) - 1 else "other"
        _, y = axes.at(low, float(at))
        if value is None:
            continue
        if start is not None and end is not None:
            (x0, _), (x1, _) = axes.at(start, 0.0), axes.at(end, 0.0)
            marks.append(tag("path", d=f"M{number(x0)} {number(y)}H{number(x1)}", class_=f"span {best}"))
        x, _ = axes.at(value, 0.0)
        marks.append(tag("circle", cx=x, cy=y, r=7.0, class_=f"place {best}"))
        marks.append(tag("text", label, x=axes.left - 14, y=y + 4, text_anchor="end", class_="label"))
        shown = percent(value) if share else amount(value)
        marks.append(tag("text", shown, x=x, y=y - 14, text_anchor="middle", class_="label"))
    told = words("comparison.forest", metric=words(f"metric.{name}"))
    described = "; ".join(
        f"{label}: {percent(part[0]) if share else amount(part[0])}"
        for label, part in zip(labels, parts, strict=True)
    )
    return axes.drawn(*marks, title=told, description=described)


def numbers_range(ends: Any, *, share: bool) -> tuple[float, float]:
    """Ends of an axis that holds all intervals with room for the numbers written above."""
    low, high = float(ends.min()), float(ends.max())
    spread = (high - low) or abs(high) or 1.0
    low, high = low - 0.15 * spread, high + 0.15 * spread
    return (max(0.0, low), min(1.0, high)) if share else (max(0.0, low), high)


def _main(variant: Variant) -> str:
    return "mae" if variant.content.estimated else "accuracy"


# ---- outcomes ----------------------------------------------------------------------------------------------


def _outcome(variants: Sequence[Variant], words: Words) -> Html:
    """Scores, size and time of each."""
    estimated = variants[0].content.estimated
    wanted = ("mae", "rmse", "r2") if estimated else ("accuracy", "macro_f1", "log_loss")
    facts = list(dict.fromkeys(name for variant in variants for name in variant.facts))
    rows = []
    for variant in variants:
        test = variant.content.test
        seconds = variant.content.metrics.get("seconds", {}).get("total")
        rows.append(
            [
                named(variant.name),
                *(_score(name, test) for name in wanted),
                NONE if variant.parameters is None else count(variant.parameters),
                words.duration(seconds) if seconds is not None else "",
                *(variant.facts.get(name, "") for name in facts),
            ]
        )
    head = [
        words("outcome.name"),
        *(words(f"metric.{name}") for name in wanted),
        words("outcome.parameters"),
        words("outcome.seconds"),
        *facts,
    ]
    return section(
        "outcome",
        words("outcome.heading"),
        table(head, rows, class_="numbers outcome", caption=words("outcome.heading")),
        intro=words("outcome.intro"),
    )


def _score(name: str, test: Mapping[str, Any]) -> Html:
    if name in ("accuracy", "macro_f1"):
        return share_cell(test[name], drawn=True)
    if name == "log_loss":
        value, low, high = parts_of(test[name])
        interval = None if low is None else tag("small", numbers.interval_text(low, high))
        return tag("span", tag("strong", amount(value)), interval, class_="score")
    return numbers.score_cell(name, test)


def _paired(comparisons: Sequence[tuple[str, str, Comparison]], words: Words) -> Html | None:
    """Each pair: the difference of every score with its interval, and how easily luck does the same."""
    if not comparisons:
        return None
    body: list[Child] = []
    for one, two, found in comparisons:
        rows = []
        for each in found.differences:
            value, low, high = gap_texts(each, words)
            reach = max(abs(each.low), abs(each.high), 1e-12)
            left, right, middle = (0.5 + 0.5 * end / reach for end in (each.low, each.high, each.value))
            rows.append(
                [
                    words(f"metric.{each.name}"),
                    tag("span", tag("strong", value), tag("small", f"{low} – {high}"), class_="score"),
                    chance_text(each.chance, words),
                    bar(left, right, middle, "wide zero own" if each.better else "wide zero"),
                ]
            )
        head = [words("paired.metric"), words("paired.difference"), words("paired.chance"), ""]
        said = verdict(found, one, two, lang=words.lang, subject=words.subject)
        title = f"{two} − {one}"
        body += [
            tag("h3", named(title)),
            tag("p", said) if len(comparisons) > 1 else None,  # a single one is said at the top
            table(head, rows, class_="compare paired", caption=title),
        ]
    return section("paired", words("paired.heading"), *body, intro=words("paired.intro"))


# ---- what differs ------------------------------------------------------------------------------------------


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


def _settings(variants: Sequence[Variant], words: Words) -> Html:
    """The settings that differ side by side, and behind a line those that do not."""
    known = [dict(flattened(variant.settings)) for variant in variants]
    names = list(dict.fromkeys(name for each in known for name in each))
    differ = [name for name in names if any(each.get(name) != known[0].get(name) for each in known)]
    head = [words("settings.name"), *(variant.name for variant in variants)]
    rows = [[tag("code", name), *(_value(each.get(name)) for each in known)] for name in differ]
    same = [[tag("code", name), _value(known[0].get(name))] for name in names if name not in differ]
    behind = tag(
        "details",
        tag("summary", words("settings.same")),
        table(head[:1] + [""], same, class_="settings", caption=words("settings.same")),
    )
    return section(
        "settings",
        words("settings.heading"),
        table(head, rows, class_="settings", caption=words("settings.heading"))
        if differ
        else tag("p", words("settings.none")),
        behind if same else None,
        intro=words("settings.intro"),
    )


def _value(value: Any) -> Html:
    """A setting as it is written in a recipe; a dash where there is none."""
    if value is None or value == "":
        return tag("span", "–", class_="soft")
    if isinstance(value, bool):
        return tag("code", str(value).lower())
    return tag("code", ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


# ---- curves and reasons ------------------------------------------------------------------------------------


def _curves(variants: Sequence[Variant], words: Words) -> Html | None:
    """One figure a quantity: validation of each variant, training faint behind it."""
    drawn = {variant.name: history_curves(variant.content.history) for variant in variants}
    quantities = list(dict.fromkeys(name for curves in drawn.values() for name in curves))
    figures = []
    for quantity in quantities:
        series: dict[str, Any] = {}
        styles: dict[str, str] = {}
        for at, variant in enumerate(variants):
            last = at == len(variants) - 1
            curves = drawn[variant.name].get(quantity, {})
            epochs = history_epochs(variant.content.history)
            for part, curve in sorted(curves.items(), reverse=True):  # validation before training
                name = variant.name if part == "val" else words("curves.training", name=variant.name)
                series[name] = [[x, y] for x, y in zip(epochs.tolist(), curve.tolist(), strict=True)]
                styles[name] = ("val" if last else "other-strong") + ("" if part == "val" else " faint")
        figure = series_figure(
            {
                "title": words(f"history.{quantity}"),
                "x": words("axis.epoch"),
                "y": words(f"axis.{quantity}"),
                "series": series,
            },
            styles=styles,
            percent=quantity == "accuracy",
        )
        figures.append(tag("figure", tag("h3", words(f"history.{quantity}")), figure))
    if not figures:
        return None
    return section(
        "curves",
        words("curves.heading"),
        tag("div", *figures, class_="pair"),
        intro=words("curves.intro"),
    )


def _why(variants: Sequence[Variant], answer: str, words: Words) -> Html | None:
    """What was noticed about the training of each, below what its author says."""
    if not answer and not any(variant.content.diagnosis for variant in variants):
        return None
    body: list[Child] = [tag("p", answer, class_="lead")] if answer else []
    for variant in variants:
        found = variant.content.diagnosis
        body.append(tag("h3", named(variant.name), class_="variant"))
        body.append(diagnosed(found, words) if found else tag("p", words("why.nothing"), class_="soft"))
    return section("why", words("why.heading"), *body, intro=words("why.intro"))


def _commands(variants: Sequence[Variant], words: Words) -> Html | None:
    """What to type to get each."""
    known = [variant for variant in variants if variant.content.command]
    if not known:
        return None
    body: list[Child] = []
    for variant in known:
        body += [tag("h3", named(variant.name)), tag("pre", variant.content.command, class_="command")]
    return section("commands", words("commands.heading"), *body)
