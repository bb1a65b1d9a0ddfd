"""The report as one HTML file, and the fragment that stands under a notebook's cell."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.artifacts.files import write_text
from mindle.evaluation.report import provenance, tasks, training
from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.dandelion import dandelion
from mindle.evaluation.report.formatting import Score, count, setting
from mindle.evaluation.report.sections import (
    Page,
    Section,
    Values,
    cell,
    cell_of,
    example_values,
    facts,
    score_format,
)
from mindle.evaluation.report.sentences import Sentences
from mindle.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

# What no document may hold: control characters, and the lone surrogates of undecodable file names.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# After the sections of the task, which say what the model is worth: why, and where that comes from.
SECTIONS: tuple[tuple[str, Section], ...] = (
    ("importance", provenance.importance),
    ("dependence", provenance.dependence),
    ("training", training.learning_curves),
    ("diagnosis", training.diagnosis),
    ("columns", provenance.columns),
    ("data", provenance.data),
    ("tried", training.model_selection),
    ("search", training.search),
    ("time", provenance.timing),
    ("reproduce", provenance.reproduce),
    ("licences", provenance.licences),
    ("limits", provenance.limits),
)
_NOTEBOOK_EXAMPLES = 6


@cache
def _environment() -> Environment:
    """The templates beside this module: everything is escaped, and a value that is missing is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"count": count, "setting": setting, "jpeg": jpeg_source}
    return made


def jpeg_source(picture: bytes) -> str:
    """A JPEG as the source of an image, inside the page."""
    return "data:image/jpeg;base64," + b64encode(picture).decode("ascii")


def render(template: str, **values: Any) -> str:
    """A template with its values; what no document may hold is replaced."""
    made = _environment().get_template(template).render(version=__version__, **values)
    return _FORBIDDEN.sub("\ufffd", made)


def page_of(content: ReportContent, lang: str) -> Page:
    """What every section of a report is made from."""
    return Page(content, Sentences(lang, content.data.unit), tasks.of(content.task))


def built(page: Page, sections: Iterable[tuple[str, Section]]) -> dict[str, Values]:
    """The sections that have something to show, by name."""
    return {name: values for name, make in sections if (values := make(page)) is not None}


def report_html(content: ReportContent, *, lang: str = "en") -> str:
    """The whole report as text: no script, nothing to load, the same bytes for the same content.

    Args:
        content: What to report on.
        lang: "en" or "ko".
    """
    page = page_of(content, lang)
    shown = page.task.headline(page)
    return render(
        "report.html",
        page=page,
        say=page.say,
        title=page.say("page.title", name=content.name),
        headline=shown,
        dandelion=dandelion(int(content.test["n"]), shown.wrong, page.say),
        facts=facts(page),
        sections=built(page, (*page.task.sections, *SECTIONS)),
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
    target = Path(path)
    write_text(target, report_html(content, lang=lang))
    return target


def summary_html(content: ReportContent, *, lang: str = "en") -> str:
    """Scores and mistakes as a fragment for a notebook; its style touches nothing around it.

    Args:
        content: What to report on; with pictures where the mistakes should show.
        lang: "en" or "ko".
    """
    page = page_of(content, lang)
    task, test = page.task, content.test
    main = content.test_score(task.main)
    examples = example_values(page, task.examples(page, _NOTEBOOK_EXAMPLES))
    rows = [(page.say(f"metric.{name}"), cell_of(name, test)) for name in task.scores]
    rows += [
        (page.say.known("baseline", name), cell(task.main, Score.of(score).value))
        for name, score in task.baselines(content)
    ]
    return render(
        "summary.html",
        page=page,
        say=page.say,
        headline=task.headline(page),
        interval=score_format(task.main).interval(main.low, main.high),
        rows=[(name, shown) for name, shown in rows if shown.text != "–"],
        examples=[each for each in examples if each["picture"]],
    )
