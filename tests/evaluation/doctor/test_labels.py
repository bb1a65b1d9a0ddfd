from __future__ import annotations

import json

import numpy as np
import pytest

from mindle.evaluation.doctor.labels import (
    Issues,
    calibrated_joint,
    certain_share,
    confident_joint,
    label_issues,
    self_confidence,
    share_of,
    stated_precision,
    suggestions_at,
)
from mindle.evaluation.intervals import Floats, Ints
from mindle.records import OutOfFold

CLASSES = ("cat", "dog", "owl")


def answered(probabilities: Floats, labels: Ints) -> OutOfFold:
    rows = np.arange(len(labels))
    return OutOfFold(
        rows=rows,
        outputs={"probabilities": probabilities},
        truth=labels,
        folds=rows % 5,
        groups=rows,
        learned_from=rows >= 0,
    )


def drawn(n: int, flipped: float, *, sharpness: float = 4.0, seed: int = 0) -> tuple[Floats, Ints, Ints]:
    """Probabilities of a calibrated model, the labels that it was told, and the right ones."""
    generator = np.random.default_rng(seed)
    logits = sharpness * generator.normal(size=(n, 3))
    right = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
    labels = right.copy()
    changed = generator.permutation(n)[: round(flipped * n)]
    labels[changed] = (labels[changed] + generator.integers(1, 3, len(changed))) % 3
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True), labels, right


@pytest.mark.slow
def test_scores_and_joint_are_those_of_cleanlab() -> None:
    pytest.importorskip("cleanlab")
    from cleanlab.count import compute_confident_joint
    from cleanlab.rank import get_label_quality_scores

    for seed in range(5):
        probabilities, labels, _ = drawn(600, 0.08, sharpness=2.0, seed=seed)
        theirs = get_label_quality_scores(labels, probabilities, method="self_confidence")
        np.testing.assert_allclose(self_confidence(probabilities, labels), theirs, atol=1e-15)
        joint = confident_joint(probabilities, labels)
        assert joint.tolist() == compute_confident_joint(labels, probabilities, calibrate=False).tolist()
        scaled = compute_confident_joint(labels, probabilities, calibrate=True)
        # Theirs is rounded to whole rows.
        np.testing.assert_allclose(calibrated_joint(joint, labels), scaled, atol=1.0)


def test_flipped_labels_lead_the_list_and_their_share_is_covered() -> None:
    probabilities, labels, right = drawn(2000, 0.05, sharpness=30.0)
    issues = label_issues(answered(probabilities, labels), CLASSES)
    wrong = labels != right
    assert wrong[issues.ranked[:200]].sum() > 0.9 * wrong.sum()
    low, high = issues.share["low"], issues.share["high"]
    assert low is not None
    assert high is not None
    assert low < 0.05 < high
    suggested = [row for row in issues.ranked.tolist() if issues.suggested[row] >= 0]
    assert issues.suggestions is not None
    taken = suggested[: issues.suggestions[90]]
    assert len(taken) > 0.6 * wrong.sum()
    assert wrong[taken].mean() > 0.85
    assert (issues.suggested[taken] == right[taken])[wrong[taken]].mean() > 0.95


def test_right_labels_are_not_accused() -> None:
    probabilities, labels, _ = drawn(2000, 0.0, sharpness=40.0)
    issues = label_issues(answered(probabilities, labels), CLASSES)
    assert (issues.share["value"] or 0.0) < 0.02
    assert (issues.suggestions or {}).get(90, 0) <= 0.01 * len(labels)


def test_the_stated_precision_of_a_weak_model_is_not_its_confidence() -> None:
    """The model's own mistakes look like wrong labels to it; there are not so many wrong labels."""
    certainty = np.full(100, 0.95)
    assert stated_precision(certainty, 200.0)[-1] == pytest.approx(0.95)
    assert stated_precision(certainty, 30.0)[-1] == pytest.approx(0.3)
    assert suggestions_at(stated_precision(certainty, 30.0))[90] == 33
    assert suggestions_at(np.zeros(0)) == {}


def test_a_weak_model_does_not_take_its_own_mistakes_for_those_of_the_labels() -> None:
    probabilities, labels, _ = drawn(4000, 0.0, sharpness=6.0)
    issues = label_issues(answered(probabilities, labels), CLASSES)
    assert issues.accuracy is not None
    assert issues.accuracy < 0.92
    assert (issues.certain["value"] or 0.0) < 0.01 < (issues.share["value"] or 0.0)
    assert (issues.suggestions or {}).get(90, 0) <= 0.005 * len(labels)
    changed, wrong, _ = drawn(4000, 0.05, sharpness=6.0)
    assert certain_share(changed, wrong)["value"] == pytest.approx(0.05, abs=0.015)


def test_a_confirmed_label_is_not_questioned_again() -> None:
    probabilities, labels, right = drawn(2000, 0.05, sharpness=30.0)
    before = label_issues(answered(probabilities, labels), CLASSES)
    confirmed = labels != right  # somebody insists
    after = label_issues(answered(probabilities, labels), CLASSES, confirmed)
    assert (before.share["value"] or 0.0) > 0.04
    assert (after.share["value"] or 0.0) < 0.02
    assert (after.suggested[confirmed] == -1).all()
    assert confirmed[after.ranked[-confirmed.sum() :]].all()


def test_a_class_that_nothing_bears_and_one_that_is_never_sure() -> None:
    probabilities, labels = np.array([[0.6, 0.4, 0.0], [0.5, 0.5, 0.0]]), np.array([0, 1])
    joint = confident_joint(probabilities, labels)
    assert joint[2].sum() == joint[:, 2].sum() == 0
    assert calibrated_joint(joint, labels).sum() == 2
    assert label_issues(answered(probabilities, labels), CLASSES).per_class[2]["value"] is None


def test_the_document_is_json_and_says_nothing_of_suggestions_where_none_can_be_stated() -> None:
    probabilities, labels, _ = drawn(100, 0.05)
    document = label_issues(answered(probabilities, labels), CLASSES).document()
    assert json.loads(json.dumps(document))["per_class"][1]["name"] == "dog"
    plain = Issues(
        scores=np.ones(1),
        confirmed=np.zeros(1, np.bool_),
        suggested=np.ones(1),
        share=share_of(0, 1),
        suggestions=None,
    )
    assert "suggestions" not in plain.document()


def test_a_share_of_nothing_is_unknown() -> None:
    assert share_of(0.0, 0)["value"] is None
    assert share_of(-1e-12, 10)["value"] == 0.0
