"""The study: what trials draw, who runs them, and that none is lost."""

from __future__ import annotations

import math
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from filelock import FileLock
from optuna.trial import TrialState

from mindle.errors import DeviceError, ModelError
from mindle.training.budget import Deadline
from mindle.training.recipe import Recipe, from_dict
from mindle.training.search.image_trials import Bench
from mindle.training.search.judge import Pruned, Score
from mindle.training.search.space import Space, make_space
from mindle.training.search.study import (
    MOST_ATTEMPTS,
    Search,
    best_of,
    hidden,
    importance,
    open_search,
    over,
    run_trials,
)

BASE = from_dict({"strategy": "scratch", "train": {"learning_rate": 1e-2}})
ENTRIES: dict[str, Any] = {
    "train.learning_rate": {"low": 1e-4, "high": 1.0, "log": True, "steps": 3},
    "train.optimizer": {"choices": ["adam", "sgd"]},
    "train.momentum": {"low": 0.1, "high": 0.9, "steps": 2, "when": {"train.optimizer": "sgd"}},
}


class Bowl(Bench):
    """A bench whose losses are a bowl with its bottom at a rate of 0.03: what is tested is the study."""

    def __init__(self, **settings: Any) -> None:
        self.deadline = settings.get("deadline", Deadline(None))
        self.judged: list[int] = []
        self.stop_at: int | None = settings.get("stop_at")

    def judge(self, recipe: Recipe, *, number: int = 0, report: Any = None) -> Score:
        self.judged.append(number)
        if len(self.judged) == self.stop_at:
            raise KeyboardInterrupt
        value = (math.log10(recipe.train.learning_rate) + 1.5) ** 2 + (recipe.train.optimizer == "sgd")
        for epoch in (1, 2, 3):
            if not report(epoch, value + 1 / epoch):
                raise Pruned(f"given up after epoch {epoch}")
        return Score(value=value, accuracy=1 / (1 + value), images=10, note="a bowl")


def space() -> Space:
    return make_space(ENTRIES, {"scratch": BASE}, "scratch")


def opened(folder: Path, *, sampler: str = "tpe", seed: int = 0, epochs: int = 3) -> Search:
    return open_search(
        f"sqlite:///{folder / 'search.db'}", "bowl", space(), sampler=sampler, seed=seed, epochs=epochs
    )


def numbers(search: Search) -> list[tuple[Any, ...]]:
    """All of each trial that no clock decides."""
    return [(t.number, t.state, t.value, t.accuracy, dict(t.point), t.note) for t in over(search)]


# ── what is drawn ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_seed_gives_the_same_trials(sampler: str, tmp_path: Path, cache: Path) -> None:
    found = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        search = opened(tmp_path / name, sampler=sampler, seed=seed)
        run_trials(search, Bowl(), trials=16)
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
    search = opened(tmp_path, sampler="grid", epochs=100)
    run_trials(search, Bowl(), trials=len(space().grid()))
    assert [dict(trial.point) for trial in over(search)] == space().grid()


def test_the_search_learns(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path)
    run_trials(search, Bowl(), trials=40)
    best = best_of(over(search))
    assert best is not None
    assert best.point["train.optimizer"] == "adam"
    assert abs(math.log10(best.point["train.learning_rate"]) + 1.5) < 0.2
    shares = importance(search)
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) in ("train.learning_rate", "train.optimizer")
    assert {trial.state for trial in over(search)} == {"complete", "pruned"}


def test_too_few_trials_have_no_importance(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path)
    run_trials(search, Bowl(), trials=3)
    assert importance(search) == {}


# ── none is lost ─────────────────────────────────────────────────────────────────────────────────


def test_an_interrupted_search_goes_on_to_the_trials_it_would_have_had(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = opened(tmp_path / "whole")
    run_trials(whole, Bowl(), trials=15)
    with pytest.raises(KeyboardInterrupt):
        run_trials(opened(tmp_path), Bowl(stop_at=7), trials=15)
    search = opened(tmp_path)
    states = [trial.state for trial in search.study.get_trials()]
    assert states.count(TrialState.WAITING) == 1
    assert TrialState.RUNNING not in states
    bowl = Bowl()
    run_trials(search, bowl, trials=15)
    assert bowl.judged == list(range(6, 15))
    assert numbers(search) == numbers(whole)


def abandoned(search: Search, worker: str | None, attempts: int = 1) -> optuna.Trial:
    """A trial that is running, as a process left it that died."""
    trial = search.study.ask()
    trial.suggest_float("train.learning_rate", 1e-4, 1.0, log=True)
    if worker is not None:
        session = search.session if attempts > 1 else "an earlier call"
        trial.set_user_attr(
            "worker", {"name": worker, "session": session, "since": time.time(), "attempts": attempts}
        )
    return trial


def test_a_trial_of_a_dead_process_runs_again_under_its_number(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path)
    (search.folder / "dead.lock").touch()  # its lock lies there, and nobody holds it
    lost = abandoned(search, "dead")
    nameless = abandoned(search, None)
    run_trials(search, Bowl(), trials=4)
    assert [trial.number for trial in over(search)] == [0, 1, 2, 3]
    assert over(search)[lost.number].point["train.learning_rate"] == lost.params["train.learning_rate"]
    assert over(search)[nameless.number].state == "complete"


def test_a_trial_of_a_living_process_is_left_to_it(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path)
    running = abandoned(search, "alive")
    with FileLock(search.folder / "alive.lock"):
        bowl = Bowl()
        run_trials(search, bowl, trials=3, alone=False)
    assert bowl.judged == [1, 2]
    assert running.number not in {trial.number for trial in over(search)}


def test_another_machine_is_given_time(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path)
    far = Search(
        study=search.study, storage=search.storage, space=search.space, local=False, folder=search.folder
    )
    trial = abandoned(far, "elsewhere")
    bowl = Bowl()
    run_trials(far, bowl, trials=2, alone=False)
    assert bowl.judged == [1]
    trial.set_user_attr("pulse", time.time() - 1000)
    trial.set_user_attr("worker", {"name": "elsewhere", "since": time.time() - 2000, "attempts": 1})
    trial.set_user_attr("pulse", time.time() - 1000)
    run_trials(far, bowl, trials=2, alone=False)
    assert bowl.judged == [1, 0]


def test_a_trial_that_kills_its_process_is_given_up(tmp_path: Path, cache: Path) -> None:
    search = opened(tmp_path)
    (search.folder / "dead.lock").touch()
    deadly = abandoned(search, "dead", attempts=MOST_ATTEMPTS)
    run_trials(search, Bowl(), trials=2)
    trial = over(search)[deadly.number]
    assert (trial.state, trial.note) == ("failed", f"its process died {MOST_ATTEMPTS} times")


def test_a_point_that_cannot_be_trained_fails_alone(tmp_path: Path, cache: Path) -> None:
    class Picky(Bowl):
        def judge(self, recipe: Recipe, *, number: int = 0, report: Any = None) -> Score:
            if number == 1:
                raise ModelError("The training loss must stay a number.\nIt did not.")
            if number == 2:
                return Score(value=math.nan, accuracy=0.0, images=1)
            return super().judge(recipe, number=number, report=report)

    search = opened(tmp_path)
    run_trials(search, Picky(), trials=4)
    states = [trial.state for trial in over(search)]
    assert states[1:3] == ["failed", "failed"]
    assert over(search)[1].note == "The training loss must stay a number."


def test_a_machine_that_fails_ends_the_search_and_the_trial_waits(tmp_path: Path, cache: Path) -> None:
    class Full(Bowl):
        def judge(self, recipe: Recipe, *, number: int = 0, report: Any = None) -> Score:
            raise DeviceError("The disk is full.")

    search = opened(tmp_path)
    with pytest.raises(DeviceError, match="full"):
        run_trials(search, Full(), trials=2)
    assert [trial.state for trial in search.study.get_trials()] == [TrialState.WAITING]


def test_the_time_ends_the_search(tmp_path: Path, cache: Path) -> None:
    ticks = iter(range(10_000))
    search = opened(tmp_path)
    run_trials(search, Bowl(deadline=Deadline(40, clock=lambda: float(next(ticks)))), trials=None)
    assert 1 <= len(over(search)) < 40


# ── storages ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("nonsense", ValueError, "must be the URL of a data base"),
        ("postgresql://nobody@127.0.0.1:1/none", DeviceError, "must be one that can be opened"),
        ("mysql+pymysql://nobody@127.0.0.1:1/none", DeviceError, "needs its driver"),
    ],
)
def test_a_storage_that_is_not_there_is_said(
    url: str, error: type[Exception], words: str, cache: Path
) -> None:
    with pytest.raises(error, match=words):
        open_search(url, "x", space())


def test_a_sampler_that_is_not_there_is_said(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(ValueError, match="tpe, random, grid. Received 'bayes'"):
        opened(tmp_path, sampler="bayes")


def test_passwords_stay_hidden() -> None:
    assert "secret" not in hidden("postgresql://me:secret@here/base")


def _server_programs() -> Path | None:
    """The folder of PostgreSQL's programs, where it is installed."""
    places = [
        *Path("/usr/lib/postgresql").glob("*/bin"),
        *(Path(p).parent for p in [shutil.which("initdb")] if p),
    ]
    return next((place for place in places if (place / "initdb").exists()), None)


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server of the test's own, on a private socket."""
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

    place = Path(tempfile.mkdtemp(prefix="pg"))  # a socket's path must be short
    if user:
        shutil.chown(place, user)

    def call(*command: str) -> None:
        subprocess.run([str(part) for part in command], check=True, capture_output=True, user=user, cwd=place)

    try:
        call(str(programs / "initdb"), "-D", str(place / "data"), "-U", "mindle", "-A", "trust", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={place} -c fsync=off"
        call(
            str(programs / "pg_ctl"),
            "-D",
            str(place / "data"),
            "-o",
            options,
            "-w",
            "-l",
            str(place / "log"),
            "start",
        )
        try:
            yield f"postgresql://mindle@/postgres?host={place}"
        finally:
            call(str(programs / "pg_ctl"), "-D", str(place / "data"), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _is_user(database: Any, name: str) -> bool:
    try:
        database.getpwnam(name)
    except KeyError:
        return False
    return True


@pytest.mark.slow
def test_postgresql_holds_a_search_and_gives_lost_trials_back(postgres: str, cache: Path) -> None:
    search = open_search(postgres, "bowl", space(), seed=3, epochs=3)
    assert not search.local
    (search.folder / "dead.lock").touch()
    lost = abandoned(search, "dead")
    run_trials(search, Bowl(), trials=8)
    again = open_search(postgres, "bowl", space(), seed=3, epochs=3)
    assert [trial.number for trial in over(again)] == list(range(8))
    assert over(again)[lost.number].state in ("complete", "pruned")
    assert best_of(over(again)) == best_of(over(search))
    for each in (search, again):
        each.close()
