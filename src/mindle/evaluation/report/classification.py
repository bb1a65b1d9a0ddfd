"""A report on a classification: how often it is right, on which classes, and whether its confidence holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from mindle.evaluation.calibration import (
    ReliabilityBin,
    error_by_chance,
    expected_calibration_error,
    reliability_bins,
)
from mindle.evaluation.intervals import Ints, counted, wilson
from mindle.evaluation.report.abstaining import abstaining
from mindle.evaluation.report.dandelion import answers_per_seed
from mindle.evaluation.report.figures import Axes, Floats, amounts, shares, shortened, squares
from mindle.evaluation.report.formatting import Score, count, decimal, interval, percent
from mindle.evaluation.report.overfitting import overfitting_of
from mindle.evaluation.report.rendering import render
from mindle.evaluation.report.sections import Page, Remark, Values, overall_scores, trust
from mindle.evaluation.report.sentences import Sentences
from mindle.records import Predictions

FEW = 20  # with fewer images a class's interval is wider than forty points
MOST_IN_TABLE = 20  # classes up to which the confusion matrix is a table with every number
MOST_CURVES = 12
MOST_LABELLED = 120  # classes with their names in the overview of a confusion matrix
MOST_EXAMPLES = {"images": 24, "rows": 12}
THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


# ---- sections ----------------------------------------------------------------------------------------------


def confusion(page: ClassificationPage) -> Values:
    """The confusion matrix: a table with numbers for few classes, a map and the worst pairs for many."""
    matrix, classes = np.asarray(page.content.test["confusion"]), page.answers.classes
    few = len(classes) <= MOST_IN_TABLE
    maps = [] if few else [confusion_map(matrix, classes, page.say, numbered=each) for each in (False, True)]
    pairs = _worst_pairs(matrix, most=8 if few else 20)
    return {"matrix": matrix.tolist(), "classes": classes, "pairs": pairs, "maps": maps}


def _worst_pairs(matrix: Ints, most: int) -> list[tuple[int, int]]:
    """Truth and answer of the most frequent mistakes."""
    wrong = matrix * (1 - np.eye(len(matrix), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    return [divmod(flat, len(matrix)) for flat in order.tolist() if wrong.flat[flat]]


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
    labelled = numbered or many <= MOST_LABELLED
    margin = 170.0 if labelled else 12.0
    shares_of_row = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    depths = np.clip(np.ceil(10 * shares_of_row), 2, 10).astype(np.int64)  # never quite invisible
    marks = []
    for class_, which in (("right", np.eye(many, dtype=bool)), ("wrong", ~np.eye(many, dtype=bool))):
        rows, columns = np.nonzero((matrix > 0) & which)
        corners = np.stack([columns, rows], axis=1).astype(np.float64) * side + margin
        marks += squares(corners, depths[rows, columns], side * 0.94, class_)
    pairs = np.argwhere(matrix).tolist() if numbered else []
    return render(
        "figures/confusion.html",
        title=say("confusion.title"),
        description=say("confusion.description"),
        many=many,
        side=side,
        margin=margin,
        numbered=numbered,
        squares=marks,
        counts=[(row, column, matrix[row, column], depths[row, column]) for row, column in pairs],
        names=[shortened(name, 22) for name in classes] if labelled else [],
    )


def confidence(page: ClassificationPage) -> Values:
    """Reliability, and what one gains by answering only where the model is confident."""
    probabilities, labels = page.every_answer.probabilities, np.asarray(page.every_answer.labels)
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    answered = {threshold: right[sure >= threshold] for threshold in THRESHOLDS}
    bins = reliability_bins(probabilities, labels)
    return {
        "rows": [
            (threshold, len(hits), len(hits) / len(labels), counted(int(hits.sum()), len(hits)))
            for threshold, hits in answered.items()
            if len(hits)
        ],
        "figures": [reliability_figure(bins, page.say), confidence_figure(bins, page.say)],
    }


def reliability_figure(bins: Sequence[ReliabilityBin], say: Sentences) -> Markup:
    """Accuracy against confidence with its interval in each bin."""
    axes = Axes(x=shares(), y=shares(say("axis.accuracy")), width=460, height=330, margin=60, bottom=28)
    _, _, numbers, sure, right = np.array(bins).T
    ends = np.array([wilson(hits, n) for hits, n in zip(right * numbers, numbers, strict=True)])
    described = [
        f"{percent(a)} → {percent(b)} ({count(n)})" for a, b, n in zip(sure, right, numbers, strict=True)
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
    lows, highs, numbers, _, _ = np.array(bins).T
    up = amounts(0.0, 1.18 * max(numbers), say("axis.images"))
    axes = Axes(x=shares(say("axis.confidence")), y=up, width=460, height=170, margin=60, top=6)
    return axes.drawn(
        axes.bars(lows, highs, numbers, "block"),
        *axes.texts((lows + highs) / 2, numbers, map(count, numbers), "small"),
        title=say("histogram.title"),
        description=say("histogram.description"),
    )


def ranking(page: ClassificationPage) -> Values:
    """ROC and precision-recall curves, where more than one class occurs in the test split."""
    areas = {at: row["roc_auc"]["value"] for at, row in enumerate(page.content.test["per_class"])}
    known = sorted((at for at in areas if areas[at] is not None), key=lambda at: areas[at])
    binary = "positive_class" in page.content.test
    chosen = [1] if binary and known else known[:MOST_CURVES]
    form = "marked_binary" if binary else "marked_few" if len(chosen) < len(known) else "marked"
    return {
        "name": page.answers.classes[chosen[0]] if chosen else "",
        "form": form,
        "others": len(chosen) - 1,
        "figures": ranking_figures(page.every_answer, chosen, page.say) if chosen else {},
    }


def ranking_figures(predictions: Predictions, chosen: Sequence[int], say: Sentences) -> dict[str, Markup]:
    """Precision-recall and ROC curves of some classes, the first of them yellow."""
    square = {"width": 420, "height": 400, "right": 24}
    precision = Axes(x=shares(say("axis.recall")), y=shares(say("axis.precision")), **square)
    roc = Axes(x=shares(say("axis.false_positive")), y=shares(say("axis.true_positive")), **square)
    curves, rates = [], [roc.line([0, 1], [0, 1], "guess")]
    for at in reversed(chosen):  # the yellow one last, on top
        positive, class_ = np.asarray(predictions.labels) == at, "marked" if at == chosen[0] else "other"
        values = predictions.probabilities[:, at]
        curves.append(precision.line(*precision_recall_points(values, positive), class_))
        rates.append(roc.line(*roc_points(values, positive), class_))
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


# ---- the page ----------------------------------------------------------------------------------------------


class ClassificationPage(Page[Predictions]):
    """A report on the classes that a model names."""

    group = "classification"
    sections = {
        "trust": trust,
        "scores": overall_scores,
        "confusion": confusion,
        "classes": None,
        "mistakes": lambda page: {"examples": page.examples(MOST_EXAMPLES[page.say.unit])},
        "confidence": confidence,
        "abstaining": abstaining,
        "ranking": ranking,
    }
    scores = (
        "accuracy balanced_accuracy top5_accuracy macro_precision macro_f1 "
        "roc_auc average_precision log_loss ece"
    ).split()
    compared = ("accuracy", "macro_f1", "log_loss")
    lower_is_better = False

    @property
    def right_answers(self) -> int:
        """How many were answered correctly; the mean over the repeats where there were some."""
        test = self.content.test
        return round(int(np.trace(np.asarray(test["confusion"]))) / int(test.get("repeats", 1)))

    def headline(self) -> Values:
        """The accuracy."""
        test, say, right = self.content.test, self.say, self.right_answers
        accuracy, n = self.content.test_score("accuracy"), int(test["n"])
        crossed = "hero.crossed" if "folds" in test else "hero.counted"
        return {
            "figure": percent(accuracy.value),
            "after": say("hero.right"),
            "counted": say(crossed, right=count(right), total=count(n)),
            "expected": say("hero.expect", low=percent(accuracy.low), high=percent(accuracy.high)),
            "wrong": n - right,
            "legend": say("hero.legend", n=answers_per_seed(n)),
        }

    def baselines(self) -> list[tuple[str, Any]]:
        """The baselines with their accuracy; guessing where none was measured."""
        guessing = [("random", 1 / max(1, len(self.answers.classes)))]
        return list(self.content.baselines.items()) or guessing

    def remarks(self) -> Iterable[Remark | None]:
        """On the size of the test split, over-fitting, confidence, and the classes that are weak or rare."""
        test, say, listed = self.content.test, self.say, self.listed
        n, (value, low, high) = int(test["n"]), self.content.test_score("accuracy")
        if low is None or high is None:
            low, high = wilson((value or 0) * n, n)
        # Two scores of this size differ by more than chance at about 1.4 times the reach of one.
        reach = (high - low) / 2 * 2**0.5
        tested = say("unit.images", n=n)
        yield reach < 0.05, say("classification.size", tested=tested, reach=f"{100 * reach:.1f}")
        yield overfitting_of(self.content, say)
        yield self._confidence_remark()
        present = [row for row in test["per_class"] if row["n"]]
        weakest = min(present, key=lambda row: row["recall"]["value"])
        recall = Score.of(weakest["recall"])
        found = {"recall": percent(recall.value), "span": interval(recall.low, recall.high, percent)}
        yield (recall.value or 0) >= 0.8, say("trust.weakest", name=weakest["name"], **found)
        if few := [row["name"] for row in present if row["n"] < FEW]:
            yield False, say("trust.few", most=str(FEW), names=listed(few))
        if absent := [row["name"] for row in test["per_class"] if not row["n"]]:
            yield False, say("trust.absent", names=listed(absent))

    def _confidence_remark(self) -> Remark:
        """Whether the mean confidence is the accuracy, overall and at every level."""
        predictions, test = self.every_answer, self.content.test
        confidence = float(predictions.probabilities.max(axis=1).mean())
        right, n = float(test["accuracy"]["value"]), int(test["n"])
        low, high = wilson(right * n, n)
        # Few images raise the error by themselves: it must exceed both what matters and what chance makes.
        error = expected_calibration_error(predictions.probabilities, np.asarray(predictions.labels))
        if confidence > max(high, right + 0.02):
            found = "overconfident"
        elif confidence < min(low, right - 0.02):
            found = "underconfident"
        elif error > max(0.05, error_by_chance(predictions.probabilities)):
            found = "uneven"
        else:
            found = "calibrated"
        said = self.say(f"trust.{found}", confidence=percent(confidence), right=percent(right))
        return found == "calibrated", said

    def example(self, row: int) -> Values:
        """A row's classes, and how confident the model was."""
        predictions, say = self.answers, self.say
        likely = int(predictions.predicted[row])
        truth, answer = (predictions.classes[at] for at in (int(np.asarray(predictions.labels)[row]), likely))
        return {
            "truth": say("mistakes.truth", name=truth),
            "answer": say("mistakes.answer", name=answer),
            "detail": percent(float(predictions.probabilities[row, likely])),
            "described": say("mistakes.picture", path=predictions.paths[row], truth=truth, answer=answer),
        }

    def answer(self, value: float) -> str:
        """A probability."""
        return percent(value)

    def largest(self, entries: Iterable[Score]) -> float:
        """All of the answers."""
        return 1.0

    def note(self) -> str:
        """Of which classes ROC AUC and average precision are."""
        positive = self.content.test.get("positive_class")
        return self.say("scores.macro") if positive is None else self.say("scores.binary", name=positive)

    def gaps(self) -> Mapping[str, str]:
        """The log loss of guessing."""
        return {"chance": decimal(log(max(1, len(self.answers.classes))))}

    def limit(self) -> str:
        """That it knows no other classes."""
        return self.say("limits.closed", names=self.listed(self.answers.classes))
