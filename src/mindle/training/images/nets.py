"""Strategies that train a net by epochs: `scratch`, `inline` (frozen backbone) and `finetune`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.data import Pixels
from mindle.messages import message
from mindle.models.classifier import Classifier, Outputs, backbone_model, layers_model
from mindle.models.nets.layers import Whiten, count_parameters
from mindle.models.nets.zoo import ZOO
from mindle.models.pretrained.cards import WeightCard
from mindle.records import InputSpec
from mindle.training.images.options import SMALL_SIDE, net_spec, sized
from mindle.training.images.problem import Outcome, Problem
from mindle.training.loop.callbacks import Callback
from mindle.training.loop.checkpoint import Progress
from mindle.training.loop.fit import fit
from mindle.training.loop.job import PixelRows, TrainingContext, TrainingData
from mindle.training.loop.monitor import TrainingMonitor
from mindle.training.recipe import Recipe

# So many training images say what mean and deviation inputs have, and how well a net knows them at the end.
SAMPLE = 1000
# And so many pixels say how patches vary: their number, and with it memory, then goes by no image's size.
SAMPLE_PIXELS = 1_000_000


def train_net(
    problem: Problem,
    recipe: Recipe,
    context: TrainingContext | None = None,
    *,
    card: WeightCard | None = None,
    callbacks: Sequence[Callback] = (),
) -> Outcome:
    """Train a net on the train split and choose its epoch on the val split.

    Args:
        problem: The data.
        recipe: Its strategy is "scratch", "inline" or "finetune".
        context: Seed, device, folder of the checkpoint, deadline, listener.
        card: The backbone of "inline" and "finetune".
        callbacks: Watch, and may stop the training.

    Returns:
        The net with its best weights. Its calibration rests on the val split, which also chose the epoch, so
        its val scores are a little too good.
    """
    task, context = problem.image_task, context or TrainingContext()
    recipe, outputs = task.net_recipe(recipe), task.outputs(problem)
    if card is None:
        model = _scratch_net(problem, recipe, outputs, context)
    else:
        model = _backbone_net(card, recipe, outputs, context.seed)
    if recipe.model.test_time_flip:
        model.average_mirrored()
    train, val = (problem.pixels(rows, model.spec, context.listener) for rows in (problem.train, problem.val))
    data = TrainingData(
        train=train,
        train_labels=task.labels(problem, problem.train),
        val=val,
        val_labels=task.labels(problem, problem.val),
    )
    monitor = TrainingMonitor(recipe.train, classes=outputs.count)
    result = fit(
        model,
        data,
        recipe,
        context,
        objective=task.objective(problem),
        callbacks=[monitor, *callbacks],
        later=len(val) + min(SAMPLE, len(train)) + problem.test_count,
    )
    history, some = result.history, evenly(len(train), SAMPLE)
    scores, features = forward_with_features(model, val, np.arange(len(val)))
    known = forward(model, train, some)
    values, train_values = (
        task.metric.measure(*pair) * outputs.scale
        for pair in ((scores, data.val_labels), (known, data.train_labels[some]))
    )
    net = card.model if card is not None else (recipe.model.name or "net")
    facts = {"parameters": count_parameters(model), "best": result.best_epoch, "epochs": len(history)}
    note = message("selection.note.net", **facts)
    attempt = task.metric.attempt(f"{recipe.strategy} {net}", values, note, result.seconds)
    outcome = Outcome(
        model=model,
        strategy=recipe.strategy,
        train_scores={"n": len(some), task.metric.name: float(train_values.mean())},
        tried=({**attempt, "chosen": True},),
        stopped=_why_stopped(result),
        seconds={"fit": result.seconds},
        images={"fit": len(train) * len(history)},
        history=history,
        seen=monitor.seen(),
        licences=() if card is None else (licence_of(card),),
    )
    outcome = task.net_outcome(problem, outcome, scores, recipe, context.seed)
    held_out = outcome.out_of_fold
    if held_out is None or features is None:
        return outcome
    blocks = (features.shape[1],)
    return replace(outcome, out_of_fold=replace(held_out, features=features, blocks=blocks))


def _scratch_net(problem: Problem, recipe: Recipe, outputs: Outputs, context: TrainingContext) -> Classifier:
    """A net with random weights, whose input is scaled as the recipe says."""
    spec = net_spec(recipe, problem.typical_size, problem.gray)
    # What [0, 1] is divided by: 1/255 undoes the scaling, 255 scales once more, as some do by mistake.
    unit = {"unit": 1.0, "bytes": 1 / 255, "twice": 255.0}[recipe.input.scale]
    mean, std = (0.0,) * spec.channels, (unit,) * spec.channels
    images = problem.pixels(problem.train, spec, context.listener)
    if recipe.input.standardise:
        mean, std = channel_statistics(images)
    spec = replace(spec, mean=mean, std=std)
    model = layers_model(net_layers(recipe, spec), outputs, spec=spec, seed=context.seed)
    fit_whitening(model, images)
    return model


def fit_whitening(model: Classifier, images: Pixels) -> None:
    """Fit the layers that whiten, if any, to what reaches them of some training images."""
    layers = [module for module in model.modules() if isinstance(module, Whiten)]
    hooks = [layer.register_forward_pre_hook(lambda layer, maps: layer.fit(*maps)) for layer in layers]
    if layers:
        count = max(1, min(SAMPLE, SAMPLE_PIXELS // (model.spec.height * model.spec.width)))
        forward(model, images, evenly(len(images), count), batch=count)
    for hook in hooks:
        hook.remove()


def net_layers(recipe: Recipe, spec: InputSpec) -> Sequence[Any]:
    """The layers a recipe names or lists, or the default net for that size."""
    if recipe.model.layers:
        return recipe.model.layers
    default = "small-resnet" if max(spec.height, spec.width) <= SMALL_SIDE else "photo-resnet"
    return ZOO[recipe.model.name or default].layers(spec.height, spec.width)


def untrained(problem: Problem, recipe: Recipe, card: WeightCard | None = None) -> Classifier:
    """The net that `train_net` would train, before that, and without measuring what scales its input."""
    outputs = problem.image_task.outputs(problem)
    if card is not None:
        return _backbone_net(card, recipe, outputs, seed=0)
    spec = net_spec(recipe, problem.typical_size, problem.gray)
    return layers_model(net_layers(recipe, spec), outputs, spec=spec, seed=0)


def _backbone_net(card: WeightCard, recipe: Recipe, outputs: Outputs, seed: int) -> Classifier:
    settings = recipe.model
    if recipe.input.height and recipe.input.width:
        card = sized(card, recipe.input.height, recipe.input.width)
    dropout = {"kind": "dropout", "rate": settings.dropout}
    head: Sequence[Mapping[str, Any]] = [dropout, {"kind": "dense", "units": "classes"}]
    head = settings.layers or head
    model = backbone_model([card], head, outputs, pooling=settings.pooling, seed=seed)
    trainable: int | Literal["all"] = "all" if isinstance(settings.trainable, str) else settings.trainable
    for backbone in model.backbones:
        backbone.set_trainable(0 if recipe.strategy == "inline" else trainable)
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
    return forward_with_features(model, images, rows, batch=batch)[0]


@torch.inference_mode()
def forward_with_features(
    model: Classifier, images: PixelRows, rows: NDArray[np.int64], *, batch: int = 64
) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    """Logits (image, class) of some images, in eval mode, and their features if the model has some."""
    model.eval()
    logits, features = [], []
    for start in range(0, len(rows), batch):
        some = np.ascontiguousarray(images[rows[start : start + batch]])
        scores, seen = model.answered(torch.from_numpy(some))
        logits.append(scores.double().numpy())
        features.append(np.zeros((len(some), 0), np.float32) if seen is None else seen.numpy())
    if not logits:
        return np.zeros((0, len(model.classes) or 1)), None
    return np.concatenate(logits), np.concatenate(features) if model.features else None


def licence_of(card: WeightCard) -> dict[str, str]:
    """What a run and a bundle say of a backbone's weights."""
    return {"name": card.name, "licence": card.licence, "source": card.source, "sha256": card.sha256}


def _why_stopped(result: Progress) -> str:
    if result.stopped:
        return message("selection.stopped.early", n=len(result.history), why=result.stopped)
    return message("selection.stopped.done", n=len(result.history), best=result.best_epoch)
