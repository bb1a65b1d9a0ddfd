"""What a section is, what differs between tasks, and the scores that every report shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.formatting import (
    NONE,
    Score,
    alike,
    amount,
    count,
    decimal,
    decimals,
    interval,
    percent,
    span,
)
from mindle.evaluation.report.sentences import Sentences
from mindle.records import Diagnosis

MOST_NAMES = 8

Remark = tuple[bool, str]  # whether it is sound, and the sentence
Values = Mapping[str, Any]  # what a section's template shows


@dataclass(frozen=True)
class Page:
    """What every section is made from."""

    content: ReportContent
    say: Sentences
    task: ReportTask


Section = Callable[[Page], Values | None]  # None where there is nothing to show


class Headline(NamedTuple):
    """The main score in a number and in words, and how many answers were wrong."""

    figure: str
    after: str
    counted: str
    expected: str
    wrong: int
    legend: str


class Example(NamedTuple):
    """One answer on the test split beside its truth."""

    path: str
    truth: str
    answer: str
    detail: str
    described: str


@dataclass(frozen=True, kw_only=True)
class ReportTask:
    """What a report shows of one family of tasks.

    Attributes:
        group: Sentences of the catalogue that differ by task stand in this group.
        sections: Name and maker of the sections on how good the model is; each has a template of that name.
        scores: In the order of the table; the first is the main one.
        compared: Those of a page that compares variants.
        lower_is_better: Whether less of the main score is better.
        headline: The main score.
        remarks: Sentences on what holds and what is thin.
        baselines: Name and main score of the simplest predictors.
        examples: The worst answers, the worst first.
        answer: How an answer of the model is written where it is averaged.
        largest: Value that fills the bar of the main score.
        note: A sentence below the scores, if any is needed.
        gaps: What the sentences on scores are filled with.
        limit: What the model cannot know.
    """

    group: str
    sections: Sequence[tuple[str, Section]]
    scores: Sequence[str]
    compared: Sequence[str]
    lower_is_better: bool
    headline: Callable[[Page], Headline]
    remarks: Callable[[Page], Iterable[Remark | None]]
    baselines: Callable[[ReportContent], list[tuple[str, Any]]]
    examples: Callable[[Page, int], list[Example]]
    answer: Callable[[float], str]
    largest: Callable[[Sequence[Score]], float]
    note: Callable[[Page], str]
    gaps: Callable[[Page], Mapping[str, str]]
    limit: Callable[[Page], str]

    @property
    def main(self) -> str:
        """Name of the main score."""
        return self.scores[0]


# ---- scores ------------------------------------------------------------------------------------------------


class Cell(NamedTuple):
    """A score as a table shows it: its value, its interval, and the style of its bar."""

    text: str
    interval: str = ""
    bar: str = ""


@dataclass(frozen=True)
class Format:
    """How a score is written; `column` keeps the decimals of several alike, given the largest."""

    text: Callable[[float | None], str]
    interval: Callable[[float | None, float | None], str]
    drawn: bool = False
    column: bool = False


SHARE = Format(percent, span, drawn=True)
PLAIN_SHARE = Format(percent, span)
QUANTITY = Format(amount, interval, column=True)
NUMBER = Format(decimal, decimals)
FORMATS = {
    **dict.fromkeys(("accuracy", "balanced_accuracy", "top5_accuracy", "macro_precision", "macro_f1"), SHARE),
    **dict.fromkeys(("precision", "f1"), PLAIN_SHARE),
    **dict.fromkeys(("mae", "rmse", "median_absolute_error"), QUANTITY),
    "recall": SHARE,
    "coverage": PLAIN_SHARE,
}


def score_format(name: str) -> Format:
    """How a score is written: as a share, a quantity, or a plain number."""
    return FORMATS.get(name, NUMBER)


def cell(name: str, score: Any) -> Cell:
    """A score with its interval in small type and, where it is a share, its bar."""
    form, found = score_format(name), Score.of(score)
    written = "" if found.low is None else form.interval(found.low, found.high)
    return Cell(form.text(found.value), written, bar(found) if form.drawn else "")


def column_cell(name: str, score: Any, largest: float) -> Cell:
    """A score in a column of bars on one scale, up to the largest."""
    form, found = score_format(name), Score.of(score)
    text = alike(found.value, largest) if form.column else form.text(found.value)
    ends = interval(found.low, found.high, largest) if form.column else form.interval(found.low, found.high)
    return Cell(text, ends, bar(found, largest))


def cell_of(name: str, block: Mapping[str, Any]) -> Cell:
    """A score of a block of metrics.json."""
    score = Score.of(block.get(name))
    beside = block.get(f"{name}_interval") or {}
    return cell(name, {**score._asdict(), **{end: beside[end] for end in ("low", "high") if end in beside}})


def bar(score: Score, largest: float = 1.0) -> str:
    """Style of an interval drawn to scale from 0; "" where there is nothing to draw."""
    if score.value is None or largest <= 0:
        return ""
    value, low, high = (
        max(0.0, (score.value if end is None else end) / largest)
        for end in (score.value, score.low, score.high)
    )
    return bar_style(low, high, value)


def bar_style(low: float, high: float, value: float) -> str:
    """The three places of a bar as shares of its width; never too thin to see."""
    return f"--low:{100 * low:.1f}%;--wide:{100 * max(high - low, 0.004):.1f}%;--value:{100 * value:.1f}%"


def scores(page: Page) -> Values:
    """Every overall score with its interval, for test and validation, and what it means."""
    test, val = page.content.test, page.content.validation
    known = [name for name in page.task.scores if Score.of(test.get(name)).value is not None]
    return {
        "rows": [(name, cell_of(name, test), cell_of(name, val) if val else None) for name in known],
        "validated": bool(val),
        "gaps": page.task.gaps(page),
        "note": " ".join(filter(None, (page.task.note(page), methods(test, page.say)))),
        "protocol": protocol(page),
    }


def methods(test: Mapping[str, Any], say: Sentences) -> str:
    """How each interval was made, in a sentence."""
    stated = test.get("intervals", {})
    grouped: dict[str, list[str]] = {}
    for name, method in stated.get("methods", {}).items():
        called = say.known("metric", name)
        if name != "macro_recall" and (name in test or name in ("precision", "recall", "f1")):
            plain = called[1:2].islower()  # not ROC AUC
            grouped.setdefault(method, []).append(called[:1].lower() + called[1:] if plain else called)
    sentences = [
        say(
            f"method.{method}",
            names=", ".join(dict.fromkeys(names)),
            resamples=count(stated.get("resamples", 0)),
        )
        for method, names in grouped.items()
    ]
    return say("scores.methods", listed="; ".join(sentences)) if sentences else ""


def protocol(page: Page, form: str = "") -> str:
    """How the scores came about where that was no single test split, briefly with `form` "short_"."""
    folds, repeats = page.content.test.get("folds"), int(page.content.test.get("repeats", 1))
    if folds is None:
        return "" if form else page.say.known("protocol", page.content.test.get("protocol", ""))
    name = "once" if repeats == 1 else "repeated"
    return page.say(f"protocol.{form}{name}", folds=str(folds), repeats=str(repeats))


def facts(page: Page) -> list[tuple[str, str]]:
    """The run in a line of facts: name and text."""
    content, say = page.content, page.say
    total = content.metrics.get("seconds", {}).get("total")
    used = sum(content.data.total(split) for split in ("train", "val", "test"))
    classes = len(content.test.get("per_class", ()))
    found = {
        "task": say.known("task", content.task),
        "target": content.data.target,
        "classes": count(classes) if classes else "",
        "images": count(used) if used else "",
        "protocol": protocol(page, "short_"),
        "strategy": content.metrics.get("strategy") or "",
        "seconds": say.duration(total) if total else "",
        "finished": content.provenance.finished,
    }
    return [(name, text) for name, text in found.items() if text]


def listed(names: Sequence[str], say: Sentences) -> str:
    """Names in a row, the first few where there are many."""
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return say("limits.closed_more", names=", ".join(names[:MOST_NAMES]), n=len(names) - MOST_NAMES)


# ---- what to trust -----------------------------------------------------------------------------------------

# Baselines that look at nothing, or at colours alone; the others learn.
SIMPLEST = ("majority", "colour", "random", "mean", "median")


def trust(page: Page) -> Values:
    """Sentences on what holds and what is thin, above the baselines."""
    remarks = [*_against_baselines(page), *page.task.remarks(page), *_about_data(page)]
    return {"remarks": [remark for remark in remarks if remark], "baselines": _baselines(page)}


def _against_baselines(page: Page) -> Iterable[Remark]:
    """Whether the model beats the simplest predictors, and whether simpler models do as well."""
    task, say = page.task, page.say
    sign = -1.0 if task.lower_is_better else 1.0
    value, low, high = page.content.test_score(task.main)
    cautious = sign * ((high if task.lower_is_better else low) or value or 0.0)
    measured = [(name, Score.of(score).value or 0.0) for name, score in task.baselines(page.content)]
    plain = [entry for entry in measured if entry[0] in SIMPLEST] or measured
    name, best = max(plain, key=lambda entry: sign * entry[1])
    better = "better" if cautious > sign * best else "not_better"
    called = say.known("baseline", name)
    yield better == "better", say(f"{task.group}.{better}", name=called, value=main_text(page, best))
    for name, score in measured:
        if (name, score) not in plain and cautious <= sign * score:
            yield (
                False,
                say("trust.as_simple", name=say.known("baseline", name), value=main_text(page, score)),
            )


def main_text(page: Page, value: float | None) -> str:
    """The main score as sentences write it: with its unit, where it has one."""
    form = score_format(page.task.main)
    return with_unit(form.text(value), page) if form.column else form.text(value)


def with_unit(text: str, page: Page) -> str:
    """A quantity followed by the target's unit, where it has one."""
    return f"{text} {page.content.data.target_unit}".rstrip()


def _about_data(page: Page) -> Iterable[Remark | None]:
    decisions = sum(finding.decision for finding in page.content.data.findings)
    aside = sum(page.content.data.set_aside.values())
    yield (
        (False, page.say("trust.decide", findings=page.say("unit.findings", n=decisions)))
        if decisions
        else None
    )
    yield (True, page.say("trust.aside", files=page.say("unit.files", n=aside))) if aside else None


def _baselines(page: Page) -> Values:
    """This model beside the baselines, each a bar on one scale, the best first."""
    task = page.task
    sign = 1 if task.lower_is_better else -1
    measured = sorted(
        task.baselines(page.content), key=lambda entry: sign * (Score.of(entry[1]).value or 0.0)
    )
    entries = [
        ("model", page.content.test_score(task.main)),
        *((name, Score.of(score)) for name, score in measured),
    ]
    largest = task.largest([score for _, score in entries])
    return {
        "metric": task.main,
        "note": page.say(f"{task.group}.baselines_note"),
        "rows": [
            (
                page.say.known("baseline", name),
                column_cell(task.main, score._asdict(), largest),
                name == "model",
            )
            for name, score in entries
        ],
    }


# ---- examples ----------------------------------------------------------------------------------------------

MOST_CELLS = 7  # of a row on a card


def example_values(page: Page, examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Examples with what can be shown of them: a picture, or the cells of a row."""
    return [
        {
            **each._asdict(),
            "picture": page.content.explanation.pictures.get(each.path),
            "cells": _cells(page, each),
        }
        for each in examples
    ]


def _cells(page: Page, example: Example) -> list[tuple[str, str]]:
    """Some cells of a row, the most important columns first."""
    explained = page.content.explanation
    cells = explained.rows.get(example.path, {})
    weighed = sorted(explained.importance, key=lambda each: -float(each["mean"]))
    ranked = [str(each["name"]) for each in weighed if each["name"] in cells]
    shown = [*ranked, *(name for name in cells if name not in ranked)][:MOST_CELLS]
    return [(name, cell_text(cells[name])) for name in shown]


def cell_text(value: Any) -> str:
    """A cell as people read it: a dash where it is missing."""
    if value is None or value == "" or value != value:  # NaN is not itself
        return NONE
    return amount(value) if isinstance(value, float) else str(value)


def diagnosis_values(found: Sequence[Diagnosis], say: Sentences) -> list[dict[str, Any]]:
    """Each diagnosis: what was seen and what to try, beside its figure."""
    from mindle.evaluation.report.figures import series_figure

    return [
        {
            "called": capitalised(say.known("diagnosed", each.kind)),
            "message": each.message,
            "remedy": each.remedy,
            "title": str(each.evidence["title"]),
            "figure": series_figure(translated_figure(each.evidence, say)),
        }
        for each in found
    ]


def translated_figure(figure: Mapping[str, Any], say: Sentences) -> Mapping[str, Any]:
    """A figure's title and labels in the language of the page."""
    return {**figure, **{key: say.translated(figure[key]) for key in ("title", "x", "y")}}


def capitalised(text: str) -> str:
    """The same with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]
