"""The course's experiments: each a few ways to train on the same data, and what the notes say came of it.

An experiment is a TOML file: what data it wants, what the notes report, and its variants as recipes,
`as_written` first and `done_well` last. Reading one needs no torch.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mindle.recipes import course_names, course_text
from mindle.training.recipe import (
    NET_EPOCHS,
    TABLE,
    Recipe,
    as_dict,
    from_dict,
    read_recipe,
    with_settings,
)

AS_WRITTEN, DONE_WELL = "as_written", "done_well"
# So many epochs, and folds of a table, show that everything runs; the scores then mean nothing.
QUICK_EPOCHS, QUICK_FOLDS = 2, 2


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The data an experiment wants.

    Attributes:
        below: What its folder, or a table's file, may be called below the folder of data.
        what: The data in words.
        classes: Which classes; all where empty.
        side: Pictures are packed at this height and width first; 0 leaves them as they are.
        target: The column to learn, for a table; "" for pictures.
    """

    below: tuple[str, ...]
    what: str
    classes: tuple[str, ...] = ()
    side: int = 0
    target: str = ""


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What the notes say.

    Attributes:
        words: Their result in their words.
        data: What they trained on.
        figures: Single figures by name: accuracy, parameters, trainable, mae and so on.
    """

    words: str
    data: str
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One experiment of the course.

    Attributes:
        name: What `mindle course` takes.
        about: What it is, in a sentence.
        teaches: What to learn from it.
        needs: The data it wants.
        notes: What the notes report.
        variants: Ways to train, by name; `as_written` first, `done_well` last.
        why: What made the difference, in sentences, beside what the runs themselves show.
        apart: Whether every variant gets a cache of its own, so that times and disk can be compared.
    """

    name: str
    about: str
    teaches: str
    needs: Needs
    notes: Notes
    variants: Mapping[str, Recipe]
    why: tuple[str, ...] = ()
    apart: bool = False


def read_experiment(name: str) -> Experiment:
    """An experiment by its name.

    Raises:
        ValueError: If there is none of that name.

    Example:
        >>> list(read_experiment("inline-vs-twostage").variants)
        ['as_written', 'twostage', 'done_well']
    """
    names = course_names()
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"`name` must be an experiment of the course: {', '.join(names)}. Received {name!r}.{hint}"
        )
    document = tomllib.loads(course_text(name))
    notes = dict(document["notes"])
    variants = {
        AS_WRITTEN: document[AS_WRITTEN],
        **document.get("more", {}),
        DONE_WELL: document[DONE_WELL],
    }
    needs: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in document["data"].items()
    }
    return Experiment(
        name=name,
        about=document["about"],
        teaches=document["teaches"],
        needs=Needs(**needs),
        notes=Notes(words=notes.pop("words"), data=notes.pop("data"), figures=notes),
        variants={key: _recipe(variant, document) for key, variant in variants.items()},
        why=tuple(document.get("why", ())),
        apart=bool(document.get("apart", False)),
    )


def _recipe(variant: Mapping[str, Any], document: Mapping[str, Any]) -> Recipe:
    """A variant: its own settings, or a named recipe (or the one that is written) changed by them."""
    own = {key: value for key, value in variant.items() if key != "recipe"}
    if "recipe" not in variant:
        return from_dict(own)
    named = variant["recipe"]
    begun = from_dict(document[AS_WRITTEN]) if named == AS_WRITTEN else read_recipe(named)
    base = as_dict(begun)
    for key, value in own.items():
        base[key] = {**base.get(key, {}), **value} if isinstance(value, Mapping) else value
    return from_dict(base)


def list_experiments() -> list[dict[str, Any]]:
    """Name, purpose and lesson of every experiment, and what the notes report.

    Example:
        >>> [row["notes"] for row in list_experiments() if row["name"] == "daisy-mlp"]
        ['test about 55 %']
    """
    found = [read_experiment(name) for name in course_names()]
    return [
        {
            "name": experiment.name,
            "about": experiment.about,
            "teaches": experiment.teaches,
            "notes": experiment.notes.words,
            "variants": list(experiment.variants),
            "data": experiment.needs.what,
        }
        for experiment in found
    ]


def changed(
    experiment: Experiment, *, settings: Mapping[str, Any], epochs: int | None, quick: bool
) -> dict[str, Recipe]:
    """The variants with what a learner wants different.

    Args:
        experiment: Whose.
        settings: Dotted names to values; "as_written.train.epochs" is of one variant, "train.epochs" of all.
        epochs: At most so many in every variant that has epochs.
        quick: At most QUICK_EPOCHS; a table is judged once, with QUICK_FOLDS folds.

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
        own = {
            key.removeprefix(f"{name}."): value
            for key, value in settings.items()
            if key.startswith(f"{name}.") or key.partition(".")[0] not in experiment.variants
        }
        found[name] = _shortened(with_settings(recipe, own), most, quick=quick)
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
