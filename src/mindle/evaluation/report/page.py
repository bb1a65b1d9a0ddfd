"""The report as one HTML file, and the fragment that stands under a notebook's cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from mindle.artifacts.files import write_text
from mindle.evaluation.report import diagnosis, features, judged, numbers, origin
from mindle.evaluation.report import search as searched
from mindle.evaluation.report.content import ReportContent, most_confident_mistakes
from mindle.evaluation.report.markup import Child, Html, tag
from mindle.evaluation.report.words import Words, amount, count, parts_of, percent, span
from mindle.version import __version__

Section = Callable[[ReportContent, Words], Html | None]

# In reading order: first what it is worth, then why, then where it comes from.
CLASSES: tuple[tuple[str, Section], ...] = (
    ("trust", judged.trust),
    ("scores", judged.scores),
    ("confusion", judged.confusion),
    ("classes", judged.per_class),
    ("mistakes", judged.mistakes),
    ("confidence", judged.confidence),
    ("ranking", judged.ranking),
)
NUMBERS: tuple[tuple[str, Section], ...] = (
    ("trust", numbers.trust),
    ("scores", numbers.scores),
    ("agreement", numbers.agreement),
    ("residuals", numbers.residuals),
    ("coverage", numbers.coverage),
    ("errors", numbers.errors),
)
BOTH: tuple[tuple[str, Section], ...] = (
    ("importance", features.importance),
    ("dependence", features.dependence),
    ("training", judged.training),
    ("diagnosis", diagnosis.diagnosis),
    ("columns", features.columns),
    ("data", origin.data),
    ("tried", origin.tried),
    ("search", searched.search),
    ("time", origin.timing),
    ("reproduce", origin.reproduce),
    ("licences", origin.licences),
    ("limits", origin.limits),
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
    words = Words(lang, content.subject)
    wanted = (*(NUMBERS if content.estimated else CLASSES), *BOTH)
    built = {name: section for name, make in wanted if (section := make(content, words))}
    links = [tag("li", tag("a", words(f"{name}.heading"), href=f"#{name}")) for name in built]
    headline = numbers.headline if content.estimated else judged.headline
    return document(
        words("page.title", name=content.name),
        [headline(content, words), judged.facts(content, words), *built.values()],
        links,
        ("page.css", "more.css") if _needs_more(content) else ("page.css",),
        words,
    )


def document(
    title: str, body: Sequence[Child], links: Sequence[Child], styles: Sequence[str], words: Words
) -> str:
    """A whole page out of its parts, with its contents beside it.

    Args:
        title: Of the window.
        body: What stands in the page.
        links: Items of the contents.
        styles: Names of style sheets, in order.
        words: Of the page.
    """
    page = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("meta", name="generator", content=f"mindle {__version__}"),
            tag("title", title),
            tag("style", *map(_style, styles)),
        ),
        tag(
            "body",
            tag("a", words("page.skip"), href="#content", class_="skip"),
            tag(
                "nav", tag("p", words("page.contents")), tag("ol", *links), aria_label=words("page.contents")
            ),
            tag(
                "main",
                *body,
                tag("footer", tag("p", words("page.footer", version=__version__))),
                id="content",
            ),
        ),
        lang=words.lang,
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _needs_more(content: ReportContent) -> bool:
    """Whether the page has figures that a report on classes of images does without."""
    return content.estimated or content.subject == "rows" or bool(content.diagnosis)


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
    words = Words(lang, content.subject)
    figure, counted, rows, tiles = (_summed_numbers if content.estimated else _summed_classes)(content, words)
    return tag(
        "div",
        tag("style", _style("summary.css")),
        tag("p", tag("bdi", content.name), class_="name"),
        tag("p", *figure, class_="figure"),
        tag("p", counted),
        tag("table", tag("tbody", *rows)),
        tag("p", words("mistakes.heading"), class_="name") if tiles else None,
        tag("div", *tiles, class_="gallery") if tiles else None,
        class_="mindle-summary",
        lang=lang,
    )


Summed = tuple[Sequence[Child], str, Sequence[Html], Sequence[Html]]


def _summed_classes(content: ReportContent, words: Words) -> Summed:
    """Headline, a sentence, rows of the table and pictures of a report on classes."""
    test, predictions = content.test, content.answers
    value, low, high = parts_of(test["accuracy"])
    right, n = judged.right_answers(test), int(test["n"])
    rows = [
        _summary_row(words(f"metric.{name}"), judged.score_cell(name, test))
        for name in judged.ORDER
        if name in test and parts_of(test[name])[0] is not None
    ]
    rows += [
        _summary_row(words.known("compare", name), percent(parts_of(score)[0]))
        for name, score in judged.rivals(content)
    ]
    tiles = []
    for row in most_confident_mistakes(predictions, _NOTEBOOK_MISTAKES):
        path = predictions.paths[row]
        if predictions.labels is None or path not in content.pictures:
            continue
        truth = content.classes[int(predictions.labels[row])]
        answer = content.classes[int(predictions.predicted[row])]
        described = words("mistakes.picture", path=path, truth=truth, answer=answer)
        caption = tag(
            "figcaption",
            words("mistakes.truth", name=truth),
            tag("br"),
            words("mistakes.answer", name=answer),
        )
        tiles.append(tag("figure", judged.picture(content.pictures[path], described), caption))
    figure = (tag("strong", percent(value)), " ", words("hero.right"), " ", tag("small", span(low, high)))
    told = words("hero.crossed" if "folds" in test else "hero.counted", right=count(right), n=count(n))
    return figure, told, rows, tiles


def _summed_numbers(content: ReportContent, words: Words) -> Summed:
    """Headline, a sentence and rows of the table of a report on numbers."""
    test = content.test
    value, low, high = parts_of(test["mae"])
    rows = [
        _summary_row(words(f"metric.{name}"), numbers.score_cell(name, test))
        for name in numbers.ORDER
        if parts_of(test.get(name))[0] is not None
    ]
    rows += [
        _summary_row(words.known("compare", name), amount(parts_of(score)[0]))
        for name, score in numbers.rivals(content)
    ]
    off = words("hero.off_unit", unit=content.unit) if content.unit else words("hero.off")
    small = tag("small", numbers.interval_text(low, high))
    return (tag("strong", amount(value)), " ", off, " ", small), numbers.counted(content, words), rows, ()


def _summary_row(name: str, value: Child) -> Html:
    return tag("tr", tag("th", name, scope="row"), tag("td", value))
