"""The sections on how good estimates of a number are: headline, caveats, scores, errors, intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil, isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import z_score
from mindle.evaluation.report.content import ReportContent, largest_errors
from mindle.evaluation.report.judged import (
    bar_to_scale,
    methods,
    picture,
    protocol,
    row_card,
    section,
    simplest_first,
    trusted,
)
from mindle.evaluation.report.markup import Child, Html, named, table, tag
from mindle.evaluation.report.number_plots import (
    agreement_figure,
    error_histogram,
    interval_figure,
    residual_figure,
)
from mindle.evaluation.report.plots import MOST_SEEDS, seeds
from mindle.evaluation.report.words import (
    NONE,
    Words,
    alike,
    amount,
    count,
    decimal,
    parts_of,
    percent,
    signed,
    span,
)

Floats = NDArray[np.float64]

IN_UNIT = ("mae", "rmse", "median_absolute_error")
ORDER = (*IN_UNIT, "r2", "correlation", "coverage")
MOST_ERRORS = 12
_FEWEST_TO_JUDGE_SHAPE = 30


def truths_and_values(content: ReportContent) -> tuple[Floats, Floats]:
    """Targets and estimates of the test part, one a row."""
    numbers = content.numbers
    if numbers.targets is None:
        raise ValueError("`estimates` must carry `targets` to be reported on. Received targets=None.")
    return numbers.targets, numbers.values


def with_unit(text: str, content: ReportContent) -> str:
    """A quantity followed by the target's unit, where it has one."""
    return f"{text} {content.unit}" if content.unit else text


def rivals(content: ReportContent) -> list[tuple[str, Any]]:
    """The simplest answers with their mean error; always the mean where none was measured."""
    found = [
        (name, score) for name, score in content.metrics.get("baselines", {}).items() if score is not None
    ]
    if found:
        return found
    targets, _ = truths_and_values(content)
    return [("mean", float(np.abs(targets - targets.mean()).mean()))]


def limit(content: ReportContent) -> float:
    """The error beyond which an answer is no better than naming the mean, on average."""
    measured = dict(rivals(content)).get("mean")
    value = parts_of(measured)[0]
    if value is not None:
        return value
    targets, _ = truths_and_values(content)
    return float(np.abs(targets - targets.mean()).mean())


# ---- headline ----------------------------------------------------------------------------------------------


def headline(content: ReportContent, words: Words) -> Html:
    """The mean error in the target's unit, in words, and as a dandelion."""
    test = content.test
    value, low, high = parts_of(test["mae"])
    targets, values = truths_and_values(content)
    n, bound = int(test["n"]), limit(content)
    gone = int((np.abs(values - targets) > bound).sum())
    each = max(1, ceil(n / MOST_SEEDS))
    legend = words(
        "hero.legend_off" if each == 1 else "hero.legend_off_many",
        limit=with_unit(amount(bound, 3), content),
        **({} if each == 1 else {"each": count(each)}),
    )
    off = words("hero.off_unit", unit=content.unit) if content.unit else words("hero.off")
    expected = words("hero.expect_off", low=amount(low), high=with_unit(amount(high), content))
    text: list[Child] = [
        tag("p", words("page.eyebrow"), class_="eyebrow"),
        tag("h1", tag("bdi", content.name)),
        tag("p", tag("strong", amount(value)), " ", tag("span", off), class_="figure"),
        tag("p", counted(content, words), class_="lead"),
        tag("p", expected, class_="lead soft") if low is not None else None,
    ]
    figure = tag("figure", seeds(n, gone, words), tag("figcaption", legend))
    return tag("header", tag("div", *text), figure, class_="hero")


def counted(content: ReportContent, words: Words) -> str:
    """How many were estimated, and how far off half of them are."""
    return words(
        "hero.estimated_crossed" if "folds" in content.test else "hero.estimated",
        n=count(int(content.test["n"])),
        median=with_unit(amount(parts_of(content.test["median_absolute_error"])[0]), content),
    )


# ---- what to trust -----------------------------------------------------------------------------------------


def trust(content: ReportContent, words: Words) -> Html:
    """Sentences on what holds and what is thin, made from the numbers themselves."""
    return trusted(_remarks(content, words), _comparison(content, words), words)


def _remarks(content: ReportContent, words: Words) -> Iterable[tuple[bool, str] | None]:
    value, low, high = parts_of(content.test["mae"])
    plain, learnt = simplest_first(rivals(content))
    rival, score = min(plain, key=lambda entry: parts_of(entry[1])[0] or 0.0)
    best = parts_of(score)[0] or 0.0
    better = (value if high is None else high) < best if value is not None else False
    yield (
        better,
        words(
            "trust.better_off" if better else "trust.not_better_off",
            name=words.known("compare", rival),
            value=with_unit(amount(best), content),
        ),
    )
    for name, score in learnt:
        value_of = parts_of(score)[0]
        if value_of is not None and high is not None and value_of <= high:
            told = with_unit(amount(value_of), content)
            yield False, words("trust.as_simple", name=words.known("compare", name), value=told)
    if low is not None and high is not None and value:
        # Two scores of this size differ by more than chance at about 1.4 times the reach of one.
        reach = (high - low) / 2 * sqrt(2)
        size = words.counted("images", int(content.test["n"]))
        yield reach < value / 4, words("trust.size_off", n=size, reach=with_unit(amount(reach, 2), content))
    yield _overfit(content, words)
    targets, values = truths_and_values(content)
    yield _lean(values - targets, content, words)
    yield _shape(values, np.abs(values - targets), content, words)
    yield _outliers(values - targets, words)
    yield _promise(content, words)
    decisions = sum(finding.decision for finding in content.findings)
    yield (False, words("trust.decide", n=words.counted("findings", decisions))) if decisions else None
    aside = sum(content.set_aside.values())
    yield (True, words("trust.aside", n=words.counted("files", aside))) if aside else None


def _overfit(content: ReportContent, words: Words) -> tuple[bool, str] | None:
    learned = content.learned("mae")
    value, low, _ = parts_of(content.test["mae"])
    if learned is None or learned[1] or value is None or low is None or low <= learned[0]:
        return None  # an error out of fold is none that was learned by heart
    train = learned[0]
    told = {"train": with_unit(amount(train), content), "test": with_unit(amount(value), content)}
    return value < 2 * train, words("trust.overfit_off", **told)


def _lean(errors: Floats, content: ReportContent, words: Words) -> tuple[bool, str] | None:
    """Whether estimates are too high or too low on the whole."""
    if len(errors) < 2:
        return None
    mean, error = float(errors.mean()), float(errors.std(ddof=1)) / sqrt(len(errors))
    low, high = mean - z_score() * error, mean + z_score() * error
    luck = low <= 0 <= high
    told = {"value": with_unit(signed(mean, 3), content), "low": signed(low, 3), "high": signed(high, 3)}
    return luck, words("trust.unbiased" if luck else "trust.biased", **told)


def _shape(values: Floats, sizes: Floats, content: ReportContent, words: Words) -> tuple[bool, str] | None:
    """Whether errors depend on the size of the estimate: the outer thirds differ twofold, beyond luck."""
    order = np.argsort(values, kind="stable")
    third = len(values) // 3
    if third < _FEWEST_TO_JUDGE_SHAPE // 3:
        return None
    small, large = sizes[order[:third]], sizes[order[-third:]]
    a, b = float(small.mean()), float(large.mean())
    error = sqrt(float(small.var(ddof=1) + large.var(ddof=1)) / third)
    if abs(b - a) < 3 * error or max(a, b) < 2 * min(a, b):
        return None
    told = {"small": with_unit(amount(a, 3), content), "large": with_unit(amount(b, 3), content)}
    return False, words("trust.growing" if b > a else "trust.shrinking", **told)


def _outliers(errors: Floats, words: Words) -> tuple[bool, str] | None:
    """Whether a fiftieth of the estimates makes up more than half of the squared error."""
    squared = np.sort(errors**2)[::-1]
    worst = max(1, len(squared) // 50)
    share = float(squared[:worst].sum() / (squared.sum() or 1.0))
    if len(squared) < _FEWEST_TO_JUDGE_SHAPE or share < 0.5:
        return None
    return False, words("trust.outliers", n=words.counted("images", worst), share=percent(share))


def _promise(content: ReportContent, words: Words) -> tuple[bool, str] | None:
    level = content.test.get("interval_level")
    value, low, high = parts_of(content.test.get("coverage"))
    if level is None or value is None or high is None:
        return None
    told = {"value": percent(value), "span": span(low, high), "level": f"{100 * level:g}%"}
    return high >= level, words("trust.covered" if high >= level else "trust.uncovered", **told)


def _comparison(content: ReportContent, words: Words) -> Html:
    """This model beside the simplest answers, bars of their mean errors on one scale."""
    entries = [
        ("model", content.test["mae"]),
        *sorted(rivals(content), key=lambda e: parts_of(e[1])[0] or 0.0),
    ]
    most = max(parts_of(score)[2] or parts_of(score)[0] or 0.0 for _, score in entries) or 1.0
    rows = []
    for name, score in entries:
        value, low, high = parts_of(score)
        rows.append(
            [
                words.known("compare", name),
                tag("strong", alike(value, most)),
                interval_text(low, high, most),
                bar_to_scale(score, most, "wide own" if name == "model" else "wide"),
            ]
        )
    head = [words("compare.method"), words("metric.mae"), words("scores.interval"), ""]
    return tag(
        "div",
        tag("h3", words("compare.heading")),
        table(head, rows, class_="compare", caption=words("compare.heading")),
        tag("p", words("compare.note_off"), class_="note"),
    )


def interval_text(low: float | None, high: float | None, largest: float | None = None) -> str:
    """Both ends of an interval of quantities, or a dash; `largest` of a column keeps their decimals alike."""
    if low is None or high is None:
        return NONE
    between = " – " if low < 0 or high < 0 else "–"
    return between.join(amount(end) if largest is None else alike(end, largest) for end in (low, high))


# ---- scores ------------------------------------------------------------------------------------------------


def scores(content: ReportContent, words: Words) -> Html:
    """Every score with its interval, for test and validation, and what it means."""
    test, val = content.test, content.metrics.get("val") or {}
    rows = [
        [
            words(f"metric.{name}"),
            score_cell(name, test),
            *([score_cell(name, val)] if val else []),
            tag("span", words(f"meaning.{name}"), class_="soft"),
        ]
        for name in ORDER
        if parts_of(test.get(name))[0] is not None
    ]
    head = [
        words("scores.metric"),
        words("scores.test"),
        *([words("scores.val")] if val else []),
        words("scores.meaning"),
    ]
    told = protocol(content, words)
    return section(
        "scores",
        words("scores.heading"),
        table(head, rows, class_="scores", caption=words("scores.heading")),
        tag("p", methods(test, words), class_="note"),
        tag("p", told, class_="note") if told else None,
        intro=words("scores.intro"),
    )


def score_cell(name: str, block: Mapping[str, Any]) -> Html:
    """A score with its interval in small type."""
    value, low, high = parts_of(block.get(name))
    if name in IN_UNIT:
        main, interval = amount(value), interval_text(low, high)
    elif name == "coverage":
        main, interval = percent(value), span(low, high)
    else:
        main = decimal(value).replace("-", "−")
        interval = NONE if low is None else f"{decimal(low)}–{decimal(high)}".replace("-", "−")
    return tag(
        "span", tag("strong", main), tag("small", interval) if interval != NONE else None, class_="score"
    )


# ---- estimates and errors ----------------------------------------------------------------------------------


def agreement(content: ReportContent, words: Words) -> Html:
    """Estimates against truths."""
    targets, values = truths_and_values(content)
    correlation = parts_of(content.test["correlation"])[0]
    figure = agreement_figure(values, targets, limit(content), content.unit, correlation, words)
    return section(
        "agreement",
        words("agreement.heading"),
        tag("figure", figure, class_="square"),
        intro=words("agreement.intro"),
    )


def residuals(content: ReportContent, words: Words) -> Html:
    """Errors by estimate, and how often each occurs."""
    targets, values = truths_and_values(content)
    bound = limit(content)
    figures = {
        "residuals.against": residual_figure(values, targets, bound, content.unit, words),
        "residuals.spread": error_histogram(values, targets, bound, content.unit, words),
    }
    shown = [tag("figure", tag("h3", words(title)), figure) for title, figure in figures.items()]
    return section(
        "residuals",
        words("residuals.heading"),
        tag("div", *shown, class_="pair"),
        intro=words("residuals.intro"),
    )


def coverage(content: ReportContent, words: Words) -> Html | None:
    """Prediction intervals and whether they keep their promise."""
    numbers = content.numbers
    targets, values = truths_and_values(content)
    found = content.test.get("coverage")
    if numbers.low is None or numbers.high is None or found is None:
        return None
    level, width, n = (
        content.test.get("interval_level"),
        content.test.get("interval_width"),
        int(content.test["n"]),
    )
    value, low, high = parts_of(found)
    said = words(
        "coverage.held",
        hits=count(round((value or 0.0) * n)),
        n=count(n),
        value=percent(value),
        span=span(low, high),
    )
    if width is not None and isfinite(width):
        said += " " + words("coverage.width", width=with_unit(amount(width), content))
    body: list[Child] = [tag("p", said)]
    if (np.isfinite(numbers.low) & np.isfinite(numbers.high)).any():
        figure, drawn = interval_figure(values, targets, numbers.low, numbers.high, content.unit, words)
        body += [tag("figure", figure), tag("p", words("coverage.note", n=count(drawn)), class_="note")]
    intro = (
        words("coverage.intro", level=f"{100 * level:g}%")
        if level is not None
        else words("coverage.intro_plain")
    )
    return section("coverage", words("coverage.heading"), *body, intro=intro)


def errors(content: ReportContent, words: Words) -> Html:
    """The largest errors: pictures where there are images, small tables where there are rows."""
    numbers = content.numbers
    targets, values = truths_and_values(content)
    tiles = []
    for row in largest_errors(numbers, MOST_ERRORS):
        path, truth, estimate = numbers.paths[row], amount(float(targets[row])), amount(float(values[row]))
        said = [
            tag("span", words("errors.truth", value=truth), class_="truth"),
            tag(
                "span",
                words("errors.estimate", value=estimate),
                " ",
                tag("strong", signed(float(values[row] - targets[row]))),
            ),
        ]
        if words.subject == "rows":
            tiles.append(row_card(path, said, content, words))
            continue
        caption = tag("figcaption", *said, tag("small", named(path), title=path))
        described = words("errors.picture", path=path, truth=truth, estimate=estimate)
        tiles.append(tag("figure", picture(content.pictures.get(path), described), caption))
    return section(
        "errors",
        words("errors.heading"),
        tag("div", *tiles, class_="cards" if words.subject == "rows" else "gallery"),
        intro=words("errors.intro"),
    )
