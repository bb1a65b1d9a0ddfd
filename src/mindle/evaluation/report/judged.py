"""The sections on how good the model is: headline, caveats, scores, classes, mistakes, confidence, curves."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, log
from typing import Any

import numpy as np

from mindle.evaluation.calibration import error_by_chance, expected_calibration_error, reliability_bins
from mindle.evaluation.intervals import wilson
from mindle.evaluation.report.content import ReportContent, most_confident_mistakes
from mindle.evaluation.report.markup import Child, Html, named, table, tag
from mindle.evaluation.report.overfitting import judge_overfitting
from mindle.evaluation.report.plots import (
    MOST_CURVES,
    MOST_SEEDS,
    confusion_map,
    history_curves,
    history_figures,
    ranking_figures,
    reliability_figure,
    seeds,
)
from mindle.evaluation.report.words import NONE, Words, amount, count, decimal, parts_of, percent, span

SHARES = ("accuracy", "balanced_accuracy", "top5_accuracy", "macro_precision", "macro_f1")
ORDER = (*SHARES, "roc_auc", "average_precision", "log_loss", "ece")
FEW = 20  # with fewer images a class's interval is wider than forty points
MOST_IN_TABLE = 20  # classes up to which the confusion matrix is a table with every number
MOST_NAMES = 8
MOST_MISTAKES = 24
SIMPLEST = ("majority", "colour", "random", "mean", "median")
MOST_CARDS = 12  # mistakes shown as small tables
MOST_CELLS = 7  # of a row on a card


def section(name: str, heading: str, *children: Child, intro: str = "") -> Html:
    """A section that the contents can point to."""
    return tag(
        "section", tag("h2", heading), tag("p", intro, class_="intro") if intro else None, *children, id=name
    )


def bar(low: float | None, high: float | None, value: float | None, class_: str = "") -> Html:
    """An interval drawn to scale from 0 to 100 %; says nothing that the number beside it does not."""
    if value is None:
        return Html("")
    start, end = (value if low is None else low), (value if high is None else high)
    style = f"--low:{100 * start:.1f}%;--wide:{100 * max(end - start, 0.004):.1f}%;--value:{100 * value:.1f}%"
    return tag("span", tag("i"), tag("b"), class_=f"bar {class_}".strip(), style=style, aria_hidden="true")


def bar_to_scale(score: Any, most: float, class_: str = "") -> Html:
    """A quantity with its interval, drawn from 0 to the largest of its column."""
    value, low, high = (
        None if end is None or most <= 0 else max(0.0, float(end)) / most for end in parts_of(score)
    )
    return bar(low, high, value, class_)


def share_cell(score: Any, *, drawn: bool = False) -> Html:
    """A share with its interval in small type."""
    value, low, high = parts_of(score)
    interval = tag("small", span(low, high)) if low is not None else None
    return tag(
        "span",
        tag("strong", percent(value)),
        interval,
        bar(low, high, value) if drawn else None,
        class_="score",
    )


def listed(names: Sequence[str], words: Words) -> str:
    """Names in a row, the first few where there are many."""
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return words("limits.closed_more", names=", ".join(names[:MOST_NAMES]), n=count(len(names) - MOST_NAMES))


def right_answers(test: Mapping[str, Any]) -> int:
    """How many images were answered correctly; the mean over the repeats where there were some."""
    return round(int(np.trace(np.asarray(test["confusion"]))) / int(test.get("repeats", 1)))


# ---- headline ----------------------------------------------------------------------------------------------


def headline(content: ReportContent, words: Words) -> Html:
    """The accuracy, in a number, in words, and as a dandelion."""
    test = content.test
    value, low, high = parts_of(test["accuracy"])
    right, n = right_answers(test), int(test["n"])
    each = max(1, ceil(n / MOST_SEEDS))
    legend = words("hero.legend") if each == 1 else words("hero.legend_many", each=count(each))
    text = [
        tag("p", words("page.eyebrow"), class_="eyebrow"),
        tag("h1", tag("bdi", content.name)),
        tag("p", tag("strong", percent(value)), " ", tag("span", words("hero.right")), class_="figure"),
        tag(
            "p",
            words("hero.crossed" if "folds" in test else "hero.counted", right=count(right), n=count(n)),
            class_="lead",
        ),
        tag("p", words("hero.expect", low=percent(low), high=percent(high)), class_="lead soft"),
    ]
    figure = tag("figure", seeds(n, n - right, words), tag("figcaption", legend))
    return tag("header", tag("div", *text), figure, class_="hero")


def facts(content: ReportContent, words: Words) -> Html:
    """The run in a line of facts."""
    metrics = content.metrics
    total = metrics.get("seconds", {}).get("total")
    used = sum(row.get(part, 0) for row in content.parts.values() for part in ("train", "val", "test"))
    strategy = metrics.get("strategy")
    rows = [
        ("task", words.known("task", metrics["task"])),
        ("target", content.target or None),
        ("classes", count(len(content.classes)) if content.classes else None),
        ("images", count(used) if used else None),
        ("judged", judged_by(content, words) or None),
        ("strategy", strategy or None),
        ("seconds", words.duration(total) if total else None),
        ("finished", content.finished or None),
    ]
    return tag(
        "dl",
        *(tag("div", tag("dt", words(f"fact.{name}")), tag("dd", text)) for name, text in rows if text),
        class_="facts",
    )


def judged_by(content: ReportContent, words: Words) -> str:
    """How often and in how many folds, in a word or two; "" for a test part of its own."""
    folds, repeats = content.test.get("folds"), int(content.test.get("repeats", 1))
    if folds is None:
        return ""
    if repeats == 1:
        return words("protocol.short_once", folds=str(folds))
    return words("protocol.short", folds=str(folds), repeats=str(repeats))


def protocol(content: ReportContent, words: Words) -> str:
    """How the scores came about, where that was not one sealed test part."""
    folds, repeats = content.test.get("folds"), int(content.test.get("repeats", 1))
    if folds is None:
        return str(content.test.get("protocol", ""))
    if repeats == 1:
        return words("protocol.once", folds=str(folds))
    return words("protocol.repeated", folds=str(folds), repeats=str(repeats))


def rivals(content: ReportContent) -> list[tuple[str, Any]]:
    """The simplest answers with their accuracy; guessing where none was measured."""
    found = [
        (name, score) for name, score in content.metrics.get("baselines", {}).items() if score is not None
    ]
    return found or [("random", 1 / max(1, len(content.classes)))]


def simplest_first(found: Sequence[tuple[str, Any]]) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """The rivals that look at nothing, or only at colours, and those that learn; the first are never none."""
    plain = [entry for entry in found if entry[0] in SIMPLEST]
    return (plain, [entry for entry in found if entry not in plain]) if plain else (list(found), [])


def comparison(content: ReportContent, words: Words) -> Html:
    """This model beside the simplest answers, each a bar from 0 to 100 %."""
    entries = [
        ("model", content.test["accuracy"]),
        *sorted(rivals(content), key=lambda e: -(parts_of(e[1])[0] or 0)),
    ]
    rows = []
    for name, score in entries:
        value, low, high = parts_of(score)
        rows.append(
            [
                words.known("compare", name),
                tag("strong", percent(value)),
                span(low, high),
                bar(low, high, value, "wide own" if name == "model" else "wide"),
            ]
        )
    head = [words("compare.method"), words("metric.accuracy"), words("scores.interval"), ""]
    return tag(
        "div",
        tag("h3", words("compare.heading")),
        table(head, rows, class_="compare", caption=words("compare.heading")),
        tag("p", words("compare.note"), class_="note"),
    )


# ---- what to trust -----------------------------------------------------------------------------------------


def trust(content: ReportContent, words: Words) -> Html:
    """Sentences on what holds and what is thin, made from the numbers themselves."""
    return trusted(_remarks(content, words), comparison(content, words), words)


def trusted(remarks: Iterable[tuple[bool, str] | None], compared: Html, words: Words) -> Html:
    """The section of remarks, those that do not apply left out, above a comparison with simple answers."""
    return section(
        "trust",
        words("trust.heading"),
        remarks_list([remark for remark in remarks if remark], words),
        compared,
        intro=words("trust.intro"),
    )


def remarks_list(remarks: Sequence[tuple[bool, str]], words: Words) -> Html:
    """Sentences, each marked as sound or as one to take care about."""
    items = []
    for good, text in remarks:
        mark = tag(
            "span", words("trust.good" if good else "trust.mind"), class_="mark good" if good else "mark"
        )
        items.append(tag("li", mark, tag("p", text)))
    return tag("ul", *items, class_="remarks")


def _remarks(content: ReportContent, words: Words) -> Iterable[tuple[bool, str] | None]:
    test = content.test
    n = int(test["n"])
    value, low, high = parts_of(test["accuracy"])
    low, high = wilson((value or 0) * n, n) if low is None or high is None else (low, high)

    plain, learnt = simplest_first(rivals(content))
    rival, score = max(plain, key=lambda entry: parts_of(entry[1])[0] or 0)
    best = parts_of(score)[0] or 0.0
    better = low > best
    yield (
        better,
        words(
            "trust.better" if better else "trust.not_better",
            name=words.known("compare", rival),
            value=percent(best),
        ),
    )
    for name, score in learnt:
        value_of = parts_of(score)[0]
        if value_of is not None and low <= value_of:
            yield False, words("trust.as_simple", name=words.known("compare", name), value=percent(value_of))
    # Two scores of this size differ by more than chance at about 1.4 times the reach of one.
    reach = (high - low) / 2 * 2**0.5
    yield reach < 0.05, words("trust.size", n=words.counted("images", n), reach=f"{100 * reach:.1f}")
    yield _overfit_remark(content, words)
    yield _confidence_remark(content, words)

    present = [row for row in test["per_class"] if row["n"]]
    weakest = min(present, key=lambda row: row["recall"]["value"])
    recall, lowest, highest = parts_of(weakest["recall"])
    yield (
        (recall or 0) >= 0.8,
        words("trust.weakest", name=weakest["name"], recall=percent(recall), span=span(lowest, highest)),
    )
    few = [row["name"] for row in present if row["n"] < FEW]
    absent = [row["name"] for row in test["per_class"] if not row["n"]]
    yield (False, words("trust.few", most=str(FEW), names=listed(few, words))) if few else None
    yield (False, words("trust.absent", names=listed(absent, words))) if absent else None
    decisions = sum(finding.decision for finding in content.findings)
    yield (False, words("trust.decide", n=words.counted("findings", decisions))) if decisions else None
    aside = sum(content.set_aside.values())
    yield (True, words("trust.aside", n=words.counted("files", aside))) if aside else None


def _overfit_remark(content: ReportContent, words: Words) -> tuple[bool, str] | None:
    trained, learned = content.train_images(), content.learned("accuracy")
    if learned is None or not trained:
        return None
    val = content.metrics.get("val")
    found = judge_overfitting(
        (learned[0], trained),
        (content.test["accuracy"]["value"], int(content.test["n"])),
        val=(val["accuracy"]["value"], int(val["n"])) if val else None,
        out_of_fold=learned[1],
        lang=words.lang,
        subject=words.subject,
    )
    return found.verdict != "strong" and not found.flattered, found.sentence


def _confidence_remark(content: ReportContent, words: Words) -> tuple[bool, str]:
    predictions, test = content.predictions["test"], content.test
    said, right, n = (
        float(predictions.probabilities.max(axis=1).mean()),
        test["accuracy"]["value"],
        int(test["n"]),
    )
    low, high = wilson(right * n, n)
    values = {"said": percent(said), "right": percent(right)}
    if said > max(high, right + 0.02):
        return False, words("trust.overconfident", **values)
    if said < min(low, right - 0.02):
        return False, words("trust.modest", **values)
    # Few images raise the error by themselves: it must exceed both what matters and what chance makes.
    error = expected_calibration_error(predictions.probabilities, np.asarray(predictions.labels))
    uneven = error > max(0.05, error_by_chance(predictions.probabilities))
    return (False, words("trust.uneven", **values)) if uneven else (True, words("trust.calibrated", **values))


# ---- scores ------------------------------------------------------------------------------------------------


def scores(content: ReportContent, words: Words) -> Html:
    """Every overall score with its interval, for test and validation, and what it means."""
    test, val = content.test, content.metrics.get("val") or {}
    rows = []
    for name in ORDER:
        if name not in test or parts_of(test[name])[0] is None:
            continue
        rows.append(
            [
                words(f"metric.{name}"),
                score_cell(name, test),
                *([score_cell(name, val)] if val else []),
                tag("span", _meaning(name, content, words), class_="soft"),
            ]
        )
    head = [
        words("scores.metric"),
        words("scores.test"),
        *([words("scores.val")] if val else []),
        words("scores.meaning"),
    ]
    kind = (
        words("scores.binary", name=test["positive_class"])
        if "positive_class" in test
        else words("scores.macro")
    )
    return section(
        "scores",
        words("scores.heading"),
        table(head, rows, class_="scores", caption=words("scores.heading")),
        tag("p", kind, " ", methods(test, words), class_="note"),
        tag("p", told, class_="note") if (told := protocol(content, words)) else None,
        intro=words("scores.intro"),
    )


def score_cell(name: str, block: Mapping[str, Any]) -> Html:
    """An overall score with its interval, as a share or as a plain number."""
    value, low, high = parts_of(block.get(name))
    if name == "ece":
        beside = block.get("ece_interval") or {}
        low, high = beside.get("low"), beside.get("high")
    if name in SHARES:
        return share_cell({"value": value, "low": low, "high": high}, drawn=True)
    interval = None if low is None else tag("small", f"{decimal(low)}–{decimal(high)}")
    return tag("span", tag("strong", decimal(value)), interval, class_="score")


def _meaning(name: str, content: ReportContent, words: Words) -> str:
    gaps = {"chance": decimal(log(max(1, len(content.classes))))} if name == "log_loss" else {}
    return words(f"meaning.{name}", **gaps)


def methods(test: Mapping[str, Any], words: Words) -> str:
    """How each interval was made, in a sentence."""
    stated = test.get("intervals", {})
    grouped: dict[str, list[str]] = {}
    for name, method in stated.get("methods", {}).items():
        told = words.known("metric", name)
        if name != "macro_recall" and (name in test or name in ("precision", "recall", "f1")):
            grouped.setdefault(method, []).append(
                told[:1].lower() + told[1:] if told[1:2].islower() else told
            )
    if not grouped:
        return ""
    sentences = [
        words(f"method.{method}", names=", ".join(dict.fromkeys(names)), n=count(stated.get("resamples", 0)))
        for method, names in grouped.items()
    ]
    return words("scores.methods", listed="; ".join(sentences))


# ---- confusion and classes ---------------------------------------------------------------------------------


def confusion(content: ReportContent, words: Words) -> Html:
    """The confusion matrix: a table with numbers for few classes, a map and the worst pairs for many."""
    matrix, classes = np.asarray(content.test["confusion"]), content.classes
    if len(classes) <= MOST_IN_TABLE:
        worst = [tag("h3", words("confusion.pairs")), _worst_pairs(matrix, classes, words, most=8)]
        wrong = matrix.sum() > np.trace(matrix)
        beside = "pair" if len(classes) <= 7 else None
        body: list[Child] = [
            tag(
                "div",
                _confusion_table(matrix, classes, words),
                tag("div", *worst) if wrong else None,
                class_=beside,
            )
        ]
    else:
        body = [
            tag("figure", confusion_map(matrix.tolist(), classes, words, numbered=False)),
            tag("h3", words("confusion.pairs")),
            _worst_pairs(matrix, classes, words),
            tag(
                "details",
                tag("summary", words("confusion.all")),
                tag(
                    "div",
                    confusion_map(matrix.tolist(), classes, words, numbered=True),
                    class_="scroll tall",
                    tabindex=0,
                    role="region",
                    aria_label=words("confusion.all"),
                ),
                class_="screen",
            ),
        ]
    repeats = int(content.test.get("repeats", 1))
    if repeats > 1:
        body.append(tag("p", words("confusion.repeats", repeats=str(repeats)), class_="note"))
    return section("confusion", words("confusion.heading"), *body, intro=words("confusion.intro"))


def _confusion_table(matrix: Any, classes: Sequence[str], words: Words) -> Html:
    rows = []
    for at, name in enumerate(classes):
        whole = max(1, int(matrix[at].sum()))
        cells = [
            tag(
                "td",
                count(int(n)) if n else tag("span", "0", class_="none"),
                class_=("right" if column == at else "wrong") + (" deep" if n / whole > 0.6 else ""),
                style=f"--share:{n / whole:.3f}",
            )
            for column, n in enumerate(matrix[at])
        ]
        rows.append(tag("tr", tag("th", tag("span", named(name), title=name), scope="row"), *cells))
    head = tag(
        "tr",
        tag("td", words("confusion.corner"), class_="corner"),
        *(tag("th", tag("span", named(name), title=name), scope="col") for name in classes),
    )
    many = " upright" if len(classes) > 6 or max(map(len, classes)) > 14 else ""
    return tag(
        "div",
        tag(
            "table",
            tag("caption", words("confusion.title"), class_="unseen"),
            tag("thead", head),
            tag("tbody", *rows),
            class_=f"confusion{many}",
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=words("confusion.title"),
    )


def _worst_pairs(matrix: Any, classes: Sequence[str], words: Words, most: int = 20) -> Html:
    wrong = matrix * (1 - np.eye(len(matrix), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    rows = []
    for flat in order.tolist():
        truth, answer = divmod(flat, len(matrix))
        n = int(wrong[truth, answer])
        if n:
            rows.append(
                [
                    named(classes[truth]),
                    named(classes[answer]),
                    count(n),
                    percent(n / int(matrix[truth].sum())),
                ]
            )
    head = [words(f"confusion.{name}") for name in ("truth", "answer", "images", "share")]
    return table(head, rows, class_="numbers pairs", caption=words("confusion.pairs"))


def _weakness(row: Mapping[str, Any]) -> tuple[bool, float]:
    """Sorts the lowest recall first and classes without an image last."""
    recall = row["recall"]["value"]
    return recall is None, recall or 0.0


def per_class(content: ReportContent, words: Words) -> Html:
    """One row a class, the weakest first."""
    names = ("recall", "precision", "f1", "roc_auc", "average_precision")
    ordered = sorted(
        content.test["per_class"],
        key=lambda row: (row["recall"]["value"] is None, row["recall"]["value"] or 0),
    )
    rows = []
    for row in ordered:
        shares = [share_cell(row[name], drawn=name == "recall") for name in names[:3]]
        rows.append(
            [named(row["name"]), count(row["n"]), *shares, *(score_cell(name, row) for name in names[3:])]
        )
    head = [words("classes.name"), words("classes.n"), *(words(f"metric.{name}") for name in names)]
    return section(
        "classes",
        words("classes.heading"),
        table(head, rows, class_="numbers", caption=words("classes.heading")),
        intro=words("classes.intro"),
    )


# ---- mistakes ----------------------------------------------------------------------------------------------


def picture(jpeg: bytes | None, description: str) -> Html:
    """A JPEG inside the page, or an empty frame of the same size."""
    if not jpeg:
        return tag("span", class_="blank", role="img", aria_label=description)
    source = "data:image/jpeg;base64," + b64encode(jpeg).decode("ascii")
    return tag("img", src=source, alt=description)


def mistakes(content: ReportContent, words: Words) -> Html:
    """The surest mistakes as pictures, or as small tables of their cells."""
    predictions = content.answers
    rows = most_confident_mistakes(predictions, MOST_CARDS if words.subject == "rows" else MOST_MISTAKES)
    wrong = int(content.test["n"]) - right_answers(content.test)
    if not rows or predictions.labels is None:
        return section("mistakes", words("mistakes.heading"), tag("p", words("mistakes.none")))
    tiles = []
    for row in rows:
        path, likely = predictions.paths[row], int(predictions.predicted[row])
        truth, answer = content.classes[int(predictions.labels[row])], content.classes[likely]
        said = [
            tag("span", words("mistakes.truth", name=truth), class_="truth"),
            tag(
                "span",
                words("mistakes.answer", name=answer),
                " ",
                tag("strong", percent(float(predictions.probabilities[row, likely]))),
            ),
        ]
        if words.subject == "rows":
            tiles.append(row_card(path, said, content, words))
            continue
        caption = tag("figcaption", *said, tag("small", named(path), title=path))
        described = words("mistakes.picture", path=path, truth=truth, answer=answer)
        tiles.append(tag("figure", picture(content.pictures.get(path), described), caption))
    note = words("mistakes.shown", shown=count(len(rows)), n=count(wrong)) if wrong > len(rows) else ""
    return section(
        "mistakes",
        words("mistakes.heading"),
        tag("div", *tiles, class_="cards" if words.subject == "rows" else "gallery"),
        tag("p", note, class_="note") if note else None,
        intro=words("mistakes.intro"),
    )


def row_card(path: str, said: Sequence[Child], content: ReportContent, words: Words) -> Html:
    """A row of a table: what was said about it above its cells, the most important columns first."""
    cells = content.rows.get(path, {})
    weighed = sorted(content.importance, key=lambda each: -float(each["mean"]))
    ranked = [str(each["name"]) for each in weighed if each["name"] in cells]
    shown = [*ranked, *(name for name in cells if name not in ranked)][:MOST_CELLS]
    listed_cells = [
        tag("div", tag("dt", named(name)), tag("dd", named(shown_cell(cells[name])))) for name in shown
    ]
    return tag(
        "article",
        tag("p", *said, class_="said"),
        tag("dl", *listed_cells) if listed_cells else None,
        tag("small", words("mistakes.row", name=path.removeprefix("row "))),
        class_="card",
    )


def shown_cell(value: Any) -> str:
    """A cell as people read it: a dash where it is missing."""
    if value is None or value == "" or value != value:  # NaN is not itself
        return NONE
    return amount(value) if isinstance(value, float) else str(value)


# ---- confidence and curves ---------------------------------------------------------------------------------


def confidence(content: ReportContent, words: Words) -> Html:
    """Reliability, and what one gains by answering only where the model is sure."""
    predictions = content.predictions["test"]
    labels = np.asarray(predictions.labels)
    sure = predictions.probabilities.max(axis=1)
    right = predictions.probabilities.argmax(axis=1) == labels
    rows = []
    for threshold in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        kept = sure >= threshold
        if kept.any():
            n, hits = int(kept.sum()), int(right[kept].sum())
            low, high = wilson(hits, n)
            rows.append(
                [
                    f"{threshold:.0%}",
                    tag(
                        "span",
                        tag("strong", percent(n / len(labels))),
                        tag("small", count(n)),
                        class_="score",
                    ),
                    share_cell({"value": hits / n, "low": low, "high": high}),
                ]
            )
    head = [words("confidence.threshold"), words("confidence.answered"), words("confidence.right")]
    beside = tag(
        "div",
        tag("h3", words("confidence.low")),
        table(head, rows, class_="numbers", caption=words("confidence.low")),
    )
    figure = tag("figure", reliability_figure(reliability_bins(predictions.probabilities, labels), words))
    return section(
        "confidence",
        words("confidence.heading"),
        tag("div", figure, beside, class_="pair"),
        intro=words("confidence.intro"),
    )


def ranking(content: ReportContent, words: Words) -> Html | None:
    """ROC and precision-recall curves; None where only one class occurs in the test part."""
    predictions, test = content.predictions["test"], content.test
    known = [at for at, row in enumerate(test["per_class"]) if row["roc_auc"]["value"] is not None]
    if not known:
        return None
    binary = "positive_class" in test
    ordered = [1] if binary else sorted(known, key=lambda at: test["per_class"][at]["roc_auc"]["value"])
    chosen = ordered[:MOST_CURVES]
    name = content.classes[chosen[0]]
    figures = ranking_figures(
        predictions.probabilities, np.asarray(predictions.labels), chosen, chosen[0], name, words
    )
    if binary:
        told = words("ranking.marked_binary", name=name)
    elif len(chosen) < len(ordered):
        told = words("ranking.marked_few", name=name, n=str(len(chosen) - 1))
    else:
        told = words("ranking.marked", name=name)
    titles = (words("roc.title"), words("pr.title"))
    shown = [tag("figure", tag("h3", title), figure) for title, figure in zip(titles, figures, strict=True)]
    return section(
        "ranking",
        words("ranking.heading"),
        tag("div", *shown, class_="pair"),
        tag("p", told, class_="note"),
        intro=words("ranking.intro"),
    )


def training(content: ReportContent, words: Words) -> Html | None:
    """Curves by epoch and the sentence on over-fitting, as far as there are any."""
    figures = history_figures(content.history, words) if content.history else []
    remark = None if content.estimated else _overfit_remark(content, words)
    if not figures and remark is None:
        return None
    titles = [words(f"history.{name}") for name in history_curves(content.history)]
    shown = [tag("figure", tag("h3", title), figure) for title, figure in zip(titles, figures, strict=True)]
    said = [tag("h3", words("training.overfit")), tag("p", remark[1])] if remark else []
    return section(
        "training", words("training.heading"), tag("div", *shown, class_="pair") if shown else None, *said
    )
