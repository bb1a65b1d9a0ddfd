from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as theirs

from mindle.evaluation.calibration import reliability_bins
from mindle.evaluation.report import ReportContent, classification, report_html
from mindle.evaluation.report.page import page_of
from mindle.evaluation.report.sections import trust
from mindle.evaluation.report.sentences import Sentences
from tests.evaluation.report.test_training import section

Make = Callable[..., ReportContent]
EN = Sentences("en")


def remarks(content: ReportContent) -> dict[str, bool]:
    """Sentence to whether it is sound."""
    return {sentence: sound for sound, sentence in trust(page_of(content, "en"))["remarks"]}


def said(content: ReportContent, fragment: str) -> bool:
    """Whether the one remark that contains `fragment` is sound."""
    (sound,) = [sound for sentence, sound in remarks(content).items() if fragment in sentence]
    return sound


def changed(content: ReportContent, **changes: Any) -> Mapping[str, Any]:
    metrics = copy.deepcopy(dict(content.metrics))
    metrics.update(changes)
    return metrics


def test_the_headline_counts(full: Make) -> None:
    content = full()
    right = int(np.trace(np.array(content.test["confusion"])))
    assert f"{right} of 120 test images were classified correctly" in report_html(content)


def test_beating_the_simplest_answers_must_be_clear(full: Make) -> None:
    content = full()
    assert said(
        content,
        "clearly beats the best of the simplest baselines (linear model on a colour histogram, 50.0%)",
    )
    weak = full(metrics=changed(content, baselines={"majority": 0.99}))
    assert not said(weak, "not clearly better than the simplest baseline (always the most frequent class")


def test_without_baselines_it_is_compared_with_guessing(bare: Make) -> None:
    assert said(bare(n=100), "(guessing, 50.0%)")


def test_few_images_and_absent_classes_are_named(bare: Make) -> None:
    content = bare(classes=["a", "b", "c", "d", "e", "f"], n=5)
    assert not said(content, "Fewer than 20 test images for")
    assert not said(content, "No test image at all for")
    assert not said(content, "rests on 5 images")


def test_decisions_and_what_was_set_aside_are_counted(full: Make) -> None:
    assert not said(full(), "left 1 finding for you")
    assert said(full(), "Set aside: 3 files")


@pytest.mark.parametrize(
    ("sharpness", "sentence"),
    [(4.0, "overconfident"), (0.3, "underconfident"), (1.0, "well calibrated")],
)
def test_confidence_is_compared_with_accuracy(bare: Make, sharpness: float, sentence: str) -> None:
    from mindle.evaluation.metrics import score
    from mindle.records import Predictions

    generator = np.random.default_rng(0)
    logits = 1.5 * generator.normal(size=(2000, 3))
    labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
    odds = np.exp(sharpness * logits)
    test = Predictions(
        classes=("a", "b", "c"), paths=tuple(map(str, range(2000))), labels=labels,
        probabilities=odds / odds.sum(axis=1, keepdims=True),
    )  # fmt: skip
    content = ReportContent(
        name="x", metrics={"task": "multiclass", "test": score(test)}, answers={"test": test}
    )
    assert said(content, sentence) == (sharpness == 1.0)


def test_right_on_average_but_uneven_is_said(bare: Make) -> None:
    from mindle.evaluation.metrics import score
    from mindle.records import Predictions

    sure = np.array(
        [0.6] * 500 + [0.9] * 500
    )  # says 75 % on average and is right 75 % of the time, but evenly
    right = np.arange(1000) % 4 != 0
    test = Predictions(
        classes=("a", "b"), paths=tuple(map(str, range(1000))),
        probabilities=np.stack([sure, 1 - sure], axis=1), labels=np.where(right, 0, 1),
    )  # fmt: skip
    content = ReportContent(name="x", metrics={"task": "binary", "test": score(test)}, answers={"test": test})
    assert not said(content, "right on average")


def test_over_fitting_is_skipped_where_training_is_unknown(full: Make) -> None:
    assert any("Training minus test" in sentence for sentence in remarks(full()))
    without = full()
    unknown = full(metrics={**without.metrics, "train": {}})
    assert not any("Training minus test" in sentence for sentence in remarks(unknown))


def test_heads_are_compared_by_what_they_answered_out_of_fold(full: Make) -> None:
    plain = full()
    value = plain.metrics["test"]["accuracy"]["value"]
    train = {"n": 300, "accuracy": 1.0, "out_of_fold": {"accuracy": value}}
    memorised, honest = (
        " ".join(remarks(full(metrics={**plain.metrics, "train": learned})))
        for learned in ({"n": 300, "accuracy": 1.0}, train)
    )
    assert "has partly memorised its training images" in memorised
    assert "memorised" not in honest
    assert "training (out of fold)" in honest


def test_the_class_table_begins_with_the_weakest(full: Make) -> None:
    content = full()
    order = [row["name"] for row in sorted(content.test["per_class"], key=lambda row: row["recall"]["value"])]
    shown = re.findall(r'<th scope="row"><bdi>(.*?)</bdi></th>', section(content, "classes"))
    assert shown == order


def test_a_class_without_images_stands_last(bare: Make) -> None:
    content = bare(classes=["a", "b", "c", "d", "e", "f"], n=5)
    absent = [row["name"] for row in content.test["per_class"] if not row["n"]]
    shown = re.findall(r'<th scope="row"><bdi>(.*?)</bdi></th>', section(content, "classes"))
    assert len(shown) == 6
    assert shown[-len(absent) :] == absent


def ranked(content: ReportContent) -> str:
    """The sentence below the curves."""
    return section(content, "ranking")


def test_ranking_has_no_section_where_one_class_occurs(bare: Make) -> None:
    assert 'id="ranking"' not in report_html(bare(n=1))


def test_ranking_marks_the_second_of_two_classes_and_the_weakest_of_many(full: Make) -> None:
    assert "“dog”, the class to be found" in ranked(full(classes=("cat", "dog")))
    content = full()
    weakest = min(content.test["per_class"], key=lambda row: row["roc_auc"]["value"])["name"]
    assert f"“{weakest}”, the class with the lowest ROC AUC" in ranked(content)
    assert "the 11 next to it are grey" in ranked(full(classes=[f"c{i}" for i in range(15)]))


def test_names_are_shortened_where_there_are_many(bare: Make) -> None:
    page = page_of(bare(), "en")
    assert page.listed(["a", "b"]) == "a, b"
    assert page.listed([str(i) for i in range(10)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"


def test_curves_have_the_areas_that_scikit_learn_computes() -> None:
    generator = np.random.default_rng(0)
    positive = generator.random(300) < 0.3
    scores = (generator.normal(size=300) + positive).round(1)  # with ties
    x, y = classification.roc_points(scores, positive)
    assert float(np.trapezoid(y, x)) == pytest.approx(theirs.roc_auc_score(positive, scores))
    recall, precision = classification.precision_recall_points(scores, positive)
    area = float(np.sum(np.diff(recall) * precision[1:]))
    assert area == pytest.approx(theirs.average_precision_score(positive, scores))


def test_reliability_says_its_numbers() -> None:
    bins = reliability_bins(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
    drawing = classification.reliability_figure(bins, EN)
    assert "90.0% → 50.0% (2)" in drawing
    assert drawing.count("<circle") == 1
    assert "whisker" in drawing


def test_a_confusion_map_has_a_square_for_every_pair_that_occurs() -> None:
    matrix = np.diag([5] * 30)
    matrix[0, 7] = 3
    drawing = classification.confusion_map(matrix, [f"<{i}>" for i in range(30)], EN, numbered=True)
    squares = "".join(re.findall(r'<path d="([^"]+)" class="(?:right|wrong)"', drawing))
    assert squares.count("z") == 31
    assert drawing.count(">5<") == 30
    assert drawing.count(">3<") == 1
    assert "&lt;29&gt;" in drawing


def test_a_thousand_classes_have_no_names_in_the_overview() -> None:
    drawing = classification.confusion_map(np.eye(1000, dtype=int), ["name"] * 1000, EN, numbered=False)
    assert "name" not in drawing.split("</desc>")[1]
