"""From what was asked to what is done."""

from __future__ import annotations

import pytest

import mindle.data
from mindle.errors import ModelError
from mindle.training.images.plan import expectation, make_plan, resolve_options


def test_auto_is_the_default_and_has_a_budget() -> None:
    resolved = resolve_options()
    assert (resolved.recipe.strategy, resolved.budget_seconds) == ("auto", 600.0)
    assert resolve_options(strategy="probe").budget_seconds is None
    assert resolve_options(strategy="probe", budget="90s").budget_seconds == 90.0


def test_a_named_net_is_trained_from_scratch_and_a_backbone_is_probed() -> None:
    assert resolve_options(model="small-resnet").recipe.strategy == "scratch"
    assert resolve_options(model="mobilenetv2_100").recipe.strategy == "auto"


def test_settings_reach_the_recipe_and_its_document() -> None:
    resolved = resolve_options(
        strategy="scratch", settings={"train.learning_rate": "3e-4", "train.epochs": 7}
    )
    assert (resolved.recipe.train.learning_rate, resolved.recipe.train.epochs) == (3e-4, 7)
    assert resolved.as_dict()["recipe"]["train"]["epochs"] == 7


def test_a_probe_needs_its_backbones_pixels_while_files_are_checked() -> None:
    plan = make_plan(
        mindle.data.read("digits"), resolve_options(strategy="probe", model="tf_efficientnet_lite0")
    )
    assert [spec.shape for spec in plan.specs] == [(224, 224, 3)]
    assert [card.model for card in plan.cards] == ["tf_efficientnet_lite0"]


def test_small_images_keep_their_size_from_scratch() -> None:
    plan = make_plan(mindle.data.read("digits"), resolve_options(strategy="scratch"))
    assert [spec.shape[:2] for spec in plan.specs] == [(8, 8)]
    assert plan.cards == ()
    dataset = mindle.data.split(mindle.data.read("digits"))
    assert "1,259 images" in expectation(plan, dataset)


def test_a_missing_model_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="--weights"):
        make_plan(mindle.data.read("digits"), resolve_options(strategy="probe", model="resnet50"))
    with pytest.raises(ValueError, match="take strategy 'scratch'"):
        make_plan(mindle.data.read("digits"), resolve_options(strategy="probe", model="small-resnet"))


def test_random_weights_are_given_where_they_are_asked_for_and_make_sense() -> None:
    dataset = mindle.data.read("digits")
    asked = resolve_options(strategy="inline", model="vgg19", settings={"model.random_init": "true"})
    assert [card.origin for card in make_plan(dataset, asked).cards] == ["random weights"]
    for settings in ({"model.random_init": "true"}, {"model.random_init": "true", "model.name": "vgg19"}):
        with pytest.raises(ValueError, match=r"`model\.random_init` must come with a named backbone"):
            make_plan(dataset, resolve_options(strategy="probe", settings=settings))


def test_a_recipe_for_tables_is_refused_for_images() -> None:
    with pytest.raises(ValueError, match=r"`recipe` must be for images.*--target"):
        resolve_options("table")
