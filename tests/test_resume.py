"""A run killed at any moment goes on to the numbers it would have had."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.pictures import photo_folder
from tests.processes import MINDLE, finished

TIMED = ("seconds", "images_per_second")
SCRATCH = [
    "--strategy",
    "scratch",
    "--set",
    "train.epochs=6",
    "--set",
    "train.batch_size=8",
    "--device",
    "cpu",
]


def command(photos: Path, out: Path, flags: list[str]) -> list[str]:
    return [*MINDLE, "train", str(photos), "--out", str(out), *flags]


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "MINDLE_CACHE": str(cache), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def numbers(out: Path) -> dict[str, Any]:
    """All of metrics.json that no clock decides."""
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return {name: value for name, value in metrics.items() if name not in TIMED}


def killed(arguments: list[str], env: dict[str, str], line: int) -> bool:
    """Run a command and kill it without warning after it has printed so many lines; False if it ended
    before."""
    with subprocess.Popen(arguments, env=env, stderr=subprocess.PIPE, text=True) as process:
        if process.stderr is None:
            raise OSError("the process has no standard error")
        for number, _ in enumerate(process.stderr, start=1):
            if number == line:
                process.send_signal(signal.SIGKILL)
                process.wait()
                return True
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
@pytest.mark.parametrize("flags", [SCRATCH, ["--device", "cpu"]], ids=["scratch", "auto"])
def test_a_killed_run_ends_with_the_same_numbers(flags: list[str], tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "photos", 16)
    whole = tmp_path / "whole"
    done = finished(command(photos, whole, flags), env=environment(tmp_path / "a"))
    lines = len(done.stderr.splitlines())
    rng = np.random.default_rng(7)
    broken, env = tmp_path / "broken", environment(tmp_path / "b")
    kills = 0
    # A resumed run is shorter than the whole one: a line of the later half may never come.
    for line in rng.integers(1, lines // 2, 4):
        kills += killed([*command(photos, broken, flags), "--resume"], env, int(line))
    finished([*command(photos, broken, flags), "--resume"], env=env)
    assert kills >= 2
    assert numbers(broken) == numbers(whole)
    assert (broken / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is of POSIX")
def test_an_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "photos", 16)
    flags = ["--strategy", "scratch", "--set", "train.epochs=500"]
    with subprocess.Popen(
        command(photos, tmp_path / "run", flags),
        env=environment(tmp_path / "cache"),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stderr is None:
            raise OSError("the process has no standard error")
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith("epoch   2"):
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert "--resume" in said[-1]
    assert "Traceback" not in "".join(said)
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["state"] == "running"


def test_an_unfinished_run_is_set_aside_not_overwritten(tmp_path: Path, cache: Path) -> None:
    import mindle
    from mindle.records import SILENT

    photos = photo_folder(tmp_path / "photos", 8)
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text(
        json.dumps({"schema": 1, "state": "running", "asked": {}}), encoding="utf-8"
    )
    settings: dict[str, Any] = {"strategy": "scratch", "set": {"train.epochs": 1}, "listener": SILENT}
    mindle.train(photos, out=run, **settings)
    assert (
        json.loads((tmp_path / "run.partial-1" / "run.json").read_text(encoding="utf-8"))["state"]
        == "running"
    )
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "notes.txt").write_text("not a run")
    with pytest.raises(ValueError, match="other files"):
        mindle.train(photos, out=kept, **settings)
