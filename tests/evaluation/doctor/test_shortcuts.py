"""What a cue says alone, and when that is an alarm."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.evaluation.doctor import truths
from mindle.evaluation.doctor.shortcuts import find_shortcuts, folds_of
from mindle.records import Cue

GENERATOR = np.random.default_rng(0)
LABELS = np.arange(600) % 3
NAMES = ("a", "b", "c")


def found(values: np.ndarray, *, content: str = "none", parts: tuple[str, ...] = ()) -> object:
    cue = Cue(name="cue", values=values.reshape(600, -1), content=content, parts=parts)
    (only,) = find_shortcuts([cue], truths.of("multiclass", LABELS, NAMES), np.arange(600))
    return only


def test_a_cue_that_tells_one_class_is_an_alarm_although_accuracy_is_low() -> None:
    alone = found((LABELS == 1) + 0.1 * GENERATOR.normal(size=600))
    assert alone.alarm
    assert alone.strength.label == "b"
    assert alone.strength.score["value"] < 0.75


def test_noise_is_none() -> None:
    assert not found(GENERATOR.normal(size=(600, 8))).alarm


def test_a_part_of_a_class_that_is_certain_is_an_alarm_where_the_subject_cannot_show() -> None:
    dark = (LABELS == 1) & (GENERATOR.random(600) < 0.45)
    values = np.where(dark, 10, 100) + GENERATOR.normal(size=600)
    assert found(values).alarm
    assert found(values).strength.region["share"] > 0.35
    assert not found(values, content="some").alarm


def test_what_holds_the_subject_may_say_much() -> None:
    values = LABELS + 0.3 * GENERATOR.normal(size=600)
    assert found(values).alarm
    assert not found(values, content="all").alarm
    assert found(LABELS.astype(float), content="all").alarm


def test_the_part_that_says_most_is_named() -> None:
    words = (GENERATOR.random((600, 3)) < 0.3).astype(float)
    words[:, 1] = LABELS == 2
    assert found(words, parts=("img", "scan", "copy")).detail == "scan"


def test_a_number_is_predicted_by_its_copy_with_noise() -> None:
    target = GENERATOR.normal(size=500)
    cues = [
        Cue(name=name, values=(target + noise * GENERATOR.normal(size=500))[:, None], content="all")
        for name, noise in (("leak", 0.1), ("related", 1.0))
    ]
    leak, related = find_shortcuts(cues, truths.of("regression", target), np.arange(500))
    assert (leak.cue, leak.alarm, related.alarm) == ("leak", True, False)
    assert leak.strength.score["value"] == pytest.approx(0.98, abs=0.02)
    assert leak.document()["overall"]["value"] == leak.strength.score["value"]


def test_groups_stay_in_one_fold_and_few_rows_say_nothing() -> None:
    groups = np.arange(600) // 6
    folds = folds_of(LABELS, groups, 0)
    assert all(len(set(folds[groups == group])) == 1 for group in range(100))
    few = Cue(name="cue", values=np.arange(40.0)[:, None])
    assert find_shortcuts([few], truths.of("binary", np.arange(40) % 2, ("a", "b")), np.arange(40)) == []
