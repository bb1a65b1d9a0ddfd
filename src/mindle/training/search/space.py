"""What a search varies: settings of a recipe by name, each with its choices or its range, as TOML.

    [space]
    "train.learning_rate" = { low = 1e-4, high = 1e-2, log = true }
    "model.layers.1.units" = { choices = [64, 128] }
    "probe.rbf_gamma" = { low = 0.1, high = 4.0, log = true, when = { "probe.heads" = "rbf" } }

A point of the space is one value for each setting that applies to it. Everything is checked before the first
trial: a name that no recipe has, a value out of its range, a layer that does not exist.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

from mindle.artifacts.typed import read_record
from mindle.recipes import read_toml, space_text
from mindle.training.recipe import SECTIONS, Recipe, as_dict, from_dict, require_known, with_settings

LAYERS = "model.layers."
MOST_GRID_POINTS = 1_000_000

Point = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """How one setting is varied, as a file says it.

    Attributes:
        choices: Its possible values; empty where it has a range.
        low, high: Ends of its range, both included.
        log: Whether the range is sampled on a logarithmic scale.
        step: Distance of the values in the range; 0 where every value is allowed.
        steps: How many values of the range a grid takes.
        first: Its value in the first trial; None for the recipe's.
        when: Settings that must have one of these values, or a list that holds one, for this one to matter.
    """

    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float = 0.0
    steps: int = 0
    first: Any = None
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Dimension(Entry):
    """One setting that is varied.

    Attributes:
        name: Of the setting, such as "train.learning_rate" or "model.layers.1.units".
        whole: Whether its range is of whole numbers.

    Example:
        >>> Dimension(name="train.learning_rate", low=1e-4, high=1e-2, log=True, steps=3).grid()
        (0.0001, 0.001, 0.01)
    """

    name: str
    whole: bool = False

    def __post_init__(self) -> None:
        ends = (self.low, self.high, self.step, self.steps)
        twice = [choice for at, choice in enumerate(self.choices) if _is_among(choice, self.choices[:at])]
        for wrong, requirement in (
            (self.choices and any(ends), "must have either choices or a range, not both"),
            (twice, f"must have different choices, and none twice as {', '.join(map(repr, twice))}"),
            (not self.choices and not self.low < self.high, "must have choices, or numbers low < high"),
            (self.log and self.low <= 0, "must have low > 0 with log = true"),
            (min(ends[2:]) < 0, "must have step and steps of 0 or more"),
            (self.log and self.step, "must have no step with log = true"),
            (self.whole and not all(float(each).is_integer() for each in ends), "must have whole numbers"),
            (self.first is not None and not self.holds(self.first), "must hold its `first`"),
        ):
            if wrong:
                received = ", ".join(f"{key}={value!r}" for key, value in self.as_dict().items())
                raise ValueError(f"`{self.name}` in the space {requirement}. Received {received}.")

    def applies(self, point: Point) -> bool:
        """Whether it matters at a point that has what it depends on."""
        return all(_meets(point.get(name), allowed) for name, allowed in self.when.items())

    def holds(self, value: Any) -> bool:
        """Whether a value belongs to it."""
        if self.choices:
            return _is_among(value, self.choices)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high

    def grid(self) -> tuple[Any, ...]:
        """The values that a grid takes.

        Raises:
            ValueError: If it has a range without `step` or `steps`.
        """
        if self.choices:
            return self.choices
        step = self.step or (1 if self.whole and not self.log else 0)
        if self.steps:
            values = _spread(self.low, self.high, self.steps, self.log)
        elif step:
            count = math.floor((self.high - self.low) / step + 1e-9) + 1
            values = tuple(self.low + step * index for index in range(count))
        else:
            raise ValueError(
                f"`{self.name}` must have choices, `step` or `steps` for a grid. Received a range "
                f"from {self.low:g} to {self.high:g}. Add steps = 5."
            )
        return tuple(dict.fromkeys(round(value) for value in values)) if self.whole else values

    def choice(self, label: Any) -> Any:
        """The value that the storage keeps as `label`."""
        return next((choice for choice in self.choices if _same(choice, label)), label)

    def as_dict(self) -> dict[str, Any]:
        """As in a file, for run.json."""
        document: dict[str, Any] = {"low": self.low, "high": self.high, "log": self.log}
        if self.choices:
            document = {"choices": list(self.choices)}
        document |= {name: value for name in ("step", "steps") if (value := getattr(self, name))}
        return document | ({"when": {k: list(v) for k, v in self.when.items()}} if self.when else {})


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is varied, and what is set for all trials.

    Attributes:
        dimensions: In an order in which each comes after those it depends on.
        settings: Settings that the file gives one value.
        bases: The recipe that a point changes, by its strategy.
        strategy: Of points that name none.
        entries: What it was made from.
    """

    dimensions: tuple[Dimension, ...]
    bases: Mapping[str, Recipe]
    strategy: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    entries: Mapping[str, Any] = field(default_factory=dict)

    def recipe(self, point: Point) -> Recipe:
        """The recipe of a point.

        Raises:
            ValueError: If a value is out of its range or a layer does not exist.
        """
        changes = {**self.settings, **point}
        base = self.bases[str(changes.pop("strategy", self.strategy))]
        layered = {name: changes.pop(name) for name in list(changes) if name.startswith(LAYERS)}
        recipe = with_settings(base, changes)
        if not layered:
            return recipe
        return replace(recipe, model=replace(recipe.model, layers=_changed_layers(recipe, layered)))

    def first(self) -> dict[str, Any]:
        """The point to begin with: the recipe's values where the space holds them.

        A setting that has none is left to the sampler.
        """
        point: dict[str, Any] = {}
        for dimension in self.dimensions:
            if not dimension.applies(point):
                continue
            value = dimension.first
            if value is None:
                value = _value_of(self.bases[str(point.get("strategy", self.strategy))], dimension.name)
            if dimension.holds(value):
                point[dimension.name] = value
            elif dimension.choices and any(dimension.name in other.when for other in self.dimensions):
                point[dimension.name] = dimension.choices[0]  # others depend on it
        return point

    def grid(self) -> list[dict[str, Any]]:
        """Every combination of the values that a grid takes; settings that do not apply are omitted.

        Raises:
            ValueError: If a range has neither `step` nor `steps`, or there are more than a million points.
        """
        if math.prod(len(each.grid()) for each in self.dimensions) > MOST_GRID_POINTS:
            raise ValueError(
                "`sampler` must not be grid for a space of over a million points. Take tpe or random."
            )
        return self.combinations(self.dimensions)

    def combinations(self, dimensions: Sequence[Dimension]) -> list[dict[str, Any]]:
        """Every combination of the grid values of some dimensions, in their order."""
        points: list[dict[str, Any]] = [{}]
        for dimension in dimensions:
            points = [
                {**point, **varied}
                for point in points
                for varied in (
                    [{dimension.name: value} for value in dimension.grid()]
                    if dimension.applies(point)
                    else [{}]
                )
            ]
        return points

    def corners(self) -> Iterator[dict[str, Any]]:
        """Points that together hold every choice and both ends of every range, to be checked for errors."""
        for dimension in self.dimensions:
            for value in dimension.choices or (dimension.low, dimension.high):
                # What it depends on takes the first value that makes it matter.
                needed = {
                    other.name: next(c for c in other.choices if _meets(c, dimension.when[other.name]))
                    for other in self.dimensions
                    if other.name in dimension.when
                }
                yield {**needed, dimension.name: round(value) if dimension.whole else value}

    def as_dict(self) -> dict[str, Any]:
        """As in a file, for run.json."""
        return {**self.settings, **{each.name: each.as_dict() for each in self.dimensions}}

    def document(self) -> dict[str, Any]:
        """Everything that `space_of` needs to make it again, as JSON holds it."""
        bases = {name: as_dict(recipe) for name, recipe in self.bases.items()}
        return {"entries": self.entries, "bases": bases, "strategy": self.strategy}


def space_of(document: Mapping[str, Any]) -> Space:
    """The space of a `Space.document`."""
    bases = {name: from_dict(settings) for name, settings in document["bases"].items()}
    return make_space(document["entries"], bases, document["strategy"])


# ---- reading ----------------------------------------------------------------------------------------------


def read_space(space: Path | str | Mapping[str, Any] | None, strategy: str) -> dict[str, Any]:
    """The entries of a space: given, of a file, or of the one that comes with mindle for a strategy.

    Raises:
        DataError: If the file is missing or is not TOML.
        ValueError: If it has no table `[space]`, or another beside it.

    Example:
        >>> sorted(read_space(None, "finetune"))[0]
        'augment.crop'
        >>> read_space({"train": {"batch_size": {"choices": [16, 32]}}}, "finetune")
        {'train.batch_size': {'choices': [16, 32]}}
    """
    if isinstance(space, Mapping):
        return dict(_flat(space))
    name = f"the space of {strategy}" if space is None else str(space)
    document = read_toml(
        lambda: space_text(strategy) if space is None else Path(space).read_text("utf-8"),
        f"The space {name}",
        " docs/tune.md shows one.",
    )
    others = sorted(set(document) - {"space"})
    if others or not isinstance(document.get("space"), Mapping) or not document["space"]:
        received = f"also {', '.join(others)}" if others else "no entry in it"
        raise ValueError(
            f"{name} must hold one table [space] with an entry for each setting, such as "
            f'"train.learning_rate" = {{ low = 1e-4, high = 1e-2, log = true }}. Received {received}.'
        )
    return dict(_flat(document["space"]))


def _flat(entries: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Entries by dotted name, whether TOML nested them ([space.train]) or not ("train.learning_rate" = …)."""
    for name, entry in entries.items():
        full = f"{prefix}{name}"
        section = full in SECTIONS or f"{full}.".startswith(LAYERS)
        if section and isinstance(entry, Mapping) and not set(entry) & set(Entry.__dataclass_fields__):
            yield from _flat(entry, f"{full}.")
        else:
            yield full, entry


def make_space(
    entries: Mapping[str, Any],
    bases: Mapping[str, Recipe],
    strategy: str,
    named: Mapping[str, Sequence[Any]] | None = None,
) -> Space:
    """Check the entries of a space against the recipes that they vary.

    Args:
        entries: Names to entries, as `read_space` gives them.
        bases: A recipe for each strategy that occurs.
        strategy: Of points that name none.
        named: Lists that `choices` may name, such as "backbones".

    Raises:
        ValueError: If a setting is unknown, or a value is not one that it can have.

    Example:
        >>> space = make_space({"train.batch_size": {"choices": [16, 32]}}, {"scratch": Recipe()}, "scratch")
        >>> space.grid(), space.recipe({"train.batch_size": 16}).train.batch_size
        ([{'train.batch_size': 16}, {'train.batch_size': 32}], 16)
    """
    entries = _with_named_choices(entries, named or {})
    found = {name: _dimension(name, entry) for name, entry in entries.items() if isinstance(entry, Mapping)}
    settings = {name: entry for name, entry in entries.items() if name not in found}
    for name, dimension in list(found.items()):
        if len(dimension.choices) == 1 and not dimension.when:
            settings[name] = found.pop(name).choices[0]  # nothing to vary
    if not found:
        raise ValueError(
            "The space must vary at least one setting. Every entry has one value only. Add choices or a "
            "range."
        )
    space = Space(
        dimensions=_ordered(found, settings),
        bases=bases,
        strategy=strategy,
        settings=settings,
        entries=entries,
    )
    for point in space.corners():
        try:
            space.recipe(point)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The space must hold values that its settings can have. {error}") from error
    return space


def _with_named_choices(entries: Mapping[str, Any], named: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Entries with the lists that `choices` names filled in, and without those that then never apply."""
    found, filled = dict(entries), {}
    for name, entry in entries.items():
        listed = entry.get("choices") if isinstance(entry, Mapping) else None
        if not isinstance(listed, str):
            continue
        if listed not in named:
            raise ValueError(
                f"`{name}` in the space must have a list of choices, or one of {', '.join(named)}. "
                f"Received {listed!r}."
            )
        concatenated = entry.get("concatenated", True)
        choices = [each for each in named[listed] if concatenated or " + " not in each]
        if not choices:
            raise ValueError(f'`{name}` in the space has choices = "{listed}", and none is available.')
        found[name] = {key: entry[key] for key in entry if key != "concatenated"} | {"choices": choices}
        filled[name] = choices

    def applies(entry: Any) -> bool:
        when = entry.get("when", {}) if isinstance(entry, Mapping) else {}
        return all(
            any(_meets(choice, _as_list(when[name])) for choice in choices)
            for name, choices in filled.items()
            if name in when
        )

    return {name: entry for name, entry in found.items() if applies(entry)}


def _dimension(name: str, entry: Mapping[str, Any]) -> Dimension:
    """One entry, checked."""
    when = {other: _as_list(values) for other, values in dict(entry.get("when", {})).items()}
    given = read_record(Entry, {**entry, "when": when}, f"space.{name}")
    if name.startswith(LAYERS):
        whole = all(isinstance(entry.get(end), int) for end in ("low", "high"))
    else:
        whole = require_known(name).kind is int
    return Dimension(name=name, whole=whole and not given.choices, **vars(given))


def _ordered(found: Mapping[str, Dimension], settings: Mapping[str, Any]) -> tuple[Dimension, ...]:
    """Each dimension after those it depends on; `strategy` first."""
    choices = {name: (value,) for name, value in settings.items()}
    choices |= {name: dimension.choices for name, dimension in found.items()}
    for dimension in found.values():
        for name, values in dimension.when.items():
            if not any(_meets(choice, values) for choice in choices.get(name, ())):
                raise ValueError(
                    f"`when` of `{dimension.name}` must name an entry with choices that can have that value. "
                    f"Received {name} = {', '.join(map(repr, values))}."
                )
    sorter = TopologicalSorter(dict.fromkeys(sorted(found, key=lambda name: name != "strategy"), ()))
    for dimension in found.values():
        sorter.add(dimension.name, *(set(dimension.when) & set(found)))
    try:
        names = list(sorter.static_order())
    except CycleError as error:
        raise ValueError(f"`when` must not lead in a circle. Received {', '.join(error.args[1])}.") from error
    # Conditions on settings that are the same in all trials are met.
    return tuple(
        replace(
            found[name],
            when={other: values for other, values in found[name].when.items() if other not in settings},
        )
        for name in names
    )


# ---- layers -----------------------------------------------------------------------------------------------


def _changed_layers(recipe: Recipe, changes: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The recipe's layers with options changed, and without those that are switched off."""
    layers = [dict(layer) for layer in recipe.model.layers]
    if not layers:
        raise ValueError(
            f"`{next(iter(changes))}` needs a recipe that lists its layers, as [[model.layers]] tables. "
            "Received one without."
        )
    off: set[int] = set()
    for name, value in changes.items():
        number, _, option = name.removeprefix(LAYERS).partition(".")
        if not number.isdigit() or int(number) >= len(layers):
            listed = [f"{index} {layer['kind']}" for index, layer in enumerate(layers)]
            raise ValueError(
                f"`{name}` must name one of the {len(layers)} layers, counted from 0: {', '.join(listed)}."
            )
        layer = layers[int(number)]
        if option:
            _require_option(name, option, layers, int(number))
            layer[option] = value
        elif not isinstance(value, bool):
            raise ValueError(
                f"`{name}` must be true or false: whether to keep that layer. Received {value!r}."
            )
        elif not value:
            off.add(int(number))
    return tuple(layer for index, layer in enumerate(layers) if index not in off)


def _require_option(name: str, option: str, layers: Sequence[Mapping[str, Any]], number: int) -> None:
    layer = layers[number]
    if option not in layer:
        having = [str(index) for index, each in enumerate(layers) if option in each]
        hint = f" Layers with `{option}`: {', '.join(having)}." if having else ""
        raise ValueError(
            f"`{name}` must be an option that layer {number} ({layer['kind']}) states. "
            f"It has {', '.join(layer)}.{hint}"
        )


def _value_of(recipe: Recipe, name: str) -> Any:
    """What a recipe has at a dotted name, None where it has nothing."""
    value: Any = as_dict(recipe)
    for key in name.split("."):
        if isinstance(value, list):
            value = dict(enumerate(value)).get(int(key) if key.isdigit() else -1)
        else:
            value = value.get(key) if isinstance(value, dict) else None
    # A layer is kept unless a point switches it off.
    return True if name.startswith(LAYERS) and isinstance(value, dict) else value


# ---- values -----------------------------------------------------------------------------------------------


def label_of(value: Any) -> Any:
    """A choice as the storage keeps it: lists and tables become their JSON.

    Example:
        >>> label_of(["rbf"]), label_of(3)
        ('["rbf"]', 3)
    """
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, tuple, Mapping)) else value


def _same(one: Any, other: Any) -> bool:
    # True is 1 and 1.0 to Python, but not to a recipe.
    return label_of(one) == label_of(other) and isinstance(one, bool) == isinstance(other, bool)


def _is_among(value: Any, choices: Sequence[Any]) -> bool:
    return any(_same(value, choice) for choice in choices)


def _meets(value: Any, allowed: Sequence[Any]) -> bool:
    """Whether a value, or a member of a list, is among those that are allowed."""
    members = value if isinstance(value, (list, tuple)) else ()
    return any(_is_among(each, allowed) for each in (value, *members))


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _spread(low: float, high: float, count: int, log: bool) -> tuple[float, ...]:
    """`count` values from `low` to `high`, evenly apart or evenly on a logarithmic scale."""
    scale = np.geomspace if log else np.linspace
    values = scale(low, high, 3)[1:2] if count == 1 else scale(low, high, count)
    # Twelve digits are more than any setting needs, and read better than the last bit of a power.
    return tuple(float(f"{value:.12g}") for value in values)
