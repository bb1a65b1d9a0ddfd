"""From what was asked to what is done: options resolved, backbones found, a strategy carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from mindle.data import typical_size
from mindle.data.common.summary import disk_bytes
from mindle.engines import lacks
from mindle.errors import ModelError, did_you_mean
from mindle.messages import message
from mindle.models.nets.zoo import ZOO
from mindle.models.pretrained.cards import WeightCard
from mindle.models.pretrained.weights import find_weights, random_card, resolve
from mindle.records import Dataset, InputSpec
from mindle.training.budget import Deadline, Finish, duration, parse_budget
from mindle.training.device import choose_device
from mindle.training.images import tasks
from mindle.training.images.backbones import common_layout, layout_of, sized
from mindle.training.images.features import FrozenBodies
from mindle.training.images.nets import SMALL_SIDE, net_spec, train_net
from mindle.training.images.problem import Outcome, Problem
from mindle.training.loop.imbalance import imbalance_settings
from mindle.training.loop.job import TrainingContext
from mindle.training.loop.machine import memory_kept
from mindle.training.recipe import STRATEGIES, TABLE, Recipe, as_dict, read_recipe, with_settings

AUTO_BUDGET_SECONDS = 600.0
# Strategies that try several heads and nets, and choose.
SELECTING = ("auto", "probe")


@dataclass(frozen=True, kw_only=True)
class ResolvedOptions:
    """What was asked, complete: every default filled in.

    Attributes:
        recipe: How to train.
        weights: Where to look for weights first.
        budget_seconds: Time for everything, or None.
    """

    recipe: Recipe
    weights: Path | None
    budget_seconds: float | None

    def as_dict(self) -> dict[str, Any]:
        """As it stands in run.json, to compare with when a run is resumed."""
        return {
            "recipe": as_dict(self.recipe),
            "weights": None if self.weights is None else str(self.weights),
            "budget_seconds": self.budget_seconds,
        }


def resolve_options(
    recipe: str | PathLike[str] | Recipe | None = None,
    *,
    model: str | None = None,
    strategy: str | None = None,
    weights: str | PathLike[str] | None = None,
    budget: str | float | None = None,
    settings: Mapping[str, Any] | None = None,
    imbalance: str | None = None,
    prefer: str | None = None,
) -> ResolvedOptions:
    """Fill in every default of a call.

    A named recipe is the start, else the default recipe of the strategy; `model`, `imbalance`, `prefer` and
    `settings` change it.
    A net of the zoo named without a strategy is trained from scratch.

    Raises:
        ValueError: If a strategy, recipe or setting is unknown or out of its range.

    Example:
        >>> resolve_options(model="small-resnet").recipe.strategy, resolve_options().budget_seconds
        ('scratch', 600.0)
    """
    if strategy is not None and strategy not in STRATEGIES:
        hint = did_you_mean(strategy, STRATEGIES)
        raise ValueError(f"`strategy` must be one of {', '.join(STRATEGIES)}. Received {strategy!r}.{hint}")
    if recipe is None:
        chosen = read_recipe(strategy or ("scratch" if model in ZOO else "auto"))
    else:
        chosen = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
        if strategy is not None:
            chosen = replace(chosen, strategy=strategy)
    if chosen.strategy == TABLE:
        raise ValueError(
            f'`recipe` must be for images. Received one of the strategy "{TABLE}". For a table, name what to '
            "learn: --target COLUMN."
        )
    if model is not None:
        chosen = replace(chosen, model=replace(chosen.model, name=model, layers=()))
    asked = {} if imbalance is None else imbalance_settings(imbalance)
    preferred = {} if prefer is None else {"probe.prefer": prefer}
    chosen = with_settings(chosen, {**asked, **preferred, **(settings or {})})
    if chosen.train.balance == "smote" and chosen.strategy not in SELECTING:
        raise ValueError(
            f"`train.balance` must be none, weights, sampling or auto for strategy {chosen.strategy!r}. "
            "Received 'smote', which makes up features, and a net sees pictures. Take --strategy probe."
        )
    seconds = parse_budget(budget)
    if seconds is None and chosen.strategy == "auto":
        seconds = AUTO_BUDGET_SECONDS
    return ResolvedOptions(
        recipe=chosen, weights=None if weights is None else Path(weights), budget_seconds=seconds
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be done.

    Attributes:
        options: What was asked.
        cards: The backbones that may be used, in order of preference.
        specs: Pixel layouts worth decoding while the files are checked.
        device: Where nets are trained.
        typical_size: Median (height, width) of the images.
    """

    options: ResolvedOptions
    cards: tuple[WeightCard, ...]
    specs: tuple[InputSpec, ...]
    device: torch.device
    typical_size: tuple[int, int]


def make_plan(dataset: Dataset, options: ResolvedOptions, *, device: str = "auto") -> Plan:
    """Find what the strategy needs, so that a missing weight file is said before any work is done.

    Raises:
        ModelError: If a named model has no weights here and none can be fetched.
        DeviceError: If the device is not there.
        ValueError: If a number is to be estimated, and the recipe asks something about classes.
    """
    recipe = options.recipe
    tasks.of(dataset.task).require(recipe)
    chosen = choose_device(device)
    _require_precision(recipe, chosen)
    size = typical_size(dataset)
    cards = cards_of(recipe, options.weights)
    return Plan(
        options=options,
        cards=cards,
        specs=_specs(recipe, cards, size),
        device=chosen,
        typical_size=size,
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


def cards_of(recipe: Recipe, weights: Path | None) -> tuple[WeightCard, ...]:
    """The backbones that a recipe may use, in order of preference; none for a net from scratch.

    Raises:
        ValueError: If the named model does not suit the strategy.
        ModelError: If it has no weights here and none can be fetched.
    """
    name = recipe.model.name
    if recipe.strategy == "scratch":
        if name and name not in ZOO and not recipe.model.layers:
            hint = did_you_mean(name, ZOO) or " For a timm model take strategy finetune or probe."
            raise ValueError(
                f"`model` must be a net of mindle for strategy 'scratch': {', '.join(ZOO)}. Received "
                f"{name!r}.{hint}"
            )
        return ()
    if name in ZOO:
        raise ValueError(
            f"`model` must be a pretrained backbone for strategy {recipe.strategy!r}. {name!r} is a net "
            "without weights: take strategy 'scratch'."
        )
    if recipe.model.random_init:
        if not name or recipe.strategy in SELECTING:
            raise ValueError(
                "`model.random_init` must come with a named backbone and the strategy inline or finetune. "
                f"Received model.name={name!r}, strategy={recipe.strategy!r}."
            )
        return (random_card(name),)
    if name:
        return _named(name, recipe.strategy, weights)
    found = find_weights(weights)
    return tuple(common_layout(found) if recipe.strategy in SELECTING else found[:1])


def _named(name: str, strategy: str, weights: Path | None) -> tuple[WeightCard, ...]:
    """The backbone of that name, or those whose names stand around a +, brought to one size."""
    cards = tuple(resolve(each.strip(), weights) for each in name.split("+"))
    if len(cards) == 1:
        return cards
    if strategy not in SELECTING:
        raise ValueError(
            f"`model` must be one backbone for strategy {strategy!r}. Received {name!r}. "
            "Strategy probe concatenates several."
        )
    cards = tuple(common_layout(cards))
    if len({layout_of(card.spec) for card in cards}) > 1:
        raise ModelError(
            f"Backbones can be concatenated only where they take pixels of one size. Received {name!r}. "
            "`mindle models` shows the size of each."
        )
    return cards


def _specs(recipe: Recipe, cards: Sequence[WeightCard], size: tuple[int, int]) -> tuple[InputSpec, ...]:
    """Pixel layouts that will be needed for sure; the rest is decoded when somebody asks."""
    if recipe.strategy == "scratch":
        return (net_spec(recipe, size, gray=False),)
    if recipe.strategy == "auto" and max(size) <= SMALL_SIDE:
        return ()  # small images may never be blown up to a backbone's size
    if recipe.strategy in ("inline", "finetune") and recipe.input.height and recipe.input.width:
        cards = [sized(cards[0], recipe.input.height, recipe.input.width)]
    return tuple({layout_of(card.spec): card.spec for card in cards}.values())


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
