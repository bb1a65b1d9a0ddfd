"""Gaussian processes: they find which columns matter, how noisy the target is, and stay equal to the book."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from mindle.training.tables import gaussian_process
from mindle.training.tables.gaussian_process import fit_log_process, fit_process


def wave(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3))
    return x, (np.sin(2 * x[:, 0]) + 0.3 * x[:, 1] + rng.normal(0, 0.1, size=count))[:, None]


def test_columns_that_do_not_matter_get_long_lengths() -> None:
    x, y = wave(200)
    machine = fit_process(x, y)
    assert machine.lengths[0] < machine.lengths[1] < machine.lengths[2]
    asked, truth = wave(200, seed=1)
    assert np.abs(machine.scores(asked) - truth).mean() < 0.15


def test_the_evidence_is_as_good_as_that_of_scikit_learn() -> None:
    x, y = wave(80)
    kernel = ConstantKernel() * Matern(np.ones(3), nu=1.5) + WhiteKernel(0.1)
    theirs = GaussianProcessRegressor(kernel, normalize_y=False, n_restarts_optimizer=0).fit(x, y[:, 0])
    asked, truth = wave(300, seed=2)
    ours = fit_process(x, y).scores(asked)[:, 0]
    own_error = np.abs(ours - truth[:, 0]).mean()
    assert own_error < 1.1 * np.abs(theirs.predict(asked) - truth[:, 0]).mean()


def test_noise_alone_becomes_the_mean() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(150, 4)), rng.normal(5.0, 1.0, size=(150, 1))
    answers = fit_process(x, y).scores(rng.normal(size=(50, 4)))
    assert answers.mean() == pytest.approx(5.0, abs=0.3)
    assert answers.std() < 0.5


def test_lengths_are_sought_on_some_rows_and_all_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussian_process, "SEARCH_ROWS", 40)
    x, y = wave(100)
    machine = fit_process(x, y, seed=3)
    assert len(machine.points) == 100
    assert np.array_equal(machine.coefficients, fit_process(x, y, seed=3).coefficients)


def test_rows_that_are_all_the_same_can_be_learned_from() -> None:
    machine = fit_process(np.zeros((20, 2)), np.arange(20.0)[:, None])
    assert machine.scores(np.zeros((1, 2)))[0, 0] == pytest.approx(9.5, abs=0.5)


def test_logarithms_suit_targets_that_vary_by_shares() -> None:
    rng = np.random.default_rng(0)
    x, asked = rng.normal(size=(150, 2)), rng.normal(size=(100, 2))
    y, truth = (np.exp(2 * z[:, 0] + 0.5 * z[:, 1]) for z in (x, asked))
    noisy = y * np.exp(rng.normal(0, 0.2, size=150))
    centre, scale = noisy.mean(), noisy.std()
    shares = fit_log_process(x, noisy, centre=centre, scale=scale)
    sums = fit_process(x, ((noisy - centre) / scale)[:, None])
    errors = [np.abs(model.scores(asked)[:, 0] * scale + centre - truth).mean() for model in (shares, sums)]
    assert errors[0] < 0.7 * errors[1]
