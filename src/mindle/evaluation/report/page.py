"""The report as one HTML file, and the fragment that stands under a notebook's cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mindle.artifacts.files import write_text
from mindle.evaluation.report import cues, doctor, provenance, tasks, training
from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.dandelion import dandelion
from mindle.evaluation.report.formatting import interval, writer
from mindle.evaluation.report.sections import Page, Sections
from mindle.evaluation.report.sentences import Sentences

# After the sections of the task, which say what the model is worth: why, and where that comes from.
SECTIONS: Sections = {
    "labels": doctor.labels,
    "shortcuts": cues.shortcuts,
    "slices": cues.slices,
    "outliers": cues.outliers,
    "quality": cues.quality,
    "curve": doctor.curve,
    "borders": provenance.borders,
    "importance": provenance.importance,
    "dependence": provenance.dependence,
    "training": training.learning_curves,
    "diagnosis": None,
    "columns": None,
    "data": provenance.data,
    "tried": None,
    "search": training.search,
    "time": None,
    "reproduce": provenance.reproduce,
    "licences": None,
    "limits": None,
}
_NOTEBOOK_EXAMPLES = 6


def page_of(content: ReportContent, lang: str) -> Page[Any]:
    """What every section of a report is made from."""
    return tasks.of(content.task)(content, Sentences(lang, content.data.unit))


def report_html(content: ReportContent, *, lang: str = "en") -> str:
    """The whole report as text: no script, nothing to load, the same bytes for the same content.

    Args:
        content: What to report on.
        lang: "en" or "ko".
    """
    page = page_of(content, lang)
    headline = page.headline()
    return page.render(
        "report.html",
        title=page.say("page.title", name=content.name),
        headline=headline,
        dandelion=dandelion(int(content.test["n"]), headline["wrong"], page.say),
        sections=page.rendered({**page.sections, **SECTIONS}),
    )


def write_report(path: str | Path, content: ReportContent, *, lang: str = "en") -> Path:
    """Write the report as one file that opens anywhere, offline.

    Args:
        path: Where; an older report there is replaced whole.
        content: What to report on.
        lang: "en" or "ko".

    Returns:
        The path.

    Raises:
        DeviceError: If it cannot be written.
    """
    write_text(Path(path), report_html(content, lang=lang))
    return Path(path)


def summary_html(content: ReportContent, *, lang: str = "en") -> str:
    """Scores and mistakes as a fragment for a notebook; its style touches nothing around it.

    Args:
        content: What to report on; with pictures where the mistakes should show.
        lang: "en" or "ko".
    """
    page = page_of(content, lang)
    main = content.test_score(page.main)
    return page.render(
        "summary.html",
        headline=page.headline(),
        interval=interval(main.low, main.high, writer(page.main)),
        examples=[each for each in page.examples(_NOTEBOOK_EXAMPLES) if each["picture"]],
    )
