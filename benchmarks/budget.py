"""Whole commands with a budget beside two programs that keep the cores busy: wall time against the budget.

    python -m benchmarks budget DATA               flowers5 60 s, trashnet-150 180 s, titanic 90 s, twins 30 s
    python -m benchmarks budget DATA titanic       some of them

DATA holds flowers5, trashnet-150 and tabular/titanic-train.csv; twins are made up: two classes of photos that
cannot be distinguished, so that the training goes on until the time is up. Each command has another cache.
The smoke run is one small table beside one busy loop.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

BUDGETS = {"flowers5": 60, "trashnet-150": 180, "titanic": 90, "twins": 30}
SMOKE_SECONDS = 20


def options(parser: argparse.ArgumentParser) -> None:
    """What this benchmark is given."""
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BUDGETS)}; all unless given")
    parser.add_argument("--busy", type=int, default=2, help="how many busy loops run beside")


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """The commands, one after the other."""
    if asked.smoke:
        return {"runs": [timed("small", SMOKE_SECONDS, asked.data, busy=1)]}
    names = asked.names or list(BUDGETS)
    return {"runs": [timed(name, BUDGETS[name], asked.data, busy=asked.busy) for name in names]}


def timed(name: str, budget: int, data: Path, *, busy: int) -> dict[str, Any]:
    """One command: how long it took, and how it ended."""
    with tempfile.TemporaryDirectory() as path, busy_loops(busy):
        folder = Path(path)
        command = [*arguments(name, data, folder), "--budget", f"{budget}s", "--out", str(folder / "run")]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "mindle", "train", *command],
            env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
    return {
        "name": name,
        "budget_seconds": budget,
        "wall_seconds": round(seconds, 1),
        "ratio": round(seconds / budget, 3),
        "busy": busy,
        "code": done.returncode,
        "said": (done.stderr or done.stdout).strip().splitlines()[-4:],
    }


def arguments(name: str, data: Path, folder: Path) -> list[str]:
    """What `mindle train` is given."""
    if name == "titanic":
        return [str(data / "tabular" / "titanic-train.csv"), "--target", "Survived"]
    if name == "twins":
        return [str(twins(folder / "photos"))]
    if name == "small":
        return [str(small_table(folder / "small.csv")), "--target", "y"]
    return [str(data / name)]


def twins(folder: Path) -> Path:
    """Two classes of 12 photos that are drawn alike."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for label in "ab":
        (folder / label).mkdir(parents=True)
        for number in range(12):
            coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
            coarse.resize((96, 96), Image.Resampling.BICUBIC).save(folder / label / f"{number}.jpg")
    return folder


def small_table(file: Path) -> Path:
    """60 rows of two numbers, whose sum says the class."""
    numbers = np.random.default_rng(0).normal(size=(60, 2))
    rows = [f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}" for a, b in numbers]
    file.write_text("\n".join(["a,b,y", *rows]) + "\n", encoding="utf-8")
    return file


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """So many processes beside that do nothing as fast as they can."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
