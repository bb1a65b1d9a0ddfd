"""The loss, its weights, and the evaluation of an epoch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mindle.models.classifier import StandardisedNumber, layers_model
from mindle.records import InputSpec
from mindle.training.loop.job import Job
from mindle.training.loop.loss import Loss, class_weights, evaluate
from mindle.training.loop.objectives import CLASSIFICATION, Regression, focal_loss
from mindle.training.recipe import Recipe
from mindle.training.settings import TrainSettings
from tests.training.nets import data, net, stripes


def job(labels: np.ndarray, settings: TrainSettings) -> Job:
    images, _ = stripes(len(labels))
    return Job(model=net(), data=data((images, labels), (images, labels)), recipe=Recipe(train=settings))


def test_smoothing_spreads_a_share_of_each_label() -> None:
    logits, targets = torch.randn(4, 3), torch.eye(3)[[0, 1, 2, 0]]
    smooth = Loss(CLASSIFICATION, TrainSettings(label_smoothing=0.3))(logits, targets)
    by_hand = -(0.7 * targets + 0.1).mul(F.log_softmax(logits, 1)).sum(1).mean()
    assert smooth.item() == pytest.approx(by_hand.item())


def test_penalties_count_weights_and_not_biases() -> None:
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, -4.0]]))
        layer.bias.fill_(100)
    loss = Loss(CLASSIFICATION, TrainSettings(l1=0.1, l2=0.01), list(layer.parameters()))
    with torch.no_grad():
        assert float(loss.penalty()) == pytest.approx(0.1 * 7 + 0.01 * 25)
    assert Loss(CLASSIFICATION, TrainSettings(), list(layer.parameters())).penalty() == 0.0


def test_class_weights_make_classes_equal_and_leave_the_scale() -> None:
    labels = np.repeat([0, 1], [30, 10]).astype(np.int64)  # the third class is absent
    weights = class_weights(job(labels, TrainSettings(balance="weights")))
    assert weights is not None
    assert weights.tolist() == pytest.approx([40 / 30 / 2, 40 / 10 / 2, 0.0])
    assert weights[labels].mean().item() == pytest.approx(1.0)
    assert class_weights(job(labels, TrainSettings())) is None


def test_evaluating_in_pieces_gives_what_one_piece_gives() -> None:
    images, labels = stripes(2000)
    work = job(labels, TrainSettings())
    loss, accuracy = evaluate(work)
    with torch.inference_mode():
        logits = work.model.eval()(torch.from_numpy(images))
    assert loss == pytest.approx(F.cross_entropy(logits, torch.from_numpy(labels)).item(), rel=1e-5)
    assert accuracy == (logits.argmax(1).numpy() == labels).mean()


def test_focal_loss_is_cross_entropy_at_gamma_0_and_cares_less_for_what_is_right() -> None:
    logits, labels = torch.randn(16, 3), torch.arange(16) % 3
    targets, weights = torch.eye(3)[labels], torch.tensor([0.5, 1.0, 2.0])
    plain = Loss(CLASSIFICATION, TrainSettings(label_smoothing=0.1), [], weights)(logits, targets)
    soft = 0.9 * targets + 0.1 / 3
    assert focal_loss(logits, soft, 0.0, weights).item() == pytest.approx(plain.item())
    focal = Loss(CLASSIFICATION, TrainSettings(focal_gamma=2.0))
    p = torch.softmax(logits, 1)[torch.arange(16), labels]
    assert focal(logits, targets).item() == pytest.approx((-((1 - p) ** 2) * p.log()).mean().item())


def test_focal_loss_has_a_slope_where_an_answer_is_as_sure_as_can_be() -> None:
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    focal_loss(logits, torch.tensor([[1.0, 0.0]]), 0.5).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_numbers_have_the_huber_loss_and_their_absolute_errors() -> None:
    images, _ = stripes(6)
    truth = np.array([0.5, -0.2, 0.0, 3.0, -4.0, 1.0])
    spec = InputSpec(height=images.shape[1], width=images.shape[2], colour="gray", mean=(0.5,), std=(0.2,))
    layers = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
    model = layers_model(layers, StandardisedNumber(centre=0.0, scale=2.0), spec=spec, seed=0)
    numbers = replace(
        job(np.zeros(6, np.int64), TrainSettings()),
        model=model,
        data=data((images, truth), (images, truth)),
        objective=Regression(unit=2.0),
    )
    with torch.no_grad():
        answers = model(torch.from_numpy(images))[:, 0].double().numpy()
    off = np.abs(answers - truth)
    huber = np.where(off < 1, off**2 / 2, off - 0.5)
    loss, mae = evaluate(numbers)
    assert loss == pytest.approx(huber.mean(), rel=1e-5)
    assert mae == pytest.approx(2 * off.mean(), rel=1e-5)
    of_batch = Loss(numbers.objective, TrainSettings(label_smoothing=0.1))
    column = torch.from_numpy(truth).float()[:, None]
    assert of_batch(model(torch.from_numpy(images)), column).item() == pytest.approx(huber.mean(), rel=1e-5)
