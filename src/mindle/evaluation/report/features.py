"""The sections of a table's report: its columns, what the answers rest on, how they follow each column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.judged import bar_to_scale, section
from mindle.evaluation.report.markup import Html, named, table, tag
from mindle.evaluation.report.number_plots import dependence_figure
from mindle.evaluation.report.numbers import interval_text
from mindle.evaluation.report.words import Words, alike, amount, count, percent

MOST_FEATURES = 20
MOST_DEPENDENCES = 9
MOST_COLUMNS_OPEN = 30


def columns(content: ReportContent, words: Words) -> Html | None:
    """How each column was read, and what for."""
    if not content.columns:
        return None
    rows = []
    for column in content.columns:
        missing = int(column.get("missing") or 0)
        target = column["role"] == "target"
        rows.append(
            [
                named(str(column["name"])),
                words.known("columnkind", str(column["kind"])),
                tag(
                    "span", words.known("columnrole", str(column["role"])), class_="mark" if target else None
                ),
                count(missing) if missing else tag("span", "0", class_="soft"),
                tag("span", str(column.get("note") or ""), class_="soft"),
            ]
        )
    head = [words(f"columns.{name}") for name in ("name", "kind", "role", "missing", "note")]
    shown = table(head, rows, class_="columns", caption=words("columns.heading"))
    if len(rows) > MOST_COLUMNS_OPEN:
        shown = tag("details", tag("summary", words.counted("columns", len(rows))), shown)
    return section("columns", words("columns.heading"), shown, intro=words("columns.intro"))


def importance(content: ReportContent, words: Words) -> Html | None:
    """Permutation importance as bars with the spread of the shuffles."""
    if not content.importance:
        return None
    ranked = sorted(content.importance, key=lambda each: -float(each["mean"]))
    most = max(float(each.get("high") or each["mean"]) for each in ranked)
    rows = []
    for each in ranked[:MOST_FEATURES]:
        mean, low, high = float(each["mean"]), each.get("low"), each.get("high")
        rows.append(
            [
                named(str(each["name"])),
                tag("strong", alike(mean, most)),
                interval_text(low, high, most),
                bar_to_scale({"value": mean, "low": low, "high": high}, most, "wide own"),
            ]
        )
    head = [words(f"importance.{name}") for name in ("name", "worse", "spread")] + [""]
    left = len(ranked) - len(rows)
    return section(
        "importance",
        words("importance.heading"),
        table(head, rows, class_="compare", caption=words("importance.heading")),
        tag("p", words("importance.more", n=count(left)), class_="note") if left else None,
        intro=words("importance.intro"),
    )


def dependence(content: ReportContent, words: Words) -> Html | None:
    """Partial dependence as small figures on one scale."""
    drawn = [each for each in content.dependence if len(each["values"])][:MOST_DEPENDENCES]
    if not drawn:
        return None
    every = np.concatenate([np.asarray(each["values"], np.float64) for each in drawn])
    low, high = float(every.min()), float(every.max())
    spread = (high - low) or abs(high) or 1.0
    ends = (low - 0.06 * spread, high + 0.06 * spread)
    figures = [_dependence(each, ends, content, words) for each in drawn]
    return section(
        "dependence",
        words("dependence.heading"),
        tag("div", *figures, class_="small-multiples"),
        intro=words("dependence.intro"),
    )


def _dependence(
    each: Mapping[str, Any], ends: tuple[float, float], content: ReportContent, words: Words
) -> Html:
    name = str(each["name"])
    figure = dependence_figure(
        list(each["at"]),
        [float(value) for value in each["values"]],
        category=each["kind"] == "category",
        ends=ends,
        name=name,
        label=words("dependence.answer"),
        written=amount if content.estimated else percent,
    )
    return tag("figure", tag("h3", named(name)), figure)
