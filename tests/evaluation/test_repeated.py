from __future__ import annotations

import argparse
from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from benchmarks import cv_intervals as benchmark
from mindle.evaluation.intervals import wilson
from mindle.evaluation.metrics import score
from mindle.evaluation.regression import score_estimates
from mindle.evaluation.repeated import corrected_error, mean_block, read_folds, t_chance, t_score
from mindle.records import Estimates, Predictions


def repeated(repeats: int = 3, folds: int = 5) -> tuple[Estimates, Any]:
    """Ridge on the diabetes data: pooled out-of-fold estimates, repeat by repeat, and each row's fold."""
    x, y = load_diabetes(return_X_y=True)
    values, fold = np.empty((repeats, len(y))), np.empty((repeats, len(y)), np.int64)
    for repeat in range(repeats):
        for number, (train, held) in enumerate(KFold(folds, shuffle=True, random_state=repeat).split(x)):
            values[repeat, held] = Ridge(0.1).fit(x[train], y[train]).predict(x[held])
            fold[repeat, held] = number
    names = tuple(f"row {i}" for i in range(len(y))) * repeats
    pooled = Estimates(paths=names, values=values.ravel(), targets=np.tile(y, repeats), repeats=repeats)
    return pooled, fold.ravel()


def of_repeats(estimates: Estimates) -> list[Estimates]:
    """Each repeat alone."""
    assert estimates.targets is not None
    rows = len(estimates.paths) // estimates.repeats
    return [
        Estimates(
            paths=estimates.paths[start : start + rows],
            values=estimates.values[start : start + rows],
            targets=estimates.targets[start : start + rows],
        )
        for start in range(0, len(estimates.paths), rows)
    ]


def answered(repeats: int = 2, n: int = 60, *, strength: float = 1.0, classes: int = 3) -> Predictions:
    generator = np.random.default_rng(4)
    labels = generator.integers(0, classes, n)
    logits = generator.normal(size=(repeats, n, classes))
    logits[:, np.arange(n), labels] += strength
    odds = np.exp(logits).reshape(-1, classes)
    return Predictions(
        classes=tuple("abcdefgh"[:classes]),
        paths=tuple(f"{i}.jpg" for i in range(n)) * repeats,
        probabilities=odds / odds.sum(axis=1, keepdims=True),
        labels=np.tile(labels, repeats),
        repeats=repeats,
    )


def some_of(predictions: Predictions, rows: Any) -> Predictions:
    assert predictions.labels is not None
    return Predictions(
        classes=predictions.classes,
        paths=tuple(predictions.paths[row] for row in rows),
        probabilities=predictions.probabilities[rows],
        labels=predictions.labels[rows],
    )


def test_the_corrected_error_is_the_published_formula() -> None:
    scores = np.array([0.71, 0.75, 0.69, 0.8, 0.77, 0.74])
    plain = stats.sem(scores)
    assert corrected_error(scores, 0.0) == pytest.approx(plain)
    ten_fold = sqrt((1 / 6 + 1 / 9) * scores.var(ddof=1))
    assert corrected_error(scores, 1 / 9) == pytest.approx(ten_fold)
    assert t_score(5) == pytest.approx(stats.t(5).ppf(0.975))
    assert t_chance(-2.0, 5) == pytest.approx(2 * stats.t(5).sf(2.0))


def test_the_value_is_the_mean_of_the_pooled_scores_and_the_interval_that_of_the_folds() -> None:
    estimates, fold = repeated()
    assert estimates.targets is not None
    block = score_estimates(replace(estimates, folds=fold))
    errors = np.abs(estimates.values - estimates.targets)
    assert (block["n"], block["repeats"], block["folds"]) == (442, 3, 5)
    assert block["mae"]["value"] == pytest.approx(errors.mean())
    rmse = np.sqrt((errors**2).reshape(3, -1).mean(axis=1)).mean()
    assert block["rmse"]["value"] == pytest.approx(rmse)

    # 442 rows are no multiple of 5: the ratio of the folds is not exactly 1 / 4
    each = [score_estimates(repeat)["mae"] for repeat in of_repeats(estimates)]
    low, high = (float(np.mean([one[end] for one in each])) for end in ("low", "high"))
    reach = np.log(np.array([low, high]) / errors.mean()) * sqrt(5 / 15 + 5 / 4)
    expected = errors.mean() * np.exp(reach)
    assert [block["mae"]["low"], block["mae"]["high"]] == pytest.approx(expected.tolist(), rel=1e-4)
    assert set(block["intervals"]["methods"].values()) == {"widened"}


def test_more_repeats_do_not_make_the_interval_of_few_rows_vanish() -> None:
    few, many = (score_estimates(replace(pooled, folds=fold)) for pooled, fold in (repeated(1), repeated(12)))
    width = [block["mae"]["high"] - block["mae"]["low"] for block in (few, many)]
    assert width[1] > 0.25 * width[0]
    # Twelve times the answers without the correction would be about a third of a bootstrap's width.
    alone = score_estimates(repeated(1)[0])["mae"]
    assert width[1] > 0.6 * (alone["high"] - alone["low"])


def test_every_value_lies_in_its_interval_inside_its_range() -> None:
    for predictions in (answered(), answered(strength=4.0), answered(strength=-1.0, classes=2)):
        fold = np.tile(np.arange(60) % 4, 2)
        block = score(replace(predictions, folds=fold))
        for name, method in block["intervals"]["methods"].items():
            if method == "widened":
                one = block[name]
                assert one["low"] < one["value"] <= one["high"]
                assert one["value"] < one["high"] or one["value"] == 1
                assert name == "log_loss" or (one["low"] >= 0 and one["high"] <= 1)
        assert block["intervals"]["methods"]["accuracy"] == "widened"


def test_without_folds_the_interval_is_as_wide_as_one_repeats() -> None:
    predictions = answered()
    block = score(predictions)
    single = [score(some_of(predictions, np.arange(60) + 60 * repeat)) for repeat in (0, 1)]
    for end in ("value", "low", "high"):
        assert block["accuracy"][end] == pytest.approx(np.mean([one["accuracy"][end] for one in single]))
    assert (block["n"], block["repeats"], block["intervals"]["methods"]["accuracy"]) == (60, 2, "wilson")
    assert "folds" not in block
    added = np.sum([one["confusion"] for one in single], axis=0).tolist()
    assert block["confusion"] == added
    assert [row["n"] for row in block["per_class"]] == [row["n"] for row in single[0]["per_class"]]


def test_answers_without_a_mistake_keep_an_honest_interval() -> None:
    sure = np.tile(np.eye(2), (20, 1))
    predictions = Predictions(
        classes=("a", "b"),
        paths=tuple(map(str, range(20))) * 2,
        probabilities=sure,
        labels=np.tile([0, 1], 20),
        repeats=2,
    )
    block = score(replace(predictions, folds=np.tile(np.arange(20) // 4, 2)))
    # 5 folds, twice: a variance of 5 / 10 + 5 / 4 times that of the rows, as of so many rows fewer
    rows = 20 / (5 / 10 + 5 / 4)
    assert (block["accuracy"]["low"], block["accuracy"]["high"]) == pytest.approx(wilson(rows, rows))


def test_few_folds_near_the_end_of_the_range_keep_a_sane_interval() -> None:
    # 148 of 150 rows right over 3 folds: two mistakes in one of them are no reason for "7 to 100 %"
    labels = np.arange(150) % 2
    probabilities = np.where((np.arange(150) < 2)[:, None], np.eye(2)[1 - labels], np.eye(2)[labels])
    predictions = Predictions(
        classes=("a", "b"), paths=tuple(map(str, range(150))), probabilities=probabilities, labels=labels
    )
    accuracy = score(replace(predictions, folds=np.arange(150) // 50))["accuracy"]
    low, high = wilson(148, 150)
    assert 0.9 < accuracy["low"] < low
    assert high < accuracy["high"] < 1


@pytest.mark.slow
def test_the_interval_holds_the_truth_in_nineteen_of_twenty_draws() -> None:
    found = benchmark.measure(argparse.Namespace(smoke=False, draws=60, rows=[60]))["summary"]
    for scores in found.values():
        assert scores["mindle"]["least"] >= 0.85
        assert 0.93 <= scores["mindle"]["mean"] <= 1


def test_a_precision_known_in_some_repeats_is_the_mean_of_those() -> None:
    nothing = {"value": None, "low": None, "high": None}
    known = {"value": 0.5, "low": 0.2, "high": 0.8}
    assert mean_block([{"precision": nothing}, {"precision": known}]) == {"precision": known}
    assert mean_block([{"precision": nothing}, {"precision": nothing}]) == {"precision": nothing}


def test_repeats_of_other_rows_are_refused_by_name() -> None:
    estimates, fold = repeated(2)
    names = (*estimates.paths[:-1], "a stranger")
    wrong = Estimates(paths=names, values=estimates.values, targets=estimates.targets, repeats=2)
    with pytest.raises(ValueError, match="'a stranger' .* as row 442 of repeat 2, 'row 441'"):
        score_estimates(replace(wrong, folds=fold))
    predictions = answered()
    assert predictions.labels is not None
    predictions.labels[60] = (predictions.labels[60] + 1) % 3
    with pytest.raises(ValueError, match="same rows with the same truth"):
        score(predictions)


def test_folds_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`fold` must be \(4,\): one number a row. Received \(3,\)"):
        read_folds(np.arange(3), 4, 2)
    with pytest.raises(ValueError, match="at least 2 folds in each repeat"):
        read_folds(np.array([0, 1, 2, 2]), 4, 2)
    folds = read_folds(np.array([7, 7, 7, 9, 9, 9, 9, 7]), 8, 2)
    assert folds.of_repeat == 2
    assert sorted(np.concatenate(folds.rows).tolist()) == list(range(8))
    assert folds.ratio == pytest.approx(np.mean([3, 1 / 3, 3, 1 / 3]))
