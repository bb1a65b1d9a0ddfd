"""Callbacks: the order of events, what they see, and that they can end a run."""

from __future__ import annotations

from mindle.training.loop.callbacks import Callback, FitState
from mindle.training.loop.fit import fit
from tests.training.nets import data, net, recipe, stripes

TRAIN, VAL = stripes(48), stripes(15, seed=1)


class RunLog(Callback):
    def __init__(self) -> None:
        self.lines: list[tuple[str, int, int]] = []

    def on_start(self, state: FitState) -> None:
        self.lines.append(("start", state.epoch, state.step))

    def on_step(self, state: FitState) -> None:
        assert state.rate > 0
        assert state.loss > 0
        self.lines.append(("step", state.epoch, state.step))

    def on_epoch(self, state: FitState) -> None:
        assert state.history[-1]["epoch"] == state.epoch
        self.lines.append(("epoch", state.epoch, state.step))

    def on_end(self, state: FitState) -> None:
        assert state.epochs == 2
        self.lines.append(("end", state.epoch, state.step))


def test_events_come_in_order() -> None:
    run_log = RunLog()
    fit(net(), data(TRAIN, VAL), recipe(epochs=2, batch_size=24), callbacks=[run_log])
    assert run_log.lines == [
        ("start", 0, 0),
        ("step", 1, 1),
        ("step", 1, 2),
        ("epoch", 1, 2),
        ("step", 2, 1),
        ("step", 2, 2),
        ("epoch", 2, 2),
        ("end", 2, 0),
    ]


def test_watching_changes_no_number() -> None:
    plain = fit(net(), data(TRAIN, VAL), recipe(epochs=2))
    watched = fit(net(), data(TRAIN, VAL), recipe(epochs=2), callbacks=[RunLog(), RunLog()])
    assert [row["val_loss"] for row in plain.history] == [row["val_loss"] for row in watched.history]


def test_the_first_reason_to_stop_stands_and_the_open_epoch_is_evaluated() -> None:
    class Stop(Callback):
        def on_step(self, state: FitState) -> None:
            if state.epoch == 2:
                state.stop("enough")
                state.stop("too late to matter")

    result = fit(net(), data(TRAIN, VAL), recipe(epochs=9), callbacks=[Stop()])
    assert result.stopped == "enough"
    assert len(result.history) == 2
