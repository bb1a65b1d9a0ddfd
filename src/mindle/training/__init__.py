"""How a model is trained: recipes, the loop, features, heads, model selection.

Calls that share their module's name are imported from it: `from mindle.training.loop.fit import fit`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mindle.training.loop.augment import Augment as Augment
    from mindle.training.loop.callbacks import Callback as Callback
    from mindle.training.recipe import Recipe as Recipe
    from mindle.training.recipe import read_recipe as read_recipe
    from mindle.training.recipe import with_settings as with_settings

_HOMES = {
    "Augment": "loop.augment",
    "Callback": "loop.callbacks",
    "Recipe": "recipe",
    "read_recipe": "recipe",
    "with_settings": "recipe",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a module when it is first used: reading a recipe needs no torch, which takes seconds."""
    if name not in _HOMES:
        raise AttributeError(
            f"module 'mindle.training' has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    return getattr(import_module(f"mindle.training.{_HOMES[name]}"), name)
