from __future__ import annotations

import json
from dataclasses import replace
from math import comb, sqrt
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as theirs

from mindle.evaluation.compare import Comparison, as_good, compare, holm
from mindle.evaluation.metrics import score
from mindle.evaluation.paired import mcnemar, paired_difference
from mindle.evaluation.regression import score_estimates
from mindle.records import Estimates, Predictions


def answers(
    strength: float, *, n: int = 200, classes: int = 3, seed: int = 1, shared: int = 0
) -> Predictions:
    """Answers of a model of some strength; the truth and some of the difficulty come from `shared`."""
    common, other = np.random.default_rng(shared), np.random.default_rng(seed)
    labels = common.integers(0, classes, n)
    logits = common.normal(size=(n, classes)) + 0.7 * other.normal(size=(n, classes))
    logits[np.arange(n), labels] += strength
    odds = np.exp(logits)
    return Predictions(
        classes=tuple("abcdefgh"[:classes]),
        paths=tuple(f"{i}.jpg" for i in range(n)),
        probabilities=odds / odds.sum(axis=1, keepdims=True),
        labels=labels,
    )


def estimates(spread: float, *, n: int = 150, seed: int = 1, repeats: int = 1) -> Estimates:
    truth = np.random.default_rng(0).normal(size=n)
    generator = np.random.default_rng(seed)
    values = truth + spread * generator.standard_t(4, (repeats, n))
    return Estimates(
        paths=tuple(f"row {i}" for i in range(n)) * repeats,
        values=values.ravel(),
        targets=np.tile(truth, repeats),
        repeats=repeats,
    )


def flipped(comparison: Comparison, name: str) -> tuple[float, float, float]:
    one = comparison.named(name)
    return -one.value, -one.high, -one.low


# ---- exact tests and intervals -----------------------------------------------------------------------------


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (9, 1), (12, 12), (3, 40), (500, 430)])
def test_mcnemar_is_the_binomial_test_of_the_rows_that_differ(gained: int, lost: int) -> None:
    trials = gained + lost
    tail = sum(comb(trials, k) for k in range(min(gained, lost) + 1)) / 2**trials
    assert mcnemar(gained, lost) == pytest.approx(min(1.0, 2 * tail))
    if trials:
        assert mcnemar(gained, lost) == pytest.approx(stats.binomtest(gained, trials).pvalue)


@pytest.mark.parametrize(
    ("both", "gained", "lost", "n", "low", "high"),
    [
        (36, 12, 2, 50, 0.0569, 0.3404),
        (36, 14, 0, 50, 0.1528, 0.4167),
        (54, 0, 0, 54, -0.0664, 0.0664),
        (0, 30, 0, 30, 0.8395, 1.0),
    ],
)  # fmt: skip
def test_the_paired_interval_agrees_with_newcombes_table(
    both: int, gained: int, lost: int, n: int, low: float, high: float
) -> None:
    assert paired_difference(both, gained, lost, n) == pytest.approx((low, high), abs=5e-5)
    assert paired_difference(both, lost, gained, n) == pytest.approx((-high, -low), abs=5e-5)


def test_holm_raises_the_smallest_most_and_keeps_the_order() -> None:
    chances = [0.2, 0.01, 0.04, 0.015]
    assert holm(chances) == pytest.approx([0.2, 0.04, 0.08, 0.045])
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


# ---- what is found -----------------------------------------------------------------------------------------


def test_values_are_the_scores_and_second_minus_first() -> None:
    weak, strong = answers(0.8, seed=1), answers(2.5, seed=2)
    found = compare(weak, strong)
    assert (found.task, found.n, found.repeats) == ("multiclass", 200, 1)
    assert [each.name for each in found.differences] == ["accuracy", "macro_f1", "log_loss"]
    for each in found.differences:
        first, second = score(weak)[each.name]["value"], score(strong)[each.name]["value"]
        assert (each.first, each.second) == pytest.approx((first, second))
        assert each.value == pytest.approx(second - first)
        assert each.low <= each.value <= each.high
        assert each.better == "second"
    assert found.main.name == "accuracy"
    assert found.main.chance < 1e-4
    assert (found.main.interval, found.main.test) == ("newcombe", "mcnemar")


def test_turning_the_two_round_turns_the_signs() -> None:
    weak, strong = answers(0.8, seed=1), answers(2.5, seed=2)
    there, back = compare(weak, strong), compare(strong, weak)
    for name in ("accuracy", "macro_f1", "log_loss"):
        one = there.named(name)
        assert (one.value, one.low, one.high) == pytest.approx(flipped(back, name))
        assert back.named(name).better == "first"


def test_regression_compares_errors() -> None:
    rough, fine = estimates(1.0, seed=1), estimates(0.5, seed=2)
    found = compare(rough, fine)
    assert (found.task, found.main.name) == ("regression", "mae")
    for name in ("mae", "rmse"):
        one = found.named(name)
        assert one.value == pytest.approx(
            score_estimates(fine)[name]["value"] - score_estimates(rough)[name]["value"]
        )
        assert one.high < 0
        assert one.better == "second"
        assert (one.interval, one.test) == ("bootstrap", "swaps")


def test_pairing_sees_what_two_intervals_do_not() -> None:
    truth = np.random.default_rng(0).normal(size=100)
    hard = 5 * np.random.default_rng(1).standard_t(3, 100)  # what both get wrong
    one, two = (
        Estimates(paths=tuple(map(str, range(100))), values=truth + factor * hard, targets=truth)
        for factor in (1.0, 0.95)
    )
    apart = [score_estimates(each)["mae"] for each in (one, two)]
    assert apart[1]["high"] > apart[0]["low"]
    assert compare(one, two).main.better == "second"


def test_the_same_answers_differ_by_nothing_but_keep_an_interval() -> None:
    one = answers(1.0)
    found = compare(one, one)
    assert all(each.value == 0 and each.chance == 1.0 and each.better == "" for each in found.differences)
    assert found.main.low < 0 < found.main.high


def test_luck_is_called_skill_about_as_often_as_agreed() -> None:
    clear = 0
    for seed in range(40):
        one, two = estimates(1.0, n=60, seed=2 * seed), estimates(1.0, n=60, seed=2 * seed + 1)
        clear += compare(one, two, seed=seed).main.better != ""
    assert clear <= 7  # 2 are expected of 40; more than 7 in one of a thousand such tests


def test_rows_and_classes_are_matched_by_name() -> None:
    one, two = answers(0.5, seed=1), answers(1.5, seed=2)
    assert two.labels is not None
    order, classes = np.random.default_rng(3).permutation(200), [2, 0, 1]
    shuffled = Predictions(
        classes=tuple(two.classes[at] for at in classes),
        paths=tuple(two.paths[row] for row in order),
        probabilities=two.probabilities[order][:, classes],
        labels=np.array([classes.index(label) for label in two.labels[order]]),
    )
    assert compare(one, shuffled) == compare(one, two)


# ---- repeats and folds -------------------------------------------------------------------------------------


def test_with_folds_it_is_the_corrected_t_test() -> None:
    one, two = estimates(1.0, seed=1, repeats=3), estimates(0.8, seed=2, repeats=3)
    fold = np.tile(np.arange(150) % 5, 3)
    found = compare(replace(one, folds=fold), replace(two, folds=fold)).main
    assert one.targets is not None
    gain = np.abs(two.values - one.targets) - np.abs(one.values - one.targets)
    each = gain.reshape(3, 30, 5).mean(axis=1).ravel()  # every fifth row is of one fold
    error = sqrt((1 / 15 + 1 / 4) * each.var(ddof=1))
    assert found.value == pytest.approx(gain.mean())
    assert found.chance == pytest.approx(2 * stats.t(14).sf(abs(gain.mean()) / error))
    assert found.high - found.value == pytest.approx(stats.t(14).ppf(0.975) * error)
    assert (found.interval, found.test) == ("nadeau-bengio", "nadeau-bengio")


def test_answering_rows_again_is_no_new_evidence() -> None:
    one, two = estimates(1.0, seed=1), estimates(0.8, seed=2)
    again = [
        Estimates(
            paths=each.paths * 4, values=np.tile(each.values, 4), targets=np.tile(each.targets, 4), repeats=4
        )
        for each in (one, two)
        if each.targets is not None
    ]
    once, often = compare(one, two), compare(*again)
    assert (often.n, often.repeats) == (150, 4)
    assert often.main.low == pytest.approx(once.main.low)
    assert often.main.chance == pytest.approx(once.main.chance)


def test_repeated_answers_of_classes_are_drawn_row_by_row() -> None:
    one, two = (
        Predictions(
            classes=each.classes,
            paths=each.paths * 2,
            probabilities=np.tile(each.probabilities, (2, 1)),
            labels=np.tile(each.labels, 2),
            repeats=2,
        )
        for each in (answers(0.8, seed=1), answers(2.0, seed=2))
        if each.labels is not None
    )
    found = compare(one, two)
    assert (found.main.interval, found.main.test) == ("bootstrap", "swaps")
    assert found.main.better == "second"
    folds = np.tile(np.arange(200) % 4, 2)
    with_folds = compare(replace(one, folds=folds), replace(two, folds=folds))
    assert {each.test for each in with_folds.differences} == {"nadeau-bengio"}


def test_values_agree_with_scikit_learn() -> None:
    one, two = answers(0.8, seed=1, classes=2), answers(1.0, seed=2, classes=2)
    found = compare(one, two)
    assert found.task == "binary"
    for each in (one, two):
        said = each.probabilities.argmax(axis=1)
        f1 = theirs.f1_score(each.labels, said, average="macro")
        assert pytest.approx(f1) in (found.named("macro_f1").first, found.named("macro_f1").second)


# ---- what is refused ---------------------------------------------------------------------------------------


def refused(first: Any, second: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        compare(first, second)


def test_other_classes_are_named() -> None:
    one = answers(1.0)
    two = replace(one, classes=("a", "b", "zebra"))
    refused(one, two, "same classes. Only in the first: 'c'. Only in the second: 'zebra'")


def test_other_rows_are_named() -> None:
    one = answers(1.0)
    two = replace(one, paths=tuple(f"other {name}" if i < 5 else name for i, name in enumerate(one.paths)))
    refused(one, two, "same rows.*Only in the first: '0.jpg', '1.jpg', '2.jpg' and 2 more.*'other 0.jpg'")
    refused(one, answers(1.0, n=150), "Received 200 and 150. Only in the first: '150.jpg'.*and 47 more")
    twice = replace(one, paths=("1.jpg", *one.paths[1:]))
    refused(twice, replace(twice, paths=twice.paths[::-1]), "must answer the same rows")


def test_another_truth_is_named() -> None:
    one = answers(1.0)
    assert one.labels is not None
    labels = one.labels.copy()
    labels[7] = (labels[7] + 1) % 3
    refused(one, replace(one, labels=labels), "differs in 1 of 200 rows, first in '7.jpg': [abc] and [abc]")
    rough = estimates(1.0)
    assert rough.targets is not None
    moved = rough.targets + np.where(np.arange(150) == 3, 0.5, 0)
    refused(rough, replace(rough, targets=moved), "differs in 1 of 150 rows, first in 'row 3'")


def test_other_ways_of_evaluating_are_refused() -> None:
    refused(answers(1.0), estimates(1.0), "one of each")
    refused(estimates(1.0), estimates(1.0, repeats=3), "repeats=1 and 3")
    refused(replace(answers(1.0), labels=None), answers(1.0), "must carry `labels`")
    refused(estimates(1.0), replace(estimates(1.0), targets=None), "must carry `targets`")


def test_it_fits_into_json() -> None:
    document = compare(answers(0.8), answers(1.5, seed=2)).as_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert set(document["differences"]) == {"accuracy", "macro_f1", "log_loss"}
    accuracy = document["differences"]["accuracy"]
    assert set(accuracy) == {
        "first", "second", "value", "low", "high", "chance", "interval", "test", "better"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("confidence", "wrong", "good"),
    [(0.98, 0, True), (0.975, 0, True), (0.95, 0, False), (0.98, 9, False)],
)
def test_as_good_is_shown_by_whole_intervals_and_a_small_log_loss_may_grow_by_a_little(
    confidence: float, wrong: int, good: bool
) -> None:
    """Log loss 0.02 may become 0.03; that 9 of 1,000 rows are wrong does not exclude more than 10."""
    labels = np.arange(1000) % 2

    def answers(confidence: float, wrong: int) -> Predictions:
        named = np.where(np.arange(1000) < wrong, 1 - labels, labels)
        return Predictions(
            classes=("a", "b"),
            paths=tuple(map(str, range(1000))),
            probabilities=np.eye(2)[named] * (2 * confidence - 1) + 1 - confidence,
            labels=labels,
        )

    assert as_good(compare(answers(0.98, 0), answers(confidence, wrong)), 0.01) == good
