"""From what was asked to what is done."""

from __future__ import annotations

import pytest

import mindle.data
from mindle.errors import ModelError
from mindle.training.images.options import resolve_options
from mindle.training.images.plan import expectation, make_plan


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
