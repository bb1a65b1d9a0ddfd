"""What a way of training consists of: one frozen record for each concern, written as TOML.

A recipe is data. `read_recipe` finds one by name or file, `with_settings` changes single fields of it
("train.epochs" to "3"), `as_dict` and `from_dict` carry it through run.json. Its sections are the records of
`mindle.training.settings`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Annotated, Any

from mindle.errors import did_you_mean
from mindle.recipes import read_toml
from mindle.recipes import recipe_names as recipe_names
from mindle.recipes import recipe_text as recipe_text
from mindle.recipes.renamed import names_of_today
from mindle.training.settings import (
    AugmentSettings,
    Checked,
    Choice,
    DoctorSettings,
    InputSettings,
    ModelSettings,
    ProbeSettings,
    Setting,
    TableSettings,
    TrainSettings,
    TrustSettings,
    settings_of,
)

# Strategies of images, and the one of tables.
STRATEGIES = ("auto", "probe", "inline", "finetune", "scratch")
TABLE = "table"
# Sections that are about images and tables alike.
SHARED = ("trust", "doctor")

# What Keras's layers call some values; both are understood in recipes and in --set.
KERAS_VALUES = {
    "augment.flip": {"horizontal_and_vertical": "both"},
    "augment.fill": {"nearest": "edge", "constant": "black"},
}


@dataclass(frozen=True, kw_only=True)
class Recipe(Checked):
    """A whole way of training; the sections about other data than its strategy's are at their defaults.

    Example:
        >>> Recipe(strategy="scratch", train=TrainSettings(epochs=5)).train.epochs
        5
    """

    about: Annotated[str, "What the recipe is for, in a sentence"] = ""
    strategy: Annotated[str, Choice((*STRATEGIES, TABLE)), "How a model is trained"] = "auto"
    model: ModelSettings = field(default_factory=ModelSettings)
    input: InputSettings = field(default_factory=InputSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    probe: ProbeSettings = field(default_factory=ProbeSettings)
    table: TableSettings = field(default_factory=TableSettings)
    trust: TrustSettings = field(default_factory=TrustSettings)
    doctor: DoctorSettings = field(default_factory=DoctorSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        for section, record in SECTIONS.items():
            for setting in () if _applies(section, self.strategy) else settings_of(record):
                value = getattr(getattr(self, section), setting.name)
                if value != setting.default:
                    theirs, ours = ("tables", "images") if section == TABLE else ("images", "tables")
                    raise ValueError(
                        f"`{section}.{setting.name}` must not be set: it is about {theirs}, and the strategy "
                        f'"{self.strategy}" is for {ours}. Received {section}.{setting.name}={value!r}.'
                    )


def _applies(section: str, strategy: str) -> bool:
    """Whether a section is about the data that the strategy is for: tables, or images."""
    return section in SHARED or (section == TABLE) == (strategy == TABLE)


SECTIONS: dict[str, Any] = {
    section.name: section.default_factory
    for section in fields(Recipe)
    if section.default_factory is not MISSING
}
# Every setting by its dotted name, in order.
SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        *settings_of(Recipe),
        *(
            replace(setting, name=f"{section}.{setting.name}")
            for section, record in SECTIONS.items()
            for setting in settings_of(record)
        ),
    )
}


# ---- from and to plain values -----------------------------------------------------------------------------


def read_recipe(name_or_path: str | PathLike[str]) -> Recipe:
    """A recipe by its name (`mindle recipes` lists them) or from a TOML file.

    Args:
        name_or_path: A name such as "scratch"; whatever ends in ".toml" or holds a slash is a file.

    Raises:
        ValueError: If no recipe has that name, or a setting in it is unknown or out of range.
        DataError: If the file is missing or is not TOML.

    Example:
        >>> read_recipe("probe").strategy
        'probe'
    """
    text = str(name_or_path)
    is_file = text.endswith(".toml") or Path(text).name != text
    if not is_file and text not in recipe_names():
        raise ValueError(
            f"`recipe` must be a name or a TOML file. Received {text!r}."
            f"{did_you_mean(text, recipe_names())} Recipes by name: {', '.join(recipe_names())}."
        )
    document = read_toml(
        lambda: Path(text).read_text("utf-8") if is_file else recipe_text(text),
        f"The recipe {text}",
        " `mindle recipes scratch` shows one.",
    )
    try:
        return from_dict(document)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Recipe {text}: {error}") from error


def list_recipes() -> list[dict[str, Any]]:
    """Name, strategy and purpose of every named recipe.

    Example:
        >>> [row["strategy"] for row in list_recipes() if row["name"] == "probe"]
        ['probe']
    """
    found = [(name, read_recipe(name)) for name in recipe_names()]
    return [{"name": name, "strategy": recipe.strategy, "summary": recipe.about} for name, recipe in found]


def show_recipe(name: str | PathLike[str]) -> dict[str, Any]:
    """One recipe: every setting with its defaults filled in, and the text of its file.

    Example:
        >>> show_recipe("probe")["settings"]["probe"]["folds"]
        5
    """
    recipe = read_recipe(name)
    text = recipe_text(str(name)) if str(name) in recipe_names() else Path(name).read_text("utf-8")
    return {"settings": as_dict(recipe), "text": text}


def as_dict(recipe: Recipe) -> dict[str, Any]:
    """Every setting that means something to the strategy, nested by concern, as JSON would hold it.

    Example:
        >>> from_dict(as_dict(Recipe())) == Recipe()
        True
    """
    document: dict[str, Any] = json.loads(json.dumps(asdict(recipe))) | {"about": recipe.about}
    return {
        name: value
        for name, value in document.items()
        if name not in SECTIONS or _applies(name, recipe.strategy)
    }


def as_toml(recipe: Recipe) -> str:
    """The recipe as a file: every setting that is not at its default.

    Example:
        >>> print(as_toml(Recipe(strategy="scratch", train=TrainSettings(epochs=5))), end="")
        strategy = "scratch"
        <BLANKLINE>
        [train]
        epochs = 5
    """
    document, plain = as_dict(recipe), as_dict(Recipe(strategy=recipe.strategy))
    lines = [f"{name} = {_toml(document[name])}" for name in ("about", "strategy") if document[name]]
    for section in (name for name in SECTIONS if name in document):
        changed = {k: v for k, v in document[section].items() if v != plain[section][k]}
        if changed:
            lines += ["", f"[{section}]", *(f"{name} = {_toml(value)}" for name, value in changed.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A value as TOML writes it; JSON's strings, numbers and lists are TOML's too."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    # DEL is the one character that TOML wants escaped and JSON does not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name, ensure_ascii=False)


def from_dict(document: Mapping[str, Any]) -> Recipe:
    """A recipe from nested settings; what is absent keeps its default.

    Raises:
        ValueError: If a setting is unknown, of another type or out of its range.

    Example:
        >>> from_dict({"strategy": "scratch", "train": {"epochs": 3}}).train.epochs
        3
    """
    return _changed(Recipe(), dict(_flat(document)))


def with_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with some settings changed.

    Args:
        recipe: To begin with.
        settings: Dotted names to values, or to text that is read by the setting's type.

    Raises:
        ValueError: If a setting is unknown, of another type or out of its range.

    Example:
        >>> with_settings(Recipe(), {"train.learning_rate": "3e-4"}).train.learning_rate
        0.0003
    """
    parsed: dict[str, Any] = {}
    for name, value in settings.items():
        setting = require_known(name)
        parsed[name] = _parsed(setting, value.strip()) if isinstance(value, str) else value
    return _changed(recipe, parsed)


# ---- checking what is given -------------------------------------------------------------------------------


def _flat(document: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Nested settings as dotted names."""
    for name, value in document.items():
        if name in SECTIONS and isinstance(value, Mapping):
            for inner, setting in value.items():
                yield f"{name}.{inner}", setting
        else:
            yield name, value


def _changed(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with these dotted names set, each checked against its type."""
    changes: dict[str, dict[str, Any]] = {section: {} for section in ("", *SECTIONS)}
    for name, value in settings.items():
        section, _, inner = name.rpartition(".")
        changes[section][inner] = _typed(require_known(name), value)
    records = {
        section: replace(getattr(recipe, section), **changes[section])
        for section in SECTIONS
        if changes[section]
    }
    return replace(recipe, **changes[""], **records)


def require_known(name: str) -> Setting:
    """The setting of a dotted name.

    Raises:
        ValueError: If there is none, with the name that was perhaps meant.
    """
    if name in SETTINGS:
        return SETTINGS[name]
    if name in SECTIONS:
        raise ValueError(
            f"`{name}` must be a table of settings. Write [{name}] in a file, or --set {name}.NAME=VALUE."
        )
    new = [today for today in names_of_today(name) if today != name]
    if new:
        raise ValueError(
            f"The setting '{name}' is now called {' and '.join(map(repr, new))}. Write that instead."
        )
    # Of two that end alike the first is meant: train.learning_rate rather than table.learning_rate.
    bare = {known.rpartition(".")[2]: known for known in reversed(SETTINGS)}
    hint = did_you_mean(name, [bare[name]] if name in bare else SETTINGS)
    raise ValueError(f"Unknown setting '{name}'.{hint} docs/training.md lists all {len(SETTINGS)}.")


def _parsed(setting: Setting, text: str) -> Any:
    """What was typed, in the setting's type; what is not of that type stays text, for `_typed` to refuse."""
    if setting.member is Mapping:
        raise ValueError(
            f"`{setting.name}` must stand in a recipe file, as [[{setting.name}]] tables. "
            "It cannot be set in one line."
        )
    if setting.member is not None:
        return tuple(_number(item.strip(), setting.member) for item in text.split(",") if item.strip())
    if setting.kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    return _number(text, int if isinstance(setting.kind, UnionType) else setting.kind)


def _number(text: str, kind: type[Any]) -> Any:
    try:
        return kind(text)
    except ValueError:
        return text


def _typed(setting: Setting, value: Any) -> Any:
    """The value in its setting's type; whole numbers pass for numbers, lists for tuples."""
    if isinstance(value, str):
        value = KERAS_VALUES.get(setting.name, {}).get(value, value)
    is_bool = isinstance(value, bool)
    if setting.kind is float and isinstance(value, (int, float)) and not is_bool:
        return float(value)
    if setting.member is None:
        if isinstance(value, setting.kind) and is_bool == (setting.kind is bool):
            return value
    elif isinstance(value, (list, tuple)):
        if all(isinstance(item, setting.member) and not isinstance(item, bool) for item in value):
            return tuple(copy.deepcopy(item) for item in value)
    kind = setting.type if setting.kind is bool else f"a {setting.type}"
    raise ValueError(f"`{setting.name}` must be {kind}. Received {value!r}.")
