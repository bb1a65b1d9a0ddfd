"""The study: what trials draw, who runs them, and that none is lost."""

from __future__ import annotations

import math
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from filelock import FileLock
from optuna.trial import TrialState

from mindle.errors import DeviceError, ModelError
from mindle.training.budget import Deadline
from mindle.training.recipe import Recipe, from_dict
from mindle.training.search.space import Space, make_space
from mindle.training.search.study import (
    MOST_ATTEMPTS,
    Search,
    StudyOptions,
    best_of,
    finished_trials,
    importance,
    open_search,
    run_trials,
)
from mindle.training.search.task import Score, SearchTask, TrialMonitor

BASE = from_dict({"strategy": "scratch", "train": {"learning_rate": 1e-2}})
ENTRIES: dict[str, Any] = {
    "train.learning_rate": {"low": 1e-4, "high": 1.0, "log": True, "steps": 3},
    "train.optimizer": {"choices": ["adam", "sgd"]},
    "train.momentum": {"low": 0.1, "high": 0.9, "steps": 2, "when": {"train.optimizer": "sgd"}},
}


class Bowl:
    """A task whose losses are a bowl with its bottom at a rate of 0.03: what is tested is the study."""

    kind, score, warmup_steps = "bowl", "log_loss", 0

    def __init__(self, *, stop_at: int | None = None, warmup_steps: int = 0) -> None:
        self.space = space()
        self.evaluated: list[int] = []
        self.stop_at, self.warmup_steps = stop_at, warmup_steps

    def prepare(self) -> None:
        pass

    def as_dict(self) -> dict[str, Any]:
        return {}

    def evaluate(self, recipe: Recipe, monitor: TrialMonitor) -> Score:
        self.evaluated.append(monitor.number)
        if len(self.evaluated) == self.stop_at:
            raise KeyboardInterrupt
        value = (math.log10(recipe.train.learning_rate) + 1.5) ** 2 + (recipe.train.optimizer == "sgd")
        for epoch in (1, 2, 3):
            monitor.check(epoch, 3, value + 1 / epoch, "epoch")
        return Score(value=value, accuracy=1 / (1 + value), note="a bowl")


def space() -> Space:
    return make_space(ENTRIES, {"scratch": BASE}, "scratch")


def opened(folder: Path, task: SearchTask | None = None, **options: Any) -> Search:
    storage = f"sqlite:///{folder / 'search.db'}"
    return open_search(task or Bowl(), StudyOptions(storage=storage, name="bowl", **options))


def run(search: Search, trials: int | None, *, deadline: Deadline | None = None, alone: bool = True) -> None:
    """Run trials until the study has so many."""
    run_trials(
        replace(search, options=replace(search.options, trials=trials)),
        deadline or Deadline(None),
        alone=alone,
    )


def evaluated(search: Search) -> list[int]:
    """Which trials ran in this process."""
    assert isinstance(search.task, Bowl)
    return search.task.evaluated


def numbers(search: Search) -> list[tuple[Any, ...]]:
    """All of each trial that no clock decides."""
    return [(t.number, t.state, t.value, t.accuracy, dict(t.point), t.note) for t in finished_trials(search)]


# ── what is sampled ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_seed_gives_the_same_trials(sampler: str, tmp_path: Path, cache: Path) -> None:
    found = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        search = opened(tmp_path / name, sampler=sampler, seed=seed)
        run(search, 16)
        found.append(numbers(search))
    assert found[0] == found[1] != found[2]
    assert found[0][0][4] == {
        "train.learning_rate": 0.01,
        "train.optimizer": "adam",
    }  # the recipe itself comes first
    assert all(
        ("train.momentum" in point) == (point["train.optimizer"] == "sgd") for *_, point, _ in found[0]
    )


def test_a_grid_covers_the_grid_once(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path, Bowl(warmup_steps=20), sampler="grid")
    run(search, len(space().grid()))
    assert [dict(trial.point) for trial in finished_trials(search)] == space().grid()


def test_the_search_learns(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path)
    run(search, 40)
    best = best_of(finished_trials(search))
    assert best is not None
    assert best.point["train.optimizer"] == "adam"
    assert abs(math.log10(best.point["train.learning_rate"]) + 1.5) < 0.2
    shares = importance(search)
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) in ("train.learning_rate", "train.optimizer")
    assert {trial.state for trial in finished_trials(search)} == {"complete", "pruned"}


def test_too_few_trials_have_no_importance(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path)
    run(search, 3)
    assert importance(search) == {}


# ── none is lost ─────────────────────────────────────────────────────────────────────────────────


def test_an_interrupted_search_goes_on_to_the_trials_it_would_have_had(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = opened(tmp_path / "whole")
    run(whole, 15)
    with pytest.raises(KeyboardInterrupt):
        run(opened(tmp_path, Bowl(stop_at=7)), 15)
    search = opened(tmp_path)
    states = [trial.state for trial in search.study.get_trials()]
    assert states.count(TrialState.WAITING) == 1
    assert TrialState.RUNNING not in states
    run(search, 15)
    assert evaluated(search) == list(range(6, 15))
    assert numbers(search) == numbers(whole)


def abandoned(search: Search, worker: str | None, attempts: int = 1) -> optuna.Trial:
    """A trial that is running, as a process left it that died."""
    trial = search.study.ask()
    trial.suggest_float("train.learning_rate", 1e-4, 1.0, log=True)
    if worker is not None:
        session = search.options.session if attempts > 1 else "an earlier call"
        trial.set_user_attr("worker", {"name": worker, "session": session, "attempts": attempts})
    return trial


def test_a_trial_of_a_dead_process_runs_again_under_its_number(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path)
    (search.folder / "dead.lock").touch()  # its lock lies there, and nobody holds it
    lost = abandoned(search, "dead")
    nameless = abandoned(search, None)
    run(search, 4)
    assert [trial.number for trial in finished_trials(search)] == [0, 1, 2, 3]
    assert (
        finished_trials(search)[lost.number].point["train.learning_rate"]
        == lost.params["train.learning_rate"]
    )
    assert finished_trials(search)[nameless.number].state == "complete"


def test_a_trial_of_a_living_process_is_left_to_it(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path)
    running = abandoned(search, "alive")
    with FileLock(search.folder / "alive.lock"):
        run(search, 3, alone=False)
    assert evaluated(search) == [1, 2]
    assert running.number not in {trial.number for trial in finished_trials(search)}


def test_another_machine_is_given_time(tmp_path: Path, cache: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        beating = optuna.storages.RDBStorage(
            f"sqlite:///{tmp_path / 'search.db'}", heartbeat_interval=15, grace_period=120
        )
    far = replace(opened(tmp_path), storage=beating)
    trial = abandoned(far, "elsewhere")
    beating.record_heartbeat(trial._trial_id)
    run(far, 2, alone=False)
    assert evaluated(far) == [1]
    with beating.engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE trial_heartbeats SET heartbeat = '2020-01-01 00:00:00'"))
    run(far, 2, alone=False)
    assert evaluated(far) == [1, 0]
    far.close()


def test_a_trial_that_kills_its_process_fails(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path)
    (search.folder / "dead.lock").touch()
    deadly = abandoned(search, "dead", attempts=MOST_ATTEMPTS)
    run(search, 2)
    trial = finished_trials(search)[deadly.number]
    assert (trial.state, trial.note) == ("failed", f"its process died {MOST_ATTEMPTS} times")


def test_a_point_that_cannot_be_trained_fails_alone(tmp_path: Path, cache: Path) -> None:
    class Picky(Bowl):
        def evaluate(self, recipe: Recipe, monitor: TrialMonitor) -> Score:
            if monitor.number == 1:
                raise ModelError("The training loss must stay a number.\nIt did not.")
            if monitor.number == 2:
                return Score(value=math.nan, accuracy=0.0)
            return super().evaluate(recipe, monitor)

    search = opened(tmp_path, Picky())
    run(search, 4)
    states = [trial.state for trial in finished_trials(search)]
    assert states[1:3] == ["failed", "failed"]
    assert finished_trials(search)[1].note == "The training loss must stay a number."


def test_a_machine_that_fails_ends_the_search_and_the_trial_waits(tmp_path: Path, cache: Path) -> None:
    class Full(Bowl):
        def evaluate(self, recipe: Recipe, monitor: TrialMonitor) -> Score:
            raise DeviceError("The disk is full.")

    search = opened(tmp_path, Full())
    with pytest.raises(DeviceError, match="full"):
        run(search, 2)
    assert [trial.state for trial in search.study.get_trials()] == [TrialState.WAITING]


def test_the_time_ends_the_search(tmp_path: Path, cache: Path) -> None:
    ticks = iter(range(10_000))
    search = opened(tmp_path)
    run(search, None, deadline=Deadline(40, clock=lambda: float(next(ticks))))
    assert 1 <= len(finished_trials(search)) < 40


def test_a_sampler_that_is_not_there_is_said(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(ValueError, match="tpe, random, grid. Received 'bayes'"):
        opened(tmp_path, sampler="bayes")


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────


def _server_programs() -> Path | None:
    """The folder of PostgreSQL's programs, where it is installed."""
    folders = [
        *Path("/usr/lib/postgresql").glob("*/bin"),
        *(Path(p).parent for p in [shutil.which("initdb")] if p),
    ]
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server of the test alone, on a private socket."""
    import os
    import pwd

    pytest.importorskip("psycopg")
    programs = _server_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's server programs (initdb, pg_ctl), which are not installed")
    # The server refuses to run as root: an unprivileged user of the system lends its name.
    root = os.getuid() == 0
    user = next((u for u in ("postgres", "nobody") if _is_user(pwd, u)), None) if root else None
    if root and user is None:
        pytest.skip("needs an unprivileged user to run PostgreSQL as")
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a socket's path must be short
    if user:
        shutil.chown(folder, user)

    def call(*command: str) -> None:
        subprocess.run(
            [str(each) for each in command], check=True, capture_output=True, user=user, cwd=folder
        )

    try:
        call(str(programs / "initdb"), "-D", str(folder / "data"), "-U", "mindle", "-A", "trust", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        call(
            str(programs / "pg_ctl"),
            "-D",
            str(folder / "data"),
            "-o",
            options,
            "-w",
            "-l",
            str(folder / "log"),
            "start",
        )
        try:
            yield f"postgresql://mindle@/postgres?host={folder}"
        finally:
            call(str(programs / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_user(database: Any, name: str) -> bool:
    try:
        database.getpwnam(name)
    except KeyError:
        return False
    return True


@pytest.mark.filterwarnings("ignore:Heartbeat of storage:UserWarning")  # a lost trial is asked for by hand
@pytest.mark.slow
def test_postgresql_holds_a_search_and_gives_lost_trials_back(postgres: str, cache: Path) -> None:
    options = StudyOptions(storage=postgres, name="bowl", seed=3)
    search = open_search(Bowl(), options)
    assert not search.local
    (search.folder / "dead.lock").touch()
    lost = abandoned(search, "dead")
    run(search, 8)
    again = open_search(Bowl(), options)
    assert [trial.number for trial in finished_trials(again)] == list(range(8))
    assert finished_trials(again)[lost.number].state in ("complete", "pruned")
    assert best_of(finished_trials(again)) == best_of(finished_trials(search))
    for each in (search, again):
        each.close()
