"""The selection of classes: what is tried, minority classes, and that a resumed run decides nothing anew."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mindle.data
from mindle.data import typical_size
from mindle.models.pretrained.cards import WeightCard
from mindle.models.pretrained.weights import find_weights
from mindle.training.budget import Deadline
from mindle.training.decisions import DecisionLog
from mindle.training.images.backbones import Ranked
from mindle.training.images.classification import ClassSelection
from mindle.training.images.heads.candidates import ClassCandidate
from mindle.training.images.problem import Outcome, Problem
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import read_recipe, with_settings
from tests.pictures import CLASSES, draw, photo_folder

QUICK = with_settings(read_recipe("probe"), {"probe.views": "1", "probe.folds": "3"})


def embedded() -> WeightCard:
    """The backbone that comes with mindle."""
    return next(card for card in find_weights() if card.model == "tf_efficientnet_lite0")


def split(folder: Path) -> Problem:
    """A folder, checked and split."""
    dataset = mindle.data.split(mindle.data.check(mindle.data.read(folder)))
    return Problem.of(dataset, typical_size=typical_size(dataset))


# ── what is tried ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Problem, Outcome, list[Mapping[str, Any]]]:
    """Heads on the embedded backbone, and what was decided on the way."""
    made: list[Mapping[str, Any]] = []
    problem = split(photo_folder(tmp_path_factory.mktemp("probed") / "photos", 12))
    log = DecisionLog(record=made.append)
    outcome = ClassSelection(
        problem,
        cards=[embedded()],
        recipe=QUICK,
        context=TrainingContext(deadline=Deadline(None), decisions=log, threads=1),
    ).heads_only()
    return problem, outcome, made


def test_every_candidate_is_listed_and_one_is_chosen(
    probed: tuple[Problem, Outcome, list[Mapping[str, Any]]],
) -> None:
    problem, outcome, made = probed
    assert outcome.strategy == "probe"
    names = [attempt["name"] for attempt in outcome.tried]
    assert names[0] == "majority"
    assert sum(attempt["chosen"] for attempt in outcome.tried) == 1
    assert all(attempt["milliseconds"] > 0 for attempt in outcome.tried[1:])
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
    assert outcome.val_answers.shape == (len(problem.val), len(CLASSES))
    np.testing.assert_allclose(outcome.val_answers.sum(axis=1), 1)
    pixels = problem.pixels(problem.val, outcome.model.spec)[np.arange(len(problem.val))]
    with torch.inference_mode():
        answers = outcome.model(torch.from_numpy(pixels)).argmax(1).numpy()
    # It was fitted on train and val together, so it knows these.
    assert (answers == problem.truth[problem.val]).mean() > 0.9
    assert outcome.train_scores["n"] == len(problem.train)


def test_a_resumed_selection_repeats_its_decisions_whatever_the_clock_says(
    probed: tuple[Problem, Outcome, list[Mapping[str, Any]]],
) -> None:
    problem, outcome, made = probed
    again: list[Mapping[str, Any]] = []
    resumed = ClassSelection(
        problem,
        cards=[embedded()],
        recipe=QUICK,
        context=TrainingContext(
            deadline=Deadline(0.001, clock=lambda: 0.0), decisions=DecisionLog(made, again.append), threads=1
        ),
    ).heads_only()
    assert again == []
    np.testing.assert_array_equal(resumed.val_answers, outcome.val_answers)
    assert resumed.temperature == outcome.temperature
    assert resumed.images["embed"] == 0  # the cache has them all
    untimed = [{k: v for k, v in attempt.items() if k != "seconds"} for attempt in resumed.tried]
    assert untimed == [{k: v for k, v in attempt.items() if k != "seconds"} for attempt in outcome.tried]


@pytest.mark.parametrize(("prefer", "chosen"), [("accuracy", "dear"), ("speed", "cheap")])
def test_the_cheapest_of_equally_good_answers_is_kept_unless_accuracy_is_preferred(
    probed: tuple[Problem, Outcome, list[Mapping[str, Any]]], prefer: str, chosen: str
) -> None:
    problem, _, _ = probed
    recipe = with_settings(QUICK, {"probe.prefer": prefer})
    selection = ClassSelection(
        problem, cards=[embedded()], recipe=recipe, context=TrainingContext(deadline=Deadline(None))
    )
    part = next(iter(selection.embedded(forced=True)))
    # The same answers at two costs, to as many images as it takes to show that they are the same.
    head = head_that_knows(np.tile(selection.data.truth, 20), selection.data.classes)
    dear, cheap = (
        Ranked(
            candidate=head,
            backbones=[replace(part, seconds_an_image=seconds)],
            attempt={"name": "", "note": ""},
        )
        for seconds in (0.05, 0.01)
    )
    selection.candidates += [dear, cheap]
    assert selection.economical(dear) is {"dear": dear, "cheap": cheap}[chosen]
    assert ("takes 10 ms per image instead of 50" in cheap.attempt["note"]) == (chosen == "cheap")


def head_that_knows(labels: Any, classes: int) -> ClassCandidate:
    """A head that answered every row right."""
    return ClassCandidate(
        kind="rbf",
        scores=10 * np.eye(classes)[labels],
        truth=labels,
        build=lambda temperature: pytest.fail("it is only compared"),
    )


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
    outcome = ClassSelection(
        problem, cards=cards, recipe=QUICK, context=TrainingContext(deadline=Deadline(None), threads=1)
    ).heads_only()
    names = " ".join(attempt["name"] for attempt in outcome.tried)
    assert "tf_efficientnet_lite0" in names
    assert "mobilenetv2_100" in names
    assert sum(attempt["chosen"] for attempt in outcome.tried) == 1
    pixels = problem.pixels(problem.val, outcome.model.spec)[np.arange(len(problem.val))]
    with torch.inference_mode():
        answers = outcome.model(torch.from_numpy(pixels)).argmax(1).numpy()
    assert (answers == problem.truth[problem.val]).mean() > 0.9


# ── minority classes ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def imbalanced(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    """Drawings of three classes, the second with a quarter of the others' images."""
    folder = photo_folder(tmp_path_factory.mktemp("imbalanced") / "photos", 24)
    for file in sorted((folder / CLASSES[1]).iterdir())[6:]:
        file.unlink()
    for seed in range(100, 108):  # squares and stripes that show circles: nobody can answer all of them
        draw(1, seed).save(folder / CLASSES[seed % 2 * 2] / f"{seed}.png")
    return split(folder)


def evened(problem: Problem, **settings: Any) -> Outcome:
    recipe = with_settings(QUICK, {"probe.heads": ("rbf",), **settings})
    return ClassSelection(
        problem, cards=[embedded()], recipe=recipe, context=TrainingContext(deadline=Deadline(None))
    ).heads_only()


@pytest.mark.slow
def test_heads_take_weights_synthetic_samples_and_stronger_views(imbalanced: Problem) -> None:
    pytest.importorskip("imblearn", reason="needs the extra `imbalance`")
    plain = evened(imbalanced)
    for settings in ({"train.balance": "weights"}, {"train.balance": "smote"}, {"train.oversample": 1.0}):
        other = evened(imbalanced, **settings)
        assert other.thresholds == ()
        assert not np.allclose(other.val_answers, plain.val_answers)


def test_minority_classes_are_cared_for_where_backbones_stand_together(imbalanced: Problem) -> None:
    recipe = with_settings(
        QUICK, {"probe.heads": ("rbf",), "train.thresholds": True, "model.name": "a + b", "probe.views": "0"}
    )
    plain = embedded()
    other = replace(plain, name="the same again")
    selection = ClassSelection(
        imbalanced, cards=[plain, other], recipe=recipe, context=TrainingContext(deadline=Deadline(None))
    )
    assert selection.together
    assert len(selection.heads_only().thresholds) == len(CLASSES)


def test_a_head_without_settings_to_search_is_fitted_once(imbalanced: Problem) -> None:
    outcome = evened(imbalanced, **{"probe.heads": ("logistic",)})
    assert [attempt["name"] for attempt in outcome.tried] == [
        "majority",
        f"logistic head on {embedded().model}",
    ]


def test_least_squares_are_skipped_for_a_focal_loss(imbalanced: Problem) -> None:
    settings = {"train.focal_gamma": 2.0, "probe.heads": ("rbf", "logistic")}
    tried = [attempt["name"] for attempt in evened(imbalanced, **settings).tried]
    assert any(name.startswith("logistic") for name in tried)
    assert not any(name.startswith("rbf") for name in tried)


def test_auto_tries_what_is_there_and_a_resumed_run_chooses_the_same(imbalanced: Problem) -> None:
    made: list[Mapping[str, Any]] = []
    recipe = with_settings(QUICK, {"probe.heads": ("rbf",), "train.balance": "auto"})

    def run(replay: list[Mapping[str, Any]], left: float | None) -> Outcome:
        return ClassSelection(
            imbalanced,
            cards=[embedded()],
            recipe=recipe,
            context=TrainingContext(deadline=Deadline(left), decisions=DecisionLog(replay, made.append)),
        ).heads_only()

    first = run([], None)
    steps = [decision["step"] for decision in made]
    assert "imbalance weights" in steps
    notes = [attempt for attempt in first.tried if attempt["name"].startswith("imbalance")]
    assert notes
    again = run(list(made), 1e-6)  # no time is left, and yet all is decided as before
    assert [attempt["name"] for attempt in again.tried] == [attempt["name"] for attempt in first.tried]
    assert again.thresholds == first.thresholds
    assert np.array_equal(again.val_answers, first.val_answers)
