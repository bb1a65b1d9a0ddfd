"""The ladder: what is tried, what fits into the time, and that a resumed run decides nothing anew."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

import mindle.data
from mindle.data import typical_size
from mindle.errors import DataError, ModelError
from mindle.models.weights import WeightCard, find_weights, random_card
from mindle.records import Silent
from mindle.training.budget import Deadline
from mindle.training.features import Engine
from mindle.training.ladder import Journal, _Ladder, climb, common_layout, probe
from mindle.training.problem import Outcome, Problem
from mindle.training.recipe import Recipe, read_recipe, with_settings
from tests.pictures import CLASSES, draw, photo_folder

QUICK = with_settings(read_recipe("probe"), {"probe.views": "1", "probe.folds": "3"})


class Heard(Silent):
    """Keeps every sentence."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def embedded() -> WeightCard:
    """The backbone that comes with mindle."""
    return next(card for card in find_weights() if card.model == "tf_efficientnet_lite0")


def split(folder: Path, size: tuple[int, int] | None = None) -> Problem:
    """A folder, checked and split; `size` may claim that its images are larger than they are."""
    dataset = mindle.data.split(mindle.data.check(mindle.data.read(folder)))
    return Problem(dataset=dataset, typical_size=size or typical_size(dataset))


def photos(folder: Path, per_class: int = 12, size: tuple[int, int] | None = None) -> Problem:
    """Drawings in three classes."""
    return split(photo_folder(folder / "photos", per_class), size)


def digits() -> Problem:
    return Problem(dataset=mindle.data.split(mindle.data.read("digits")), typical_size=(8, 8))


def stopped_clock(left: float) -> Deadline:
    """A deadline with so many seconds left, for ever."""
    return Deadline(left, clock=lambda: 0.0)


# ── decisions ────────────────────────────────────────────────────────────────────────────────────


def test_a_decision_is_made_once_and_repeated_in_order() -> None:
    made: list[Mapping[str, Any]] = []
    journal = Journal([], made.append)
    journal.decide("one", lambda: {"take": True})
    journal.decide("two", lambda: {"take": False, "reason": "late"})
    again: list[Mapping[str, Any]] = []
    replayed = Journal(made, again.append)
    assert replayed.decide("one", lambda: {"take": False}) == {"step": "one", "take": True}
    assert replayed.decide("two", lambda: {"take": True})["reason"] == "late"
    assert again == []
    assert replayed.decide("three", lambda: {"take": True})["take"]
    assert [decision["step"] for decision in again] == ["three"]


def test_decisions_by_other_rules_are_forgotten() -> None:
    made: list[Mapping[str, Any]] = []
    journal = Journal([{"step": "old", "take": False}, {"step": "one", "take": False}], made.append)
    assert journal.decide("one", lambda: {"take": True})["take"]
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

    def seconds_an_image(self, pixels: object) -> float:
        return 1.0

    def missing(self, keys: list[str], *, views: int = 0, **_: object) -> int:
        return len(keys) * (views + 1)


def _ladder(problem: Problem, seconds: float) -> _Ladder:
    """A ladder that has so much time left."""
    return _Ladder(
        problem,
        [embedded()],
        read_recipe("probe"),
        stopped_clock(seconds),
        torch.device("cpu"),
        Journal([], lambda decision: None),
        0,
        Heard(),
        1,
    )


def afford(problem: Problem, seconds: float, *, forced: bool = False) -> tuple[_Ladder, dict[str, Any]]:
    """What is decided about a slow engine with so much time left."""
    ladder = _ladder(problem, seconds)
    return ladder, ladder._afford(cast(Engine, Slow()), forced)


def test_views_are_dropped_before_images_and_images_before_the_backbone(tmp_path: Path, cache: Path) -> None:
    problem = photos(tmp_path, 100, size=(200, 200))
    every, tests = len(problem.train) + len(problem.val), len(problem.dataset.rows("test"))
    rich = afford(problem, 100_000.0)[1]
    assert (rich["take"], rich["views"], rich["images"]) == (True, 2, every)
    less = afford(problem, 4 * (every + tests) + 100.0)[1]
    assert (less["take"], less["views"], less["images"]) == (True, 0, every)
    poor = afford(problem, (every + tests) / 0.6)[1]
    assert poor["take"]
    assert poor["views"] == 0
    assert len(problem.val) < poor["images"] < every
    assert not afford(problem, 5.0)[1]["take"]
    assert afford(problem, 5.0, forced=True)[1]["take"]


@pytest.mark.parametrize(("per_class", "views"), [(20, 2), (500, 1), (800, 0)])
def test_few_images_are_seen_in_more_views(per_class: int, views: int, tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / "many" / label).mkdir(parents=True)
        for number in range(per_class):
            Image.new("RGB", (9, 9), (number % 250, number // 250, ord(label))).save(
                tmp_path / "many" / label / f"{number}.png"
            )
    dataset = mindle.data.split(mindle.data.read(tmp_path / "many"))
    problem = Problem(dataset=dataset, typical_size=(200, 200))
    assert _ladder(problem, 1.0).views == views


def test_heads_learn_from_all_of_val_and_a_part_of_train(tmp_path: Path, cache: Path) -> None:
    problem = photos(tmp_path, 100, size=(200, 200))
    ladder, _ = afford(problem, 1000.0)
    ladder._settle_pool(230, 0)
    assert set(problem.val.tolist()) <= set(ladder.rows.tolist())
    assert len(ladder.rows) < len(problem.train) + len(problem.val)
    assert ladder.pool is not None
    assert ladder.pool.rows == len(ladder.rows)
    said = " ".join(cast(Heard, ladder.listener).sentences)
    assert "0 instead of 2" in said
    assert f"of {len(problem.train):,} training images" in said


def test_images_of_one_group_cannot_be_cross_validated(tmp_path: Path, cache: Path) -> None:
    problem = photos(tmp_path, 30)
    one = replace(problem.dataset, groups=("burst",) * len(problem.dataset))
    ladder, _ = afford(Problem(dataset=one, typical_size=(200, 200)), 1000.0)
    with pytest.raises(DataError, match="at least two groups"):
        ladder._settle_pool(200, 0)


# ── whole climbs ─────────────────────────────────────────────────────────────────────────────────


def test_without_a_backbone_and_without_time_there_is_no_answer() -> None:
    problem = digits()
    with pytest.raises(ModelError, match="--model"):
        probe(problem, cards=[], recipe=Recipe(), deadline=Deadline(None))
    with pytest.raises(ModelError, match="longer --budget"):
        climb(problem, cards=[], recipe=Recipe(), deadline=stopped_clock(1.0))


@pytest.mark.slow
def test_small_images_are_trained_from_scratch(cache: Path, tmp_path: Path) -> None:
    problem = digits()
    made: list[Mapping[str, Any]] = []
    outcome = climb(
        problem, cards=[], recipe=Recipe(), deadline=Deadline(30.0), folder=tmp_path, record=made.append
    )
    assert outcome.strategy == "scratch"
    assert [decision["step"] for decision in made] == ["train scratch"]
    assert outcome.tried[0]["name"] == "majority"
    chosen = [attempt for attempt in outcome.tried if attempt["chosen"]]
    assert len(chosen) == 1
    assert chosen[0]["value"] > outcome.tried[0]["high"]


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Problem, Outcome, list[Mapping[str, Any]]]:
    """Heads on the embedded backbone, and what was decided on the way."""
    made: list[Mapping[str, Any]] = []
    problem = photos(tmp_path_factory.mktemp("probed"))
    outcome = probe(
        problem, cards=[embedded()], recipe=QUICK, deadline=Deadline(None), record=made.append, threads=1
    )
    return problem, outcome, made


def test_every_rung_is_told_and_one_is_chosen(
    probed: tuple[Problem, Outcome, list[Mapping[str, Any]]],
) -> None:
    problem, outcome, made = probed
    assert outcome.strategy == "probe"
    names = [attempt["name"] for attempt in outcome.tried]
    assert names[0] == "majority"
    assert sum(attempt["chosen"] for attempt in outcome.tried) == 1
    for attempt in outcome.tried:
        assert attempt["low"] <= attempt["value"] <= attempt["high"]
    assert made[0]["step"].startswith("embed ")
    assert made[0]["images"] == len(problem.train) + len(problem.val)
    assert outcome.images["embed"] == 2 * made[0]["images"]  # plain, and one view
    assert outcome.stopped
    assert outcome.licences[0]["licence"] == "Apache-2.0"


def test_the_classifier_answers_the_val_part(
    probed: tuple[Problem, Outcome, list[Mapping[str, Any]]],
) -> None:
    problem, outcome, _ = probed
    assert outcome.val_probabilities.shape == (len(problem.val), len(CLASSES))
    np.testing.assert_allclose(outcome.val_probabilities.sum(axis=1), 1)
    pixels = problem.pixels(problem.val, outcome.model.spec)[np.arange(len(problem.val))]
    with torch.inference_mode():
        answers = outcome.model(torch.from_numpy(pixels)).argmax(1).numpy()
    # It was fitted on train and val together, so it knows these.
    assert (answers == problem.labels(problem.val)).mean() > 0.9
    assert outcome.train_scores["n"] == len(problem.train)


def test_a_resumed_climb_repeats_its_decisions_whatever_the_clock_says(
    probed: tuple[Problem, Outcome, list[Mapping[str, Any]]],
) -> None:
    problem, outcome, made = probed
    again: list[Mapping[str, Any]] = []
    resumed = probe(
        problem,
        cards=[embedded()],
        recipe=QUICK,
        deadline=stopped_clock(0.001),
        replay=made,
        record=again.append,
        threads=1,
    )
    assert again == []
    np.testing.assert_array_equal(resumed.val_probabilities, outcome.val_probabilities)
    assert resumed.temperature == outcome.temperature
    assert resumed.images["embed"] == 0  # the cache has them all
    untimed = [{k: v for k, v in attempt.items() if k != "seconds"} for attempt in resumed.tried]
    assert untimed == [{k: v for k, v in attempt.items() if k != "seconds"} for attempt in outcome.tried]


@pytest.mark.slow
def test_joined_backbones_answer_as_one(tmp_path: Path, cache: Path, shared: Path) -> None:
    cards = [
        card
        for card in find_weights(shared / "weights")
        if card.model in ("tf_efficientnet_lite0", "mobilenetv2_100")
    ]
    for name in ("daisy", "dandelion", "roses", "sunflowers", "tulips"):
        (tmp_path / "flowers" / name).mkdir(parents=True)
        for file in sorted((shared / "data" / "flowers5" / "train" / name).iterdir())[:24]:
            shutil.copy(file, tmp_path / "flowers" / name)
    problem = split(tmp_path / "flowers")
    outcome = probe(problem, cards=cards, recipe=QUICK, deadline=Deadline(None), threads=1)
    names = " ".join(attempt["name"] for attempt in outcome.tried)
    assert "tf_efficientnet_lite0" in names
    assert "mobilenetv2_100" in names
    assert sum(attempt["chosen"] for attempt in outcome.tried) == 1
    pixels = problem.pixels(problem.val, outcome.model.spec)[np.arange(len(problem.val))]
    with torch.inference_mode():
        answers = outcome.model(torch.from_numpy(pixels)).argmax(1).numpy()
    assert (answers == problem.labels(problem.val)).mean() > 0.9


# ── scarce classes ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def scarce(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    """Drawings of three classes, the second with a quarter of the others' images."""
    folder = photo_folder(tmp_path_factory.mktemp("scarce") / "photos", 24)
    for file in sorted((folder / CLASSES[1]).iterdir())[6:]:
        file.unlink()
    for seed in range(100, 108):  # squares and stripes that show circles: nobody can answer all of them
        draw(1, seed).save(folder / CLASSES[seed % 2 * 2] / f"{seed}.png")
    return split(folder)


def evened(problem: Problem, **settings: Any) -> Outcome:
    recipe = with_settings(QUICK, {"probe.heads": ("rbf",), **settings})
    return probe(problem, cards=[embedded()], recipe=recipe, deadline=Deadline(None))


@pytest.mark.slow
def test_heads_take_weights_made_up_rows_and_stronger_views(scarce: Problem) -> None:
    pytest.importorskip("imblearn", reason="needs the extra `imbalance`")
    plain = evened(scarce)
    for settings in ({"train.balance": "weights"}, {"train.balance": "smote"}, {"train.scarce": 1.0}):
        other = evened(scarce, **settings)
        assert other.thresholds == ()
        assert not np.allclose(other.val_probabilities, plain.val_probabilities)


def test_a_focal_loss_leaves_least_squares_out(scarce: Problem) -> None:
    settings = {"train.focal": 2.0, "probe.heads": ("rbf", "logistic")}
    tried = [attempt["name"] for attempt in evened(scarce, **settings).tried]
    assert any(name.startswith("logistic") for name in tried)
    assert not any(name.startswith("rbf") for name in tried)


def test_auto_tries_what_is_there_and_a_resumed_run_chooses_the_same(scarce: Problem) -> None:
    made: list[Mapping[str, Any]] = []
    recipe = with_settings(QUICK, {"probe.heads": ("rbf",), "train.balance": "auto"})

    def run(replay: list[Mapping[str, Any]], left: float | None) -> Outcome:
        return probe(
            scarce,
            cards=[embedded()],
            recipe=recipe,
            deadline=Deadline(left),
            replay=replay,
            record=made.append,
        )

    first = run([], None)
    steps = [decision["step"] for decision in made]
    assert "imbalance weights" in steps
    notes = [attempt for attempt in first.tried if attempt["name"].startswith("imbalance")]
    assert notes
    again = run(list(made), 1e-6)  # no time is left, and yet all is decided as before
    assert [attempt["name"] for attempt in again.tried] == [attempt["name"] for attempt in first.tried]
    assert again.thresholds == first.thresholds
    assert np.array_equal(again.val_probabilities, first.val_probabilities)
