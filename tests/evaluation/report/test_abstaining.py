"""What the page says of label sets, refusals and costs, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mindle.evaluation import tasks
from mindle.evaluation.report import ReportContent
from mindle.evaluation.trust.abstention import Abstention
from mindle.evaluation.trust.costs import Costs
from mindle.evaluation.trust.label_sets import fit_label_sets
from mindle.messages.catalogue import catalogue
from mindle.records import ABSTAIN, Answers
from tests.evaluation.report.conftest import answers, estimates, jpeg
from tests.evaluation.report.test_doctor import section

Make = Callable[..., ReportContent]
CLASSES = ("daisy", "dandelion", "roses")


def codes(count: int) -> np.ndarray:
    found = np.full(count, "", dtype="U20")
    found[:6], found[6:8] = "unlike_training", "dark"
    return found


def trusted(content: ReportContent, given: Answers, abstention: Abstention) -> ReportContent:
    """The content with these answers, and the scores of trust beside its own."""
    block = tasks.of(given.task).trust_scores(given, abstention, temperature=1.2)
    metrics: dict[str, Any] = {**content.metrics, "test": {**content.metrics["test"], **block}}
    return replace(content, metrics=metrics, answers={**content.answers, "test": given})


def classified(full: Make, **changes: Any) -> ReportContent:
    test = answers(CLASSES, 120)
    assert test.labels is not None
    sets = fit_label_sets(test.probabilities, test.labels, level=changes.pop("level", 0.9))
    costs = Costs(classes=CLASSES, table=1 - np.eye(3), abstain=np.full(3, 0.3))
    named = replace(
        test,
        abstain=codes(120),
        sets=sets.of(test.probabilities),
        decisions=costs.decisions(test.probabilities, codes(120)),
    )
    content = full(pictures={test.paths[0]: jpeg()}, **changes)
    return trusted(content, named, Abstention(refuse=0.05, label_sets=sets, costs=costs))


def test_classes_have_sets_refusals_a_curve_and_costs(full: Make) -> None:
    content = classified(full)
    foreign = {"left_out_classes": {"daisy": 0.1, "roses": 0.3}, "others": {"mosaic": 1.0}}
    content = replace(content, metrics={**content.metrics, "abstention": foreign})
    english, korean = section(content, "abstaining"), section(content, "abstaining", "ko")
    test = content.metrics["test"]
    assert "the target is 90.0%" in english
    assert "It abstains on 6.7%" in english
    assert f"{100 * test['abstain']['accuracy_of_the_rest']['value']:.1f}%" in english
    assert "unlike the training data" in english
    assert "too dark" in english
    assert "Risk-coverage curve" in english
    assert "least expected cost" in english
    assert "Before calibration" in english
    assert english.count("<figcaption>") == 8  # every refused image, with its picture or without
    assert "data:image/jpeg" in english
    assert "abstain on 20.0% of that class on average (10.0% to 30.0%)" in english
    assert "mosaics 100%" in english
    assert "학습 데이터와 다름" in korean
    assert "모자이크 100%" in korean
    assert "위험-응답률 곡선" in korean
    assert "목표는 90.0%" in korean


def test_a_promise_that_cannot_be_made_is_refused_with_the_number(full: Make) -> None:
    found = section(classified(full, level=0.995), "abstaining")
    assert "are not possible: they need at least 199 images" in found


def test_numbers_have_refusals_alone(estimated: Make) -> None:
    given = replace(estimates(120), abstain=codes(120))
    found = section(trusted(estimated(), given, Abstention(refuse=0.05)), "abstaining")
    assert "mean absolute error of the rest" in found
    assert "Label sets:" not in found
    assert "cost" not in found


def test_a_run_of_before_has_no_such_section(full: Make, estimated: Make) -> None:
    assert section(full(), "abstaining") == ""
    assert section(estimated(), "abstaining") == ""


def test_every_code_has_words() -> None:
    assert all(f"report.abstaining.code_{code}" in catalogue() for code in ABSTAIN)
