"""A report on a classification: how often it is right, on which classes, and whether its confidence holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Any, cast

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from mindle.evaluation.calibration import (
    ReliabilityBin,
    error_by_chance,
    expected_calibration_error,
    reliability_bins,
)
from mindle.evaluation.classification import Classification
from mindle.evaluation.intervals import wilson
from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.dandelion import answers_per_seed
from mindle.evaluation.report.figures import (
    Axes,
    Floats,
    amounts,
    element,
    number,
    shares,
    shortened,
    squares,
    svg,
)
from mindle.evaluation.report.formatting import Score, count, decimal, percent, span
from mindle.evaluation.report.overfitting import overfitting_of
from mindle.evaluation.report.sections import (
    Cell,
    Example,
    Headline,
    Page,
    Remark,
    ReportTask,
    Values,
    cell,
    example_values,
    listed,
    scores,
    trust,
)
from mindle.evaluation.report.sentences import Sentences
from mindle.records import Predictions

FEW = 20  # with fewer images a class's interval is wider than forty points
MOST_IN_TABLE = 20  # classes up to which the confusion matrix is a table with every number
MOST_BESIDE = 7  # classes up to which the worst pairs find room beside it
MOST_CURVES = 12
MOST_LABELLED = 120  # classes with their names in the overview of a confusion matrix
MOST_EXAMPLES = {"images": 24, "rows": 12}
THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)

Ints = NDArray[np.int64]
EVALUATION = Classification()


def every_answer(content: ReportContent) -> Predictions:
    """The answers on the test split."""
    return cast(Predictions, content.answers["test"])


def one_a_row(content: ReportContent) -> Predictions:
    """The answers on the test split, one a row: the mean over the repeats where there were some."""
    return EVALUATION.pooled(every_answer(content))


def right_answers(test: Mapping[str, Any]) -> int:
    """How many were answered correctly; the mean over the repeats where there were some."""
    return round(int(np.trace(np.asarray(test["confusion"]))) / int(test.get("repeats", 1)))


def baselines(content: ReportContent) -> list[tuple[str, Any]]:
    """The baselines with their accuracy; guessing where none was measured."""
    return list(content.baselines.items()) or [("random", 1 / max(1, len(every_answer(content).classes)))]


def headline(page: Page) -> Headline:
    """The accuracy."""
    test, say = page.content.test, page.say
    accuracy, n, right = page.content.test_score("accuracy"), int(test["n"]), right_answers(test)
    each = answers_per_seed(n)
    return Headline(
        figure=percent(accuracy.value),
        after=say("hero.right"),
        counted=say(
            "hero.crossed" if "folds" in test else "hero.counted", right=count(right), total=count(n)
        ),
        expected=say("hero.expect", low=percent(accuracy.low), high=percent(accuracy.high)),
        wrong=n - right,
        legend=say("hero.legend", n=each),
    )


# ---- what to trust -----------------------------------------------------------------------------------------


def _remarks(page: Page) -> Iterable[Remark | None]:
    test, say = page.content.test, page.say
    n, accuracy = int(test["n"]), page.content.test_score("accuracy")
    low, high = _known_interval(accuracy, n)
    # Two scores of this size differ by more than chance at about 1.4 times the reach of one.
    reach = (high - low) / 2 * 2**0.5
    yield reach < 0.05, say("classification.size", tested=say("unit.images", n=n), reach=f"{100 * reach:.1f}")
    yield overfitting_of(page.content, say)
    yield _confidence_remark(page)
    present = [row for row in test["per_class"] if row["n"]]
    weakest = min(present, key=lambda row: row["recall"]["value"])
    recall = Score.of(weakest["recall"])
    found = {"recall": percent(recall.value), "span": span(recall.low, recall.high)}
    yield (recall.value or 0) >= 0.8, say("trust.weakest", name=weakest["name"], **found)
    few = [row["name"] for row in present if row["n"] < FEW]
    absent = [row["name"] for row in test["per_class"] if not row["n"]]
    yield (False, say("trust.few", most=str(FEW), names=listed(few, say))) if few else None
    yield (False, say("trust.absent", names=listed(absent, say))) if absent else None


def _known_interval(accuracy: Score, n: int) -> tuple[float, float]:
    if accuracy.low is None or accuracy.high is None:
        return wilson((accuracy.value or 0) * n, n)
    return accuracy.low, accuracy.high


def _confidence_remark(page: Page) -> Remark:
    """Whether the mean confidence is the accuracy, overall and at every level."""
    predictions, test = every_answer(page.content), page.content.test
    confidence = float(predictions.probabilities.max(axis=1).mean())
    right, n = float(test["accuracy"]["value"]), int(test["n"])
    low, high = wilson(right * n, n)
    values = {"confidence": percent(confidence), "right": percent(right)}
    if confidence > max(high, right + 0.02):
        return False, page.say("trust.overconfident", **values)
    if confidence < min(low, right - 0.02):
        return False, page.say("trust.underconfident", **values)
    # Few images raise the error by themselves: it must exceed both what matters and what chance makes.
    error = expected_calibration_error(predictions.probabilities, np.asarray(predictions.labels))
    uneven = error > max(0.05, error_by_chance(predictions.probabilities))
    return not uneven, page.say("trust.uneven" if uneven else "trust.calibrated", **values)


def _note(page: Page) -> str:
    positive = page.content.test.get("positive_class")
    return page.say("scores.macro") if positive is None else page.say("scores.binary", name=positive)


def _gaps(page: Page) -> Mapping[str, str]:
    return {"chance": decimal(log(max(1, len(every_answer(page.content).classes))))}


def _limit(page: Page) -> str:
    return page.say("limits.closed", names=listed(every_answer(page.content).classes, page.say))


# ---- confusion matrix and classes --------------------------------------------------------------------------


def confusion(page: Page) -> Values:
    """The confusion matrix: a table with numbers for few classes, a map and the worst pairs for many."""
    matrix, classes = np.asarray(page.content.test["confusion"]), every_answer(page.content).classes
    few = len(classes) <= MOST_IN_TABLE
    return {
        "classes": classes,
        "upright": len(classes) > 6 or max(map(len, classes)) > 14,
        "rows": list(zip(classes, _matrix_rows(matrix), strict=True)) if few else [],
        "beside": len(classes) <= MOST_BESIDE,
        "pairs": _worst_pairs(matrix, classes, most=8 if few else 20),
        "maps": []
        if few
        else [confusion_map(matrix, classes, page.say, numbered=large) for large in (False, True)],
        "repeats": int(page.content.test.get("repeats", 1)),
    }


def _matrix_rows(matrix: Ints) -> list[list[tuple[str, str, float]]]:
    """Number, class and share of its row of each square."""
    rows = []
    for at, numbers in enumerate(matrix.tolist()):
        whole = max(1, sum(numbers))
        rows.append(
            [(count(n), "right" if column == at else "wrong", n / whole) for column, n in enumerate(numbers)]
        )
    return rows


def _worst_pairs(matrix: Ints, classes: Sequence[str], most: int) -> list[tuple[str, str, str, str]]:
    """Truth, answer, number and share of the class, the most frequent mistakes first."""
    wrong = matrix * (1 - np.eye(len(matrix), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [divmod(flat, len(matrix)) for flat in order.tolist() if wrong.flat[flat]]
    return [
        (
            classes[truth],
            classes[answer],
            count(wrong[truth, answer]),
            percent(wrong[truth, answer] / matrix[truth].sum()),
        )
        for truth, answer in pairs
    ]


def confusion_map(matrix: Ints, classes: Sequence[str], say: Sentences, *, numbered: bool) -> Markup:
    """The confusion matrix of many classes: a square a pair that occurs, darker where more of the row went.

    Args:
        matrix: Rows are truth, columns answers.
        classes: Their names.
        say: Of the page.
        numbered: Large squares with the count in each, to scroll in; else small ones, to see at once.
    """
    many = len(matrix)
    side = 24.0 if numbered else max(2.0, 860 / many)
    size = 9.5 if numbered else min(11.0, side * 0.86)
    labelled = numbered or many <= MOST_LABELLED
    margin = 170.0 if labelled else 12.0
    shares_of_row = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    depths = np.clip(np.ceil(10 * shares_of_row), 2, 10).astype(np.int64)  # never quite invisible
    marks = [element("rect", x=margin, y=margin, width=side * many, height=side * many, class_="field")]
    diagonal = np.eye(many, dtype=bool)
    for class_, which in (("right", diagonal), ("wrong", ~diagonal)):
        rows, columns = np.nonzero((matrix > 0) & which)
        corners = np.stack([columns, rows], axis=1).astype(np.float64) * side + margin
        marks += squares(corners, depths[rows, columns], side * 0.94, class_)
    marks += [_square_counts(matrix, depths, margin, side)] if numbered else []
    marks += _square_labels(classes, margin, side, size) if labelled else []
    whole = margin + side * many + 4
    drawn = element("g", *marks, class_="matrix", font_size=size)
    texts = {"title": say("confusion.title"), "description": say("confusion.description")}
    return svg(whole, whole, drawn, class_="fixed" if numbered else "whole", **texts)


def _square_counts(matrix: Ints, depths: Ints, margin: float, side: float) -> Markup:
    """The number in the middle of each square."""
    middle = margin + side * 0.47
    texts = (
        element(
            "text",
            str(matrix[row, column]),
            x=middle + column * side,
            y=middle + row * side + 3.4,
            class_=("seed" if row == column else "dark") if depths[row, column] > 5 else "plain",
        )
        for row, column in np.argwhere(matrix).tolist()
    )
    return element("g", *texts, text_anchor="middle")


def _square_labels(classes: Sequence[str], margin: float, side: float, size: float) -> list[Markup]:
    """Names of the classes on the left and, turned, above."""
    marks = []
    for at, name in enumerate(classes):
        shown, middle = shortened(name, 22), margin + (at + 0.5) * side + size * 0.35
        turned = f"translate({number(middle)} {number(margin - 6)}) rotate(-90)"
        marks.append(element("text", shown, x=margin - 6, y=middle, text_anchor="end"))
        marks.append(element("text", shown, transform=turned))
    return marks


def per_class(page: Page) -> Values:
    """One row a class, the weakest first."""
    names = ("recall", "precision", "f1", "roc_auc", "average_precision")
    ordered = sorted(
        page.content.test["per_class"],
        key=lambda row: (row["recall"]["value"] is None, row["recall"]["value"] or 0),
    )
    return {
        "metrics": names,
        "rows": [
            (
                row["name"],
                count(row["n"]),
                [cell(name, row.get(name)) for name in names],
            )
            for row in ordered
        ],
    }


# ---- mistakes ----------------------------------------------------------------------------------------------


def mistakes(page: Page) -> Values:
    """The most confident mistakes as pictures, or as small tables of their cells."""
    shown = examples(page, MOST_EXAMPLES[page.say.unit])
    wrong = int(page.content.test["n"]) - right_answers(page.content.test)
    left = (
        page.say("mistakes.shown", shown=count(len(shown)), wrong=count(wrong)) if wrong > len(shown) else ""
    )
    return {
        "examples": example_values(page, shown),
        "none": page.say("mistakes.none"),
        "left": left if shown else "",
    }


def examples(page: Page, limit: int) -> list[Example]:
    """The most confident mistakes."""
    predictions, say = one_a_row(page.content), page.say
    found = []
    for row in EVALUATION.worst(predictions, limit):
        path, likely = predictions.paths[row], int(predictions.predicted[row])
        truth, answer = (
            predictions.classes[int(np.asarray(predictions.labels)[row])],
            predictions.classes[likely],
        )
        found.append(
            Example(
                path=path,
                truth=say("mistakes.truth", name=truth),
                answer=say("mistakes.answer", name=answer),
                detail=percent(float(predictions.probabilities[row, likely])),
                described=say("mistakes.picture", path=path, truth=truth, answer=answer),
            )
        )
    return found


# ---- confidence and curves ---------------------------------------------------------------------------------


def confidence(page: Page) -> Values:
    """Reliability, and what one gains by answering only where the model is sure."""
    predictions = every_answer(page.content)
    labels = np.asarray(predictions.labels)
    sure, right = predictions.probabilities.max(axis=1), predictions.probabilities.argmax(axis=1) == labels
    rows = []
    for threshold in THRESHOLDS:
        answered = sure >= threshold
        if n := int(answered.sum()):
            hits = int(right[answered].sum())
            low, high = wilson(hits, n)
            among = cell("precision", {"value": hits / n, "low": low, "high": high})
            rows.append((f"{threshold:.0%}", Cell(percent(n / len(labels)), count(n)), among))
    bins = reliability_bins(predictions.probabilities, labels)
    return {"rows": rows, "figures": [reliability_figure(bins, page.say), confidence_figure(bins, page.say)]}


def reliability_figure(bins: Sequence[ReliabilityBin], say: Sentences) -> Markup:
    """Accuracy against confidence with its interval in each bin."""
    axes = Axes(x=shares(), y=shares(say("axis.accuracy")), width=460, height=330, margin=60, bottom=28)
    filled = [(each.confidence, each.accuracy, each.n) for each in bins if each.n]
    sure = np.array([confidence for confidence, _, _ in filled], np.float64)
    right = np.array([accuracy for _, accuracy, _ in filled], np.float64)
    ends = np.array([wilson(accuracy * n, n) for accuracy, (_, _, n) in zip(right, filled, strict=True)])
    described = [
        f"{percent(a)} → {percent(b)} ({count(n)})"
        for a, b, (_, _, n) in zip(sure, right, filled, strict=True)
    ]
    return axes.drawn(
        axes.line([0, 1], [0, 1], "guess"),
        axes.spans(sure, ends[:, 0], sure, ends[:, 1], "whisker"),
        axes.dots(sure, right, "point", 4.5),
        title=say("reliability.title"),
        description=say("reliability.description", bins="; ".join(described)),
    )


def confidence_figure(bins: Sequence[ReliabilityBin], say: Sentences) -> Markup:
    """How often each confidence occurs."""
    filled = [each for each in bins if each.n]
    numbers = [each.n for each in filled]
    up = amounts(0.0, 1.18 * max(numbers), say("axis.images"))
    axes = Axes(x=shares(say("axis.confidence")), y=up, width=460, height=170, margin=60, top=6)
    lows, highs = np.array([each.low for each in filled]), np.array([each.high for each in filled])
    return axes.drawn(
        axes.bars(lows, highs, numbers, "block"),
        *axes.texts((lows + highs) / 2, numbers, map(count, numbers), "small"),
        title=say("histogram.title"),
        description=say("histogram.description"),
    )


def ranking(page: Page) -> Values | None:
    """ROC and precision-recall curves; None where only one class occurs in the test split."""
    predictions, test = every_answer(page.content), page.content.test
    known = [at for at, row in enumerate(test["per_class"]) if row["roc_auc"]["value"] is not None]
    if not known:
        return None
    binary = "positive_class" in test
    ordered = [1] if binary else sorted(known, key=lambda at: test["per_class"][at]["roc_auc"]["value"])
    chosen = ordered[:MOST_CURVES]
    name = predictions.classes[chosen[0]]
    form = "marked_binary" if binary else "marked_few" if len(chosen) < len(ordered) else "marked"
    return {
        "figures": ranking_figures(predictions, chosen, page.say),
        "marked": page.say(f"ranking.{form}", name=name, others=str(len(chosen) - 1)),
    }


def ranking_figures(predictions: Predictions, chosen: Sequence[int], say: Sentences) -> dict[str, Markup]:
    """Precision-recall and ROC curves of some classes, the first of them yellow."""
    square = {"width": 420, "height": 400, "right": 24}
    precision = Axes(x=shares(say("axis.recall")), y=shares(say("axis.precision")), **square)
    roc = Axes(x=shares(say("axis.false_positive")), y=shares(say("axis.true_positive")), **square)
    curves, rates = [], [roc.line([0, 1], [0, 1], "guess")]
    for at in reversed(chosen):  # the yellow one last, on top
        positive, class_ = np.asarray(predictions.labels) == at, "marked" if at == chosen[0] else "other"
        curves.append(
            precision.line(*precision_recall_points(predictions.probabilities[:, at], positive), class_)
        )
        rates.append(roc.line(*roc_points(predictions.probabilities[:, at], positive), class_))
    name = predictions.classes[chosen[0]]
    return {
        group: axes.drawn(
            *marks, title=say(f"{group}.title"), description=say(f"{group}.description", name=name)
        )
        for group, axes, marks in (("pr", precision, curves), ("roc", roc, rates))
    }


def roc_points(values: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """False and true positive rate at every threshold, from (0, 0) to (1, 1)."""
    hits, answered = _hits(values, positive)
    alarms = answered - hits
    return np.append(0.0, alarms / max(1, alarms[-1])), np.append(0.0, hits / max(1, hits[-1]))


def precision_recall_points(values: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Recall and precision at every threshold, as steps: average precision is the area below them."""
    hits, answered = _hits(values, positive)
    precision, recall = hits / answered, hits / max(1, hits[-1])
    return np.append(0.0, np.repeat(recall, 2)[:-1]), np.repeat(precision, 2)


def _hits(values: Floats, positive: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """True positives and all positives at every threshold, the highest first; ties move together."""
    order = np.argsort(-values, kind="stable")
    last = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    return np.cumsum(positive[order])[last], last + 1


TASK = ReportTask(
    group="classification",
    sections=(
        ("trust", trust),
        ("scores", scores),
        ("confusion", confusion),
        ("classes", per_class),
        ("mistakes", mistakes),
        ("confidence", confidence),
        ("ranking", ranking),
    ),
    scores=(
        "accuracy",
        "balanced_accuracy",
        "top5_accuracy",
        "macro_precision",
        "macro_f1",
        "roc_auc",
        "average_precision",
        "log_loss",
        "ece",
    ),
    compared=("accuracy", "macro_f1", "log_loss"),
    lower_is_better=False,
    headline=headline,
    remarks=_remarks,
    baselines=baselines,
    examples=examples,
    answer=percent,
    largest=lambda _: 1.0,
    note=_note,
    gaps=_gaps,
    limit=_limit,
)
