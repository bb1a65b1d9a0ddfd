"""What a search over images varies: the entries of its space, and the recipes that they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from mindle.data import typical_size
from mindle.models.pretrained.weights import find_weights
from mindle.records import Dataset, Listener
from mindle.training.images.backbones import MOST_VIEWED_ROWS, MOST_VIEWS, common_layout
from mindle.training.images.nets import SMALL_SIDE, net_layers, net_spec
from mindle.training.recipe import STRATEGIES, Recipe, read_recipe
from mindle.training.search.space import LAYERS, Space, make_space


def starting_recipe(recipe: Recipe, dataset: Dataset, listener: Listener) -> Recipe:
    """The recipe with a strategy in place of "auto": a net from scratch for small images, else heads."""
    if recipe.strategy != "auto":
        return recipe
    strategy = "scratch" if max(typical_size(dataset)) <= SMALL_SIDE else "probe"
    listener.say(f"strategy {strategy}, by the size of the images; --strategy sets another")
    return replace(read_recipe(strategy), model=recipe.model, input=recipe.input)


@dataclass(frozen=True, kw_only=True)
class ImageSpace:
    """The recipes of a search over images.

    Attributes:
        entries: Of the space.
        bases: The recipe that points change, for each strategy that the space can name.
        strategy: Of points that name none.
        weights: Where to look for weights first.
    """

    entries: Mapping[str, Any]
    bases: Mapping[str, Recipe]
    strategy: str
    weights: Path | None

    @classmethod
    def of(
        cls,
        entries: Mapping[str, Any],
        recipe: Recipe,
        weights: Path | None,
        resolve: Callable[[str], Recipe],
    ) -> ImageSpace:
        """The recipes that some entries can name.

        Args:
            entries: Of the space, as `read_space` gives them.
            recipe: Where the search begins.
            weights: Where to look for weights first.
            resolve: Gives the recipe of another strategy.

        Raises:
            ValueError: If a strategy in the space is none.
        """
        entry = entries.get("strategy", recipe.strategy)
        bases = {recipe.strategy: recipe}
        for strategy in entry.get("choices", []) if isinstance(entry, Mapping) else [entry]:
            if strategy == "auto" or strategy not in STRATEGIES:
                raise ValueError(
                    "`strategy` in the space must be of probe, inline, finetune and scratch. "
                    f"Received {strategy!r}."
                )
            if strategy not in bases:
                bases[strategy] = resolve(strategy)
        if any(name.startswith(LAYERS) for name in entries) and "scratch" in bases:
            # A net of the zoo that is varied layer by layer is listed layer by layer.
            base = bases["scratch"]
            spec = net_spec(base, (base.input.height or 32, base.input.width or 32), gray=False)
            layers = tuple(net_layers(base, spec))
            bases["scratch"] = replace(base, model=replace(base.model, layers=layers))
        return cls(entries=entries, bases=bases, strategy=recipe.strategy, weights=weights)

    def checked(self, dataset: Dataset) -> Space:
        """The space, with the backbones that are available and the views that suit the number of images.

        Raises:
            ValueError: If a setting is unknown, or a value is not one that it can have.
        """
        names = self._backbones()
        # Where neither the space nor the call names a backbone, it is the first.
        bases = {
            strategy: base
            if base.model.name or strategy == "scratch" or not names
            else replace(base, model=replace(base.model, name=names[0]))
            for strategy, base in self.bases.items()
        }
        views = max(0, min(MOST_VIEWS, MOST_VIEWED_ROWS // max(len(dataset), 1) - 1))
        named = {"backbones": names, "views": range(views + 1)}
        return make_space(self.entries, bases, self.strategy, named)

    def _backbones(self) -> tuple[str, ...]:
        """The available backbones, alone and joined, as `model.name` takes them."""
        if set(self.bases) == {"scratch"}:
            return ()
        layouts: dict[Any, list[str]] = {}
        for card in common_layout(find_weights(self.weights)):
            names = layouts.setdefault((card.spec.shape, card.spec.fit, card.spec.interpolation), [])
            if card.model not in names:
                names.append(card.model)
        return joined_names(*layouts.values())


def joined_names(*layouts: list[str]) -> tuple[str, ...]:
    """Backbones alone, in pairs, and all that fit together, as `model.name` takes them.

    Args:
        layouts: Names of backbones that can be joined, those of one layout each.

    Example:
        >>> joined_names(["a", "b", "c"], ["d"])
        ('a', 'b', 'c', 'd', 'a + b', 'a + c', 'b + c', 'a + b + c')
    """
    sets: list[tuple[str, ...]] = [(name,) for names in layouts for name in names]
    sets += [pair for names in layouts for pair in combinations(names, 2)]
    sets += [tuple(names) for names in layouts if len(names) > 2]
    return tuple(" + ".join(names) for names in sets)
