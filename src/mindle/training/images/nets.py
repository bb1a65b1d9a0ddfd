"""Strategies that train a net by epochs: `scratch`, `inline` (frozen backbone) and `finetune`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.data import Pixels
from mindle.data.common.names import count_of
from mindle.evaluation import fit_temperature
from mindle.evaluation.conformal import calibrate
from mindle.evaluation.intervals import wilson
from mindle.evaluation.thresholds import fit_thresholds, held_out_answers
from mindle.models.classifier import (
    Classifier,
    Estimator,
    backbone_classifier,
    backbone_estimator,
    layers_classifier,
    layers_estimator,
)
from mindle.models.nets.zoo import ZOO
from mindle.models.pretrained.weights import WeightCard
from mindle.records import SILENT, ArrayImages, InputSpec, Listener
from mindle.training.budget import Deadline
from mindle.training.images.heads import fold_numbers
from mindle.training.images.problem import Outcome, Problem
from mindle.training.loop.callbacks import Callback
from mindle.training.loop.fit import FitResult, fit
from mindle.training.loop.imbalance import WORTH_TRYING, choose_method, ratio
from mindle.training.loop.monitor import TrainingMonitor, TrainingStats
from mindle.training.recipe import AugmentSettings, Recipe, read_recipe

# Images up to this side keep their own size; larger ones are trained at PHOTO_SIDE unless a recipe says so.
SMALL_SIDE, PHOTO_SIDE = 96, 160
# So many training images say what mean and deviation inputs have, and how well a net knows them at the end.
SAMPLE = 1000


def net_spec(recipe: Recipe, typical_size: tuple[int, int], gray: bool) -> InputSpec:
    """The pixels that a net from scratch takes, before mean and std are measured.

    Args:
        recipe: Its `input` may fix size, fit, interpolation and colour.
        typical_size: Median (height, width) of the images.
        gray: Whether the images have one channel.
    """
    settings = recipe.input
    height, width = typical_size
    if settings.height and settings.width:
        height, width = settings.height, settings.width
    elif max(typical_size) > SMALL_SIDE:
        height = width = PHOTO_SIDE
    colour = settings.colour if settings.colour != "auto" else ("gray" if gray else "rgb")
    channels = 1 if colour == "gray" else 3
    return InputSpec(
        height=height,
        width=width,
        fit=settings.fit,
        interpolation=settings.interpolation,
        colour=colour,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
    )


def is_gray(problem: Problem) -> bool:
    """Whether the images are arrays of one channel; files are taken for colour."""
    images = problem.dataset.images
    return isinstance(images, ArrayImages) and (images.array.ndim == 3 or images.array.shape[-1] == 1)


def train_net(
    problem: Problem,
    recipe: Recipe,
    *,
    card: WeightCard | None = None,
    seed: int = 0,
    device: torch.device | None = None,
    folder: Path | None = None,
    resume: bool = False,
    deadline: Deadline | None = None,
    listener: Listener = SILENT,
    callbacks: Sequence[Callback] = (),
) -> Outcome:
    """Train a net on the train part and choose its epoch on the val part.

    Args:
        problem: The data.
        recipe: Its strategy is "scratch", "inline" or "finetune".
        card: The backbone of "inline" and "finetune".
        seed: Draws the weights, the order, the augmentation.
        device: Where to train; the CPU unless set.
        folder: Where the checkpoint is kept.
        resume: Go on from the checkpoint in `folder`.
        deadline: When it must be over.
        listener: Hears steps and epochs.
        callbacks: Watch, and may stop the training.

    Returns:
        The net with its best weights. Its temperature is fitted on the val part, which also chose the epoch,
        so its val
        scores are a little too good. Where numbers are estimated, the intervals rest on the val part too.
    """
    numbers = problem.task == "regression"
    gray = is_gray(problem)
    if card is None:
        spec = net_spec(recipe, problem.typical_size, gray)
        train = problem.pixels(problem.train, spec, listener)
        # What [0, 1] is divided by: 1/255 undoes the scaling, 255 scales once more, as some do by mistake.
        unit = {"unit": 1.0, "bytes": 1 / 255, "twice": 255.0}[recipe.input.scale]
        mean, std = (0.0,) * spec.channels, (unit,) * spec.channels
        if recipe.input.standardise:
            mean, std = channel_statistics(train)
        model = _layers_net(recipe, replace(spec, mean=mean, std=std), problem, seed)
    else:
        model = _backbone_net(card, recipe, problem, seed)
        train = problem.pixels(problem.train, model.spec, listener)
    val = problem.pixels(problem.val, model.spec, listener)
    if isinstance(model, Estimator):
        recipe = without_augmentation(recipe)
        labels: dict[str, Any] = {
            part: (problem.targets(rows) - model.centre) / model.scale
            for part, rows in (("train", problem.train), ("val", problem.val))
        }
    else:
        labels = {"train": problem.labels(problem.train), "val": problem.labels(problem.val)}
    watch = TrainingMonitor(recipe.train, classes=1 if numbers else len(problem.classes))
    result = fit(
        model,
        train,
        labels["train"],
        val,
        labels["val"],
        recipe,
        seed=seed,
        device=device or torch.device("cpu"),
        folder=folder,
        resume=resume,
        deadline=deadline,
        listener=listener,
        callbacks=[watch, *callbacks],
        unit=model.scale if isinstance(model, Estimator) else 1.0,
        later=len(val) + min(SAMPLE, len(train)) + len(problem.dataset.rows("test")),
    )
    trained = _Trained(
        model=model, recipe=recipe, card=card, result=result, seen=watch.seen(), train=train, val=val
    )
    if isinstance(model, Estimator):
        return _number_outcome(problem, trained, model)
    logits = forward(model, val, np.arange(len(val)))  # (image, class)
    temperature = fit_temperature(log_softmax(logits), labels["val"]) if len(val) else 1.0
    val_probabilities = np.exp(log_softmax(logits / temperature))
    thresholds, tried = _thresholds(recipe, val_probabilities, labels["val"], labels["train"], seed)
    some = evenly(len(train), SAMPLE)
    right = int((forward(model, train, some).argmax(axis=1) == labels["train"][some]).sum())
    return Outcome(
        temperature=temperature,
        val_probabilities=val_probabilities,
        train_scores={"n": len(some), "accuracy": right / len(some)},
        tried=(_attempt(trained, logits, labels["val"]), *tried),
        thresholds=thresholds,
        **trained.told(),
    )


@dataclass(frozen=True, kw_only=True)
class _Trained:
    """A net that was trained, and on what."""

    model: Classifier
    recipe: Recipe
    card: WeightCard | None
    result: FitResult
    seen: TrainingStats
    train: Pixels
    val: Pixels

    def told(self) -> dict[str, Any]:
        """What an outcome says of any net."""
        return {
            "model": self.model,
            "strategy": self.recipe.strategy,
            "stopped": _why_stopped(self.result),
            "seconds": {"fit": self.result.seconds},
            "images": {"fit": len(self.train) * len(self.result.history)},
            "history": self.result.history,
            "seen": self.seen,
            "licences": () if self.card is None else (licence_of(self.card),),
        }


def _number_outcome(problem: Problem, trained: _Trained, model: Estimator) -> Outcome:
    """What came of a net that estimates numbers; its intervals rest on its errors on val."""

    def estimates(images: Pixels, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return forward(model, images, rows)[:, 0] * model.scale + model.centre

    val = estimates(trained.val, np.arange(len(trained.val)))
    errors = problem.targets(problem.val) - val
    some = evenly(len(trained.train), SAMPLE)
    known = estimates(trained.train, some) - problem.targets(problem.train[some])
    attempt = number_attempt(_name(trained), np.abs(errors), trained.result.seconds, _note(trained))
    return Outcome(
        val_estimates=val,
        calibration=calibrate(errors, np.zeros(len(errors), np.int64)) if len(errors) else None,
        train_scores={"n": len(some), "mae": float(np.abs(known).mean())},
        tried=({**attempt, "chosen": True},),
        **trained.told(),
    )


def number_attempt(name: str, errors: NDArray[np.float64], seconds: float, note: str) -> dict[str, Any]:
    """How something that was tried did: its mean absolute error on val, with what chance adds or takes.

    Example:
        >>> number_attempt("mean", np.array([1.0, 3.0]), 0.0, "always the mean")["value"]
        2.0
    """
    n = len(errors)
    mean = float(errors.mean()) if n else None
    reach = 1.96 * float(errors.std(ddof=1)) / n**0.5 if n > 1 else None
    return {
        "name": name,
        "value": mean,
        "low": None if mean is None or reach is None else max(mean - reach, 0.0),
        "high": None if mean is None or reach is None else mean + reach,
        "seconds": round(seconds, 2),
        "note": note,
        "chosen": False,
    }


def without_augmentation(recipe: Recipe) -> Recipe:
    """The recipe without the random changes it makes by default: nobody knows which leave a number alone.

    Mirrored, an arrow points elsewhere; brightened, a sky is another hour. What differs from the recipe of
    that name was asked for, and stays.

    Example:
        >>> from mindle.training.recipe import read_recipe, with_settings
        >>> recipe = read_recipe("scratch")
        >>> asked = with_settings(recipe, {"augment.flip": "vertical"})
        >>> without_augmentation(recipe).augment.flip, without_augmentation(asked).augment.flip
        ('none', 'vertical')
    """
    if recipe.augment != read_recipe(recipe.strategy).augment:
        return recipe
    return replace(recipe, augment=AugmentSettings())


def _thresholds(
    recipe: Recipe,
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    train_labels: NDArray[np.int64],
    seed: int,
) -> tuple[tuple[float, ...], tuple[dict[str, Any], ...]]:
    """Thresholds where the recipe asks for them, or leaves it to macro-F1 on val; and what was tried.

    Another way of training would cost the training once more, so that `auto` looks at thresholds alone.
    """
    asked, auto = recipe.train.thresholds, recipe.train.balance == "auto"
    if not len(labels) or not (asked or auto):
        return (), ()
    note: dict[str, Any] = {"name": "imbalance", "value": None, "chosen": False}
    if auto and not asked:
        if ratio(train_labels) < WORTH_TRYING:
            words = f"left out: the largest class has {ratio(train_labels):.1f} times the smallest's images"
            return (), ({**note, "note": words},)
        folds = fold_numbers(labels, np.arange(len(labels)), seed=seed)
        plain, classes = probabilities.argmax(axis=1), probabilities.shape[1]
        answers = {"thresholds": held_out_answers(probabilities, labels, folds)}
        method, reason = choose_method(labels, plain, answers, classes, seed=seed)
        note |= {"name": f"imbalance: {method}", "note": reason}
        if method == "none":
            return (), (note,)
        return tuple(fit_thresholds(probabilities, labels).tolist()), (note,)
    return tuple(fit_thresholds(probabilities, labels).tolist()), ()


def net_layers(recipe: Recipe, spec: InputSpec) -> Sequence[Any]:
    """The layers a recipe names or lists, or the default net for that size."""
    if recipe.model.layers:
        return recipe.model.layers
    name = recipe.model.name or (
        "small-resnet" if max(spec.height, spec.width) <= SMALL_SIDE else "photo-resnet"
    )
    return ZOO[name].layers(spec.height, spec.width)


def untrained(problem: Problem, recipe: Recipe, card: WeightCard | None = None) -> Classifier:
    """The net that `train_net` would train, before that, and without measuring what scales its input."""
    if card is not None:
        return _backbone_net(card, recipe, problem, seed=0)
    return _layers_net(recipe, net_spec(recipe, problem.typical_size, is_gray(problem)), problem, seed=0)


def _layers_net(recipe: Recipe, spec: InputSpec, problem: Problem, seed: int) -> Classifier:
    layers = net_layers(recipe, spec)
    if problem.task == "regression":
        return layers_estimator(layers, spec=spec, **target_scale(problem), seed=seed)
    return layers_classifier(layers, spec=spec, classes=problem.classes, seed=seed)


def target_scale(problem: Problem) -> dict[str, float]:
    """The mean of the training images' numbers, and their standard deviation."""
    targets = problem.targets(problem.train)
    return {"centre": float(targets.mean()), "scale": float(targets.std()) or 1.0}


def _backbone_net(card: WeightCard, recipe: Recipe, problem: Problem, seed: int) -> Classifier:
    settings = recipe.model
    if recipe.input.height and recipe.input.width:
        card = replace(card, spec=replace(card.spec, height=recipe.input.height, width=recipe.input.width))
    head: Sequence[Mapping[str, Any]] = settings.layers
    if not head:
        dropout = {"kind": "dropout", "rate": settings.dropout}
        head = [dropout, {"kind": "dense", "units": "classes"}]
    model: Classifier
    if problem.task == "regression":
        scale = target_scale(problem)
        model = backbone_estimator([card], head, **scale, pooling=settings.pooling, seed=seed)
    else:
        model = backbone_classifier(
            [card], head, classes=problem.classes, pooling=settings.pooling, seed=seed
        )
    for backbone in model.backbones:
        if recipe.strategy == "inline":
            backbone.set_trainable(0)
        else:
            backbone.set_trainable("all" if isinstance(settings.trainable, str) else settings.trainable)
    return model


def channel_statistics(images: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over some training images, in the [0, 1] convention."""
    sample = images[evenly(len(images), SAMPLE)].astype(np.float64) / 255  # (image, height, width, channel)
    mean, std = sample.mean(axis=(0, 1, 2)), sample.std(axis=(0, 1, 2))
    return tuple(float(m) for m in mean.round(4)), tuple(float(max(s, 0.01)) for s in std.round(4))


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """Up to `most` indices below `count`, evenly spaced.

    Example:
        >>> evenly(10, 4).tolist(), evenly(2, 4).tolist()
        ([0, 2, 5, 7], [0, 1])
    """
    return np.arange(min(count, most), dtype=np.int64) * count // max(min(count, most), 1)


@torch.inference_mode()
def forward(
    model: Classifier, images: Pixels, rows: NDArray[np.int64], *, batch: int = 64
) -> NDArray[np.float64]:
    """Logits (image, class) of some images, in eval mode."""
    model.eval()
    pieces = [
        model(torch.from_numpy(np.ascontiguousarray(images[rows[start : start + batch]]))).double().numpy()
        for start in range(0, len(rows), batch)
    ]
    return np.concatenate(pieces) if pieces else np.zeros((0, len(model.classes) or 1))


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities of logits (image, class)."""
    shifted = logits - logits.max(axis=1, keepdims=True, initial=-np.inf)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float64)


def licence_of(card: WeightCard) -> dict[str, str]:
    """What a run and a bundle say of a backbone's weights."""
    return {"name": card.name, "licence": card.licence, "source": card.source, "sha256": card.sha256}


def _attempt(trained: _Trained, logits: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, Any]:
    right = int((logits.argmax(axis=1) == labels).sum())
    low, high = wilson(right, len(labels)) if len(labels) else (0.0, 1.0)
    return {
        "name": _name(trained),
        "value": right / len(labels) if len(labels) else None,
        "low": low,
        "high": high,
        "seconds": round(trained.result.seconds, 2),
        "note": _note(trained),
        "chosen": True,
    }


def _name(trained: _Trained) -> str:
    named = trained.card.model if trained.card is not None else (trained.recipe.model.name or "net")
    return f"{trained.recipe.strategy} {named}"


def _note(trained: _Trained) -> str:
    parameters, result = sum(p.numel() for p in trained.model.parameters()), trained.result
    return f"{parameters:,} parameters, best epoch {result.best_epoch} of {len(result.history)}"


def _why_stopped(result: FitResult) -> str:
    epochs = len(result.history)
    if result.stopped:
        return f"Training stopped after {count_of(epochs, 'epoch', 'epochs')}: {result.stopped}."
    all_of_them = f"All {epochs:,} epochs were" if epochs != 1 else "The one epoch was"
    return f"{all_of_them} trained; the weights are those of epoch {result.best_epoch}."
