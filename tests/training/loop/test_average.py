"""Averages of weights."""

from __future__ import annotations

import torch
from torch import nn

from mindle.training.loop.average import Average, changing_tensors
from mindle.training.settings import TrainSettings


def set_all(model: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)


def test_a_moving_average_follows_with_a_growing_memory() -> None:
    model = nn.Linear(1, 1, bias=False)
    set_all(model, 0.0)
    average = Average(model, TrainSettings(weight_averaging="ema", ema_decay=0.5))
    set_all(model, 1.0)
    average.after_step(0)  # decay (1 + 0) / (10 + 0)
    assert torch.allclose(average.tensors["weight"], torch.tensor(0.9))
    average.after_step(1000)  # decay 0.5
    assert torch.allclose(average.tensors["weight"], torch.tensor(0.95))


def test_the_mean_of_the_last_epochs_is_their_plain_mean() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = Average(model, TrainSettings(weight_averaging="last", average_epochs=3))
    for epoch in range(5):
        set_all(model, float(epoch))
        average.after_epoch(epoch, 5)
    assert torch.allclose(average.tensors["weight"], torch.tensor(3.0))  # of 2, 3 and 4


def test_the_model_holds_the_average_for_a_while_only() -> None:
    model = nn.Linear(1, 1, bias=False)
    set_all(model, 0.0)
    average = Average(model, TrainSettings(weight_averaging="ema"))
    set_all(model, 1.0)
    with average.in_place():
        assert model.weight.item() == 0.0
    assert model.weight.item() == 1.0


def test_no_average_leaves_the_model_alone() -> None:
    model = nn.Linear(1, 1)
    average = Average(model, TrainSettings())
    average.after_step(0)
    average.after_epoch(0, 1)
    with average.in_place():
        assert not average.tensors


def test_running_statistics_are_averaged_and_counters_copied() -> None:
    norm = nn.BatchNorm1d(2)
    average = Average(norm, TrainSettings(weight_averaging="ema", ema_decay=0.5))
    norm(torch.randn(8, 2) + 5)
    average.after_step(100)
    assert average.tensors["num_batches_tracked"].item() == 1
    assert norm.running_mean is not None
    assert torch.allclose(average.tensors["running_mean"], norm.running_mean / 2)


def test_frozen_parameters_are_left_out() -> None:
    norm = nn.BatchNorm1d(2)
    norm.weight.requires_grad_(False)
    assert "weight" not in changing_tensors(norm)
