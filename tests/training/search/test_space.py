"""What a search varies: read, checked against the recipes, laid out as points and as a grid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mindle.errors import DataError
from mindle.recipes import recipe_names
from mindle.training.recipe import STRATEGIES, Recipe, from_dict, read_recipe
from mindle.training.search.images import concatenations
from mindle.training.search.space import (
    Dimension,
    Space,
    make_space,
    read_space,
    space_of,
)

LAYERS = [
    {"kind": "flatten"},
    {"kind": "dense", "units": 32, "activation": "relu"},
    {"kind": "dropout", "rate": 0.3},
    {"kind": "dense", "units": "classes"},
]
NET = from_dict({"strategy": "scratch", "model": {"layers": LAYERS}})
BACKBONES = ["tf_efficientnet_lite0", "mobilenetv2_100"]
NAMED = {"backbones": concatenations(BACKBONES), "views": range(3)}


def space(entries: dict[str, Any], base: Recipe = NET) -> Space:
    return make_space(entries, {base.strategy: base}, base.strategy, NAMED)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("strategy", [name for name in (*STRATEGIES, "table") if name != "auto"])
def test_every_strategy_has_a_space_that_holds(strategy: str) -> None:
    base = read_recipe(strategy)
    named = {**NAMED, "models": [["linear", "SVM"], ["linear"], ["SVM"]]}
    found = make_space(read_space(None, strategy), {strategy: base}, strategy, named)
    assert space_of(json.loads(json.dumps(found.document()))) == found
    for point in (found.first(), *found.corners()):
        assert found.recipe({**found.first(), **point}).strategy == strategy


def test_spaces_are_no_recipes() -> None:
    assert "spaces" not in recipe_names()


def test_names_may_be_nested_or_dotted(tmp_path: Path) -> None:
    dotted, nested = tmp_path / "dotted.toml", tmp_path / "nested.toml"
    dotted.write_text('[space]\n"train.batch_size" = { choices = [16, 32] }\n"model.layers.1.units" = 8\n')
    nested.write_text(
        "[space.train]\nbatch_size = { choices = [16, 32] }\n[space.model.layers.1]\nunits = 8\n"
    )
    assert read_space(dotted, "scratch") == read_space(nested, "scratch")
    nested_entries = {"train": {"batch_size": {"low": 1, "high": 9}}}
    assert read_space(nested_entries, "scratch") == {"train.batch_size": {"low": 1, "high": 9}}


@pytest.mark.parametrize("text", ["", "[space]\n", "[spaces]\na = 1\n", "[space]\na = 1\n[other]\nb = 2\n"])
def test_a_file_holds_one_table(text: str, tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"one table \[space\]"):
        read_space(file, "scratch")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.toml must be a file"):
        read_space(tmp_path / "none.toml", "scratch")
    (tmp_path / "bad.toml").write_text("[space")
    with pytest.raises(DataError, match=r"bad\.toml must be TOML"):
        read_space(tmp_path / "bad.toml", "scratch")


# ── what is wrong is named ───────────────────────────────────────────────────────────────────────

CHOICES = {"choices": [16, 32]}


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        (
            {"train.learning_rat": CHOICES},
            "Unknown setting 'train.learning_rat'. Did you mean 'train.learning_rate'",
        ),
        ({"learning_rate": CHOICES}, "Did you mean 'train.learning_rate'"),
        ({"train.learning_rate": {"lo": 1e-4, "high": 1e-2}}, "also holds 'lo'. Did you mean 'low'"),
        ({"train.learning_rate": {"low": 1e-2, "high": 1e-4}}, "low < high. Received low=0.01, high=0.0001"),
        ({"train.learning_rate": {"low": 0, "high": 1, "log": True}}, "low > 0 with log"),
        ({"train.learning_rate": {"low": 1e-4}}, "low < high. Received low=0.0001, high=0.0"),
        ({"train.learning_rate": {"low": 1e-4, "high": 1e-2, "choices": [1]}}, "either choices or a range"),
        ({"train.learning_rate": {"low": 1e-4, "high": 1e-2, "first": 1.0}}, "must hold its `first`"),
        ({"train.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True, "step": 1e-3}}, "no step with log"),
        ({"train.learning_rate": {"low": 1e-4, "high": 1e9}}, "`learning_rate` must lie in 1e-08 to 100"),
        ({"train.batch_size": {"low": 1.5, "high": 9}}, "whole numbers"),
        ({"train.batch_size": {"choices": []}}, "must have choices, or"),
        ({"train.batch_size": {"choices": "every"}}, "backbones, views. Received 'every'"),
        ({"train.batch_size": {"choices": [16, 32, 16]}}, "none twice as 16"),
        ({"train.batch_size": {"choices": [16, "many"]}}, "`train.batch_size` must be a whole number"),
        ({"train.batch_size": 16}, "vary at least one setting"),
        ({"train.optimizer": {"choices": ["adam", "admw"]}}, "`optimizer` must be one of"),
        ({"train.batch_size": {**CHOICES, "when": {"train.epochs": 3}}}, "must name an entry with choices"),
        ({"model.layers.9.units": CHOICES}, "4 layers, counted from 0: 0 flatten, 1 dense"),
        ({"model.layers.2.units": CHOICES}, "It has kind, rate. Layers with `units`: 1, 3"),
        ({"model.layers.2": CHOICES}, "true or false"),
    ],
)
def test_a_wrong_entry_is_named(entries: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=".*") as caught:
        space(entries)
    assert sentence in str(caught.value)


def test_conditions_must_not_lead_in_a_circle() -> None:
    one = {"choices": [16, 32], "when": {"train.epochs": 3}}
    two = {"choices": [3, 4], "when": {"train.batch_size": 16}}
    with pytest.raises(ValueError, match="circle"):
        space({"train.batch_size": one, "train.epochs": two})


def test_layers_need_a_recipe_that_lists_them() -> None:
    with pytest.raises(ValueError, match="needs a recipe that lists its layers"):
        space({"model.layers.1.units": CHOICES}, Recipe(strategy="scratch"))


def test_without_a_backbone_an_error_says_so() -> None:
    with pytest.raises(ValueError, match="none is available"):
        make_space(
            {"model.name": {"choices": "backbones"}},
            {"probe": read_recipe("probe")},
            "probe",
            {"backbones": ()},
        )


# ── points ───────────────────────────────────────────────────────────────────────────────────────


def test_a_point_changes_settings_options_of_layers_and_whole_layers() -> None:
    found = space(
        {
            "train.epochs": 7,
            "train.learning_rate": {"low": 1e-4, "high": 1e-2},
            "model.layers.1.units": {"choices": [8, 64]},
            "model.layers.2": {"choices": [True, False]},
        }
    )
    recipe = found.recipe({"train.learning_rate": 5e-3, "model.layers.1.units": 64, "model.layers.2": False})
    assert (recipe.train.epochs, recipe.train.learning_rate) == (7, 5e-3)
    assert [layer["kind"] for layer in recipe.model.layers] == ["flatten", "dense", "dense"]
    assert recipe.model.layers[1]["units"] == 64
    assert found.first() == {"train.learning_rate": 1e-3, "model.layers.2": True}  # 32 units are no choice


def test_whole_nets_can_be_choices() -> None:
    small = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
    found = space({"model.layers": {"choices": [LAYERS, small]}})
    assert len(found.recipe({"model.layers": small}).model.layers) == 2


def test_another_strategy_brings_its_own_recipe() -> None:
    bases = {name: read_recipe(name) for name in ("probe", "finetune")}
    found = make_space({"strategy": {"choices": ["probe", "finetune"]}}, bases, "probe")
    assert found.recipe({"strategy": "finetune"}).train.learning_rate == bases["finetune"].train.learning_rate


def test_what_depends_on_a_choice_applies_only_with_it() -> None:
    found = space(
        {
            "probe.rbf_gamma": {"low": 0.1, "high": 1, "when": {"probe.heads": "rbf"}},
            "probe.heads": {"choices": [["rbf"], ["logistic"], ["rbf", "logistic"]]},
        },
        read_recipe("probe"),
    )
    heads, gamma = found.dimensions
    assert heads.name == "probe.heads"
    assert [gamma.applies({"probe.heads": choice}) for choice in heads.choices] == [True, False, True]


def test_a_grid_has_every_combination_once_and_nothing_that_does_not_apply() -> None:
    found = space(
        {
            "probe.heads": {"choices": [["rbf"], ["logistic"]]},
            "probe.rbf_gamma": {
                "low": 0.1,
                "high": 10,
                "log": True,
                "steps": 3,
                "when": {"probe.heads": "rbf"},
            },
            "probe.folds": {"low": 3, "high": 5},
        },
        read_recipe("probe"),
    )
    points = found.grid()
    assert len(points) == 3 * 3 + 3
    assert len({str(sorted(point.items())) for point in points}) == len(points)
    assert {point["probe.rbf_gamma"] for point in points if point["probe.heads"] == ["rbf"]} == {
        0.1,
        1.0,
        10.0,
    }
    assert all("probe.rbf_gamma" not in point for point in points if point["probe.heads"] == ["logistic"])


def test_a_grid_needs_to_know_its_steps() -> None:
    with pytest.raises(ValueError, match="Add steps = 5"):
        space({"train.learning_rate": {"low": 1e-4, "high": 1e-2}}).grid()


@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        (Dimension(name="a", low=0.0, high=1.0, step=0.5), (0.0, 0.5, 1.0)),
        (Dimension(name="a", low=2, high=5, whole=True), (2, 3, 4, 5)),
        (Dimension(name="a", low=8, high=128, whole=True, log=True, steps=5), (8, 16, 32, 64, 128)),
        (Dimension(name="a", low=1.0, high=4.0, steps=1, log=True), (2.0,)),
    ],
)
def test_a_range_as_a_grid(dimension: Dimension, values: tuple[float, ...]) -> None:
    assert dimension.grid() == values


def test_true_is_not_one() -> None:
    assert not Dimension(name="a", choices=(True, False)).holds(1)
    assert Dimension(name="a", choices=(0, 1)).holds(1)
