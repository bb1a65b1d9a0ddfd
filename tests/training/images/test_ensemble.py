"""Mixing answers and averaging weights: the formulas, honest validation, and soups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from mindle.data import Pixels
from mindle.errors import ModelError
from mindle.models.classifier import Classifier, ClassScores, layers_model
from mindle.records import InputSpec
from mindle.training.images.attempts import log_loss
from mindle.training.images.ensemble import (
    Floats,
    averaged,
    fit_mix,
    greedy_soup,
    held_out,
    require_same_net,
)
from mindle.training.loop.fit import fit
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import Recipe
from mindle.training.settings import TrainSettings
from tests.training.nets import data, stripes

CLASSES = 4


def answers(skills: Sequence[float], count: int = 400, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Probabilities (member, image, class) of members that know more or less, each in its own way."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    logits = np.array(skills)[:, None, None] * np.eye(CLASSES)[labels] + rng.normal(
        size=(len(skills), count, CLASSES)
    )
    odds = np.exp(logits)
    return odds / odds.sum(axis=2, keepdims=True), labels


def test_a_vote_is_the_mean_and_needs_nothing_to_be_fitted_on() -> None:
    said, _ = answers([1, 2, 3])
    mix = fit_mix("vote", said[:, :0], np.zeros(0, np.int64))
    assert mix(said) == pytest.approx(said.mean(axis=0))


def test_fitted_weights_lie_on_the_simplex_and_have_the_lowest_cross_entropy() -> None:
    said, labels = answers([0.5, 2, 2.5])
    mix = fit_mix("weighted", said, labels)
    assert mix.weights.min() >= 0
    assert mix.weights.sum() == pytest.approx(1)

    def loss(free: Floats) -> float:
        weights = np.exp(free) / np.exp(free).sum()
        return log_loss(np.tensordot(weights, said, axes=1), labels)

    other = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-12})
    assert log_loss(mix(said), labels) == pytest.approx(other.fun, abs=1e-6)
    assert mix.weights == pytest.approx(np.exp(other.x) / np.exp(other.x).sum(), abs=1e-3)


def test_a_member_that_knows_nothing_gets_no_weight() -> None:
    said, labels = answers([3, 0, 3])
    assert fit_mix("weighted", said, labels).weights[1] < 0.02


@pytest.mark.parametrize("method", ["vote", "weighted", "stack"])
def test_mixed_answers_are_probabilities_and_better_than_the_best_member_on_new_images(method: str) -> None:
    said, labels = answers([2, 2, 2], 1500)
    fresh, truth = answers([2, 2, 2], 1500, seed=1)
    mixed = fit_mix(method, said, labels)(fresh)
    assert mixed.sum(axis=1) == pytest.approx(np.ones(1500))
    assert mixed.min() >= 0
    assert log_loss(mixed, truth) < min(log_loss(member, truth) for member in fresh) - 0.02


def test_a_stack_mends_a_member_that_mistakes_one_class_for_another() -> None:
    said, labels = answers([3, 3], 1200)
    said = said[:, :, [1, 0, 2, 3]]  # both call the first class the second, and the other way round
    mixed = fit_mix("stack", said, labels)(said)
    assert (mixed.argmax(axis=1) == labels).mean() > 0.8
    assert (said.mean(axis=0).argmax(axis=1) == labels).mean() < 0.6


def test_a_stack_that_learned_from_few_images_answers_nearly_as_its_members_do() -> None:
    said, labels = answers([2, 2], 10)
    fresh, truth = answers([2, 2], 800, seed=1)
    mixed = fit_mix("stack", said, labels)(fresh)
    assert log_loss(mixed, truth) < log_loss(fresh.mean(axis=0), truth) + 0.2


@pytest.mark.parametrize("method", ["weighted", "stack"])
def test_held_out_answers_do_not_know_their_own_labels(method: str) -> None:
    said, labels = answers([1, 2], 60)
    before = held_out(method, said, labels)
    changed = labels.copy()
    changed[7] = (changed[7] + 1) % CLASSES
    after = held_out(method, said, changed)
    # The folds are dealt by class, so that other images may move; this one is answered by others alone.
    assert before.shape == after.shape == (60, CLASSES)
    assert log_loss(before, labels) > log_loss(fit_mix(method, said, labels)(said), labels)


def test_what_cannot_be_fitted_is_refused() -> None:
    said, labels = answers([1, 1], 10)
    with pytest.raises(ValueError, match="must be vote, weighted or stack"):
        fit_mix("average", said, labels)
    with pytest.raises(ValueError, match="must have val images"):
        fit_mix("stack", said[:, :0], labels[:0])


# ---- averaged weights -------------------------------------------------------------------------------------

LAYERS = [
    {"kind": "conv", "channels": 4, "kernel": 3, "padding": "same"},
    {"kind": "batch_norm"},
    {"kind": "activation", "activation": "relu"},
    {"kind": "flatten"},
    {"kind": "dense", "units": "classes"},
]


def small_net(seed: int, epochs: int = 0, start: Classifier | None = None) -> Classifier:
    """A small net on the stripes of the other tests, perhaps trained from where another one stands."""
    images, labels = stripes(60)
    height, width, channels = images.shape[1:]
    spec = InputSpec(
        height=height,
        width=width,
        colour="gray" if channels == 1 else "rgb",
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )
    names = [str(label) for label in range(int(labels.max()) + 1)]
    model = layers_model(LAYERS, ClassScores(tuple(names)), spec=spec, seed=seed)
    if start is not None:
        model.load_state_dict(start.state_dict())
    if epochs:
        recipe = Recipe(train=TrainSettings(epochs=epochs, batch_size=16, learning_rate=3e-3))
        fit(model, data((images, labels), (images, labels)), recipe, TrainingContext(seed=seed))
    return model.eval()


def test_the_average_of_the_same_net_is_itself_bit_by_bit() -> None:
    model, (images, _) = small_net(0, epochs=2), stripes(60)
    soup = averaged([model, model, model], Pixels.of(images))
    for name, tensor in model.state_dict().items():
        assert torch.equal(soup.state_dict()[name], tensor), name


def test_weights_are_averaged_and_statistics_are_those_of_the_training_images() -> None:
    images, _ = stripes(60)
    one, two = small_net(0, epochs=1), small_net(1, epochs=1)
    soup = averaged([one, two], Pixels.of(images))
    first, second, mean = one.state_dict(), two.state_dict(), soup.state_dict()
    weights = [name for name in mean if name.endswith("weight")]
    for name in weights:
        assert torch.allclose(mean[name], (first[name] + second[name]) / 2)
    (layer,) = [m for m in soup.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    soup(torch.from_numpy(images))
    handle.remove()
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert torch.allclose(layer.running_mean, seen[0].mean((0, 2, 3)), atol=1e-4)
    assert torch.allclose(layer.running_var, seen[0].var((0, 2, 3)), rtol=1e-3)
    assert not soup.training


def test_a_greedy_soup_keeps_what_helps_and_leaves_out_what_does_not() -> None:
    images, labels = stripes(60)
    pixels = Pixels.of(images)
    start = small_net(0, epochs=3)
    related = [small_net(seed, epochs=1, start=start) for seed in (1, 2)]
    stranger = small_net(99)  # never trained: its weights are of another world
    soup = greedy_soup([stranger, *related], pixels, labels, pixels)
    assert 0 not in soup.members
    losses = dict(soup.tried)
    assert losses[soup.members] <= min(loss for members, loss in soup.tried if len(members) == 1)


def test_only_the_same_nets_can_be_averaged() -> None:
    one = small_net(0)
    other = layers_model(
        [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}],
        ClassScores(tuple(one.classes)),
        spec=one.spec,
    )
    require_same_net([one, small_net(1)], ["a", "b"])
    with pytest.raises(ModelError, match="a and b differ in their layers"):
        require_same_net([one, other], ["a", "b"])
