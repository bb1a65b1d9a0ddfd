"""The loop: it learns, repeats itself exactly, goes on after every kind of end, and keeps to its time."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from mindle.errors import ArtifactError, DeviceError, ModelError
from mindle.messages import in_language, message
from mindle.models.classifier import Classifier
from mindle.training.budget import Deadline
from mindle.training.loop.callbacks import Callback, FitState
from mindle.training.loop.checkpoint import Progress
from mindle.training.loop.fit import fit
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import Recipe
from mindle.training.settings import AugmentSettings
from tests.processes import program
from tests.training.nets import CONV, NORMED, data, net, recipe, stripes

TRAIN, VAL = stripes(180), stripes(45, seed=1)
WRONG_VAL = VAL[0], (VAL[1] + 1) % 3  # the better a net has learned, the worse it does here


def run(model: Classifier, chosen: Recipe, **options: Any) -> Progress:
    callbacks = options.pop("callbacks", ())
    return fit(model, data(TRAIN, VAL), chosen, TrainingContext(**options), callbacks=callbacks)


def state(model: Classifier) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def numbers(result: Progress) -> list[dict[str, Any]]:
    """The history without what depends on the clock."""
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in result.history
    ]


def ticking(seconds: float = 1.0) -> Deadline:
    """A deadline without a limit whose clock ticks whenever it is read, so that checkpoints are frequent."""
    ticks = itertools.count()
    return Deadline(None, clock=lambda: next(ticks) * seconds)


class Crash(Callback):
    """Ends the process after a number of steps."""

    def __init__(self, after: int, how: type[BaseException] = OSError) -> None:
        self.left = after
        self.how = how

    def on_step(self, state: FitState) -> None:
        self.left -= 1
        if self.left == 0:
            if self.how is KeyboardInterrupt:
                signal.raise_signal(signal.SIGINT)
            else:
                raise self.how("the power went")


def test_it_learns_and_says_how() -> None:
    model = net()
    rows: list[Any] = []

    class Ear:
        def say(self, sentence: str) -> None: ...
        def progress(self, stage: str, done: int, total: int) -> None:
            rows.append((stage, done, total))

        def epoch(self, row: Any) -> None:
            rows.append(row)

    result = run(model, recipe(epochs=12), listener=Ear())
    last = result.history[-1]
    assert last["val_accuracy"] > 0.9
    assert list(last) == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "val_loss",
        "val_accuracy",
        "rate",
        "seconds",
        "images_per_second",
    ]
    assert [row["epoch"] for row in result.history] == list(range(1, 13))
    assert rows[0] == ("train", 1, 12 * 12)
    assert result.history == [row for row in rows if isinstance(row, dict)]
    assert not model.training


@pytest.mark.parametrize(
    ("optimizer", "schedule", "peak"),
    [
        ("adamw", "cosine", 0.01),
        ("adam", "step", 0.01),
        ("sgd", "plateau", 0.05),
        ("rmsprop", "constant", 0.01),
    ],
)
def test_every_optimizer_and_schedule_learns(optimizer: str, schedule: str, peak: float) -> None:
    result = run(
        net(),
        recipe(optimizer=optimizer, schedule=schedule, learning_rate=peak, epochs=6, weight_averaging="none"),
    )
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    assert max(row["val_accuracy"] for row in result.history) > 0.6


@pytest.mark.parametrize(
    "settings",
    [
        {"l1": 1e-4, "l2": 1e-3},
        {"balance": "weights"},
        {"balance": "sampling"},
        {"weight_averaging": "last", "average_epochs": 2},
        {"grad_accum_steps": 3},
        {"precision": "bfloat16"},
        {"memory_format": "contiguous"},
        {"monitor": "val_accuracy", "restore_best": False},
        {"progressive_fraction": 0.5, "progressive_scale": 0.5},
    ],
)
def test_every_setting_of_the_loop_trains_and_repeats_itself(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    chosen, whole = recipe(**settings), net()
    expected = run(whole, chosen)
    assert expected.history[-1]["val_loss"] < expected.history[0]["val_loss"]
    broken = net()
    with pytest.raises(OSError, match="power"):
        run(broken, chosen, folder=tmp_path, deadline=ticking(5), callbacks=[Crash(31)])
    again = net()
    result = run(again, chosen, folder=tmp_path, resume=True)
    assert numbers(result) == numbers(expected)
    assert same(state(again), state(whole))


def test_the_same_seed_gives_the_same_numbers_and_another_one_does_not() -> None:
    first, second, third = net(), net(), net()
    run(first, recipe(), seed=3)
    torch.rand(7)  # what else draws in the process changes nothing
    run(second, recipe(), seed=3)
    run(third, recipe(), seed=4)
    assert same(state(first), state(second))
    assert not same(state(first), state(third))


def test_the_process_is_left_as_it_was() -> None:
    model = net()
    before, handler = torch.get_rng_state(), signal.getsignal(signal.SIGINT)
    kinds = [type(module) for module in model.modules()]
    run(model, recipe(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert signal.getsignal(signal.SIGINT) is handler
    assert [type(module) for module in model.modules()] == kinds
    assert np.float32(1e-40) * np.float32(0.5) > 0  # denormals are back


@pytest.mark.parametrize("layers", [CONV, NORMED], ids=["conv", "batch norm"])
@pytest.mark.parametrize("how", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("step", [7, 12, 13, 47])
def test_a_run_that_ended_anywhere_goes_on_exactly(
    step: int, how: type[BaseException], layers: list[dict[str, Any]], tmp_path: Path
) -> None:
    chosen, whole = recipe(), net(layers)
    expected = run(whole, chosen)
    with pytest.raises(how):
        run(net(layers), chosen, folder=tmp_path, deadline=ticking(5), callbacks=[Crash(step, how)])
    again = net(layers)
    result = run(again, chosen, folder=tmp_path, resume=True)
    assert numbers(result) == numbers(expected)
    assert result.best_epoch == expected.best_epoch
    assert same(state(again), state(whole))


def test_ctrl_c_ends_after_a_checkpoint_of_that_very_step(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(net(), recipe(), folder=tmp_path, callbacks=[Crash(17, KeyboardInterrupt)])
    seen: list[tuple[int, int]] = []

    class Scan(Callback):
        def on_start(self, state: FitState) -> None:
            seen.append((state.epoch, state.step))

    run(net(), recipe(), folder=tmp_path, resume=True, callbacks=[Scan()])
    assert seen == [(2, 5)]


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first, second = net(), net()
    expected = run(first, recipe(), folder=tmp_path)
    result = run(second, recipe(), folder=tmp_path, resume=True, callbacks=[Crash(1)])
    assert result.history == expected.history
    assert same(state(first), state(second))


def test_resume_without_a_checkpoint_starts_afresh(tmp_path: Path) -> None:
    assert len(run(net(), recipe(epochs=2), folder=tmp_path, resume=True).history) == 2


def test_another_run_and_a_damaged_checkpoint_are_refused(tmp_path: Path) -> None:
    run(net(), recipe(epochs=1), folder=tmp_path)
    with pytest.raises(ArtifactError, match="must be of this run"):
        run(net(), recipe(epochs=1), folder=tmp_path, resume=True, seed=1)
    with pytest.raises(ArtifactError, match="must be of this run"):
        run(net(), recipe(epochs=2), folder=tmp_path, resume=True)
    (path,) = (tmp_path / "checkpoint").iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match="must be readable"):
        run(net(), recipe(epochs=1), folder=tmp_path, resume=True)


def test_a_checkpoint_that_cannot_be_written_is_an_error_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text("in the way")
    with pytest.raises(DeviceError, match="must be a file that can be written"):
        run(net(), recipe(epochs=1), folder=tmp_path)


CHILD = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from mindle.records import Silent
from tests.training.nets import data, recipe
from tests.training.loop.test_fit import net, run, ticking
torch.set_num_threads(1)

class Ear(Silent):
    def progress(self, stage, done, total):
        print(done, flush=True)

model = net()
run(model, recipe(epochs=6), folder=Path(sys.argv[1]), resume=True, deadline=ticking(3), listener=Ear())
save_file(model.state_dict(), Path(sys.argv[1]) / "final.safetensors")
"""


def child(folder: Path, kill_at: int = 0) -> None:
    """Run the loop in a process of its own, and kill that where its output says it has done some steps."""
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        program(CHILD, str(folder)), cwd=root, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == kill_at:
                process.kill()
                break
    assert process.returncode == (-signal.SIGKILL if kill_at else 0)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, 4])
def test_killed_processes_end_with_the_same_weights(kills: int, tmp_path: Path) -> None:
    child(tmp_path / "whole")
    rng = random.Random(kills)
    for step in sorted(rng.sample(range(2, 70), kills)):
        child(tmp_path / "broken", kill_at=step)
    child(tmp_path / "broken")
    whole, broken = (load_file(tmp_path / name / "final.safetensors") for name in ("whole", "broken"))
    assert same(whole, broken)


def test_the_best_epoch_is_restored_or_the_last_one_kept() -> None:
    chosen = recipe(
        epochs=8, learning_rate=0.05, weight_averaging="none", schedule="constant", clip_grad_norm=0.0
    )
    best = net()
    result = run(best, chosen)
    losses = [row["val_loss"] for row in result.history]
    assert result.best_epoch == 1 + int(np.argmin(losses))
    logits = best(torch.from_numpy(VAL[0]))
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(VAL[1])).item()
    assert loss == pytest.approx(min(losses), rel=1e-4)
    assert run(net(), replace(chosen, train=replace(chosen.train, restore_best=False))).best_epoch == 8


def test_no_validation_images_means_the_last_epoch() -> None:
    empty = TRAIN[0][:0], TRAIN[1][:0]
    result = fit(net(), data(TRAIN, empty), recipe(epochs=2))
    assert result.best_epoch == 2
    assert np.isnan(result.history[0]["val_loss"])


def test_patience_ends_a_run_that_stands_still() -> None:
    result = fit(net(), data(TRAIN, WRONG_VAL), recipe(epochs=50, patience=3, schedule="constant"))
    assert len(result.history) < 50
    assert result.stopped == "no progress for 3 epochs"


def test_a_plateau_lowers_the_rate() -> None:
    chosen = recipe(epochs=8, learning_rate=0.01, schedule="plateau", step_size=2, warmup_fraction=0.0)
    rates = [row["rate"] for row in fit(net(), data(TRAIN, WRONG_VAL), chosen).history]
    assert rates[0] == 0.01
    assert rates[-1] <= 0.005


def test_a_loss_that_is_no_number_ends_the_run_with_advice() -> None:
    chosen = recipe(
        optimizer="sgd",
        learning_rate=100.0,
        clip_grad_norm=0.0,
        warmup_fraction=0.0,
        weight_decay=0.0,
        epochs=9,
    )
    with pytest.raises(
        ModelError, match=r"must stay a number. Received nan .*--set train.learning_rate=1e\+01"
    ):
        run(net(), chosen)


class Clock:
    """A clock that a net moves: each forward pass takes some seconds."""

    def __init__(self, model: Classifier, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds

        def tick(*_: object) -> None:  # no method: a copy of the net must move this clock, not a copy of it
            self.now += self.seconds

        model.head.register_forward_hook(tick)

    def __call__(self) -> float:
        return self.now


def test_fewer_epochs_are_planned_where_time_is_short(tmp_path: Path) -> None:
    rates: list[float] = []

    class Scan(Callback):
        def on_step(self, state: FitState) -> None:
            rates.append(state.rate)

    model = net()
    deadline = Deadline(100, clock=Clock(model, 1.0))  # an epoch takes twelve steps and a judgement
    result = run(model, recipe(epochs=100), deadline=deadline, callbacks=[Scan()], folder=tmp_path)
    assert len(result.history) in (5, 6)
    assert deadline.remaining() > 0
    assert rates[-1] < 0.1 * max(rates)  # the schedule was shortened with it, not cut off
    # A run that goes on keeps what was decided, whatever its own clock would say.
    assert len(run(net(), recipe(epochs=100), folder=tmp_path, resume=True).history) == len(result.history)


def test_why_a_run_stopped_can_be_said_in_another_language_once_it_goes_on(tmp_path: Path) -> None:
    class Slow(Callback):
        def on_epoch(self, state: FitState) -> None:
            state.stop(message("training.stopped.time"))

    first = run(net(), recipe(epochs=3), folder=tmp_path, callbacks=[Slow()])
    again = run(net(), recipe(epochs=3), folder=tmp_path, resume=True)
    assert again.stopped == first.stopped != in_language(first.stopped, "ko")
    assert in_language(again.stopped, "ko") == in_language(first.stopped, "ko")


def test_the_run_stops_before_the_deadline_when_steps_turn_slow() -> None:
    model = net()
    clock = Clock(model, 1.0)

    class Slower(Callback):
        def on_step(self, state: FitState) -> None:
            clock.seconds = 3.0

    deadline = Deadline(60, clock=clock)
    result = run(model, recipe(epochs=50), deadline=deadline, callbacks=[Slower()])
    assert result.stopped == "the time was up"
    assert deadline.remaining() > 0
    assert result.history


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="`train_labels` must have one label an image. Received 3 labels"):
        fit(net(), data((TRAIN[0], TRAIN[1][:3]), VAL), recipe())
    with pytest.raises(ValueError, match="`train` must hold at least one image"):
        fit(net(), data((TRAIN[0][:0], TRAIN[1][:0]), VAL), recipe())
    frozen = net()
    frozen.requires_grad_(False)
    with pytest.raises(ValueError, match="must have a parameter that can be trained"):
        run(frozen, recipe())


def test_only_what_is_not_frozen_moves(tmp_path: Path) -> None:
    model = net()
    first = model.get_submodule("bodies.0.0")
    first.requires_grad_(False)
    before = state(model)
    run(model, recipe(), folder=tmp_path)
    moved = {name for name, tensor in state(model).items() if not torch.equal(tensor, before[name])}
    assert moved == {name for name in before if not name.startswith("bodies.0.0.")}
    saved = load_file(tmp_path / "checkpoint" / "fit.safetensors")
    assert not any(name.startswith("model/bodies.0.0.") for name in saved)


def test_one_image_and_two_classes_with_one_score_train_too() -> None:
    layers: list[dict[str, Any]] = [{"kind": "flatten"}, {"kind": "dense", "units": 1}]
    model = net(layers, classes=2)
    result = fit(model, data((TRAIN[0][:1], TRAIN[1][:1]), (TRAIN[0][:2], TRAIN[1][:2])), recipe(epochs=2))
    assert len(result.history) == 2


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_it_learns_on_a_cuda_device() -> None:
    plain = replace(recipe(epochs=12), augment=AugmentSettings(shift=0.1))
    assert run(net(), plain, device=torch.device("cuda")).history[-1]["val_accuracy"] > 0.9
