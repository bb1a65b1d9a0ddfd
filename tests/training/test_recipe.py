"""Recipes: records, files, changed settings, and the sentences of what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindle.errors import DataError
from mindle.training.recipe import (
    SETTINGS,
    STRATEGIES,
    Recipe,
    as_dict,
    as_toml,
    from_dict,
    list_recipes,
    read_recipe,
    recipe_names,
    show_recipe,
    with_settings,
)
from mindle.training.settings import AugmentSettings, TrainSettings


@pytest.mark.parametrize("name", recipe_names())
def test_every_named_recipe_survives_the_round_trip(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.about
    assert from_dict(as_dict(recipe)) == recipe


def test_every_strategy_has_a_recipe_of_its_name() -> None:
    assert [read_recipe(strategy).strategy for strategy in STRATEGIES] == list(STRATEGIES)


def test_a_file_is_read_and_its_defaults_are_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'strategy = "scratch"\n[train]\nlearning_rate = 1\n[[model.layers]]\nkind = "flatten"\n'
        '[[model.layers]]\nkind = "dense"\nunits = "classes"\n[probe]\nheads = ["rbf"]\n'
    )
    recipe = read_recipe(path)
    assert recipe.train.learning_rate == 1.0
    assert isinstance(recipe.train.learning_rate, float)
    assert recipe.model.layers == ({"kind": "flatten"}, {"kind": "dense", "units": "classes"})
    assert recipe.probe.heads == ("rbf",)
    assert recipe.augment == AugmentSettings()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("train.learning_rate", "3e-4", 3e-4),
        ("train.epochs", " 7 ", 7),
        ("train.restore_best", "false", False),
        ("train.optimizer", "sgd", "sgd"),
        ("probe.heads", "logistic, net", ("logistic", "net")),
        ("model.trainable", "2", 2),
        ("model.trainable", "all", "all"),
        ("model.name", "resnet18", "resnet18"),
        ("augment.flip", "horizontal_and_vertical", "both"),
        ("augment.fill", "nearest", "edge"),
        ("table.hidden_layer_sizes", "512, 256", (512, 256)),
        ("table.models", "nets, linear", ("nets", "linear")),
        ("table.scale_target", "false", False),
    ],
)
def test_text_is_read_by_the_settings_type(name: str, text: str, value: object) -> None:
    section, own = name.split(".")
    begun = Recipe(strategy="table" if section == "table" else "auto")
    recipe = with_settings(begun, {name: text})
    assert getattr(getattr(recipe, section), own) == value
    assert as_dict(recipe) != as_dict(begun) or value in ("all",)


def test_values_and_settings_without_a_section_work_too() -> None:
    recipe = with_settings(Recipe(), {"strategy": "scratch", "train.learning_rate": 1e-2, "train.epochs": 3})
    assert (recipe.strategy, recipe.train.learning_rate, recipe.train.epochs) == ("scratch", 1e-2, 3)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "train.learning_rat",
            "1",
            r"Unknown setting 'train.learning_rat'. Did you mean 'train.learning_rate'\?",
        ),
        ("learning_rate", "1", r"Unknown setting 'learning_rate'. Did you mean 'train.learning_rate'\?"),
        ("train.peak", "1", r"The setting 'train.peak' is now called 'train.learning_rate'"),
        ("train.drop_epochs", "1", r"is now called 'train.step_size' and 'train.lr_patience'"),
        ("train", "1", r"`train` must be a table"),
        ("train.epochs", "many", r"`train.epochs` must be a whole number. Received 'many'."),
        ("train.epochs", 2.5, r"`train.epochs` must be a whole number. Received 2.5."),
        ("train.epochs", True, r"`train.epochs` must be a whole number. Received True."),
        ("train.epochs", "0", r"`epochs` must lie in 1 to"),
        ("train.learning_rate", "fast", r"`train.learning_rate` must be a number. Received 'fast'."),
        ("train.restore_best", "maybe", r"`train.restore_best` must be true or false. Received 'maybe'."),
        (
            "train.optimizer",
            "adm",
            r"`optimizer` must be one of adamw, adam, sgd, rmsprop. Received optimizer='adm'.",
        ),
        (
            "train.warmup_fraction",
            "1.2",
            r"`warmup_fraction` must lie in \[0, 1\). Received warmup_fraction=1.2.",
        ),
        (
            "model.layers",
            "flatten",
            r"`model.layers` must stand in a recipe file, as \[\[model.layers\]\] tables",
        ),
        ("model.trainable", "some", r'`trainable` must be "all" or a number of stages'),
        ("augment.flip", "sideways", r"`flip` must be one of none, horizontal"),
        ("probe.heads", "forest", r"`heads` must be one of logistic, rbf, net"),
        ("probe.heads", "", r"`heads` must name at least one of"),
        ("input.height", "5", r"`height` and `width` must both be given or both be 0"),
        (
            "table.hidden_layer_sizes",
            "512, wide",
            r"`table.hidden_layer_sizes` must be a list of whole numbers",
        ),
        ("table.hidden_layer_sizes", "0", r"`hidden_layer_sizes` must lie in 1 to"),
        ("table.scale", "row", r"`scale` must be one of columns, rows, none"),
        ("table.schedule", "cosine", r"`schedule` must be one of one-cycle, constant"),
        ("table.epochs", 3, r'`table.epochs` must not be set: it is about tables, and the strategy "auto"'),
    ],
)
def test_what_is_refused_says_what_was_expected(name: str, value: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        with_settings(Recipe(), {name: value})


def test_an_unknown_recipe_gets_a_suggestion() -> None:
    with pytest.raises(ValueError, match=r"Received 'scrach'. Did you mean 'scratch'\?"):
        read_recipe("scrach")


def test_a_missing_and_a_broken_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be a file that can be read"):
        read_recipe(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("strategy = [")
    with pytest.raises(DataError, match="must be TOML"):
        read_recipe(broken)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[train]\nepoch = 3\n")
    with pytest.raises(
        ValueError, match=r"wrong.toml: Unknown setting 'train.epoch'. Did you mean 'train.epochs'"
    ):
        read_recipe(wrong)


def test_a_recipe_does_not_share_its_layers_with_what_it_was_made_of() -> None:
    layer = {"kind": "dense", "units": 3}
    recipe = from_dict({"model": {"layers": [layer]}})
    layer["units"] = 4
    as_dict(recipe)["model"]["layers"][0]["units"] = 5
    assert recipe.model.layers == ({"kind": "dense", "units": 3},)


def test_the_table_lists_every_setting_with_its_default() -> None:
    table = SETTINGS
    assert table["train.learning_rate"].default == TrainSettings().learning_rate
    assert table["train.learning_rate"].type == "number"
    assert all(setting.help for setting in table.values())


def test_every_recipe_is_listed_and_shown(tmp_path: Path) -> None:
    for row in list_recipes():
        shown = show_recipe(row["name"])
        assert shown["settings"]["strategy"] == row["strategy"]
        assert row["summary"]
        copy = tmp_path / "mine.toml"
        copy.write_text(shown["text"], encoding="utf-8")
        assert show_recipe(copy)["settings"] == shown["settings"]


def test_standardised_inputs_have_no_other_scale() -> None:
    with pytest.raises(ValueError, match=r'`scale` must be "unit" where inputs are standardised'):
        from_dict({"input": {"scale": "bytes"}})


def test_a_recipe_for_tables_holds_what_is_about_tables_and_nothing_else(tmp_path: Path) -> None:
    recipe = from_dict({"strategy": "table", "table": {"hidden_layer_sizes": [64], "scale": "rows"}})
    assert set(as_dict(recipe)) == {"about", "strategy", "table", "trust", "doctor"}
    assert "table" not in as_dict(Recipe())
    (tmp_path / "mine.toml").write_text(as_toml(recipe))
    assert read_recipe(tmp_path / "mine.toml") == recipe
    with pytest.raises(ValueError, match=r"`train.epochs` must not be set: it is about images.*=3"):
        with_settings(recipe, {"train.epochs": 3})
