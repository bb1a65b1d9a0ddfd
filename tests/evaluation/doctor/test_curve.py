from __future__ import annotations

import json

import numpy as np
import pytest

from mindle.evaluation.doctor.curve import (
    LEAST,
    MOST,
    Part,
    fit_power,
    learn,
    learning_curve,
    parts_of,
)
from mindle.evaluation.intervals import Floats, Ints


def drawn(labels: Ints, rates: Floats, b: float, rows: Ints, seed: int) -> Part:
    """Mistakes in some rows by a model whose error in class k falls as rate · n^−b of its number n."""
    counts = np.bincount(labels[rows], minlength=len(rates))
    error = np.minimum(rates * np.maximum(counts, 1) ** -b, 0.9)
    wrong = np.random.default_rng([seed, len(rows)]).random(len(rows)) < error[labels[rows]]
    return Part(rows=rows, losses=wrong.astype(np.float64))


def test_it_is_the_least_squares_of_scipy() -> None:
    from scipy.optimize import curve_fit

    generator = np.random.default_rng(0)
    sizes = np.array([40.0, 80, 160, 320, 640, 1280])
    losses = 0.05 + 3 * sizes**-0.7 + generator.normal(0, 0.003, 6)
    power = fit_power(sizes, losses[None], np.ones(6))
    (a, b, c), _ = curve_fit(
        lambda n, a, b, c: c + a * n**-b, sizes, losses, p0=[1, 0.5, 0.01], bounds=([0, 0.05, 0], [99, 2, 1])
    )
    for n in (640.0, 2560.0):
        assert power.at(n)[0] == pytest.approx(c + a * n**-b, abs=0.001)


def test_what_does_not_fall_stays() -> None:
    sizes = np.array([50.0, 100, 200, 400])
    power = fit_power(sizes, np.array([[0.1, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4], [0, 0, 0, 0]]), sizes)
    assert power.at(800.0).tolist() == pytest.approx([0.1, 0.32, 0.0], abs=0.02)
    assert (power.a >= 0).all()
    assert (power.c >= 0).all()


def test_parts_are_nested_and_hold_their_share_of_each_class() -> None:
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    parts = list(parts_of(labels, seed=3))
    sizes = [len(part) for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes) >= LEAST
    for part in parts:
        np.testing.assert_allclose(np.bincount(labels[part]) / len(part), [0.7, 0.2, 0.1], atol=0.02)
    assert set(parts[-1]) <= set(parts[0]) or len(parts[-1]) == len(parts[-2])
    first = {len(part): set(part.tolist()) for part in reversed(parts)}  # the first draw of each size
    nested = [first[size] for size in sorted(first)]
    assert all(len(small - large) < len(small) for small, large in zip(nested, nested[1:], strict=False))


def test_large_data_are_learned_from_in_part_and_small_ones_not_at_all() -> None:
    assert max(len(part) for part in parts_of(np.arange(50_000) % 2, seed=0)) == MOST
    assert list(parts_of(np.arange(50) % 2, seed=0)) == []


def test_a_million_rows_are_resampled_in_part() -> None:
    labels = np.arange(1_000_000) % 2
    rates = np.array([1.5, 1.5])
    parts = [drawn(labels, rates, 0.5, rows, 0) for rows in parts_of(labels, seed=0)]
    losses = np.zeros(1_000_000)
    losses[:: 1000 // 3] = 1.0
    curve = learning_curve(parts, losses, labels, ("a", "b"), seed=0)
    assert curve.now["n"] == 1_000_000
    assert curve.now["value"] == pytest.approx(losses.mean())
    assert curve.now["low"] < curve.now["value"] < curve.now["high"]


def test_the_loss_of_more_rows_lies_in_its_interval() -> None:
    inside, rates = 0, np.array([1.5, 1.5])
    for seed in range(20):
        labels = np.arange(1000) % 2
        parts = [drawn(labels, rates, 0.5, rows, seed) for rows in parts_of(labels, seed=seed)]
        now = drawn(labels, rates, 0.5, np.arange(1000), seed).losses
        found = learning_curve(parts, now, labels, ("a", "b"), seed=seed).extrapolated[0]
        inside += found["low"] <= 1.5 * 1000**-0.5 <= found["high"]
    assert inside >= 17


def test_the_class_with_the_steepest_curve_is_named() -> None:
    labels = np.repeat([0, 1, 2], [900, 900, 150])
    rates = np.array([0.3, 0.3, 4.0])
    parts = [drawn(labels, rates, 0.6, rows, 0) for rows in parts_of(labels, seed=0)]
    curve = learning_curve(
        parts, drawn(labels, rates, 0.6, np.arange(1950), 0).losses, labels, ("a", "b", "rare"), seed=0
    )
    assert curve.next_class == "rare"
    assert curve.per_class[0]["name"] == "rare"
    assert json.loads(json.dumps(curve.document())) == curve.document()


def test_alike_classes_are_not_told_apart() -> None:
    labels = np.arange(600) % 3
    rates = np.full(3, 1.0)
    named = 0
    for seed in range(6):
        parts = [drawn(labels, rates, 0.5, rows, seed) for rows in parts_of(labels, seed=seed)]
        now = drawn(labels, rates, 0.5, np.arange(600), seed).losses
        named += bool(learning_curve(parts, now, labels, ("a", "b", "c"), seed=seed).next_class)
    assert named <= 3


def test_a_part_is_learned_from_and_answered() -> None:
    truth = np.array([0, 1, 1, 0])

    def relearn(learned: Ints, rows: Ints) -> Floats:
        assert len(learned) == 4
        return np.eye(2)[[0] * len(rows)]

    part = learn(np.array([1, 3]), truth, relearn, lambda found, right: 1.0 * (found.argmax(axis=1) != right))
    assert part.losses.tolist() == [1.0, 0.0]
