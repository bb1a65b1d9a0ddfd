"""Widths that follow the difficulty: taken where they help, with the coverage that is promised."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.evaluation.conformal import calibrate, prediction_interval
from mindle.evaluation.trust.difficulty import FEWEST_ROWS, Difficulty, fit_difficulty, read_intervals

Floats = NDArray[np.float64]


def rows(count: int, seed: int, *, even: bool = False) -> tuple[Floats, Floats, Floats]:
    """Features, estimates of a perfect model, and the truth, whose noise grows along the first feature."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (count, 3))
    noise = rng.normal(size=count) * (1 if even else 0.1 + 3 * x[:, 0] ** 2)
    return x, x.sum(axis=1), x.sum(axis=1) + noise


def fitted(count: int = 900, *, even: bool = False) -> tuple[Difficulty, Floats] | None:
    x, estimates, truth = rows(count, 0, even=even)
    return fit_difficulty(x, truth - estimates, np.arange(count))


def interval(count: int, level: float, *, scaled: bool) -> tuple[Floats, Floats, Floats, Floats]:
    x, estimates, truth = rows(count, 0)
    folds = np.arange(count) % 5
    calibration = calibrate(truth - estimates, folds, fitted(count) if scaled else None)
    new, answers, known = rows(3000, 1)
    low, high = prediction_interval(calibration, np.tile(answers[:, None], 5), level=level, features=new)
    return low, high, known, new[:, 0]


def test_where_noise_grows_intervals_are_narrower_and_hold_everywhere() -> None:
    plain, scaled = (interval(900, 0.9, scaled=each) for each in (False, True))
    width = [(high - low).mean() for low, high, *_ in (plain, scaled)]
    assert width[1] < 0.9 * width[0]
    inside = [(low <= truth) & (truth <= high) for low, high, truth, _ in (plain, scaled)]
    assert inside[1].mean() == pytest.approx(0.9, abs=0.03)
    hard = plain[3] > 0.8
    assert inside[0][hard].mean() < 0.7  # one width for all fails where it is hard
    assert inside[1][hard].mean() > inside[0][hard].mean() + 0.1


def test_where_noise_is_even_one_width_stays() -> None:
    assert fitted(even=True) is None
    assert fitted(FEWEST_ROWS - 1) is None
    x, estimates, truth = rows(300, 0)
    assert fit_difficulty(None, truth - estimates, np.arange(300)) is None
    assert fit_difficulty(x, np.zeros(300), np.arange(300)) is None


def test_intervals_are_those_of_crepes() -> None:
    crepes = pytest.importorskip("crepes")
    x, estimates, truth = rows(900, 0)
    made = fitted()
    assert made is not None
    difficulty, units = made
    new, answers, _ = rows(50, 1)
    regressor = crepes.ConformalRegressor().fit(residuals=truth - estimates, sigmas=units)
    theirs = regressor.predict_int(y_hat=answers, sigmas=difficulty.of(new), confidence=0.9)
    calibration = calibrate(truth - estimates, np.zeros(900, np.int64), made)
    low, high = prediction_interval(calibration, answers[:, None], features=new)
    np.testing.assert_allclose(np.stack([low, high], axis=1), theirs, rtol=1e-9)


def test_a_row_does_not_measure_itself_nor_its_group() -> None:
    x, estimates, truth = rows(400, 0)
    errors = truth - estimates
    twice = np.concatenate([x, x]), np.concatenate([errors, errors])
    alone = fit_difficulty(*twice, np.arange(800))
    together = fit_difficulty(*twice, np.arange(800) % 400)
    assert alone is not None
    assert together is not None
    sizes = np.abs(twice[1])
    alike = [np.corrcoef(units, sizes)[0, 1] for _, units in (alone, together)]
    assert alike[1] < alike[0]


def test_after_writing_it_says_the_same() -> None:
    x, estimates, truth = rows(900, 0)
    calibration = calibrate(truth - estimates, np.arange(900) % 5, fitted())
    again = read_intervals(calibration.arrays())
    new, answers, _ = rows(20, 1)
    ends = [
        prediction_interval(each, np.tile(answers[:, None], 5), features=new) for each in (calibration, again)
    ]
    assert np.array_equal(ends[0], ends[1])
    with pytest.raises(ValueError, match="must be given"):
        prediction_interval(calibration, np.tile(answers[:, None], 5))
    some = {name: value for name, value in calibration.arrays().items() if name != "difficulty_floor"}
    with pytest.raises(ValueError, match="must hold mean"):
        read_intervals(some)
    plain = calibrate(truth - estimates, np.arange(900) % 5)
    assert read_intervals(plain.arrays()).difficulty is None
    arrays = {**calibration.arrays(), "difficulty_sizes": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match="fit `vectors`"):
        read_intervals(arrays)
