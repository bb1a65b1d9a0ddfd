"""What a search varies: settings of a recipe by name, each with its choices or its range, as TOML.

    [space]
    "train.learning_rate" = { low = 1e-4, high = 1e-2, log = true }
    "model.layers.1.units" = { choices = [64, 128] }
    "probe.rbf_gamma" = { low = 0.1, high = 4.0, log = true, when = { "probe.heads" = "rbf" } }

A point of the space is one value for each setting that applies to it. Everything is checked before the first
trial: a name that no recipe has, a value out of its range, a layer that is not there.
"""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from mindle.errors import DataError
from mindle.recipes import space_text
from mindle.training.recipe import SECTIONS, Recipe, setting_table, with_settings

KEYS = ("low", "high", "log", "step", "steps", "choices", "first", "when", "joined")
# What `choices` may name instead of listing it.
PLACEHOLDERS = ("backbones", "views")
LAYERS = "model.layers."

Point = Mapping[str, Any]


def _no_conditions() -> Mapping[str, tuple[Any, ...]]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One setting that is varied.

    Attributes:
        name: Of the setting, such as "train.learning_rate" or "model.layers.1.units".
        choices: What it may be; empty where it has a range.
        low, high: Ends of its range, both included.
        log: Whether the range is drawn on a logarithmic scale.
        step: Distance of the values in the range; 0 where every value is allowed.
        steps: How many values of the range a grid takes.
        whole: Whether the range is of whole numbers.
        first: What the first trial takes; None where the recipe says.
        when: Settings that must have one of these values, or hold one in their list, for this one to matter.

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
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=_no_conditions)

    def applies(self, point: Point) -> bool:
        """Whether it matters at a point that has what it depends on."""
        return all(_meets(point.get(name), allowed) for name, allowed in self.when.items())

    def holds(self, value: Any) -> bool:
        """Whether a value belongs to it."""
        if self.choices:
            return any(_same(value, choice) for choice in self.choices)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and self.low <= value <= self.high

    def grid(self) -> tuple[Any, ...]:
        """The values that a grid takes.

        Raises:
            ValueError: If it has a range without `step` or `steps`.
        """
        if self.choices:
            return self.choices
        if self.steps:
            values = _spread(self.low, self.high, self.steps, self.log)
            return tuple(dict.fromkeys(round(value) for value in values)) if self.whole else values
        step = self.step or (1 if self.whole and not self.log else 0)
        if not step:
            raise ValueError(
                f"`{self.name}` must have choices, `step` or `steps` for a grid. Received a range "
                f"from {self.low:g} to {self.high:g}. Add steps = 5."
            )
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        values = tuple(self.low + step * at for at in range(count))
        return tuple(round(value) for value in values) if self.whole else values

    def as_dict(self) -> dict[str, Any]:
        """As it would stand in a file."""
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
        dimensions: In an order in which each stands behind those it depends on.
        settings: Settings that the file gives one value.
        bases: The recipe that a point changes, by its strategy.
        strategy: Of points that say none.
    """

    dimensions: tuple[Dimension, ...]
    bases: Mapping[str, Recipe]
    strategy: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def recipe(self, point: Point) -> Recipe:
        """The recipe of a point.

        Raises:
            ValueError: If a value is out of its range or a layer is not there.
        """
        changes = {**self.settings, **point}
        base = self.bases[str(changes.pop("strategy", self.strategy))]
        plain = {name: value for name, value in changes.items() if not name.startswith(LAYERS)}
        recipe = with_settings(base, plain)
        layered = {name: value for name, value in changes.items() if name.startswith(LAYERS)}
        if not layered:
            return recipe
        return replace(recipe, model=replace(recipe.model, layers=_changed_layers(recipe, layered)))

    def first(self) -> dict[str, Any]:
        """The point to begin with: the recipe's own values where the space holds them.

        A setting that has none is left out, for the sampler to draw.
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
        """Every combination of the values that a grid takes; what does not apply is left out.

        Raises:
            ValueError: If a range has neither `step` nor `steps`.
        """
        points: list[dict[str, Any]] = [{}]
        for dimension in self.dimensions:
            values = dimension.grid()
            points = [
                grown
                for point in points
                for grown in (
                    [{**point, dimension.name: value} for value in values]
                    if dimension.applies(point)
                    else [point]
                )
            ]
        return points

    def corners(self) -> Iterator[dict[str, Any]]:
        """Points that together hold every choice and both ends of every range, to be tried out for errors."""
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
        """As it would stand in a file, for run.json."""
        return {**self.settings, **{each.name: each.as_dict() for each in self.dimensions}}


# ---- reading ----------------------------------------------------------------------------------------------


def read_space(path: Path | None, strategy: str) -> dict[str, Any]:
    """The entries of a space file, or of the one that comes with mindle for a strategy.

    Raises:
        DataError: If the file is missing or is not TOML.
        ValueError: If it has no table `[space]`, or another beside it.

    Example:
        >>> sorted(read_space(None, "finetune"))[0]
        'augment.crop'
    """
    name = f"the space of {strategy}" if path is None else str(path)
    try:
        document = tomllib.loads(space_text(strategy) if path is None else path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The space {name} must be a file that can be read. Received: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(
            f"The space {name} must be TOML. Received: {error}. docs/tune.md shows one."
        ) from error
    others = sorted(set(document) - {"space"})
    if others or not isinstance(document.get("space"), Mapping) or not document["space"]:
        received = f"also {', '.join(others)}" if others else "no entry in it"
        raise ValueError(
            f"{name} must hold one table [space] with an entry for each setting, such as "
            f'"train.learning_rate" = {{ low = 1e-4, high = 1e-2, log = true }}. Received {received}.'
        )
    return entries_of(document["space"])


def entries_of(space: Mapping[str, Any]) -> dict[str, Any]:
    """Entries by dotted name, whether they were nested or not.

    Example:
        >>> entries_of({"train": {"batch_size": {"choices": [16, 32]}}})
        {'train.batch_size': {'choices': [16, 32]}}
    """
    return dict(_flat(space))


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
    *,
    backbones: Sequence[str] = (),
    views: int = 0,
) -> Space:
    """Check the entries of a space against the recipes that they vary.

    Args:
        entries: Names to entries, as `read_space` gives them.
        bases: A recipe for each strategy that occurs.
        strategy: Of points that say none.
        backbones: What `choices = "backbones"` stands for.
        views: Up to how many augmented views `choices = "views"` stands for.

    Raises:
        ValueError: If a setting is unknown, or a value is not one that it can have.

    Example:
        >>> space = make_space({"train.batch_size": {"choices": [16, 32]}}, {"scratch": Recipe()}, "scratch")
        >>> space.grid(), space.recipe({"train.batch_size": 16}).train.batch_size
        ([{'train.batch_size': 16}, {'train.batch_size': 32}], 16)
    """
    kinds = {setting.name: setting.type for setting in setting_table()}
    settings: dict[str, Any] = {}
    found: list[Dimension] = []
    for name, entry in entries.items():
        _require_setting(name, kinds)
        if not isinstance(entry, Mapping):
            settings[name] = entry
            continue
        dimension = _dimension(name, entry, kinds.get(name, ""), backbones=backbones, views=views)
        if len(dimension.choices) == 1 and not dimension.when:
            settings[name] = dimension.choices[0]  # nothing to vary
        else:
            found.append(dimension)
    if not found:
        raise ValueError(
            "The space must vary at least one setting. Every entry has one value only. Add choices or a "
            "range."
        )
    space = Space(dimensions=_ordered(found, settings), bases=bases, strategy=strategy, settings=settings)
    for point in space.corners():
        try:
            space.recipe(point)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The space must hold values that its settings can have. {error}") from error
    return space


def joined_names(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Backbones alone, in pairs, and all that fit together, as `model.name` takes them.

    Args:
        groups: Names of backbones that can be joined, those of one layout each.

    Example:
        >>> joined_names([("a", "b", "c"), ("d",)])
        ('a', 'b', 'c', 'd', 'a + b', 'a + c', 'b + c', 'a + b + c')
    """
    groups = list(groups)
    sets: list[tuple[str, ...]] = [(name,) for group in groups for name in group]
    sets += [pair for group in groups for pair in combinations(group, 2)]
    sets += [tuple(group) for group in groups if len(group) > 2]
    return tuple(" + ".join(names) for names in sets)


def _require_setting(name: str, kinds: Mapping[str, str]) -> None:
    if name in kinds or name.startswith(LAYERS):
        return
    bare = {known.rpartition(".")[2]: known for known in reversed(list(kinds))}
    near = [bare[name]] if name in bare else difflib.get_close_matches(name, kinds, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ValueError(f"The space names an unknown setting '{name}'.{hint} docs/training.md lists all.")


def _dimension(
    name: str, entry: Mapping[str, Any], kind: str, *, backbones: Sequence[str], views: int
) -> Dimension:
    """One entry, checked."""
    for key in entry:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" An entry has {', '.join(KEYS)}."
            raise ValueError(f"`{name}` in the space has an unknown key '{key}'.{hint}")
    when = {other: _as_tuple(value) for other, value in dict(entry.get("when", {})).items()}
    if "choices" in entry:
        if set(entry) & {"low", "high", "log", "step", "steps"}:
            raise ValueError(f"`{name}` in the space must have either choices or a range. Received both.")
        choices = _choices(name, entry, backbones, views)
        first = entry.get("first")
        return Dimension(name=name, choices=choices, first=first, when=when)
    low, high = _ends(name, entry)
    ends_whole = isinstance(low, int) and isinstance(high, int)
    dimension = Dimension(
        name=name,
        low=low,
        high=high,
        log=bool(entry.get("log", False)),
        step=entry.get("step", 0),
        steps=int(entry.get("steps", 0)),
        whole=kind.startswith("whole number") or (not kind and ends_whole),
        first=entry.get("first"),
        when=when,
    )
    if dimension.whole and not (ends_whole and float(dimension.step).is_integer()):
        raise ValueError(
            f"`{name}` in the space must have whole numbers. Received low={low!r}, high={high!r}, "
            f"step={dimension.step!r}."
        )
    if dimension.step < 0 or dimension.steps < 0 or (dimension.log and dimension.step):
        raise ValueError(
            f"`{name}` in the space must have step and steps of 0 or more, and no step with log = true. "
            f"Received step={dimension.step!r}, steps={dimension.steps!r}."
        )
    if dimension.first is not None and not dimension.holds(dimension.first):
        raise ValueError(f"`{name}` in the space must hold its `first`. Received first={dimension.first!r}.")
    return dimension


def _ends(name: str, entry: Mapping[str, Any]) -> tuple[float, float]:
    low, high = (
        end if isinstance(end, (int, float)) and not isinstance(end, bool) else math.nan
        for end in (entry.get("low"), entry.get("high"))
    )
    received = f"Received low={entry.get('low')!r}, high={entry.get('high')!r}."
    if not low < high:
        raise ValueError(f"`{name}` in the space must have choices, or numbers low < high. {received}")
    if entry.get("log") and low <= 0:
        raise ValueError(f"`{name}` in the space must have low > 0 with log = true. {received}")
    return low, high


def _choices(name: str, entry: Mapping[str, Any], backbones: Sequence[str], views: int) -> tuple[Any, ...]:
    given = entry["choices"]
    if given == "backbones":
        alone = tuple(backbone for backbone in backbones if " + " not in backbone)
        if not alone:
            raise ValueError(f'`{name}` in the space has choices = "backbones", and none is at hand.')
        return alone if entry.get("joined") is False else tuple(backbones)
    if given == "views":
        return tuple(range(views + 1))
    if not isinstance(given, list) or not given:
        raise ValueError(
            f"`{name}` in the space must have a list of choices, or one of {', '.join(PLACEHOLDERS)}. "
            f"Received {given!r}."
        )
    for at, choice in enumerate(given):
        if any(_same(choice, other) for other in given[:at]):
            raise ValueError(f"`{name}` in the space must have different choices. Received {choice!r} twice.")
    return tuple(given)


def _ordered(found: Sequence[Dimension], settings: Mapping[str, Any]) -> tuple[Dimension, ...]:
    """Each dimension behind those it depends on; `strategy` first."""
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
    placed: list[Dimension] = []
    names = set(settings)
    while waiting:
        ready = [each for each in waiting if set(each.when) <= names]
        if not ready:
            raise ValueError(
                f"`when` must not lead in a circle. Received {', '.join(each.name for each in waiting)}."
            )
        placed += ready
        names |= {each.name for each in ready}
        waiting = [each for each in waiting if each.name not in names]
    # What a setting of all trials decides needs no condition any more.
    return tuple(
        replace(each, when={name: values for name, values in each.when.items() if name not in settings})
        for each in placed
    )


# ---- layers -----------------------------------------------------------------------------------------------


def _changed_layers(recipe: Recipe, changes: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The recipe's layers with options changed, and those that are switched off left out."""
    layers: list[dict[str, Any] | None] = [dict(layer) for layer in recipe.model.layers]
    if not layers:
        raise ValueError(
            f"`{next(iter(changes))}` needs a recipe that lists its layers, as [[model.layers]] tables. "
            "Received one without."
        )
    off: set[int] = set()
    for name, value in changes.items():
        number, _, option = name.removeprefix(LAYERS).partition(".")
        if not number.isdigit() or int(number) >= len(layers):
            listed = [f"{at} {layer['kind']}" for at, layer in enumerate(recipe.model.layers)]
            raise ValueError(
                f"`{name}` must name one of the {len(layers)} layers, counted from 0: {', '.join(listed)}."
            )
        layer = layers[int(number)] or {}
        if not option:
            if not isinstance(value, bool):
                raise ValueError(
                    f"`{name}` must be true or false: whether that layer is there. Received {value!r}."
                )
            if not value:
                off.add(int(number))
            continue
        if option not in layer:
            have = {at: each for at, each in enumerate(recipe.model.layers) if option in each}
            hint = f" Layers with `{option}`: {', '.join(map(str, have))}." if have else ""
            raise ValueError(
                f"`{name}` must be an option that layer {number} ({layer['kind']}) states. "
                f"It has {', '.join(layer)}.{hint}"
            )
        layer[option] = value
    return tuple(layer for at, layer in enumerate(layers) if layer is not None and at not in off)


def _value_of(recipe: Recipe, name: str) -> Any:
    """What a recipe has at a dotted name, None where it has nothing."""
    value: Any = recipe
    for part in name.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, (tuple, list)):
            if not (part.isdigit() and int(part) < len(value)):
                return None
            value = value[int(part)]
        else:
            value = getattr(value, part, None)
    # A whole layer is there unless a point leaves it out.
    return True if name.startswith(LAYERS) and isinstance(value, Mapping) else value


# ---- values -----------------------------------------------------------------------------------------------


def label_of(value: Any) -> Any:
    """A choice as the search stores it: lists and tables become their JSON.

    Example:
        >>> label_of(["rbf"]), label_of(3)
        ('["rbf"]', 3)
    """
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, tuple, Mapping)) else value


def _same(one: Any, other: Any) -> bool:
    # True is 1 and 1.0 to Python, but not to a recipe.
    return label_of(one) == label_of(other) and isinstance(one, bool) == isinstance(other, bool)


def _meets(value: Any, allowed: tuple[Any, ...]) -> bool:
    held = value if isinstance(value, (list, tuple)) else (value,)
    return any(_same(one, other) for one in (value, *held) for other in allowed)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _spread(low: float, high: float, count: int, log: bool) -> tuple[float, ...]:
    """`count` values from `low` to `high`, evenly apart or evenly on a logarithmic scale."""
    if count == 1:
        return ((low * high) ** 0.5 if log else (low + high) / 2,)
    shares = [at / (count - 1) for at in range(count)]
    values = [low * (high / low) ** share if log else low + (high - low) * share for share in shares]
    # Twelve digits are more than any setting needs, and read better than the last bit of a power.
    return tuple(float(f"{value:.12g}") for value in values)


def size_of(space: Space) -> int:
    """How many points a grid of the space has.

    Raises:
        ValueError: If it would have more than a million.
    """
    if math.prod(len(each.grid()) for each in space.dimensions) > 1_000_000:
        raise ValueError(
            "`sampler` must not be grid for a space of over a million points. Take tpe or random."
        )
    return len(space.grid())


__all__ = [
    "Dimension",
    "Point",
    "Space",
    "entries_of",
    "joined_names",
    "label_of",
    "make_space",
    "read_space",
    "size_of",
]
