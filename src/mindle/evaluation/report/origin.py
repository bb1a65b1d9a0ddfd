"""The sections on where the numbers come from: data, attempts, time, how to repeat it, licences, limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mindle.evaluation.report.content import Attempt, ReportContent
from mindle.evaluation.report.judged import listed, section, share_cell
from mindle.evaluation.report.markup import Child, Html, named, table, tag
from mindle.evaluation.report.words import Words, amount, count
from mindle.records import PARTS, Finding

COLUMNS = (*PARTS, "set_aside")
SHORT_LIST = 40  # lists up to this length are printed too


def data(content: ReportContent, words: Words) -> Html:
    """Who is in which part, what was set aside and why, and every finding with every file."""
    body: list[Child] = []
    if content.parts:
        name = named(content.target) if content.estimated and content.target else words("classes.name")
        title = words("data.split_numbers" if content.estimated else "data.split")
        body += [tag("h3", title), _split_table(content.parts, title, name, words)]
    if content.set_aside:
        rows = [[_kind(kind, words), count(n)] for kind, n in content.set_aside.items()]
        head = [words("data.reason"), words("data.files")]
        body += [
            tag("h3", words("data.aside")),
            table(head, rows, class_="numbers slim", caption=words("data.aside")),
        ]
    body += [tag("h3", words("data.findings")), tag("p", words("data.findings_intro"), class_="note")]
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in content.findings:
        groups.setdefault((finding.kind, finding.action), []).append(finding)
    body += [_finding_group(group, words) for group in groups.values()] or [tag("p", words("data.clean"))]
    intro = words("data.intro_crossed" if "folds" in content.test else "data.intro")
    return section("data", words("data.heading"), *body, intro=intro)


def _kind(kind: str, words: Words) -> str:
    told = words.known("kind", kind)
    return told[:1].upper() + told[1:]


def _split_table(parts: Mapping[str, Mapping[str, int]], title: str, name: Child, words: Words) -> Html:
    """Images of each class in each part, or of each quarter of the numbers, which `name` is the name of."""

    def row(first: Child, numbers: Mapping[str, int]) -> list[Child]:
        return [first, *(count(numbers.get(column, 0)) for column in COLUMNS)]

    totals = {column: sum(numbers.get(column, 0) for numbers in parts.values()) for column in COLUMNS}
    rows = [row(named(each), numbers) for each, numbers in parts.items()]
    head = [name, *(words(f"part.{column}") for column in COLUMNS)]
    whole = [row(tag("strong", words("part.all")), totals)] if len(rows) > 1 else []
    class_ = "numbers totals" if whole else "numbers"
    return table(head, [*rows, *whole], class_=class_, caption=title)


def _finding_group(group: list[Finding], words: Words) -> Html:
    """Findings of one kind and outcome, closed, with each sentence and every file inside."""
    files = sum(len(finding.files) for finding in group)
    pill = tag("span", words("data.decision"), class_="mark") if any(f.decision for f in group) else None
    summary = tag(
        "summary",
        tag("strong", _kind(group[0].kind, words)),
        tag("span", words.counted("files", files), class_="soft"),
        tag("span", words.known("action", group[0].action), class_="soft"),
        pill,
    )
    foreign = "en" if words.lang != "en" else None  # the sentences of the check are English
    items = [
        tag(
            "li",
            tag("p", finding.message, lang=foreign),
            tag("ul", *(tag("li", named(file)) for file in finding.files), class_="files")
            if finding.files
            else None,
        )
        for finding in group
    ]
    printed = " printed" if files <= SHORT_LIST else ""
    return tag("details", summary, tag("ul", *items, class_="messages"), class_=f"finding{printed}")


def tried(content: ReportContent, words: Words) -> Html | None:
    """The ladder: every attempt with its validation accuracy, time and note."""
    if not content.tried:
        return None
    rows = [
        [
            tag(
                "span",
                named(attempt.name),
                " ",
                tag("span", words("tried.chosen"), class_="mark good") if attempt.chosen else None,
            ),
            _reached(attempt, content),
            words.duration(attempt.seconds),
            "" if attempt.milliseconds is None else f"{attempt.milliseconds:.3g}",
            tag("span", attempt.note, class_="soft"),
        ]
        for attempt in content.tried
    ]
    reached = "error" if content.estimated else "accuracy"
    head = [words(f"tried.{name}") for name in ("name", reached, "seconds", "milliseconds", "note")]
    return section(
        "tried",
        words("tried.heading"),
        table(head, rows, class_="tried", caption=words("tried.heading")),
        tag("p", content.stopped) if content.stopped else None,
        intro=words("tried.intro"),
    )


def _reached(attempt: Attempt, content: ReportContent) -> Html:
    """An attempt's accuracy, or its mean absolute error, with the interval."""
    if not content.estimated:
        return share_cell({"value": attempt.value, "low": attempt.low, "high": attempt.high}, drawn=True)
    interval = None if attempt.low is None else tag("small", f"{amount(attempt.low)}–{amount(attempt.high)}")
    return tag("span", tag("strong", amount(attempt.value)), interval, class_="score")


def timing(content: ReportContent, words: Words) -> Html | None:
    """Seconds of each stage and images a second where a stage counts images."""
    seconds: Mapping[str, float] = content.metrics.get("seconds", {})
    rates: Mapping[str, float] = content.metrics.get("images_per_second", {})
    if not seconds and not rates:
        return None
    stages = [name for name in dict.fromkeys([*seconds, *rates]) if name != "total"]
    rows = [
        [
            words.known("stage", name),
            words.duration(seconds[name]) if name in seconds else "",
            words("unit.rate", n=f"{rates[name]:,.0f}" if rates[name] >= 10 else f"{rates[name]:.1f}")
            if name in rates
            else "",
        ]
        for name in stages
    ]
    if "total" in seconds:
        rows.append(
            [tag("strong", words("stage.total")), tag("strong", words.duration(seconds["total"])), ""]
        )
    head = [words("time.stage"), words("time.seconds"), words("time.rate")]
    return section(
        "time", words("time.heading"), table(head, rows, class_="numbers slim", caption=words("time.heading"))
    )


def reproduce(content: ReportContent, words: Words) -> Html | None:
    """Command, seeds, versions, fingerprint and recipe."""
    facts = {
        **content.environment,
        **({words("reproduce.fingerprint"): content.fingerprint} if content.fingerprint else {}),
    }
    if not (content.command or facts or content.recipe):
        return None
    recipe = tag(
        "details",
        tag("summary", words("reproduce.recipe")),
        tag("pre", "\n".join(recipe_lines(content.recipe))),
        class_="printed",
    )
    return section(
        "reproduce",
        words("reproduce.heading"),
        tag("pre", content.command, class_="command") if content.command else None,
        tag(
            "dl",
            *(tag("div", tag("dt", name), tag("dd", str(value))) for name, value in facts.items()),
            class_="versions",
        ),
        recipe if content.recipe else None,
        intro=words("reproduce.intro"),
    )


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


def licences(content: ReportContent, words: Words) -> Html | None:
    """Whose weights are inside, and what they may be used for."""
    if not content.licences:
        return None
    rows = [
        [named(each.name), each.licence, tag("span", each.source, class_="soft")] for each in content.licences
    ]
    head = [words(f"licences.{name}") for name in ("name", "licence", "source")]
    return section(
        "licences", words("licences.heading"), table(head, rows, caption=words("licences.heading"))
    )


def limits(content: ReportContent, words: Words) -> Html:
    """What the numbers do not say."""
    if content.estimated:
        known = np.asarray(content.numbers.targets)
        own = words("limits.outside", low=amount(float(known.min())), high=amount(float(known.max())))
    else:
        own = words("limits.closed", names=listed(content.classes, words))
    items = [
        words("limits.kind"),
        own,
        words("limits.labels"),
        words("limits.interval"),
        words("limits.refitted" if "folds" in content.test else "limits.once"),
    ]
    return section(
        "limits", words("limits.heading"), tag("ul", *(tag("li", item) for item in items), class_="plain")
    )
