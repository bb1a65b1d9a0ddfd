"""Model selection for numbers: refusals, decisions that are replayed, and what is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mindle.data
from mindle.data import typical_size
from mindle.errors import ModelError
from mindle.models.pretrained.weights import find_weights
from mindle.training.budget import Deadline
from mindle.training.decisions import DecisionLog
from mindle.training.images.problem import Outcome, Problem
from mindle.training.images.regression import ImageRegression, NumberSelection
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import read_recipe, with_settings
from tests.discs import write_discs


def problem(folder: Path, count: int = 40, side: int = 20) -> Problem:
    checked = mindle.data.check(mindle.data.read(write_discs(folder, count, side=side)))
    return Problem.of(mindle.data.split(checked), typical_size=typical_size(checked))


def lite() -> Any:
    return [card for card in find_weights() if card.model == "tf_efficientnet_lite0"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("balance", "weights"), ("oversample", 0.5), ("focal_gamma", 2.0), ("thresholds", True)],
)
def test_what_is_about_classes_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`train.{name}` must be"):
        ImageRegression().require(with_settings(read_recipe("scratch"), {f"train.{name}": value}))
    ImageRegression().require(read_recipe("auto"))


def test_nothing_to_train_with_is_said(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(ModelError, match="neither a backbone nor time"):
        NumberSelection(
            problem(tmp_path),
            cards=[],
            recipe=read_recipe("auto"),
            context=TrainingContext(deadline=Deadline(1.0)),
        ).run()


def test_changes_of_pictures_are_left_out_unless_asked_for() -> None:
    recipe = read_recipe("finetune")
    assert recipe.augment.flip == "auto"
    assert ImageRegression().net_recipe(recipe).augment.flip == "none"
    asked = with_settings(recipe, {"augment.crop": 0.9})
    assert ImageRegression().net_recipe(asked).augment == asked.augment


@pytest.mark.slow
def test_heads_are_tried_and_a_resumed_run_decides_nothing_anew(tmp_path: Path, cache: Path) -> None:
    made: list[Any] = []
    recipe = with_settings(read_recipe("probe"), {"probe.views": 1, "probe.folds": 4})

    def probed(log: DecisionLog) -> Outcome:
        return NumberSelection(
            problem(tmp_path, 40),
            cards=lite(),
            recipe=recipe,
            context=TrainingContext(deadline=Deadline(None), decisions=log),
        ).heads_only()

    first = probed(DecisionLog(record=made.append))
    assert [decision["step"] for decision in made][1:] == ["views"]
    assert first.calibration is not None
    assert len(first.calibration.counts) == 4
    assert int(first.calibration.counts.sum()) == len(first.calibration.errors)
    assert first.train_scores["mae"] < next(a["value"] for a in first.tried if a["name"] == "mean")
    found = first.out_of_fold
    assert found.relearn is not None
    assert found.outputs["estimate"].shape == found.truth.shape
    off = np.abs(found.relearn(found.truth, np.arange(len(found))) - found.truth).mean()
    assert off < np.abs(found.truth - found.truth.mean()).mean()
    again = probed(DecisionLog(made, pytest.fail))
    assert np.array_equal(again.val_answers, first.val_answers)
    assert [a["name"] for a in again.tried] == [a["name"] for a in first.tried]
