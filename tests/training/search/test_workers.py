"""A search as a task for other processes: what they are given, and what becomes of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mindle.data
from mindle.artifacts.manifest import write_manifest
from mindle.training.budget import Deadline
from mindle.training.images.problem import Problem
from mindle.training.recipe import from_dict
from mindle.training.search.images import ImageOrigin, ImageTask
from mindle.training.search.space import make_space
from mindle.training.search.study import Search, StudyOptions, finished_trials, open_search, run_trials
from mindle.training.search.workers import TASKS, worker_line, worker_processes

LAYERS = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
BASE = from_dict(
    {"strategy": "scratch", "model": {"layers": LAYERS}, "train": {"epochs": 2, "batch_size": 256}}
)


def search(folder: Path, trials: int = 6) -> Search:
    """A search over rates on the digits."""
    dataset = mindle.data.split(mindle.data.check(mindle.data.read("digits")))
    write_manifest(folder / "manifest.csv", dataset)
    origin = ImageOrigin(
        source="digits",
        reading={},
        split_seed=0,
        manifest=str(folder / "manifest.csv"),
        classes=dataset.classes,
    )
    task = ImageTask(
        problem=Problem.of(dataset, typical_size=(8, 8)),
        space=make_space(
            {"train.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}, {"scratch": BASE}, "scratch"
        ),
        seed=1,
        folder=folder / "trials",
        origin=origin,
    )
    storage = f"sqlite:///{folder / 'search.db'}"
    options = StudyOptions(storage=storage, name="digits", sampler="random", trials=trials, seed=1)
    return open_search(task, options)


def test_a_task_survives_json(tmp_path: Path, cache: Path) -> None:
    one = search(tmp_path)
    given = json.loads(worker_line(one, None, 1))
    again = TASKS[given["kind"]](given["task"], 1)
    assert again.space == one.task.space
    assert again.as_dict() == given["task"] | {"typical_size": (8, 8)}
    assert StudyOptions(**given["study"]) == one.options


@pytest.mark.slow
def test_two_workers_share_a_search_without_a_main_guard(tmp_path: Path, cache: Path) -> None:
    one = search(tmp_path)
    with worker_processes(one, 2, Deadline(None)) as running:
        while running():
            time.sleep(0.2)
    found = finished_trials(one)
    assert [trial.number for trial in found] == list(range(6))
    # On a busy machine the first worker may have done all before the second began.
    assert len({trial.user_attrs["worker"]["name"] for trial in one.study.get_trials()}) <= 2
    (tmp_path / "alone").mkdir()
    alone = search(tmp_path / "alone")
    run_trials(alone, Deadline(None))
    # Random draws do not depend on who was faster.
    assert [dict(trial.point) for trial in found] == [dict(trial.point) for trial in finished_trials(alone)]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path, cache: Path) -> None:
    one = search(tmp_path, trials=100_000)
    line = worker_line(one, None, 1)
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, '-m', 'mindle.training.search.workers'],"
            " stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)\n"
            f"child.stdin.write({line!r} + '\\n'); child.stdin.flush()\n"
            "print(child.pid, flush=True); time.sleep(600)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    if parent.stdout is None:
        raise OSError("the process has no standard output")
    child = int(parent.stdout.readline())
    while not finished_trials(one):
        time.sleep(0.3)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(600):
        if not _runs(child):
            break
        time.sleep(0.1)
    assert not _runs(child)


def _runs(process: int) -> bool:
    """Whether a process computes; what died and was not waited for does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
