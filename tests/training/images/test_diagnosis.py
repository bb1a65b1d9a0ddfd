"""Each fault is planted in a small real training and named, alone; healthy trainings are exempt."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.data import read
from mindle.models.classifier import Classifier, ClassScores, layers_model
from mindle.records import ArrayImages, Diagnosis, InputSpec
from mindle.training.images.attempts import log_softmax
from mindle.training.images.diagnosis import Case, diagnose
from mindle.training.images.nets import forward
from mindle.training.loop.fit import fit
from mindle.training.loop.monitor import TrainingMonitor
from mindle.training.recipe import Recipe
from mindle.training.settings import AugmentSettings, TrainSettings
from tests.training.nets import data as labelled
from tests.training.nets import dense

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]
CONV: list[dict[str, Any]] = [
    {"kind": "conv", "channels": 16, "padding": "same", "activation": "relu"},
    {"kind": "max_pool"},
    {"kind": "flatten"},
    {"kind": "dense", "units": "classes"},
]
DENSE = dense((64, 32))


def digits(count: int = 400, classes: int = 10) -> tuple[Arrays, Arrays]:
    """Handwritten digits of 8 px: some to learn from, 150 to evaluate on."""
    dataset = read("digits")
    assert isinstance(dataset.images, ArrayImages)
    images, labels = dataset.images.array.reshape(-1, 8, 8, 1), dataset.labels
    rows = np.random.default_rng(0).permutation(np.flatnonzero(labels < classes))
    train, val = rows[:count], rows[count : count + 150]
    return (images[train], labels[train]), (images[val], labels[val])


def net(layers: list[dict[str, Any]], classes: int, *, mean: float = 0.3, std: float = 0.37) -> Classifier:
    spec = InputSpec(height=8, width=8, colour="gray", mean=(mean,), std=(std,))
    return layers_model(layers, ClassScores(tuple([str(i) for i in range(classes)])), spec=spec, seed=0)


def named(
    train: Arrays,
    val: Arrays,
    model: Classifier,
    *,
    augment: AugmentSettings | None = None,
    **settings: Any,
) -> tuple[Diagnosis, ...]:
    """Train, and say what was wrong with it."""
    wish = {"epochs": 8, "batch_size": 16, "learning_rate": 2e-3, **settings}
    recipe = Recipe(train=TrainSettings(**wish), augment=augment or AugmentSettings())
    watch = TrainingMonitor(recipe.train, classes=len(model.classes))
    result = fit(model, labelled(train, val), recipe, callbacks=[watch])
    right = forward(model, train[0], np.arange(len(train[0]))).argmax(1) == train[1]  # type: ignore[arg-type]
    logits = forward(model, val[0], np.arange(len(val[0])))  # type: ignore[arg-type]
    case = Case(
        classes=model.classes,
        train_labels=train[1],
        val_labels=val[1],
        val_probabilities=np.exp(log_softmax(logits)),
        train_scores={"n": len(right), "accuracy": float(right.mean())},
        history=result.history,
        seen=watch.seen(),
    )
    return diagnose(case)


def kinds(found: tuple[Diagnosis, ...]) -> list[str]:
    for diagnosis in found:
        assert all(len(line) > 0 for line in diagnosis.evidence["series"].values())
        assert all(math.isfinite(y) for line in diagnosis.evidence["series"].values() for _, y in line)
    return [diagnosis.kind for diagnosis in found]


# ---- healthy ----------------------------------------------------------------------------------------------

ONE_CYCLE = {"schedule": "one-cycle", "warmup_fraction": 0.1, "weight_decay": 0.05}
HEALTHY: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "adamw": (CONV, {}),
    "adamw, dense": (DENSE, {}),
    "one-cycle, averaged": (CONV, {**ONE_CYCLE, "weight_averaging": "ema", "ema_decay": 0.9}),
    "sgd": (DENSE, {"optimizer": "sgd", "learning_rate": 0.05}),
    "rmsprop": (DENSE, {"optimizer": "rmsprop", "learning_rate": 1e-3, "beta2": 0.9}),
    "smoothed, weighed": (DENSE, {"label_smoothing": 0.1, "balance": "weights"}),
    "sampled": (CONV, {"balance": "sampling"}),
    "two epochs": (CONV, {"epochs": 2, "batch_size": 8}),
    "clipped": (DENSE, {"clip_grad_norm": 1.0}),
    "tiny batches": (DENSE, {"batch_size": 4, "epochs": 4}),
}


@pytest.mark.parametrize("way", HEALTHY)
def test_a_healthy_run_is_not_diagnosed(way: str) -> None:
    layers, settings = HEALTHY[way]
    assert kinds(named(*digits(), net(layers, 10), **settings)) == []


def test_a_healthy_run_of_two_classes_with_one_score_and_augmentation() -> None:
    augment = AugmentSettings(shift=0.1, rotate=0.03, brightness=0.2, mixup=0.2)
    layers = dense((32,), 0.5, outputs=1)
    assert kinds(named(*digits(200, classes=2), net(layers, 2), augment=augment)) == []


def test_a_healthy_deep_net_with_batch_norms() -> None:
    block = [{"kind": "conv", "channels": 8, "padding": "same", "bias": False}]
    block += [{"kind": "batch_norm", "activation": "relu"}]
    layers = [*block * 6, {"kind": "global_pool"}, {"kind": "dense", "units": "classes"}]
    assert kinds(named(*digits(), net(layers, 10), learning_rate=5e-3)) == []


def test_a_healthy_run_with_rare_classes() -> None:
    splits = [
        (images[some], labels[some])
        for images, labels in digits(400, classes=3)
        if len(some := np.flatnonzero((labels == 0) | (np.arange(len(labels)) % 4 == 0)))
    ]
    assert kinds(named(splits[0], splits[1], net(CONV, 3))) == []


def test_a_healthy_probe() -> None:
    labels = np.arange(200) % 4
    answers = np.full((200, 4), 0.05)
    answers[np.arange(200), np.where(np.arange(200) < 180, labels, (labels + 1) % 4)] = 0.85
    case = Case(
        classes=tuple("abcd"),
        train_labels=labels,
        val_labels=labels,
        val_probabilities=answers,
        train_scores={"n": 800, "accuracy": 1.0},
    )
    assert diagnose(case) == ()


# ---- faults -----------------------------------------------------------------------------------------------


def test_labels_sorted_by_class() -> None:
    (images, labels), val = digits()
    order = np.argsort(labels, kind="stable")
    found = named((images[order], labels[order]), val, net(CONV, 10), shuffle=False)
    assert kinds(found) == ["labels-sorted"]
    assert "sorted by class" in found[0].message
    assert "train.shuffle" in found[0].remedy


def test_unshuffled_but_unsorted_is_fine() -> None:
    assert kinds(named(*digits(), net(CONV, 10), shuffle=False)) == []


def test_inputs_as_bytes() -> None:
    found = named(*digits(), net(DENSE, 10, mean=0.0, std=1 / 255))
    assert kinds(found) == ["inputs-unscaled"]
    assert "were not scaled" in found[0].message


def test_inputs_scaled_twice() -> None:
    found = named(*digits(), net(DENSE, 10, mean=0.0, std=255.0), epochs=4, learning_rate=1e-3)
    assert kinds(found) == ["inputs-unscaled"]
    assert "once too often" in found[0].message
    assert "ln(10) = 2.303" in found[0].message


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_rate_too_high(optimizer: str) -> None:
    found = named(
        *digits(), net(DENSE, 10), optimizer=optimizer, learning_rate={"adam": 3.0, "sgd": 3.0}[optimizer]
    )
    assert kinds(found) == ["rate-too-high"]
    assert "train.learning_rate" in found[0].remedy


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_rate_too_low(optimizer: str) -> None:
    assert kinds(named(*digits(), net(CONV, 10), optimizer=optimizer, learning_rate=1e-7)) == ["rate-too-low"]


def test_exploding_gradients() -> None:
    model = net(dense((64,) * 6), 10)
    for parameter in model.parameters():
        parameter.data *= 8.0
    assert kinds(named(*digits(), model, learning_rate=1e-4))[:1] == ["exploding-gradients"]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_vanishing_gradients_behind_sigmoids(optimizer: str) -> None:
    layers: list[dict[str, Any]] = [{"kind": "flatten"}]
    layers += [{"kind": "dense", "units": 32, "activation": "sigmoid"}] * 10
    found = named(*digits(), net([*layers, {"kind": "dense", "units": "classes"}], 10), optimizer=optimizer)
    assert kinds(found) == ["vanishing-gradients"]
    assert "first layer" in found[0].message


def test_units_that_never_fire() -> None:
    model = net(DENSE, 10)
    biases = [p for p in model.parameters() if p.ndim == 1]
    biases[0].data -= 100.0
    assert kinds(named(*digits(), model)) == ["vanishing-gradients"]


def test_loss_at_chance_where_labels_do_not_belong_to_their_images() -> None:
    (images, labels), (val_images, val_labels) = digits(200, classes=2)
    coins = np.random.default_rng(1).permutation(labels)
    val_coins = np.random.default_rng(2).permutation(val_labels)
    layers = dense((32,), 0.5, outputs=1)
    augment = AugmentSettings(shift=0.2, rotate=0.2, random_erasing=0.5)
    found = named(
        (images, coins), (val_images, val_coins), net(layers, 2), augment=augment, epochs=6, l2=0.02
    )
    assert kinds(found) == ["loss-at-chance"]
    assert "ln(2) = 0.693" in found[0].message
    assert set(found[0].evidence["series"]) == {"train loss", "val loss", "guessing"}


def test_constant_prediction_of_a_net_that_evaluates_with_other_statistics_than_it_trains_with() -> None:
    norm = {"kind": "batch_norm", "momentum": 1e-6, "activation": "relu"}
    model = net([{"kind": "flatten"}, {"kind": "dense", "units": 32}, norm, DENSE[-1]], 10)
    next(
        p for p in model.parameters() if p.ndim == 1
    ).data += 100.0  # which a batch takes off, and nobody else
    assert kinds(named(*digits(), model)) == ["constant-prediction"]


def test_val_below_majority() -> None:
    train, (images, labels) = digits(200, classes=2)
    found = named(train, (images, 1 - labels), net(CONV, 2))
    assert kinds(found) == ["val-below-majority"]


def test_overfitting() -> None:
    rng = np.random.default_rng(0)
    (images, labels), (val_images, val_labels) = digits(120)
    noisy = [
        np.clip(part + rng.normal(0, 140, part.shape), 0, 255).astype(np.uint8)
        for part in (images, val_images)
    ]
    found = named((noisy[0], labels), (noisy[1], val_labels), net(dense((256, 128)), 10), epochs=30)
    assert kinds(found) == ["overfitting"]
    assert "points above validation" in found[0].message


def test_a_short_or_resumed_run_is_not_diagnosed_by_its_beginning() -> None:
    train, val = digits()
    model = net(DENSE, 10)
    settings = TrainSettings(epochs=1, batch_size=16, learning_rate=1e-7)
    watch = TrainingMonitor(settings, classes=10)
    result = fit(model, labelled(train, val), Recipe(train=settings), callbacks=[watch])
    case = Case(
        classes=model.classes,
        train_labels=train[1],
        val_labels=val[1],
        val_probabilities=np.eye(10)[val[1]],
        history=result.history,
        seen=watch.seen(),
    )
    assert watch.seen().steps < 50
    assert diagnose(case) == ()
    resumed = replace(watch.seen(), steps=500, from_start=False)
    assert "rate-too-low" not in kinds(diagnose(replace(case, seen=resumed)))
