from __future__ import annotations

import numpy as np
import pytest

from mindle.evaluation.doctor.targets import half_width, target_issues
from mindle.records import OutOfFold


def estimated(estimates: np.ndarray, truth: np.ndarray) -> OutOfFold:
    rows = np.arange(len(truth))
    return OutOfFold(
        rows=rows,
        outputs={"estimate": estimates},
        truth=truth,
        folds=rows % 5,
        groups=rows,
        learned_from=rows >= 0,
    )


def test_slips_of_the_decimal_point_lead_the_list() -> None:
    generator = np.random.default_rng(0)
    truth = generator.uniform(10, 20, 500)
    estimates = truth + generator.normal(0, 0.5, 500)
    slips = generator.permutation(500)[:10]
    truth[slips] *= 10
    issues = target_issues(estimated(estimates, truth))
    assert set(issues.ranked[:10].tolist()) == set(slips.tolist())
    assert issues.share["value"] == 0.02
    assert issues.suggestions is None
    assert issues.suggested[slips[0]] == pytest.approx(estimates[slips[0]], rel=1e-5)


def test_a_confirmed_target_is_not_questioned_again() -> None:
    truth = np.append(np.zeros(99), 50.0)
    estimates = np.tile([0.1, -0.1], 50)
    confirmed = truth > 0
    issues = target_issues(estimated(estimates, truth), (), confirmed)
    assert issues.share["value"] == 0.0
    assert issues.ranked[-1] == 99


def test_errors_without_a_slip_accuse_nothing() -> None:
    generator = np.random.default_rng(1)
    truth = generator.normal(size=2000)
    assert target_issues(estimated(truth + generator.normal(size=2000), truth)).share["value"] == 0.0


def test_the_width_covers_the_level() -> None:
    errors = np.abs(np.random.default_rng(2).normal(size=20_000))
    assert np.mean(errors <= half_width(errors, 0.9)) == pytest.approx(0.9, abs=0.001)


def test_a_perfect_model_divides_by_nothing() -> None:
    truth = np.arange(5.0)
    issues = target_issues(estimated(truth, truth))
    assert np.isfinite(issues.scores).all()
    assert issues.share["value"] == 0.0
