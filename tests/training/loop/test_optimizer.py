"""Which parameters get which rate and decay, and rates over a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from mindle.models.classifier import ClassScores, backbone_model
from mindle.models.pretrained.weights import random_card
from mindle.training.loop.optimizer import Optimizer, build_optimizer, rate_factor
from mindle.training.settings import OPTIMIZERS, SCHEDULES, TrainSettings
from tests.processes import python
from tests.training.nets import NORMED, net


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_decay_spares_norms_and_biases(optimizer: str) -> None:
    groups = build_optimizer(net(NORMED), TrainSettings(optimizer=optimizer, weight_decay=0.1)).param_groups
    assert {group["weight_decay"]: {p.ndim > 1 for p in group["params"]} for group in groups} == {
        0.1: {True},
        0.0: {False},
    }


def test_stages_of_a_backbone_learn_the_slower_the_farther_they_are() -> None:
    head = [{"kind": "dense", "units": "classes"}]
    model = backbone_model([random_card("resnet18")], head, ClassScores(("a", "b")))
    (backbone,) = model.backbones
    optimizer = build_optimizer(model, TrainSettings(layer_decay=0.5))
    shares = {p: group["share"] for group in optimizer.param_groups for p in group["params"]}
    stages = len(backbone.groups())
    assert shares.keys() == set(model.parameters())
    for place, stage in enumerate(backbone.groups()):
        assert {shares[p] for p in stage} == {0.5 ** (stages - place)}
    assert {shares[p] for p in model.head.parameters()} == {1.0}


def test_layers_of_many_inputs_learn_slower_in_proportion() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(800, 40), nn.Linear(40, 2))
    shares = {
        p: group["share"]
        for group in build_optimizer(model, TrainSettings(lr_scale_fan_in=100)).param_groups
        for p in group["params"]
    }
    assert shares.keys() == set(model.parameters())
    assert shares.pop(model[2].weight) == 100 / 800
    assert set(shares.values()) == {1.0}


def test_the_biases_of_batch_norms_learn_at_a_rate_of_their_own() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    groups = build_optimizer(model, TrainSettings(norm_bias_lr_ratio=64)).param_groups
    assert {group["share"]: len(group["params"]) for group in groups if group["share"] != 1} == {64.0: 1}
    assert groups[0]["params"] == [model[1].bias]


def test_a_frozen_model_is_refused() -> None:
    frozen = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ValueError, match="must have a parameter that can be trained"):
        build_optimizer(frozen, TrainSettings())


def test_frozen_parameters_are_in_no_group() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    optimizer = build_optimizer(model, TrainSettings())
    optimised = {p for group in optimizer.param_groups for p in group["params"]}
    assert optimised == set(model[1].parameters())


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_parameters_move_as_torchs_own_classes_move_them(name: str, momentum: float) -> None:
    settings = TrainSettings(optimizer=name, momentum=momentum, learning_rate=0.01)
    mine, theirs = nn.Linear(4, 3), nn.Linear(4, 3)
    theirs.load_state_dict(mine.state_dict())
    groups = [
        [{"params": [net.weight], "weight_decay": 0.1}, {"params": [net.bias], "weight_decay": 0.0}]
        for net in (mine, theirs)
    ]
    betas, nesterov = (momentum, settings.beta2), {"momentum": momentum, "nesterov": momentum > 0}
    classes: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adamw": lambda: torch.optim.AdamW(groups[1], lr=0.01, betas=betas, fused=True),
        "adam": lambda: torch.optim.Adam(groups[1], lr=0.01, betas=betas, fused=True),
        "sgd": lambda: torch.optim.SGD(groups[1], lr=0.01, fused=True, **nesterov),  # type: ignore[arg-type]
        "rmsprop": lambda: torch.optim.RMSprop(groups[1], lr=0.01, alpha=settings.beta2),
    }
    ours, reference = Optimizer(groups[0], settings), classes[name]()
    for step in range(4):
        image = torch.rand(5, 4, generator=torch.Generator().manual_seed(step))
        for model, optimizer in ((mine, ours), (theirs, reference)):
            optimizer.zero_grad()
            model(image).square().mean().backward()
            optimizer.step()
    assert torch.equal(mine.weight, theirs.weight)
    assert torch.equal(mine.bias, theirs.bias)


def test_training_does_not_import_torchs_compiler() -> None:
    """Making one of torch's optimizers does, and takes a second."""
    code = (
        "import sys; from torch import nn; from mindle.training.settings import TrainSettings;"
        "from mindle.training.loop.optimizer import build_optimizer; net = nn.Linear(2, 2);"
        "optimizer = build_optimizer(net, TrainSettings()); net.weight.sum().backward(); optimizer.step();"
        "assert 'torch._dynamo' not in sys.modules"
    )
    python(code)


def rates(steps: int = 100, drops: int = 0, **settings: object) -> list[float]:
    chosen = TrainSettings(**settings)  # type: ignore[arg-type]
    return [rate_factor(chosen, step=s, steps=steps, steps_per_epoch=10, drops=drops) for s in range(steps)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_climbs_to_the_peak_and_never_above(schedule: str) -> None:
    factors = rates(schedule=schedule, warmup_fraction=0.1)
    assert factors[:10] == sorted(factors[:10])
    assert max(factors) == factors[10] == 1.0
    assert min(factors) > 0


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_falling_schedules_end_where_they_should(schedule: str) -> None:
    factors = rates(schedule=schedule, min_lr_ratio=0.02)
    assert factors[-1] == pytest.approx(0.02)
    assert factors[5:] == sorted(factors[5:], reverse=True)


def test_one_cycle_falls_in_a_straight_line() -> None:
    factors = rates(schedule="one-cycle", warmup_fraction=0.0)
    assert len({round(a - b, 9) for a, b in zip(factors, factors[1:], strict=False)}) == 1


def test_steps_drop_every_few_epochs_and_plateaus_when_told() -> None:
    stairs = rates(schedule="step", step_size=4, gamma=0.1, warmup_fraction=0.0)
    assert stairs[::20] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert rates(schedule="plateau", drops=2, gamma=0.5, warmup_fraction=0.0)[50] == 0.25


def test_a_single_step_has_a_rate() -> None:
    assert 0 < rates(steps=1, schedule="cosine")[0] <= 1
