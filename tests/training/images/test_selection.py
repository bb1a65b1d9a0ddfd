"""Every model selection: decisions that are replayed, what fits into the time, and what comes of none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

import mindle.data
from mindle.errors import DataError, DeviceError, ModelError
from mindle.models.pretrained.cards import WeightCard
from mindle.models.pretrained.weights import find_weights, random_card
from mindle.records import Silent
from mindle.training.budget import Deadline
from mindle.training.decisions import DecisionLog
from mindle.training.images.classification import ClassSelection
from mindle.training.images.features import Engine, Views
from mindle.training.images.options import common_layout
from mindle.training.images.problem import Problem
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import Recipe, read_recipe, with_settings
from tests.pictures import photo_folder


class Heard(Silent):
    """Keeps every sentence."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def embedded() -> WeightCard:
    """The backbone that comes with mindle."""
    return next(card for card in find_weights() if card.model == "tf_efficientnet_lite0")


def photos(folder: Path, per_class: int) -> Problem:
    """Drawings in three classes, which claim to be larger than they are."""
    dataset = mindle.data.split(
        mindle.data.check(mindle.data.read(photo_folder(folder / "photos", per_class)))
    )
    return Problem.of(dataset, typical_size=(200, 200))


def digits() -> Problem:
    return Problem.of(mindle.data.split(mindle.data.read("digits")), typical_size=(8, 8))


def stopped_clock(left: float) -> Deadline:
    """A deadline with so many seconds left, for ever."""
    return Deadline(left, clock=lambda: 0.0)


# ── decisions ────────────────────────────────────────────────────────────────────────────────────


def test_a_decision_is_made_once_and_repeated_in_order() -> None:
    made: list[Mapping[str, Any]] = []
    log = DecisionLog([], made.append)
    log.decide("one", lambda: {"take": True})
    log.decide("two", lambda: {"take": False, "reason": "late"})
    again: list[Mapping[str, Any]] = []
    replayed = DecisionLog(made, again.append)
    assert replayed.decide("one", lambda: {"take": False}) == {"step": "one", "take": True}
    assert replayed.decide("two", lambda: {"take": True})["reason"] == "late"
    assert again == []
    assert replayed.decide("three", lambda: {"take": True})["take"]
    assert [decision["step"] for decision in again] == ["three"]


def test_decisions_by_other_rules_are_forgotten() -> None:
    made: list[Mapping[str, Any]] = []
    log = DecisionLog([{"step": "old", "take": False}, {"step": "one", "take": False}], made.append)
    assert log.decide("one", lambda: {"take": True})["take"]
    assert [decision["step"] for decision in made] == ["one"]


# ── pixels of one size ───────────────────────────────────────────────────────────────────────────


def test_convolutional_nets_of_nearly_one_size_share_it_and_others_keep_theirs() -> None:
    names = ("mobilenetv2_100", "mobilenetv3_small_100", "tf_efficientnet_lite1", "vit_tiny_patch16_224")
    cards = [random_card(name) for name in names]
    before = [card.spec for card in cards]
    assert before[2].height == 240
    after = [card.spec for card in common_layout(cards)]
    assert after[2].height == after[2].width == 224
    assert after[3] == before[3]
    assert common_layout(cards[:1]) == cards[:1]


# ── what fits into the time ──────────────────────────────────────────────────────────────────────


class Slow:
    """An engine that takes a second for an image, and has embedded nothing yet."""

    card = embedded()
    is_open = True
    plan = "as it is"

    def seconds_an_image(self, pixels: object) -> float:
        return 1.0

    def missing(self, keys: list[str], views: Views) -> int:
        return len(keys) * (views.count + 1)


def selection_of(problem: Problem, seconds: float) -> ClassSelection:
    """A selection that has so much time left."""
    return ClassSelection(
        problem,
        cards=[embedded()],
        recipe=read_recipe("probe"),
        context=TrainingContext(deadline=stopped_clock(seconds), listener=Heard(), threads=1),
    )


def afford(problem: Problem, seconds: float, *, forced: bool = False) -> dict[str, Any]:
    """What is decided about a slow engine with so much time left."""
    return selection_of(problem, seconds)._afford(cast(Engine, Slow()), forced)


def test_views_are_dropped_before_images_and_images_before_the_backbone(tmp_path: Path, cache: Path) -> None:
    problem = photos(tmp_path, 100)
    every, tests = len(problem.train) + len(problem.val), problem.test_count
    rich = afford(problem, 100_000.0)
    assert (rich["take"], rich["views"], rich["images"]) == (True, 2, every)
    less = afford(problem, 4 * (every + tests) + 100.0)
    assert (less["take"], less["views"], less["images"]) == (True, 0, every)
    poor = afford(problem, (every + tests) / 0.6)
    assert poor["take"]
    assert poor["views"] == 0
    assert len(problem.val) < poor["images"] < every
    assert not afford(problem, 5.0)["take"]
    assert afford(problem, 2000.0, forced=True)["take"]
    with pytest.raises(DeviceError, match=r"Received 5 s.*Give --budget \d+s"):
        afford(problem, 5.0, forced=True)


def test_heads_on_a_part_of_small_images_are_left_to_the_net(tmp_path: Path, cache: Path) -> None:
    problem = photos(tmp_path, 200)
    small = replace(problem, typical_size=(48, 48))
    assert len(problem.train) > 400  # so that the fewest images that heads learn from are less than half
    seconds = 2.4 * len(problem.train)
    assert afford(problem, seconds)["take"]
    assert not afford(small, seconds)["take"]


@pytest.mark.parametrize(("per_class", "views"), [(20, 2), (500, 1), (800, 0)])
def test_few_images_are_seen_in_more_views(per_class: int, views: int, tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / "many" / label).mkdir(parents=True)
        for number in range(per_class):
            Image.new("RGB", (9, 9), (number % 250, number // 250, ord(label))).save(
                tmp_path / "many" / label / f"{number}.png"
            )
    dataset = mindle.data.split(mindle.data.read(tmp_path / "many"))
    problem = Problem.of(dataset, typical_size=(200, 200))
    assert selection_of(problem, 1.0).views == views


def test_heads_learn_from_all_of_val_and_a_part_of_train(tmp_path: Path, cache: Path) -> None:
    problem = photos(tmp_path, 100)
    selection = selection_of(problem, 1000.0)
    selection._use_rows(230, 0)
    assert set(problem.val.tolist()) <= set(selection.rows.tolist())
    assert len(selection.rows) < len(problem.train) + len(problem.val)
    assert selection.data.rows == len(selection.rows)
    said = " ".join(cast(Heard, selection.listener).sentences)
    assert "0 instead of 2" in said
    assert f"of {len(problem.train):,} training images" in said


def test_images_of_one_group_cannot_be_cross_validated(tmp_path: Path, cache: Path) -> None:
    problem = photos(tmp_path, 30)
    one = np.zeros(len(problem), np.int64)
    with pytest.raises(DataError, match="at least two groups"):
        selection_of(replace(problem, group_numbers=one), 1000.0)._use_rows(200, 0)


def test_a_net_is_trained_where_there_is_time_and_something_to_compare_it_on() -> None:
    problem, scratch, finetune = digits(), read_recipe("scratch"), read_recipe("finetune")
    assert selection_of(problem, 60.0)._afford_net(scratch, 0.0) == {"take": True}
    assert selection_of(problem, 10.0)._afford_net(scratch, 0.0)["reason"] == "only 10 s are left"
    assert selection_of(problem, 1e7)._afford_net(finetune, 1.0)["take"]
    late = selection_of(problem, 5000.0)._afford_net(finetune, 1.0)
    assert not late["take"]
    assert "a longer --budget or a GPU" in late["reason"]
    blind = replace(problem, train=np.arange(len(problem)), val=np.arange(0))
    assert "no val images" in selection_of(blind, 1e7)._afford_net(scratch, 0.0)["reason"]


def test_few_photos_are_not_fine_tuned_whatever_time_is_left(tmp_path: Path, cache: Path) -> None:
    selection = selection_of(photos(tmp_path, 30), 1e7)
    backbone = selection.backbone(selection.engine(selection.cards[0]), 0, 0.01)
    selection._use_rows(len(selection.rows), 0)
    best = selection.rank([backbone])
    assert selection.net(best) is None
    assert selection.tried[-1]["name"] == "finetune"
    assert "fewer than 2,000" in selection.tried[-1]["note"]
    assert not selection.skipped  # a longer budget would not change it


# ── whole selections ─────────────────────────────────────────────────────────────────────────────────


def test_without_a_backbone_and_without_time_there_is_no_answer() -> None:
    with pytest.raises(ModelError, match="--model"):
        ClassSelection(
            digits(), cards=[], recipe=Recipe(), context=TrainingContext(deadline=Deadline(None))
        ).heads_only()
    with pytest.raises(ModelError, match="longer --budget"):
        ClassSelection(
            digits(), cards=[], recipe=Recipe(), context=TrainingContext(deadline=stopped_clock(1.0))
        ).run()


def test_heads_say_what_each_row_got_from_those_that_had_not_seen_it(tmp_path: Path, cache: Path) -> None:
    problem = photos(tmp_path, 20)
    recipe = with_settings(
        read_recipe("probe"), {"probe.heads": "rbf", "probe.rbf_gamma": 0.5, "probe.rbf_l2": 0.1}
    )
    outcome = ClassSelection(
        problem, cards=[embedded()], recipe=recipe, context=TrainingContext(deadline=Deadline(None))
    ).heads_only()
    found = outcome.out_of_fold
    assert outcome.frozen is not None
    assert len(found) == len(problem.train) + len(problem.val)
    assert np.array_equal(found.truth, problem.truth[found.rows])
    val = np.searchsorted(found.rows, problem.val, sorter=np.argsort(found.rows))
    in_val = found.outputs["probabilities"][np.argsort(found.rows)[val]]
    np.testing.assert_array_equal(in_val, outcome.val_answers)
    # The features are those that the bodies of the bundle embed.
    pixels = problem.pixels(found.rows, outcome.model.spec)
    assert found.features is not None
    assert np.array_equal(found.features, outcome.frozen.features(pixels, problem.keys(found.rows)))
    assert found.blocks == (found.features.shape[1],)
    assert len(np.unique(found.folds)) == 5
    assert found.learned_from.all()
    # Again on some of the rows, with the truth as it is, and with that of one turned to another class.
    assert found.relearn is not None
    some = np.arange(0, len(found), 2)
    again = found.relearn(found.truth, some)
    assert (again.argmax(axis=1) == found.truth[some]).mean() > 0.8
    wrong = found.truth.copy()
    wrong[some[0]] = (wrong[some[0]] + 1) % 3
    assert found.relearn(wrong, some)[0].argmax() == found.truth[some[0]]


@pytest.mark.slow
def test_small_images_are_trained_from_scratch(cache: Path, tmp_path: Path) -> None:
    made: list[Mapping[str, Any]] = []
    outcome = ClassSelection(
        digits(),
        cards=[],
        recipe=Recipe(),
        context=TrainingContext(
            deadline=Deadline(30.0), folder=tmp_path, decisions=DecisionLog(record=made.append)
        ),
    ).run()
    assert outcome.strategy == "scratch"
    assert [decision["step"] for decision in made] == ["train scratch"]
    assert outcome.tried[0]["name"] == "majority"
    chosen = [attempt for attempt in outcome.tried if attempt["chosen"]]
    assert len(chosen) == 1
    assert chosen[0]["value"] > outcome.tried[0]["high"]
