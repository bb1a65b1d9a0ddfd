"""From what was asked to what is done: options resolved, backbones found, a strategy carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from mindle.data.common.summary import disk_bytes
from mindle.engines import lacks
from mindle.errors import ModelError
from mindle.messages import message
from mindle.records import Dataset, Listener
from mindle.training.budget import Deadline, Finish, duration
from mindle.training.device import choose_device
from mindle.training.images import tasks
from mindle.training.images.features import Engine, FrozenBodies
from mindle.training.images.nets import train_net
from mindle.training.images.options import SELECTING, Inputs, ResolvedOptions, inputs_of
from mindle.training.images.problem import Outcome, Problem
from mindle.training.loop.job import TrainingContext
from mindle.training.loop.machine import memory_kept
from mindle.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Plan(Inputs):
    """What will be done.

    Attributes:
        options: What was asked.
        device: Where nets are trained.
    """

    options: ResolvedOptions
    device: torch.device


def make_plan(
    dataset: Dataset, options: ResolvedOptions, *, device: str = "auto", inputs: Inputs | None = None
) -> Plan:
    """Find what the strategy needs, so that what is missing is said before any work is done.

    Args:
        dataset: What `read` gave.
        options: What was asked.
        device: As the caller named it.
        inputs: What `inputs_of` found, if it was asked already.

    Raises:
        ModelError: If a named model has no weights here and none can be fetched.
        DeviceError: If the device is not there.
        ValueError: If a number is to be estimated, and the recipe asks something about classes.
    """
    recipe = options.recipe
    tasks.of(dataset.task).require(recipe)
    chosen = choose_device(device)
    _require_precision(recipe, chosen)
    inputs = inputs or inputs_of(dataset, options)
    return Plan(
        cards=inputs.cards,
        specs=inputs.specs,
        typical_size=inputs.typical_size,
        options=options,
        device=chosen,
    )


def _require_precision(recipe: Recipe, device: torch.device) -> None:
    """Refuse a precision in which nothing on this machine can run frozen backbones.

    Raises:
        ModelError: Saying why.
    """
    asked = recipe.probe.first_precision
    if recipe.strategy not in SELECTING or asked == "float32":
        return
    reason = message("selection.precision.cuda") if device.type == "cuda" else lacks(asked)
    if reason:
        raise ModelError(
            f"`probe.precision` must be one that frozen backbones can be run in here. Received {asked}: "
            f"{reason}. Install mindle[openvino], or leave the setting out."
        )


def begin(plan: Plan, listener: Listener) -> None:
    """Make what the fit begins with whatever the images are, the graph of a backbone; not on a budget."""
    recipe = plan.options.recipe
    if recipe.strategy == "probe" and plan.cards and plan.options.budget_seconds is None:
        card = max(plan.cards, key=lambda card: card.size_bytes)
        engine = Engine(card, pooling=recipe.model.pooling, listener=listener, device=plan.device.type)
        engine.begin()


def expectation(plan: Plan, dataset: Dataset) -> str:
    """What the rest is expected to need in time and disk, in a sentence."""
    recipe, seconds = plan.options.recipe, plan.options.budget_seconds
    megabytes = disk_bytes(len(dataset.rows()), plan.specs) / 1e6
    said = message("selection.expectation.strategy", strategy=recipe.strategy, megabytes=megabytes)
    if recipe.strategy not in SELECTING:
        images = len(dataset.rows("train"))
        said = message("selection.expectation.epochs", said=said, n=recipe.train.epochs, images=images)
    if seconds is not None:
        said = message("commands.expectation.limited", said=said, limit=duration(seconds))
    return said


@memory_kept()
def carry_out(
    plan: Plan,
    problem: Problem,
    context: TrainingContext,
    *,
    spent_seconds: float = 0.0,
    rehearse: Callable[[], float] | None = None,
    searched: bool = False,
    frozen: Callable[[FrozenBodies], None] | None = None,
) -> Outcome:
    """Do what the plan says.

    Args:
        plan: Made by `make_plan`.
        problem: The train and val splits.
        context: Seed, run folder, decisions, listener; its device and deadline follow from the plan.
        spent_seconds: What has been spent of the budget.
        rehearse: Says how many seconds what follows the training will take, by doing it on something small;
            asked where there is a budget. Nothing follows unless given.
        searched: Train in any case: a search has found this recipe, and used up the time.
        frozen: Is given the bodies below a head, once they are chosen and before the head is.

    Raises:
        DeviceError: If the budget is too short for any training and what follows it.
    """
    recipe, task = plan.options.recipe, problem.image_task
    selects = recipe.strategy in SELECTING
    seconds = None if searched and selects else plan.options.budget_seconds
    deadline = Deadline(seconds, spent_seconds=spent_seconds)
    if rehearse is not None:
        deadline = deadline.reserving(Finish(deadline.costs, rehearse))
    context = replace(context, device=plan.device, deadline=deadline)
    if selects:
        selection = task.selection(problem, cards=plan.cards, recipe=recipe, context=context)
        outcome = selection.heads_only(frozen) if recipe.strategy == "probe" else selection.run()
    else:
        if not (context.resume or searched):
            deadline.require(0.0, "training")
        outcome = train_net(problem, recipe, context, card=next(iter(plan.cards), None))
    return replace(outcome, diagnoses=task.diagnoses(problem, outcome))
