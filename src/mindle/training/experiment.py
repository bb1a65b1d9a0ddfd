"""Experiments: a few ways to train on the same data, to be compared.

An experiment is a TOML file: what data it needs, and its variants as recipes. The exercises of the course
come with mindle; anybody can write another. Reading one needs no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, get_type_hints

from mindle.artifacts.typed import typed
from mindle.data.reading import ReadingOptions, option_records
from mindle.errors import did_you_mean
from mindle.recipes import course_names, course_text, read_toml
from mindle.training.recipe import (
    TABLE,
    Recipe,
    as_dict,
    from_dict,
    read_recipe,
    with_settings,
)
from mindle.training.settings import NET_EPOCHS

# So many epochs, and folds of a table, show that everything runs; the scores then mean nothing.
QUICK_EPOCHS, QUICK_FOLDS = 2, 2


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The data an experiment needs.

    Attributes:
        reading: How they are read, such as the target of a table; see `ReadingOptions`.
        source: Where they are, unless the caller says so.
        below: What their folder, or a table's file, may be called below the folder that the caller names;
            that is taken as it is where this is empty.
        what: The data, for people.
        classes: Which classes; all where empty.
        side: Images are packed at this height and width first; 0 leaves them as they are.
    """

    reading: ReadingOptions
    source: str = ""
    below: Sequence[str] = ()
    what: str = ""
    classes: Sequence[str] = ()
    side: int = 0


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Ways to train on the same data.

    Attributes:
        name: What `mindle course` takes, or the name of the file.
        title: Of the page.
        needs: The data it needs.
        variants: Ways to train, by name.
        labels: The variants' names as people read them.
        compare: Names of the variants that are compared, two each, the question itself first.
        notes: What has been reported before, such as in the course notes: `words`, the `data` that were
            trained on, and `figures` by name: accuracy, parameters, trainable, mae and so on.
        about: What it is, in a sentence.
        teaches: What to learn from it.
        seeds: Each variant is trained with each of them.
        why: What made the difference, in sentences, beside what the runs themselves show.
        apart: Whether every variant gets a cache for itself, so that times and disk can be compared.
    """

    name: str
    title: str
    needs: Needs
    variants: Mapping[str, Recipe]
    labels: Mapping[str, str]
    compare: Sequence[tuple[str, str]]
    notes: Mapping[str, Any]
    about: str = ""
    teaches: str = ""
    seeds: Sequence[int] = (0,)
    why: Sequence[str] = ()
    apart: bool = False


# What a file may hold, and of which type; the fields of a record are of the type that it declares.
_NEEDS = {name: hint for name, hint in get_type_hints(Needs).items() if name != "reading"}
_ENTRIES = {
    **{
        name: hint
        for name, hint in get_type_hints(Experiment).items()
        if name not in ("name", "needs", "labels")
    },
    "variants": Mapping[str, Mapping[str, Any]],
    "data": Mapping[str, Any],
    "base": Any,
}


def read_experiment(name: str) -> Experiment:
    """An exercise of the course by its name, or an experiment from a TOML file.

    Raises:
        ValueError: If there is none of that name, or an entry or setting is unknown or of another type.
        DataError: If the file is missing or is not TOML.

    Example:
        >>> list(read_experiment("inline-vs-twostage").variants)
        ['as_written', 'twostage', 'done_well']
    """
    document = _document(name)
    _require(document, _ENTRIES, f"{name}: ")
    variants, data, base = (document.pop(key, {}) for key in ("variants", "data", "base"))
    if len(variants) < 2:
        raise ValueError(f"The experiment {name} must have two variants or more. Received {len(variants)}.")
    nameless = [key for key in variants if not re.fullmatch(r"\w[\w .-]*", key)]
    if nameless:
        raise ValueError(
            f"The names of variants must be names of folders. Received {nameless[0]!r} in {name}. Use "
            "letters, digits and underscores; `label` may be any text."
        )
    _require(data, {**_NEEDS, **dict.fromkeys(option_records(), Any)}, f"{name}: data.")
    labels = {
        key: typed(str, variant.pop("label", key.replace("_", " ")), f"{name}: variants.{key}.label")
        for key, variant in variants.items()
    }
    recipes: dict[str, Recipe] = {}
    for key, variant in variants.items():
        recipes[key] = _recipe(variant, base, recipes)
    needs: dict[str, Any] = {key: data.pop(key) for key in _NEEDS & data.keys()}
    name = Path(name).name.removesuffix(".toml")
    entries: dict[str, Any] = {"title": name, **document}
    entries["compare"] = _pairs(document.get("compare"), list(recipes))
    entries["notes"] = {"words": "", "data": "", "figures": {}, **document.get("notes", {})}
    return Experiment(
        **entries,
        name=name,
        needs=Needs(reading=ReadingOptions.of(data, ReadingOptions), **needs),
        variants=recipes,
        labels=labels,
    )


def _require(given: Mapping[str, Any], entries: Mapping[str, Any], within: str) -> None:
    """Refuse entries that are unknown or of another type; `within` stands before their names."""
    for key, value in given.items():
        if key not in entries:
            raise ValueError(
                f"An experiment must hold nothing but {', '.join(sorted(entries))}. Received `{within}{key}`."
                f"{did_you_mean(key, entries)} docs/course.md shows one."
            )
        typed(entries[key], value, f"{within}{key}")


def _document(name: str) -> dict[str, Any]:
    names = course_names()
    if name not in names and not name.endswith(".toml"):
        raise ValueError(
            f"`name` must be an experiment of the course: {', '.join(names)}; or a TOML file. "
            f"Received {name!r}.{did_you_mean(name, names)}"
        )
    return read_toml(
        lambda: course_text(name) if name in names else Path(name).read_text("utf-8"),
        f"The experiment {name}",
        " docs/course.md shows one.",
    )


def _pairs(asked: Sequence[Sequence[str]] | None, names: Sequence[str]) -> list[tuple[str, str]]:
    """Which variants are compared, the question itself first."""
    first, last = names[0], names[-1]
    if asked is None:
        ends = [pair for pair in combinations(names, 2) if {first, last} & {*pair}]
        return sorted(ends, key=lambda pair: pair != (first, last))
    known = {frozenset(pair): pair for pair in combinations(names, 2)}
    wrong = [pair for pair in asked if frozenset(pair) not in known]
    if wrong:
        raise ValueError(f"`compare` must hold pairs of {', '.join(names)}. Received {wrong[0]}.")
    return [known[frozenset(pair)] for pair in asked]


def _recipe(variant: Mapping[str, Any], base: str | Mapping[str, Any], made: Mapping[str, Recipe]) -> Recipe:
    """A variant: the settings of a recipe, of a variant before it or of the base, changed by its settings."""
    named = variant.get("recipe", base)
    if isinstance(named, Mapping):
        begun = dict(named)
    else:
        begun = as_dict(made[named] if named in made else read_recipe(named))
    for key, value in variant.items():
        if key != "recipe":
            begun[key] = {**begun.get(key, {}), **value} if isinstance(value, Mapping) else value
    return from_dict(begun)


def list_experiments() -> list[dict[str, Any]]:
    """Name, purpose and lesson of every exercise of the course, and what the course notes report.

    Example:
        >>> [row["notes"] for row in list_experiments() if row["name"] == "daisy-mlp"]
        ['test about 55 %']
    """
    return [
        {
            "name": experiment.name,
            "about": experiment.about,
            "teaches": experiment.teaches,
            "notes": experiment.notes["words"],
            "variants": list(experiment.variants),
            "data": experiment.needs.what,
        }
        for experiment in map(read_experiment, course_names())
    ]


def changed(
    experiment: Experiment, *, settings: Mapping[str, Any], epochs: int | None, quick: bool
) -> dict[str, Recipe]:
    """The variants with what a learner wants different.

    Args:
        experiment: Whose.
        settings: Dotted names to values; "as_written.train.epochs" is of one variant, "train.epochs" of all.
        epochs: At most so many in every variant that has epochs.
        quick: At most QUICK_EPOCHS; a table is evaluated once, with QUICK_FOLDS folds.

    Raises:
        ValueError: If a setting is unknown, or out of its range.

    Example:
        >>> chosen = changed(read_experiment("daisy-mlp"), settings={"as_written.train.learning_rate": 1e-4},
        ...                  epochs=3, quick=False)
        >>> [(recipe.train.epochs, recipe.train.learning_rate) for recipe in chosen.values()]
        [(3, 0.0001), (3, 0.001)]
    """
    most = min(epochs or 1_000_000, QUICK_EPOCHS if quick else 1_000_000)
    if epochs is not None and epochs < 1:
        raise ValueError(f"`epochs` must be 1 or more. Received epochs={epochs}.")
    found = {}
    for name, recipe in experiment.variants.items():
        asked = {
            key.removeprefix(f"{name}."): value
            for key, value in settings.items()
            if key.startswith(f"{name}.") or key.partition(".")[0] not in experiment.variants
        }
        found[name] = _shortened(with_settings(recipe, asked), most, quick=quick)
    return found


def _shortened(recipe: Recipe, most: int, *, quick: bool) -> Recipe:
    """The recipe with at most so many epochs."""
    if recipe.strategy != TABLE:
        return with_settings(recipe, {"train.epochs": min(most, recipe.train.epochs)})
    asked = recipe.table.epochs or NET_EPOCHS
    changes = {"table.epochs": most} if most < asked else {}
    return with_settings(
        recipe, changes | ({"table.folds": QUICK_FOLDS, "table.repeats": 1} if quick else {})
    )
