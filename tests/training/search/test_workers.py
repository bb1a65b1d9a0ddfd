"""A search as a task for other processes: what they are told, and what becomes of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mindle.data
from mindle.artifacts.manifest import write_manifest
from mindle.errors import DataError
from mindle.records import Dataset
from mindle.training.budget import Deadline
from mindle.training.recipe import from_dict
from mindle.training.search.study import over, run_trials
from mindle.training.search.workers import Task, bases_as_dict, restored, workers
from tests.pictures import photo_folder

LAYERS = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
BASE = from_dict(
    {"strategy": "scratch", "model": {"layers": LAYERS}, "train": {"epochs": 2, "batch_size": 256}}
)


def task(folder: Path, **changes: Any) -> tuple[Task, Dataset]:
    """A search over rates on the digits, and the data."""
    dataset = mindle.data.split(mindle.data.check(mindle.data.read("digits")))
    write_manifest(folder / "manifest.csv", dataset)
    found = Task(
        reading={},
        split_seed=0,
        source="digits",
        manifest=str(folder / "manifest.csv"),
        classes=dataset.classes,
        typical_size=(8, 8),
        storage=f"sqlite:///{folder / 'search.db'}",
        name="digits",
        entries={"train.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
        bases=bases_as_dict({"scratch": BASE}),
        strategy="scratch",
        backbones=(),
        views=0,
        sampler="random",
        trials=6,
        weights=None,
        device="cpu",
        seed=1,
        folder=str(folder / "trials"),
    )
    return replace(found, **changes), dataset


def test_a_task_survives_json(tmp_path: Path, cache: Path) -> None:
    one, _ = task(tmp_path)
    again = Task(**json.loads(json.dumps(asdict(one))))
    assert again.space().recipe({"train.learning_rate": 0.02}) == one.space().recipe(
        {"train.learning_rate": 0.02}
    )


def test_the_data_come_back_from_the_manifest(tmp_path: Path, cache: Path) -> None:
    photos = photo_folder(tmp_path / "photos", 6, dirty=True)
    dataset = mindle.data.split(mindle.data.check(mindle.data.read(photos)))
    write_manifest(tmp_path / "manifest.csv", dataset)
    again = restored(str(photos), tmp_path / "manifest.csv", dataset.classes)
    for name in ("classes", "paths", "groups", "set_aside", "sha256", "parts"):
        assert getattr(again, name) == getattr(dataset, name)
    used = dataset.rows()
    np.testing.assert_array_equal(again.labels[used], dataset.labels[used])
    (photos / "circle" / "late.png").write_bytes(b"late")
    with pytest.raises(DataError, match="come or gone"):
        restored(str(photos), tmp_path / "manifest.csv", dataset.classes)


@pytest.mark.slow
def test_two_workers_share_a_search_without_a_main_guard(tmp_path: Path, cache: Path) -> None:
    one, dataset = task(tmp_path)
    with workers(one, 2, remaining_seconds=None, threads=1) as alive:
        while alive():
            time.sleep(0.2)
    search = one.search()
    found = over(search)
    assert [trial.number for trial in found] == list(range(6))
    # On a busy machine the first worker may have done all before the second began.
    assert len({trial.user_attrs["worker"]["name"] for trial in search.study.get_trials()}) <= 2
    (tmp_path / "alone").mkdir()
    alone, _ = task(tmp_path / "alone")
    run_trials(alone.search(), alone.bench(dataset, Deadline(None)), trials=6)
    # Random draws do not depend on who was faster.
    assert [dict(trial.point) for trial in found] == [dict(trial.point) for trial in over(alone.search())]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path, cache: Path) -> None:
    one, _ = task(tmp_path, trials=100_000)
    line = json.dumps({**asdict(one), "remaining_seconds": None, "threads": 1})
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
    while not over(one.search()):
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
