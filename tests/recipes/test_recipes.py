"""The recipe files themselves."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mindle.recipes import recipe_names, recipe_text
from mindle.training.recipe import SETTINGS


def test_the_names_are_sorted_and_complete() -> None:
    names = recipe_names()
    assert list(names) == sorted(names)
    assert {"auto", "probe", "inline", "finetune", "scratch", "catsdogs-cnn", "fashion-cnn"} <= set(names)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_begins_with_its_evidence_and_says_what_it_is_for(name: str) -> None:
    text = recipe_text(name)
    assert text.startswith("# ")
    assert tomllib.loads(text)["about"]


def test_the_manual_lists_every_setting_with_its_default_and_range() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
    for setting in SETTINGS.values():
        default = setting.default
        if isinstance(default, float):
            default = f"{default:.4g}"
        elif isinstance(default, tuple):
            default = ", ".join(map(str, default))
        elif isinstance(default, bool):
            default = str(default).lower()
        shown = f"`{default}`" if default != "" else ""
        assert f"| `{setting.name}` | {setting.type} | {shown} | {setting.allowed} | {setting.help} |" in page
    assert f"lists all {len(SETTINGS)}." in page
