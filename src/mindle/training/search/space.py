"""What a search varies: settings of a recipe by name, each with its choices or its range, as TOML.

    [space]
    "train.learning_rate" = { low = 1e-4, high = 1e-2, log = true }
    "model.layers.1.units" = { choices = [64, 128] }
    "probe.rbf_gamma" = { low = 0.1, high = 4.0, log = true, when = { "probe.heads" = "rbf" } }

A point of the space is one value for each setting that applies to it. Everything is checked before the first
trial: a name that no recipe has, a value out of its range, a layer that does not exist.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mindle.recipes import read_toml, space_text
from mindle.training.recipe import SECTIONS, Recipe, as_dict, from_dict, setting_table, with_settings

KEYS = ("low", "high", "log", "step", "steps", "choices", "first", "when", "joined")
RANGE_KEYS = {"low", "high", "log", "step", "steps"}
LAYERS = "model.layers."
MOST_GRID_POINTS = 1_000_000

Point = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One setting that is varied.

    Attributes:
        name: Of the setting, such as "train.learning_rate" or "model.layers.1.units".
        choices: Its possible values; empty where it has a range.
        low, high: Ends of its range, both included.
        log: Whether the range is sampled on a logarithmic scale.
        step: Distance of the values in the range; 0 where every value is allowed.
        steps: How many values of the range a grid takes.
        whole: Whether the range is of whole numbers.
        first: Its value in the first trial; None for the recipe's.
        when: Settings that must have one of these values, or a list that holds one, for this one to matter.

    Example:
        >>> Dimension(name="train.learning_rate", low=1e-4, high=1e-2, log=True, steps=3).grid()
        (0.0001, 0.001, 0.01)
    """

    name: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float = 0.0
    steps: int = 0
    whole: bool = False
    first: Any = None
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def applies(self, point: Point) -> bool:
        """Whether it matters at a point that has what it depends on."""
        return all(_meets(point.get(name), allowed) for name, allowed in self.when.items())

    def holds(self, value: Any) -> bool:
        """Whether a value belongs to it."""
        if self.choices:
            return any(_same(value, choice) for choice in self.choices)
        return _is_number(value) and self.low <= value <= self.high

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
        """As in a file."""
        if self.choices:
            document: dict[str, Any] = {"choices": list(self.choices)}
        else:
            document = {"low": self.low, "high": self.high, "log": self.log}
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
        """The point to begin with: the recipe's own values where the space holds them.

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
        if section and isinstance(entry, Mapping) and not set(entry) & set(KEYS):
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
    types = {setting.name: setting.type for setting in setting_table()}
    entries = _with_named_choices(entries, named or {})
    settings: dict[str, Any] = {}
    found: list[Dimension] = []
    for name, entry in entries.items():
        _require_setting(name, types)
        if not isinstance(entry, Mapping):
            settings[name] = entry
            continue
        dimension = _dimension(name, entry, types.get(name, ""))
        if len(dimension.choices) == 1 and not dimension.when:
            settings[name] = dimension.choices[0]  # nothing to vary
        else:
            found.append(dimension)
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
        choices = [each for each in named[listed] if entry.get("joined", True) or " + " not in each]
        if not choices:
            raise ValueError(f'`{name}` in the space has choices = "{listed}", and none is available.')
        found[name] = {**entry, "choices": choices}
        filled[name] = choices

    def applies(entry: Any) -> bool:
        when = entry.get("when", {}) if isinstance(entry, Mapping) else {}
        return all(
            any(_meets(choice, _as_tuple(when[name])) for choice in choices)
            for name, choices in filled.items()
            if name in when
        )

    return {name: entry for name, entry in found.items() if applies(entry)}


def _require_setting(name: str, types: Mapping[str, str]) -> None:
    if name in types or name.startswith(LAYERS):
        return
    bare = {known.rpartition(".")[2]: known for known in reversed(list(types))}
    near = [bare[name]] if name in bare else difflib.get_close_matches(name, types, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ValueError(f"The space names an unknown setting '{name}'.{hint} docs/training.md lists all.")


def _dimension(name: str, entry: Mapping[str, Any], setting_type: str) -> Dimension:
    """One entry, checked."""
    for key in entry:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" An entry has {', '.join(KEYS)}."
            raise ValueError(f"`{name}` in the space has an unknown key '{key}'.{hint}")
    when = {other: _as_tuple(value) for other, value in dict(entry.get("when", {})).items()}
    if "choices" in entry:
        dimension = Dimension(name=name, choices=_choices(name, entry), first=entry.get("first"), when=when)
    else:
        low, high = entry.get("low"), entry.get("high")
        ends_whole = isinstance(low, int) and isinstance(high, int)
        dimension = Dimension(
            name=name,
            **{key: entry[key] for key in (*RANGE_KEYS, "first") if key in entry},
            whole=setting_type.startswith("whole number") or (not setting_type and ends_whole),
            when=when,
        )
        _require_range(name, dimension, low, high)
    if dimension.first is not None and not dimension.holds(dimension.first):
        raise ValueError(f"`{name}` in the space must hold its `first`. Received first={dimension.first!r}.")
    return dimension


def _choices(name: str, entry: Mapping[str, Any]) -> tuple[Any, ...]:
    choices = entry["choices"]
    if set(entry) & RANGE_KEYS:
        raise ValueError(f"`{name}` in the space must have either choices or a range. Received both.")
    if not isinstance(choices, list) or not choices:
        raise ValueError(f"`{name}` in the space must have a list of choices. Received {choices!r}.")
    for index, choice in enumerate(choices):
        if any(_same(choice, other) for other in choices[:index]):
            raise ValueError(f"`{name}` in the space must have different choices. Received {choice!r} twice.")
    return tuple(choices)


def _require_range(name: str, dimension: Dimension, low: Any, high: Any) -> None:
    """Refuse a range that is none."""
    step, steps = dimension.step, dimension.steps
    ends, spacing = f"low={low!r}, high={high!r}", f"step={step!r}, steps={steps!r}"
    for holds, requirement, received in (
        (
            _is_number(low) and _is_number(high) and low < high,
            "must have choices, or numbers low < high",
            ends,
        ),
        (not dimension.log or low > 0, "must have low > 0 with log = true", ends),
        (
            _is_number(step) and step >= 0 and isinstance(steps, int) and steps >= 0,
            "must have step and steps of 0 or more",
            spacing,
        ),
        (not (dimension.log and step), "must have no step with log = true", spacing),
        (
            not dimension.whole or all(float(each).is_integer() for each in (low, high, step)),
            "must have whole numbers",
            f"{ends}, step={step!r}",
        ),
    ):
        if not holds:
            raise ValueError(f"`{name}` in the space {requirement}. Received {received}.")


def _ordered(found: Sequence[Dimension], settings: Mapping[str, Any]) -> tuple[Dimension, ...]:
    """Each dimension after those it depends on; `strategy` first."""
    waiting = sorted(found, key=lambda each: each.name != "strategy")
    choices = {each.name: each.choices for each in found}
    for dimension in waiting:
        for name, values in dimension.when.items():
            allowed = choices.get(name, (settings[name],) if name in settings else ())
            if not any(_meets(choice, values) for choice in allowed):
                raise ValueError(
                    f"`when` of `{dimension.name}` must name an entry with choices that can have that value. "
                    f"Received {name} = {', '.join(map(repr, values))}."
                )
    ordered: list[Dimension] = []
    names = set(settings)
    while waiting:
        ready = [each for each in waiting if set(each.when) <= names]
        if not ready:
            raise ValueError(
                f"`when` must not lead in a circle. Received {', '.join(each.name for each in waiting)}."
            )
        ordered += ready
        names |= {each.name for each in ready}
        waiting = [each for each in waiting if each.name not in names]
    # Conditions on settings that are the same in all trials are met.
    return tuple(
        replace(each, when={name: values for name, values in each.when.items() if name not in settings})
        for each in ordered
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
    value: Any = recipe
    for key in name.split("."):
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, (tuple, list)):
            value = value[int(key)] if key.isdigit() and int(key) < len(value) else None
        else:
            value = getattr(value, key, None)
    # A layer is kept unless a point leaves it out.
    return True if name.startswith(LAYERS) and isinstance(value, Mapping) else value


# ---- values -----------------------------------------------------------------------------------------------


def label_of(value: Any) -> Any:
    """A choice as the storage keeps it: lists and tables become their JSON.

    Example:
        >>> label_of(["rbf"]), label_of(3)
        ('["rbf"]', 3)
    """
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, tuple, Mapping)) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    # True is 1 and 1.0 to Python, but not to a recipe.
    return label_of(one) == label_of(other) and isinstance(one, bool) == isinstance(other, bool)


def _meets(value: Any, allowed: tuple[Any, ...]) -> bool:
    members = value if isinstance(value, (list, tuple)) else ()
    return any(_same(one, other) for one in (value, *members) for other in allowed)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _spread(low: float, high: float, count: int, log: bool) -> tuple[float, ...]:
    """`count` values from `low` to `high`, evenly apart or evenly on a logarithmic scale."""
    scale = np.geomspace if log else np.linspace
    values = scale(low, high, 3)[1:2] if count == 1 else scale(low, high, count)
    # Twelve digits are more than any setting needs, and read better than the last bit of a power.
    return tuple(float(f"{value:.12g}") for value in values)
