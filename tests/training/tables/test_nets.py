"""Nets side by side: each learns as if it were alone, categories are embedded, seeds repeat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindle.training.settings import TableSettings
from mindle.training.tables.nets import NetRows, foresee_nets, settings_for, train_nets

FEW = TableSettings(hidden_layer_sizes=(16,), ensemble_size=2, epochs=30, batch_size=16)


def rows(count: int = 120, seed: int = 0, columns: int = 3) -> NetRows:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, columns))
    return NetRows(x=x, y=np.abs(x[:, 0]) - 0.8 + 0.5 * x[:, 1], blocks=[])


def test_a_curve_is_learned() -> None:
    nets = train_nets([rows()], outputs=1, settings=TableSettings(epochs=40), seed=0)[0]
    asked = rows(seed=1)
    error = np.abs(nets.scores(asked.x)[:, 0] - asked.y).mean()
    assert error < 0.35 * np.abs(asked.y - asked.y.mean()).mean()


def test_classes_are_learned() -> None:
    one = rows()
    labels = (one.y > 0).astype(np.int64) + (one.y > 1)
    nets = train_nets([NetRows(x=one.x, y=labels, blocks=[])], outputs=3, settings=FEW, seed=0)[0]
    assert (nets.scores(one.x).argmax(axis=1) == labels).mean() > 0.85


def test_the_same_seed_learns_the_same_and_another_does_not() -> None:
    first, again, other = (
        train_nets([rows()], outputs=1, settings=FEW, seed=seed)[0].scores(rows().x) for seed in (4, 4, 5)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sets_side_by_side_learn_their_own_rows() -> None:
    """Targets of opposite sign, sets of other sizes and widths: nothing spills over."""
    up, down = rows(), rows(90, seed=2, columns=4)
    down = NetRows(x=down.x, y=-down.y, blocks=[])
    nets = train_nets([up, down], outputs=1, settings=FEW, seed=0)
    assert nets[0].weights[0].shape == (2, 3, 16)
    assert nets[1].weights[0].shape == (2, 4, 16)
    for one, net in zip((up, down), nets, strict=True):
        assert np.corrcoef(net.scores(one.x)[:, 0], one.y)[0, 1] > 0.9


def test_categories_are_embedded_and_multiplied_out() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(6, size=200)
    x = np.concatenate([rng.normal(size=(200, 2)), np.eye(6)[codes]], axis=1)
    y = np.array([1.0, -1, 2, -2, 0, 0.5])[codes] + 0.2 * x[:, 0]
    nets = train_nets([NetRows(x=x, y=y, blocks=[(2, 6)])], outputs=1, settings=FEW, seed=0)[0]
    assert nets.weights[0].shape == (2, 8, 16)
    assert np.corrcoef(nets.scores(x)[:, 0], y)[0, 1] > 0.97
    through = np.linalg.matrix_rank(nets.weights[0][0][2:])
    assert through <= min(16, 5)  # six categories pass through an embedding of five numbers


def test_dropout_is_drawn_from_the_seed() -> None:
    settings = TableSettings(hidden_layer_sizes=(16,), ensemble_size=2, epochs=5, dropout=0.3)
    answers = [train_nets([rows()], outputs=1, settings=settings, seed=1)[0].scores(rows().x) for _ in "ab"]
    assert np.array_equal(*answers)


@pytest.mark.parametrize(("count", "batch"), [(300, 32), (17_000, 512), (100_000, 512)])
def test_more_rows_take_larger_batches_and_fewer_passes(count: int, batch: int) -> None:
    settings = settings_for(count, TableSettings())
    assert settings.batch_size == batch
    assert 8 <= settings.epochs <= 60


def test_what_is_foreseen_grows_with_the_work_and_leaves_no_trace() -> None:
    short, long = (
        foresee_nets([rows()], outputs=1, settings=replace(FEW, epochs=epochs)) for epochs in (1, 10_000)
    )
    assert 0 < short < long
    before = train_nets([rows()], outputs=1, settings=FEW, seed=4)[0].scores(rows().x)
    foresee_nets([rows()], outputs=1, settings=FEW)
    assert np.array_equal(before, train_nets([rows()], outputs=1, settings=FEW, seed=4)[0].scores(rows().x))


def test_what_is_asked_for_is_not_overruled_by_the_number_of_rows() -> None:
    asked = TableSettings(ensemble_size=1, epochs=500, batch_size=7)
    assert settings_for(100_000, asked) == asked


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "rmsprop", "sgd"])
@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_every_optimizer_learns_under_every_schedule(optimizer: str, schedule: str) -> None:
    settings = replace(FEW, optimizer=optimizer, schedule=schedule, learning_rate=1e-2, epochs=40)
    net = train_nets([rows()], outputs=1, settings=settings, seed=0)[0]
    assert np.corrcoef(net.scores(rows().x)[:, 0], rows().y)[0, 1] > 0.9


def test_a_squared_loss_follows_a_far_row_and_hubers_does_not() -> None:
    x = np.ones((40, 1))
    y = np.r_[np.zeros(36), np.full(4, 10.0)]
    means = {
        loss: train_nets([NetRows(x=x, y=y, blocks=[])], outputs=1, settings=replace(FEW, loss=loss), seed=0)[
            0
        ].scores(x)[0, 0]
        for loss in ("squared", "huber")
    }
    assert means["squared"] == pytest.approx(1.0, abs=0.3)
    assert means["huber"] < 0.3
