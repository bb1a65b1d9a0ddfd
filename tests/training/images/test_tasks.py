"""A task is picked in one place, and one from outside of the package trains as ours do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mindle.data
from mindle.evaluation import tasks as evaluation
from mindle.records import FAMILIES, Task
from mindle.training.images import tasks
from mindle.training.images.nets import train_net
from mindle.training.images.options import resolve_options
from mindle.training.images.problem import Problem
from mindle.training.images.regression import ImageRegression
from tests.discs import write_discs


class Counts(ImageRegression):
    """Whole numbers from 0 on."""


def test_every_family_has_its_entry() -> None:
    assert set(tasks.TASKS) == set(FAMILIES.values())


def test_a_task_from_outside_is_trained(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "count", "count")
    monkeypatch.setitem(tasks.TASKS, "count", Counts())
    monkeypatch.setitem(evaluation.TASKS, "count", evaluation.of("regression"))  # names what is held out
    dataset = mindle.data.split(mindle.data.check(mindle.data.read(write_discs(tmp_path, 40, side=20))))
    problem = replace(Problem.of(dataset, typical_size=(20, 20)), task=Task("count"))
    settings = {"train.epochs": 1, "model.layers": [{"kind": "flatten"}, {"kind": "dense", "units": 1}]}
    outcome = train_net(problem, resolve_options(strategy="scratch", settings=settings).recipe)
    assert outcome.val_answers.shape == (len(problem.val), 1)
    assert set(outcome.train_scores) == {"n", "mae"}
    assert np.isfinite(outcome.val_answers).all()
