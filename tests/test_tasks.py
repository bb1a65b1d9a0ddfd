"""Registering a task; a whole one goes through training, prediction and report in test_extension.py."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from mindle import tasks
from mindle.evaluation.tasks import of
from mindle.records import FAMILIES, Task
from tests.serving.test_another_task import Counting


def registries() -> list[dict[str, Any]]:
    return [getattr(import_module(f"mindle.{module}"), name) for module, name in tasks.REGISTRIES.values()]


def test_a_task_is_in_every_registry_until_it_is_taken_out() -> None:
    counting = Counting()
    with tasks.register("count", like="regression", evaluation=counting):
        assert all("count" in entries for entries in registries())
        assert of("count") is counting
        assert Task("count").family == "count"
    assert not any("count" in entries for entries in registries())
    with pytest.raises(ValueError, match="must be one of"):
        Task("count")


def test_every_family_is_in_every_registry() -> None:
    families = set(FAMILIES.values())
    assert all(families == set(entries) for entries in registries())


def test_without_with_a_task_stays() -> None:
    registration = tasks.register("count", like="classification")
    assert Task("count").family == "count"
    with pytest.raises(ValueError, match="no other task"):
        tasks.register("count", like="regression")
    registration.close()
    assert "count" not in FAMILIES


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({"name": "regression", "like": "regression"}, "no other task. Received name='regression'"),
        ({"name": "classification", "like": "regression"}, "no other task"),
        ({"name": "count", "like": "numbers"}, "classification, regression. Received like='numbers'"),
        ({"name": "count", "like": "regression", "head": 1}, "among data, table, .* Received head"),
    ],
)
def test_what_cannot_be_registered(call: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        tasks.register(**call)
    assert not any({"count", "numbers"} & set(entries) for entries in registries())


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with tasks.register("count", like="regression"), pytest.raises(ValueError, match=r"regression, count\."):
        Task("counts")
