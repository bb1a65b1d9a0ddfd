"""Every callback there is, and every one to come, keeps the protocol."""

from __future__ import annotations

import inspect

import pytest

from mindle.training.loop import callbacks, monitor
from mindle.training.loop.callbacks import Callback
from mindle.training.loop.fit import fit
from mindle.training.loop.monitor import TrainingMonitor
from mindle.training.settings import TrainSettings
from tests.training.nets import data, net, recipe, stripes

KINDS = [
    kind
    for module in (callbacks, monitor)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, Callback) and kind.__module__ == module.__name__
]
EVENTS = ("on_start", "on_gradients", "on_step", "on_epoch", "on_end")


def build(kind: type[Callback]) -> Callback:
    return TrainingMonitor(TrainSettings(), classes=3) if kind is TrainingMonitor else kind()


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_no_events_of_its_own_and_says_what_it_does(kind: type[Callback]) -> None:
    assert kind.__doc__
    assert {name for name in vars(kind) if name.startswith("on_")} <= set(EVENTS)


@pytest.mark.parametrize("kind", KINDS)
def test_it_changes_no_number(kind: type[Callback]) -> None:
    images, labels = stripes(30)
    plain = fit(net(), data((images, labels), (images, labels)), recipe(epochs=2))
    watched = fit(net(), data((images, labels), (images, labels)), recipe(epochs=2), callbacks=[build(kind)])
    assert [row["val_loss"] for row in watched.history] == [row["val_loss"] for row in plain.history]
