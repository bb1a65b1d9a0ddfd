"""What was noticed about the training itself, each with the figure that shows it and what to try."""

from __future__ import annotations

from collections.abc import Sequence

from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.judged import section
from mindle.evaluation.report.lines import series_figure
from mindle.evaluation.report.markup import Html, tag
from mindle.evaluation.report.words import Words
from mindle.records import Diagnosis


def diagnosis(content: ReportContent, words: Words) -> Html | None:
    """A section of findings; none where nothing was noticed."""
    if not content.diagnosis:
        return None
    return section(
        "diagnosis",
        words("diagnosis.heading"),
        diagnosed(content.diagnosis, words),
        intro=words("diagnosis.intro"),
    )


def diagnosed(found: Sequence[Diagnosis], words: Words) -> Html:
    """Each finding: what was seen and what to try, beside its figure."""
    return tag("div", *(_diagnosed(each, words) for each in found), class_="diagnosed")


def _diagnosed(each: Diagnosis, words: Words) -> Html:
    foreign = "en" if words.lang != "en" else None  # the sentences of the training are English
    said = words.known("diagnosed", each.kind)
    text = tag(
        "div",
        tag("h3", said[:1].upper() + said[1:]),
        tag("p", each.message, lang=foreign),
        tag("p", tag("span", words("diagnosis.remedy"), class_="mark good"), class_="try"),
        tag("p", each.remedy, lang=foreign),
    )
    figure = tag(
        "figure",
        tag("figcaption", str(each.evidence["title"]), lang=foreign),
        series_figure(each.evidence),
    )
    return tag("article", text, figure)
