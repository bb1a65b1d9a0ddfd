"""Named ways of training, as TOML files with their evidence in comments.

`mindle.training.recipe` reads them into records; here they are only text.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from mindle.errors import DataError
from mindle.messages import with_translations

__all__ = ["course_names", "course_text", "read_toml", "recipe_names", "recipe_text", "space_text"]


def read_toml(text: Callable[[], str], what: str, hint: str = "") -> dict[str, Any]:
    """What a TOML file holds; `{ en = "…", ko = "…" }` in it is a sentence.

    Args:
        text: Reads the file.
        what: The file in words, for messages.
        hint: Where to see how one looks.

    Raises:
        DataError: If the file is missing or is not TOML.

    Example:
        >>> read_toml(lambda: "epochs = 3", "The recipe")
        {'epochs': 3}
    """
    try:
        document: dict[str, Any] = with_translations(tomllib.loads(text()))
        return document
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{what} must be a file that can be read. Received: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{what} must be TOML. Received: {error}.{hint}") from error


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes that come with mindle, sorted.

    Example:
        >>> "probe" in recipe_names()
        True
    """
    found = (entry.name for entry in files("mindle.recipes").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


def recipe_text(name: str) -> str:
    """The file of a recipe, comments included.

    Example:
        >>> recipe_text("probe").startswith("#")
        True
    """
    return files("mindle.recipes").joinpath(f"{name}.toml").read_text("utf-8")


def space_text(strategy: str) -> str:
    """The file that says what `mindle tune` varies of a strategy unless it is given another.

    Example:
        >>> "probe.heads" in space_text("probe")
        True
    """
    return files("mindle.recipes").joinpath("spaces", f"{strategy}.toml").read_text("utf-8")


def course_names() -> tuple[str, ...]:
    """Names of the course's experiments, sorted.

    Example:
        >>> "daisy-mlp" in course_names()
        True
    """
    found = (entry.name for entry in files("mindle.recipes").joinpath("course").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


def course_text(name: str) -> str:
    """The file of an experiment, comments included.

    Example:
        >>> "[variants.as_written]" in course_text("daisy-mlp")
        True
    """
    return files("mindle.recipes").joinpath("course", f"{name}.toml").read_text("utf-8")
