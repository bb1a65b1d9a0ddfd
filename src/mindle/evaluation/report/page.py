"""The report as one HTML file, and the fragment that stands under a notebook's cell."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from mindle import __version__
from mindle.artifacts.files import write_text
from mindle.evaluation.report import judged, origin
from mindle.evaluation.report.content import ReportContent, most_confident_mistakes
from mindle.evaluation.report.markup import Html, tag
from mindle.evaluation.report.words import Words, count, parts_of, percent, span

# In reading order: first what it is worth, then why, then where it comes from.
SECTIONS = (
    ("trust", "trust.heading", judged.trust),
    ("scores", "scores.heading", judged.scores),
    ("confusion", "confusion.heading", judged.confusion),
    ("classes", "classes.heading", judged.per_class),
    ("mistakes", "mistakes.heading", judged.mistakes),
    ("confidence", "confidence.heading", judged.confidence),
    ("ranking", "ranking.heading", judged.ranking),
    ("training", "training.heading", judged.training),
    ("data", "data.heading", origin.data),
    ("tried", "tried.heading", origin.tried),
    ("time", "time.heading", origin.timing),
    ("reproduce", "reproduce.heading", origin.reproduce),
    ("licences", "licences.heading", origin.licences),
    ("limits", "limits.heading", origin.limits),
)
_NOTEBOOK_MISTAKES = 6


@cache
def _style(name: str) -> Html:
    return Html(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def report_html(content: ReportContent, *, lang: str = "en") -> str:
    """The whole report as text: no script, nothing to load, the same bytes for the same content.

    Args:
        content: What to tell.
        lang: "en" or "ko".
    """
    words = Words(lang)
    built = [
        (name, heading, section) for name, heading, make in SECTIONS if (section := make(content, words))
    ]
    links = [tag("li", tag("a", words(heading), href=f"#{name}")) for name, heading, _ in built]
    page = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("meta", name="generator", content=f"mindle {__version__}"),
            tag("title", words("page.title", name=content.name)),
            tag("style", _style("page.css")),
        ),
        tag(
            "body",
            tag("a", words("page.skip"), href="#content", class_="skip"),
            tag(
                "nav", tag("p", words("page.contents")), tag("ol", *links), aria_label=words("page.contents")
            ),
            tag(
                "main",
                judged.headline(content, words),
                judged.facts(content, words),
                *(section for *_, section in built),
                tag("footer", tag("p", words("page.footer", version=__version__))),
                id="content",
            ),
        ),
        lang=lang,
    )
    return f"<!DOCTYPE html>\n{page}\n"


def write_report(path: str | Path, content: ReportContent, *, lang: str = "en") -> Path:
    """Write the report as one file that opens anywhere, offline.

    Args:
        path: Where; an older report there is replaced whole.
        content: What to tell.
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
        content: What to tell; `pictures` where the mistakes should show.
        lang: "en" or "ko".
    """
    words = Words(lang)
    test, predictions = content.test, content.predictions["test"]
    value, low, high = parts_of(test["accuracy"])
    right, n = judged.right_answers(test), int(test["n"])
    rows = [
        tag("tr", tag("th", words(f"metric.{name}"), scope="row"), tag("td", judged.score_cell(name, test)))
        for name in judged.ORDER
        if name in test and parts_of(test[name])[0] is not None
    ]
    rivals = [
        tag(
            "tr", tag("th", words.known("compare", name), scope="row"), tag("td", percent(parts_of(score)[0]))
        )
        for name, score in judged.rivals(content)
    ]
    tiles = []
    for row in most_confident_mistakes(predictions, _NOTEBOOK_MISTAKES):
        path = predictions.paths[row]
        if predictions.labels is None or path not in content.pictures:
            continue
        truth = content.classes[int(predictions.labels[row])]
        answer = content.classes[int(predictions.probabilities[row].argmax())]
        described = words("mistakes.picture", path=path, truth=truth, answer=answer)
        caption = tag(
            "figcaption",
            words("mistakes.truth", name=truth),
            tag("br"),
            words("mistakes.answer", name=answer),
        )
        tiles.append(tag("figure", judged.picture(content.pictures[path], described), caption))
    return tag(
        "div",
        tag("style", _style("summary.css")),
        tag("p", tag("bdi", content.name), class_="name"),
        tag(
            "p",
            tag("strong", percent(value)),
            " ",
            words("hero.right"),
            " ",
            tag("small", span(low, high)),
            class_="figure",
        ),
        tag("p", words("hero.counted", right=count(right), n=count(n))),
        tag("table", tag("tbody", *rows, *rivals)),
        tag("p", words("mistakes.heading"), class_="name") if tiles else None,
        tag("div", *tiles, class_="gallery") if tiles else None,
        class_="mindle-summary",
        lang=lang,
    )
