"""What a call about images asks for, complete, before PyTorch is loaded."""

from __future__ import annotations

import pytest

from mindle.training.images.options import resolve_options
from tests.processes import python


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


def test_a_recipe_for_tables_is_refused_for_images() -> None:
    with pytest.raises(ValueError, match=r"`recipe` must be for images.*--target"):
        resolve_options("table")


def test_what_is_asked_is_known_before_torch_is_loaded() -> None:
    code = """
import sys, mindle.data
from mindle.training.images.options import inputs_of, resolve_options
asked = resolve_options(strategy="probe", model="tf_efficientnet_lite0")
found = inputs_of(mindle.data.read("digits"), asked)
print(found.specs[0].shape, "torch" in sys.modules)
"""
    done = python(code)
    assert done.stdout.strip() == "(224, 224, 3) False"
