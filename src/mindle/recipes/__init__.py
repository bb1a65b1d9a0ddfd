"""Named ways of training, as TOML files with their evidence in comments.

`mindle.training.recipe` reads them into records; here they are only text.
"""

from __future__ import annotations

from importlib.resources import files

__all__ = ["recipe_names", "recipe_text"]


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
