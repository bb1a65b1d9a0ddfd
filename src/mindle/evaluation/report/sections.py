"""What a page is made from, what differs between tasks, and the sections that every report shows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar, cast

from markupsafe import Markup

from mindle.evaluation import tasks
from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.figures import series_figure
from mindle.evaluation.report.formatting import Score, amount, count, writer
from mindle.evaluation.report.rendering import render
from mindle.evaluation.report.sentences import Sentences
from mindle.records import Answers

MOST_NAMES = 8
MOST_CELLS = 7  # of a row on a card
# Baselines that look at nothing, or at colours alone; the others learn.
SIMPLEST = ("majority", "colour", "random", "mean", "median")

A = TypeVar("A", bound=Answers)
Remark = tuple[bool, str]  # whether it is sound, and the sentence
Values = Mapping[str, Any]  # what a template shows
# The sections of a page in order, by the names of their templates: what computes the values of each, None
# where the template reads all it shows from the page.
Sections = Mapping[str, Callable[[Any], Values] | None]


@dataclass(frozen=True)
class Page(ABC, Generic[A]):
    """A report in one language; each family of tasks has its own.

    Attributes:
        content: What it reports on.
        say: Its sentences.
        group: Sentences of the catalogue that differ by task stand in this group.
        sections: The sections on how good the model is.
        scores: In the order of the table; the first is the main one.
        compared: Those of a page that compares variants.
        lower_is_better: Whether less of the main score is better.
    """

    content: ReportContent
    say: Sentences

    group: ClassVar[str]
    sections: ClassVar[Sections]
    scores: ClassVar[Sequence[str]]
    compared: ClassVar[Sequence[str]]
    lower_is_better: ClassVar[bool]

    @abstractmethod
    def headline(self) -> Values:
        """The main score: `figure`, `after`, `counted`, `expected`, how many are `wrong`, and `legend`."""

    @abstractmethod
    def remarks(self) -> Iterable[Remark | None]:
        """Sentences on what holds and what is thin."""

    @abstractmethod
    def baselines(self) -> list[tuple[str, Any]]:
        """Name and main score of the simplest predictors."""

    @abstractmethod
    def example(self, row: int) -> Values:
        """An answer on the test split beside its truth: `truth`, `answer`, `detail` and `described`."""

    @abstractmethod
    def answer(self, value: float) -> str:
        """An answer of the model as it is written where it is averaged."""

    @abstractmethod
    def limit(self) -> str:
        """What the model cannot know."""

    def largest(self, entries: Iterable[Score]) -> float:
        """Value that fills the bar of the main score."""
        return max(score.high or score.value or 0.0 for score in entries) or 1.0

    def note(self) -> str:
        """A sentence below the scores, if any is needed."""
        return ""

    def gaps(self) -> Mapping[str, str]:
        """What the sentences on scores are filled with."""
        return {}

    @property
    def main(self) -> str:
        """Name of the main score."""
        return self.scores[0]

    @property
    def every_answer(self) -> A:
        """The answers on the test split, of every repeat where there were some."""
        return cast(A, self.content.answers["test"])

    @cached_property
    def answers(self) -> A:
        """The answers on the test split, one a row: the mean over the repeats where there were some."""
        return cast(A, tasks.of(self.content.task).pooled(self.every_answer))

    def rendered(self, sections: Sections) -> dict[str, Markup]:
        """The sections that have something to show, by name."""
        made = {
            name: self.render(f"sections/{name}.html", values=make(self) if make else {})
            for name, make in sections.items()
        }
        return {name: text for name, text in made.items() if text.strip()}

    def render(self, template: str, **values: Any) -> Markup:
        """A template with the page and its parts at hand."""
        return render(
            template, page=self, say=self.say, content=self.content, test=self.content.test, **values
        )

    # ---- what templates ask --------------------------------------------------------------------------------

    def main_text(self, value: float | None) -> str:
        """The main score as sentences write it: with its unit, where it has one."""
        written = writer(self.main)
        return self.with_unit(amount(value)) if written is amount else written(value)

    def with_unit(self, text: str) -> str:
        """A quantity followed by the target's unit, where it has one."""
        return f"{text} {self.content.data.target_unit}".rstrip()

    def listed(self, names: Sequence[str]) -> str:
        """Names in a row, the first few where there are many."""
        if len(names) <= MOST_NAMES:
            return ", ".join(names)
        return self.say("limits.closed_more", names=", ".join(names[:MOST_NAMES]), n=len(names) - MOST_NAMES)

    def protocol(self, form: str = "") -> str:
        """How the scores came about where that was no single test split, briefly with `form` "short_"."""
        folds, repeats = self.content.test.get("folds"), int(self.content.test.get("repeats", 1))
        if folds is None:
            return "" if form else self.say.known("protocol", self.content.test.get("protocol", ""))
        name = "once" if repeats == 1 else "repeated"
        return self.say(f"protocol.{form}{name}", folds=str(folds), repeats=str(repeats))

    def figure(self, evidence: Mapping[str, Any]) -> Markup:
        """The figure of a diagnosis with its title, labels and names in the language of the page."""
        labels = {key: self.say.translated(evidence[key]) for key in ("title", "x", "y")}
        series = {self.say.translated(name): points for name, points in evidence["series"].items()}
        return series_figure({**labels, "series": series})

    def examples(self, limit: int) -> list[Values]:
        """The worst answers, the worst first, with their picture or some cells of their row."""
        pictures = self.content.explanation.pictures
        rows = tasks.of(self.content.task).worst(self.answers, limit)
        paths = [self.answers.paths[row] for row in rows]
        return [
            {"path": path, "picture": pictures.get(path), "cells": self._cells(path), **self.example(row)}
            for path, row in zip(paths, rows, strict=True)
        ]

    def _cells(self, path: str) -> list[tuple[str, Any]]:
        """Some cells of a row, the most important columns first."""
        cells = self.content.explanation.rows.get(path, {})
        ranked = {str(each["name"]): -float(each["mean"]) for each in self.content.explanation.importance}
        names = sorted(cells, key=lambda name: ranked.get(name, float("inf")))
        return [(name, cells[name]) for name in names[:MOST_CELLS]]


# ---- what to trust -----------------------------------------------------------------------------------------


def trust(page: Page[Any]) -> Values:
    """Sentences on what holds and what is thin, above the baselines."""
    remarks = [*_against_baselines(page), *page.remarks(), *_about_data(page)]
    return {"remarks": [remark for remark in remarks if remark], **_baselines(page)}


def _against_baselines(page: Page[Any]) -> Iterable[Remark]:
    """Whether the model beats the simplest predictors, and whether simpler models do as well."""
    say, sign = page.say, -1.0 if page.lower_is_better else 1.0
    value, low, high = page.content.test_score(page.main)
    cautious = sign * ((high if page.lower_is_better else low) or value or 0.0)
    measured = [(name, Score.of(score).value or 0.0) for name, score in page.baselines()]
    plain = [entry for entry in measured if entry[0] in SIMPLEST] or measured
    name, best = max(plain, key=lambda entry: sign * entry[1])
    better = "better" if cautious > sign * best else "not_better"
    called = say.known("baseline", name)
    yield better == "better", say(f"{page.group}.{better}", name=called, value=page.main_text(best))
    for name, score in measured:
        if (name, score) not in plain and cautious <= sign * score:
            called = say.known("baseline", name)
            yield False, say("trust.as_simple", name=called, value=page.main_text(score))


def _about_data(page: Page[Any]) -> Iterable[Remark]:
    data, say = page.content.data, page.say
    if decisions := sum(finding.decision for finding in data.findings):
        yield False, say("trust.decide", findings=say("unit.findings", n=decisions))
    if aside := sum(data.set_aside.values()):
        yield True, say("trust.aside", files=say("unit.files", n=aside))
    doctor = page.content.doctor
    if alarms := [say.translated(each["name"]) for each in doctor.get("shortcuts", ()) if each["alarm"]]:
        yield False, say("trust.shortcuts", names=page.listed(alarms))
    if weak := [*doctor.get("test_slices", ()), *doctor.get("slices", ())]:
        yield False, say("trust.slices", first=say.translated(weak[0]["message"]))


def _baselines(page: Page[Any]) -> Values:
    """This model beside the baselines, the best first, and what fills their bars."""
    sign = 1 if page.lower_is_better else -1
    measured = [(name, Score.of(score)) for name, score in page.baselines()]
    measured.sort(key=lambda entry: sign * (entry[1].value or 0.0))
    entries = [("model", page.content.test_score(page.main)), *measured]
    return {"baselines": entries, "largest": page.largest(score for _, score in entries)}


# ---- scores ------------------------------------------------------------------------------------------------


def overall_scores(page: Page[Any]) -> Values:
    """Names of the overall scores that are known, and how each interval was made."""
    known = [name for name in page.scores if page.content.test_score(name).value is not None]
    return {"names": known, "methods": methods(page.content.test, page.say)}


def methods(test: Mapping[str, Any], say: Sentences) -> str:
    """How each interval was made, in a sentence."""
    stated = test.get("intervals", {})
    grouped: dict[str, list[str]] = {}
    for name, method in stated.get("methods", {}).items():
        called = say.known("metric", name)
        if name != "macro_recall" and (name in test or name in ("precision", "recall", "f1")):
            plain = called[1:2].islower()  # not ROC AUC
            grouped.setdefault(method, []).append(called[:1].lower() + called[1:] if plain else called)
    resamples = count(stated.get("resamples", 0))
    sentences = [
        say(f"method.{method}", names=", ".join(dict.fromkeys(names)), resamples=resamples)
        for method, names in grouped.items()
    ]
    return say("scores.methods", listed="; ".join(sentences)) if sentences else ""
