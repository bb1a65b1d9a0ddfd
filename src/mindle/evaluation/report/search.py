"""The section on a search: how its trials went, which settings mattered, and what won."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.judged import bar, section
from mindle.evaluation.report.markup import Child, Html, named, table, tag
from mindle.evaluation.report.plots import Axes
from mindle.evaluation.report.words import NONE, Words, amount, count, decimal, percent

# So many trials are listed; a longer search keeps them all in trials.csv.
MOST_LISTED = 200


def search(content: ReportContent, words: Words) -> Html | None:
    """The trials as a curve, what each setting explains, the winner, and the trials one by one."""
    found = content.search
    if not found:
        return None
    trials: Sequence[Mapping[str, Any]] = found["trials"]
    best = next(trial for trial in trials if trial["number"] == found["best"])
    score = found.get("score", "log_loss")
    counts = found["counts"]
    body: list[Child] = [
        tag(
            "p",
            words(
                "search.counts",
                n=count(len(trials)),
                sampler=words.known("sampler", found["sampler"]),
                complete=count(counts["complete"]),
                pruned=count(counts["pruned"]),
                failed=count(counts["failed"]),
            ),
        ),
        tag("figure", trials_figure(trials, words, score), tag("figcaption", words("search.legend"))),
        tag("h3", words("search.winner")),
        tag(
            "p",
            words(
                "search.won" if score == "log_loss" else "search.won_rmse",
                number=str(best["number"]),
                loss=_value(best, score),
                accuracy=percent(best["accuracy"]),
            ),
        ),
        table(
            [words("search.setting"), words("search.value")],
            [[named(name), tag("code", _shown(value))] for name, value in best["settings"].items()],
            class_="slim",
            caption=words("search.winner"),
        ),
    ]
    if found["importance"]:
        body += [
            tag("h3", words("search.importance")),
            tag("p", words("search.importance_note"), class_="note"),
            table(
                [words("search.setting"), words("search.share")],
                [
                    [
                        named(name),
                        tag("span", tag("strong", percent(share)), bar(0.0, share, share), class_="score"),
                    ]
                    for name, share in found["importance"].items()
                ],
                class_="slim",
                caption=words("search.importance"),
            ),
        ]
    body.append(_listing(trials, words, score))
    return section("search", words("search.heading"), *body, intro=words("search.intro"))


def _value(trial: Mapping[str, Any], score: str) -> str:
    """A trial's log loss, or its error in the unit of the target."""
    return decimal(trial[score]) if score == "log_loss" else amount(trial[score])


def trials_figure(trials: Sequence[Mapping[str, Any]], words: Words, score: str = "log_loss") -> Html:
    """The value of each complete trial as a dot, and the best so far as a line."""
    complete = [trial for trial in trials if trial["state"] == "complete"]
    numbers = np.array([trial["number"] for trial in complete], np.float64)
    values = np.array([trial[score] for trial in complete], np.float64)
    best = np.minimum.accumulate(values)
    # One trial that went wrong would flatten all others: what lies far above the rest is cut off at the top.
    high = float(min(values.max(), np.median(values) + 3 * (np.median(values) - values.min())))
    spread = (high - float(values.min())) or max(0.1 * high, 1e-3)
    last = max(float(max(trial["number"] for trial in trials)), 1.0)
    axes = Axes(
        x=(0.0, last),
        y=(max(0.0, float(values.min()) - 0.08 * spread), high + 0.05 * spread),
        x_label=words("search.trial"),
        y_label=words("search.loss" if score == "log_loss" else "search.rmse"),
        x_percent=False,
        y_percent=False,
        width=620,
        height=300,
        left=72,
    )
    marks = []
    for number, value in zip(numbers.tolist(), np.minimum(values, axes.y[1]).tolist(), strict=True):
        x, y = axes.at(number, value)
        marks.append(tag("circle", cx=x, cy=y, r=2.6, class_="dot"))
    steps = np.repeat(numbers, 2)[1:]
    line = axes.line(
        np.append(steps, last), np.append(np.repeat(np.minimum(best, axes.y[1]), 2)[:-1], best[-1]), "val"
    )
    return axes.drawn(
        *marks,
        line,
        title=words("search.title" if score == "log_loss" else "search.title_rmse"),
        description=words(
            "search.description",
            first=_value({score: float(values[0])}, score),
            best=_value({score: float(best[-1])}, score),
        ),
    )


def _listing(trials: Sequence[Mapping[str, Any]], words: Words, score: str) -> Html:
    named_score = "loss" if score == "log_loss" else score
    columns = ("trial", "state", named_score, "accuracy", "time", "settings")
    head = [words(f"search.{name}") for name in columns]
    rows = [
        [
            str(trial["number"]),
            words.known("trial", trial["state"]),
            _value(trial, score),
            NONE if trial["accuracy"] is None else percent(trial["accuracy"]),
            words.duration(trial["seconds"]),
            tag("span", _settings(trial), class_="soft"),
        ]
        for trial in trials[:MOST_LISTED]
    ]
    return tag(
        "details",
        tag("summary", words("search.all", n=count(len(trials)))),
        table(head, rows, caption=words("search.heading")),
        tag("p", words("search.more", n=count(MOST_LISTED)), class_="note")
        if len(trials) > MOST_LISTED
        else None,
    )


def _settings(trial: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name} {_shown(value)}" for name, value in trial["settings"].items())
    return f"{told}; {trial['note']}" if trial["note"] else told


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return str(value.get("kind", value))
    if isinstance(value, (list, tuple)):
        return " + ".join(map(_shown, value))
    return str(value)
