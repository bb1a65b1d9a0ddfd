"""Several models that answer together, by their answers or by their weights.

Everything is fitted on the validation split, of which no member learned; what is said about the validation
split is cross-validated there. The test split is sealed.

    vote      mean of the members' probabilities
    weighted  weighted mean, with the weights of the lowest cross-entropy
    stack     multinomial logistic regression over the members' log-probabilities
    average   one model: the mean of the weights of members that are the same net (a greedy soup)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from mindle.data import Pixels
from mindle.errors import ModelError
from mindle.evaluation.calibration import fit_temperature
from mindle.models.classifier import Classifier, build, describe, to_floats
from mindle.models.tables.model import softmax
from mindle.training.images.attempts import log_loss, log_softmax
from mindle.training.images.heads.candidates import fold_numbers
from mindle.training.images.nets import forward

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

METHODS = ("vote", "weighted", "stack", "average")
FOLDS = 5
# Below this a probability shows a stack only how sure a member was of being wrong; and predictions.csv, from
# which a stack learns, has eight decimals.
LOG_FLOOR = 1e-4
_EM_STEPS, _EM_TOLERANCE = 2000, 1e-9
_STACK_STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How members' answers become one.

    Attributes:
        method: "vote", "weighted" or "stack".
        weights: One a member, adding up to 1; empty for a stack.
        coefficients: (member x class, class) of a stack, on log-probabilities side by side.
        intercepts: (class,) of a stack.
        settings: What cross-validation chose.
    """

    method: str
    weights: Floats = field(default_factory=lambda: np.zeros(0))
    coefficients: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    intercepts: Floats = field(default_factory=lambda: np.zeros(0))
    settings: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, answers: Sequence[Floats] | Floats) -> Floats:
        """Members' probabilities (member, image, class) to one (image, class).

        Nothing but NumPy's functions is called, so that tensors of a graph can be mixed too.
        """
        if self.method != "stack":
            weighted = zip(self.weights.tolist(), answers, strict=True)
            return reduce(add, (weight * each for weight, each in weighted))
        return softmax(_side_by_side(answers) @ self.coefficients + self.intercepts)


def fit_mix(method: str, answers: Floats, labels: Ints) -> Mix:
    """Fit how to mix on answers to images that no member learned from.

    Args:
        method: "vote", "weighted" or "stack".
        answers: Probabilities (member, image, class).
        labels: True class of each image.

    Raises:
        ValueError: If the method is none of these, or there is nothing to fit it on.

    Example:
        >>> good, bad = np.array([[0.9, 0.1], [0.1, 0.9]]), np.array([[0.5, 0.5], [0.5, 0.5]])
        >>> fit_mix("weighted", np.stack([good, bad]), np.array([0, 1])).weights.round(3).tolist()
        [1.0, 0.0]
    """
    if method not in ("vote", "weighted", "stack"):
        raise ValueError(f"`method` must be vote, weighted or stack. Received method={method!r}.")
    if method == "vote":
        return Mix(method=method, weights=np.full(len(answers), 1 / len(answers)))
    if not len(labels):
        raise ValueError(
            f"`method` {method!r} must have val images to be fitted on. Received none. Take vote."
        )
    if method == "weighted":
        return Mix(method=method, weights=_weights(answers, labels))
    return _stack(answers, labels)


def held_out(method: str, answers: Floats, labels: Ints, *, seed: int = 0) -> Floats:
    """What a mix predicts for each image where it was fitted on the other folds: (image, class)."""
    if method == "vote":
        return fit_mix(method, answers, labels)(answers)
    mixed = np.empty(answers.shape[1:])
    for rest, out in _folds(labels, seed):
        mixed[out] = fit_mix(method, answers[:, rest], labels[rest])(answers[:, out])
    return mixed


def _folds(labels: Ints, seed: int = 0) -> Iterator[tuple[Ints, Ints]]:
    """Images to learn from and images to predict, for each fold."""
    folds = fold_numbers(labels, np.arange(len(labels)), folds=FOLDS, seed=seed)
    for fold in np.unique(folds):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


def _weights(answers: Floats, labels: Ints) -> Floats:
    """Weights on the simplex with the lowest cross-entropy of the weighted mean; the problem is convex.

    Source:
        Expectation-maximisation for the proportions of a mixture: Dempster, Laird & Rubin 1977, section 4.3.
    """
    known = np.maximum(answers[:, np.arange(len(labels)), labels], 1e-12)  # (member, image)
    weights = np.full(len(known), 1 / len(known))
    for _ in range(_EM_STEPS):
        shares = weights[:, None] * known
        new = (shares / shares.sum(axis=0)).mean(axis=1)
        moved = float(np.abs(new - weights).max())
        weights = new
        if moved < _EM_TOLERANCE:
            break
    return np.asarray(weights / weights.sum())


def _side_by_side(answers: Sequence[Floats] | Floats) -> Floats:
    """Log-probabilities of all members, (image, member x class)."""
    found: Floats = np.log(np.maximum(np.concatenate(list(answers), axis=1), LOG_FLOOR))
    return found


def _stack(answers: Floats, labels: Ints) -> Mix:
    """Logistic regression over log-probabilities; its penalty by cross-validation among these images.

    Source:
        Wolpert 1992, "Stacked generalization"; on probabilities as Ting & Witten 1999 found best.
    """
    x, classes = _side_by_side(answers), answers.shape[2]

    def loss_of(strength: float) -> float:
        scores = np.empty((len(labels), classes))
        for rest, out in _folds(labels):
            coefficients, intercepts = _logistic(x[rest], labels[rest], classes, strength)
            scores[out] = x[out] @ coefficients + intercepts
        return log_loss(np.exp(log_softmax(scores)), labels)

    best = min(_STACK_STRENGTHS, key=loss_of)
    coefficients, intercepts = _logistic(x, labels, classes, best)
    return Mix(method="stack", coefficients=coefficients, intercepts=intercepts, settings={"strength": best})


def _logistic(x: Floats, labels: Ints, classes: int, strength: float) -> tuple[Floats, Floats]:
    """Coefficients (feature, class) and intercepts (class,) with an L2 penalty towards the plain mean.

    The penalty pulls towards the members' mean log-probability and not towards 0, so that a stack that
    learned little from few images still answers as the members do.
    """
    from scipy.optimize import minimize

    members = x.shape[1] // classes
    mean = np.tile(np.eye(classes), (members, 1)) / members
    truth = np.eye(classes)[labels]

    def loss_and_slope(flat: Floats) -> tuple[float, Floats]:
        moved, intercepts = flat[:-classes].reshape(mean.shape), flat[-classes:]
        log_p = log_softmax(x @ (mean + moved) + intercepts)
        slope = (np.exp(log_p) - truth) / len(labels)
        loss = -(truth * log_p).sum() / len(labels) + 0.5 * np.square(moved).sum() / (strength * len(labels))
        gradient = x.T @ slope + moved / (strength * len(labels))
        return float(loss), np.concatenate([gradient.ravel(), slope.sum(axis=0)])

    found = minimize(loss_and_slope, np.zeros(mean.size + classes), jac=True, method="L-BFGS-B")
    return mean + found.x[:-classes].reshape(mean.shape), np.asarray(found.x[-classes:])


# ---- averaged weights -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Soup:
    """A model with the mean of some members' weights.

    Attributes:
        model: In eval mode.
        members: Which members it is made of, the best first.
        tried: Each step: the members in it and their cross-entropy on val.
    """

    model: Classifier
    members: tuple[int, ...]
    tried: tuple[tuple[tuple[int, ...], float], ...]


def require_same_net(models: Sequence[Classifier], names: Sequence[str]) -> None:
    """Refuse members whose weights do not stand for the same things.

    Raises:
        ModelError: If the nets differ, or are heads fitted on frozen features.
    """
    first = _shape_of(models[0])
    for model, name in zip(models, names, strict=True):
        head = model.description.get("head", {"kind": "layers"})["kind"]
        if head != "layers":
            raise ModelError(
                f"Weights can be averaged of nets trained by epochs. {name} is a {head} head on frozen "
                "features: take --method vote or stack."
            )
        if _shape_of(model) != first:
            raise ModelError(
                f"Weights can be averaged of runs of the same net. {names[0]} and {name} differ in their "
                "layers, pixels or normalisation: take --method vote or stack."
            )


def _shape_of(model: Classifier) -> dict[str, Any]:
    """What two classifiers must have in common for their weights to mean the same."""
    described = describe(model)
    return described | {"tensors": {name: list(t.shape) for name, t in model.state_dict().items()}}


def greedy_soup(models: Sequence[Classifier], val: Pixels, labels: Ints, train: Pixels) -> Soup:
    """Begin with the best member; add each other one whose weights, averaged in, do no harm.

    Nets that began with different weights lie in different valleys, and the mean of two valleys is a hill:
    such members are not taken. Runs from one pretrained backbone often share a valley.

    Args:
        models: Members of the same net.
        val: Validation images.
        labels: Their classes.
        train: Training images, for the statistics of batch normalisation.

    Source:
        Wortsman et al. 2022, https://arxiv.org/abs/2203.05482, recipe 1, by cross-entropy.
    """

    def loss_of(model: Classifier) -> float:
        logits = forward(model, val, np.arange(len(val)))
        # As it would predict: with its temperature.
        return log_loss(np.exp(log_softmax(logits / fit_temperature(logits, labels))), labels)

    singles = [loss_of(model) for model in models]
    order = sorted(range(len(models)), key=lambda member: singles[member])
    members: tuple[int, ...] = (order[0],)
    best, soup = singles[order[0]], averaged([models[order[0]]], train)
    tried: list[tuple[tuple[int, ...], float]] = [((member,), singles[member]) for member in order]
    for member in order[1:]:
        wider = averaged([models[each] for each in (*members, member)], train)
        loss = loss_of(wider)
        tried.append(((*members, member), loss))
        if loss <= best:
            members, best, soup = (*members, member), loss, wider
    return Soup(model=soup, members=members, tried=tuple(tried))


@torch.no_grad()
def averaged(models: Sequence[Classifier], train: Pixels) -> Classifier:
    """A model with the mean of the members' weights; statistics that differ are measured anew on train.

    Whole numbers (counters) are the first member's. What all members share, such as a frozen backbone, and
    statistics that all agree on stay bit by bit.
    """
    states = [model.state_dict() for model in models]
    mean = {name: _mean_of([state[name] for state in states]) for name in states[0]}
    model = build(describe(models[0]))
    model.load_state_dict(mean)
    differing = [
        module
        for name, module in model.named_modules()
        if isinstance(module, BatchNorm)
        and module.running_mean is not None
        and not _are_equal([state[f"{name}.running_mean"] for state in states])
    ]
    if differing:
        _measure_statistics(model, differing, train)
    return model.eval()


def _are_equal(tensors: Sequence[Tensor]) -> bool:
    return all(torch.equal(tensors[0], other) for other in tensors[1:])


def _mean_of(tensors: Sequence[Tensor]) -> Tensor:
    first = tensors[0]
    if not first.is_floating_point() or _are_equal(tensors):
        return first.clone()
    return torch.stack([tensor.double() for tensor in tensors]).mean(dim=0).to(first.dtype)


def _measure_statistics(model: Classifier, layers: Sequence[BatchNorm], train: Pixels) -> None:
    """Mean and variance of each layer's inputs over the training images, as the new weights make them.

    Source: Izmailov et al. 2018, https://arxiv.org/abs/1803.05407, section 3.2.
    """
    model.eval()
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over all batches
        layer.train()
    for start in range(0, len(train), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(train)))
        if len(rows) > 1 or len(train) == 1:
            model.logits_from_floats(to_floats(torch.from_numpy(np.ascontiguousarray(train[rows]))))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
