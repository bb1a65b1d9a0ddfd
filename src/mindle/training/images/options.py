"""What a call about images asks for, complete, before PyTorch is loaded: options, backbones, pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from mindle.data import typical_size
from mindle.errors import ModelError, did_you_mean
from mindle.models.nets.zoo import ZOO
from mindle.models.pretrained.cards import WeightCard
from mindle.models.pretrained.weights import find_weights, random_card, resolve
from mindle.records import Dataset, InputSpec
from mindle.training.budget import parse_budget
from mindle.training.loop.imbalance import imbalance_settings
from mindle.training.recipe import STRATEGIES, TABLE, Recipe, as_dict, read_recipe, with_settings

AUTO_BUDGET_SECONDS = 600.0
# Strategies that try several heads and nets, and choose.
SELECTING = ("auto", "probe")
# Images up to this side keep their size; larger ones are trained at PHOTO_SIDE unless a recipe says so.
SMALL_SIDE, PHOTO_SIDE = 96, 160

# Families of networks that are convolutional from input to pooling.
CONVOLUTIONAL = (
    "efficientnet",
    "mobilenet",
    "resnet",
    "resnext",
    "regnet",
    "densenet",
    "convnext",
    "squeezenet",
)


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
class Inputs:
    """What a training of images takes in.

    Attributes:
        cards: The backbones that may be used, in order of preference.
        specs: Pixel layouts worth decoding while the files are checked.
        typical_size: Median (height, width) of the images.
    """

    cards: tuple[WeightCard, ...]
    specs: tuple[InputSpec, ...]
    typical_size: tuple[int, int]


def inputs_of(dataset: Dataset, options: ResolvedOptions) -> Inputs:
    """Find what the strategy needs, so that a missing weight file is said before any work is done.

    Raises:
        ModelError: If a named model has no weights here and none can be fetched.
        ValueError: If the named model does not suit the strategy.
    """
    size, cards = typical_size(dataset), cards_of(options.recipe, options.weights)
    return Inputs(cards=cards, specs=specs_of(options.recipe, cards, size), typical_size=size)


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


def specs_of(recipe: Recipe, cards: Sequence[WeightCard], size: tuple[int, int]) -> tuple[InputSpec, ...]:
    """Pixel layouts that will be needed for sure; the rest is decoded when somebody asks."""
    if recipe.strategy == "scratch":
        return (net_spec(recipe, size, gray=False),)
    if recipe.strategy == "auto" and max(size) <= SMALL_SIDE:
        return ()  # small images may never be blown up to a backbone's size
    if recipe.strategy in ("inline", "finetune") and recipe.input.height and recipe.input.width:
        cards = [sized(cards[0], recipe.input.height, recipe.input.width)]
    return tuple({layout_of(card.spec): card.spec for card in cards}.values())


def net_spec(recipe: Recipe, typical_size: tuple[int, int], gray: bool) -> InputSpec:
    """The pixels that a net from scratch takes, before mean and std are measured.

    Args:
        recipe: Its `input` may fix size, fit, interpolation and colour.
        typical_size: Median (height, width) of the images.
        gray: Whether the images have one channel.
    """
    settings = recipe.input
    height, width = typical_size if max(typical_size) <= SMALL_SIDE else (PHOTO_SIDE, PHOTO_SIDE)
    if settings.height and settings.width:
        height, width = settings.height, settings.width
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


def common_layout(cards: Sequence[WeightCard]) -> list[WeightCard]:
    """The cards, with those of nearly the most frequent size brought to that size.

    Features can be concatenated only where backbones take the same pixels, and pixels of one size are decoded
    once.
    Convolutional nets hardly mind: EfficientNet-Lite2 at 224 instead of 260 px answers 90.3 % of 1,500
    flowers right, out of fold, about as many as Lite1 and Lite0. Nets with one position a patch stay.

    Example:
        >>> from mindle.models.pretrained.weights import find_weights
        >>> lite = [card for card in find_weights() if card.model.startswith("tf_efficientnet_lite")]
        >>> {card.spec.height for card in common_layout(lite)}
        {224}
    """
    layouts = [layout_of(card.spec) for card in cards]
    if len(set(layouts)) < 2:
        return list(cards)
    height, width, fit, interpolation = max(layouts, key=layouts.count)  # the first of equals
    found = []
    for card, (card_height, card_width, *rest) in zip(cards, layouts, strict=True):
        near = max(abs(card_height / height - 1), abs(card_width / width - 1)) <= 0.2
        any_size = any(family in card.model for family in CONVOLUTIONAL)
        found.append(
            sized(card, height, width) if near and any_size and rest == [fit, interpolation] else card
        )
    return found


def sized(card: WeightCard, height: int, width: int) -> WeightCard:
    """The backbone on images of another size."""
    return replace(card, spec=replace(card.spec, height=height, width=width))


def layout_of(spec: InputSpec) -> tuple[int, int, str, str]:
    """What backbones must share to take the same pixels, and so to be concatenated."""
    return (spec.height, spec.width, spec.fit, spec.interpolation)
