from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as theirs

from mindle.evaluation.calibration import expected_calibration_error
from mindle.evaluation.intervals import wilson
from mindle.evaluation.metrics import METHODS, score
from mindle.records import Predictions


def drawn(n: int, classes: int, *, strength: float = 1.5, seed: int = 0, ties: bool = False) -> Predictions:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, n)
    logits = generator.normal(size=(n, classes))
    logits[np.arange(n), labels] += strength
    odds = np.exp(logits.round(1) if ties else logits)
    return predictions(odds / odds.sum(axis=1, keepdims=True), labels)


def predictions(probabilities: NDArray[np.float64], labels: Any) -> Predictions:
    n, classes = probabilities.shape
    return Predictions(
        classes=tuple(f"class {i}" for i in range(classes)),
        paths=tuple(f"{i}.jpg" for i in range(n)),
        probabilities=probabilities,
        labels=None if labels is None else np.asarray(labels),
    )


def value(score: Any) -> float:
    return float(score["value"])


@pytest.mark.parametrize(("n", "classes", "ties"), [(60, 3, False), (500, 4, True), (400, 12, False)])
def test_many_classes_agree_with_scikit_learn(n: int, classes: int, ties: bool) -> None:
    given = drawn(n, classes, ties=ties)
    block, truth, p = score(given), given.labels, given.probabilities
    assert truth is not None
    answer, one_hot = p.argmax(axis=1), np.eye(classes)[truth]
    assert block["n"] == n
    assert value(block["accuracy"]) == pytest.approx(theirs.accuracy_score(truth, answer))
    assert value(block["balanced_accuracy"]) == pytest.approx(theirs.balanced_accuracy_score(truth, answer))
    assert value(block["macro_f1"]) == pytest.approx(theirs.f1_score(truth, answer, average="macro"))
    assert value(block["macro_precision"]) == pytest.approx(
        theirs.precision_score(truth, answer, average="macro", zero_division=0)
    )
    assert value(block["macro_recall"]) == pytest.approx(theirs.recall_score(truth, answer, average="macro"))
    assert value(block["log_loss"]) == pytest.approx(theirs.log_loss(truth, p))
    assert value(block["roc_auc"]) == pytest.approx(theirs.roc_auc_score(truth, p, multi_class="ovr"))
    assert value(block["average_precision"]) == pytest.approx(theirs.average_precision_score(one_hot, p))
    assert block["ece"] == pytest.approx(expected_calibration_error(p, truth))
    assert block["confusion"] == theirs.confusion_matrix(truth, answer).tolist()
    assert ("top5_accuracy" in block) == (classes > 5)
    if classes > 5:
        assert value(block["top5_accuracy"]) == pytest.approx(theirs.top_k_accuracy_score(truth, p, k=5))
    precision, recall, f1, counts = theirs.precision_recall_fscore_support(truth, answer, zero_division=0)
    for at, row in enumerate(block["per_class"]):
        assert row["name"] == f"class {at}"
        assert row["n"] == counts[at]
        assert value(row["precision"]) == pytest.approx(precision[at])
        assert value(row["recall"]) == pytest.approx(recall[at])
        assert value(row["f1"]) == pytest.approx(f1[at])
        assert value(row["roc_auc"]) == pytest.approx(theirs.roc_auc_score(truth == at, p[:, at]))
        assert value(row["average_precision"]) == pytest.approx(
            theirs.average_precision_score(truth == at, p[:, at])
        )


def test_two_classes_agree_with_scikit_learn_on_the_second() -> None:
    given = drawn(300, 2, ties=True)
    block, truth, p = score(given), given.labels, given.probabilities
    assert block["positive_class"] == "class 1"
    assert value(block["roc_auc"]) == pytest.approx(theirs.roc_auc_score(truth, p[:, 1]))
    assert value(block["average_precision"]) == pytest.approx(theirs.average_precision_score(truth, p[:, 1]))


def every_score(block: Any) -> list[dict[str, Any]]:
    if isinstance(block, dict):
        found = [block] if set(block) == {"value", "low", "high"} else []
        return found + [score for inner in block.values() for score in every_score(inner)]
    return [score for inner in block for score in every_score(inner)] if isinstance(block, list) else []


@pytest.mark.parametrize("classes", [2, 7])
def test_every_value_lies_in_its_interval(classes: int) -> None:
    for seed in range(5):
        block = score(drawn(40, classes, seed=seed))
        for one in every_score(block):
            if one["value"] is not None:
                assert one["low"] - 1e-12 <= one["value"] <= one["high"] + 1e-12
        assert block["ece_interval"]["low"] <= block["ece"] <= block["ece_interval"]["high"]


def test_the_block_says_how_each_interval_is_made() -> None:
    block = score(drawn(50, 8), seed=3)
    assert block["intervals"] == {"level": 0.95, "resamples": 2000, "seed": 3, "methods": METHODS}
    scored = {name for name, inner in block.items() if isinstance(inner, dict) and "value" in inner}
    assert scored | {"ece", "precision", "recall", "f1"} == set(METHODS)


def test_the_same_seed_gives_the_same_block() -> None:
    given = drawn(80, 3)
    assert score(given, seed=1) == score(given, seed=1)
    assert score(given, seed=1)["log_loss"] != score(given, seed=2)["log_loss"]


def test_classes_that_do_not_occur_have_no_numbers() -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    block = score(predictions(p, [0, 1, 1, 1]))
    absent = block["per_class"][2]
    nothing = {"value": None, "low": None, "high": None}
    assert absent["n"] == 0
    assert all(
        absent[name] == nothing for name in ("precision", "recall", "f1", "roc_auc", "average_precision")
    )
    assert value(block["balanced_accuracy"]) == pytest.approx((1 + 2 / 3) / 2)
    assert value(block["macro_f1"]) == pytest.approx((2 / 3 + 0.8) / 2)
    assert json.loads(json.dumps(block, allow_nan=False)) == block


def test_a_class_never_predicted_has_no_precision_but_counts_as_zero() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    block = score(predictions(p, [0, 0, 1]))
    assert block["per_class"][1]["precision"]["value"] is None
    assert block["per_class"][1]["recall"]["value"] == 0
    assert value(block["macro_precision"]) == pytest.approx((2 / 3 + 0) / 2)
    assert value(block["macro_f1"]) == pytest.approx((0.8 + 0) / 2)


def test_only_one_class_in_the_truth() -> None:
    block = score(predictions(np.array([[0.9, 0.1], [0.4, 0.6]]), [0, 0]))
    assert block["roc_auc"]["value"] is None
    assert value(block["balanced_accuracy"]) == 0.5


def test_a_single_class_at_all() -> None:
    block = score(predictions(np.ones((3, 1)), [0, 0, 0]))
    assert value(block["accuracy"]) == 1.0
    assert block["roc_auc"]["value"] is None
    assert block["confusion"] == [[3]]


def test_one_image() -> None:
    block = score(predictions(np.array([[0.2, 0.8]]), [1]))
    assert block["accuracy"] == {"value": 1.0, "low": wilson(1, 1)[0], "high": 1.0}
    assert block["log_loss"]["low"] is None
    assert block["ece_interval"] == {"low": None, "high": None}
    json.dumps(block, allow_nan=False)


def test_all_right_still_leaves_room_for_doubt() -> None:
    labels = np.arange(60) % 3
    block = score(predictions(np.eye(3)[labels] * 0.94 + 0.02, labels))
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "average_precision"):
        assert block[name]["value"] == 1.0
        assert 0.8 < block[name]["low"] < 1.0
    assert block["per_class"][0]["f1"]["low"] < 0.95
    assert block["per_class"][0]["roc_auc"]["low"] < 0.95


def test_one_positive_image_gets_a_wide_interval() -> None:
    p = np.linspace(0.05, 0.95, 30)
    block = score(predictions(np.stack([1 - p, p], axis=1), [0] * 24 + [1] + [0] * 5))
    assert block["roc_auc"]["high"] - block["roc_auc"]["low"] > 0.5
    assert block["average_precision"]["high"] - block["average_precision"]["low"] > 0.5


@pytest.mark.parametrize(
    ("p", "labels", "said"),
    [
        ([[0.5, 0.5]], None, "must carry `labels`"),
        ([[np.nan, 0.5]], [0], "must be numbers of at least 0. Received .*nan.* for '0.jpg'"),
        ([[1.2, -0.2]], [0], "must be numbers of at least 0"),
        ([[0.5, 0.5], [0.9, 0.5]], [0, 0], "must sum to 1. Received 1.4 for '1.jpg'"),
        ([[0.5, 0.5]], [2], "must lie in 0 to 1. Received 2 to 2"),
        ([[0.5, 0.5]], [-1], "must lie in 0 to 1"),
        (np.zeros((0, 2)), np.zeros(0, np.int64), "at least one image"),
    ],
)
def test_what_cannot_be_scored_is_refused(p: Any, labels: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        score(predictions(np.asarray(p, np.float64), labels))


def test_the_jackknife_finds_the_spread_that_the_bootstrap_finds() -> None:
    given = drawn(250, 2, strength=0.8, seed=5)
    block, p, truth = score(given), given.probabilities[:, 1], given.labels
    assert truth is not None
    generator = np.random.default_rng(0)
    for name, measure in (
        ("roc_auc", theirs.roc_auc_score),
        ("average_precision", theirs.average_precision_score),
    ):
        draws = [measure(truth[rows], p[rows]) for rows in generator.integers(0, 250, (150, 250))]
        low, high = np.quantile(draws, [0.025, 0.975])
        assert block[name]["low"] == pytest.approx(low, abs=0.025)
        assert block[name]["high"] == pytest.approx(high, abs=0.025)


def test_ranking_and_f1_intervals_cover_the_truth() -> None:
    large = drawn(20_000, 2, strength=1.0, seed=9)
    assert large.labels is not None
    truth = {
        "roc_auc": theirs.roc_auc_score(large.labels, large.probabilities[:, 1]),
        "average_precision": theirs.average_precision_score(large.labels, large.probabilities[:, 1]),
        "f1": theirs.f1_score(large.labels, large.probabilities.argmax(axis=1)),
    }
    hits: dict[str, list[bool]] = {name: [] for name in truth}
    for start in range(0, 20_000, 125):
        rows = slice(start, start + 100)
        row = score(predictions(large.probabilities[rows], large.labels[rows]))["per_class"][1]
        for name, true in truth.items():
            hits[name].append(row[name]["low"] <= true <= row[name]["high"])
    for covered in hits.values():
        assert 0.9 < np.mean(covered) < 0.995


def test_macro_intervals_cover_the_truth() -> None:
    large = drawn(20_000, 4, strength=1.2, seed=10)
    assert large.labels is not None
    whole = score(large)
    hits = dict.fromkeys(("balanced_accuracy", "macro_f1", "log_loss", "roc_auc", "average_precision"), 0)
    for start in range(0, 8_000, 200):
        rows = slice(start, start + 300)
        block = score(predictions(large.probabilities[rows], large.labels[rows]))
        for name in hits:
            hits[name] += block[name]["low"] <= whole[name]["value"] <= block[name]["high"]
    assert all(34 <= count <= 40 for count in hits.values()), hits


def test_a_hundred_classes_are_counted_in_bounded_blocks() -> None:
    block = score(drawn(1000, 100, strength=3.0))
    assert len(block["per_class"]) == 100
    assert np.sum(block["confusion"]) == 1000
