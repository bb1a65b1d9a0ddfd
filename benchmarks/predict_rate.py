"""Steady rate of `mindle predict` over files against the bare forward rate of its graph.

Both sides are warmed up and measured in turn in one process; the median ratio of the rounds is what counts.
In every round the bare side is the best of batch 1, 16 and 32.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import mindle
from mindle.api.predict import open_model
from mindle.data import read_images
from mindle.records import SILENT

BATCHES = (1, 16, 32)


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("run", nargs="?", help="a run or a bundle")
    parser.add_argument("folder", nargs="?", help="the images")
    parser.add_argument("--times", type=int, default=6, help="how often a round goes through the folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of the bare side at each batch")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Images a second of both sides, round by round."""
    if arguments.smoke:
        with small_run() as (run, folder):
            return _rates(run, folder, times=1, rounds=1, seconds=0.01)
    if not (arguments.run and arguments.folder):
        raise SystemExit("predict_rate must be given a run and a folder of images, or --smoke.")
    return _rates(
        arguments.run,
        arguments.folder,
        times=arguments.times,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
    )


@contextmanager
def small_run() -> Iterator[tuple[str, str]]:
    """A net trained for one epoch on the digits, and some of them as files."""
    with tempfile.TemporaryDirectory() as folder:
        mindle.prepare("digits", f"{folder}/images")
        settings = {"train.epochs": 1}
        run = mindle.train("digits", strategy="scratch", set=settings, out=f"{folder}/run", listener=SILENT)
        yield str(run.path), f"{folder}/images/test"


def _rates(run: str, folder: str, *, times: int, rounds: int, seconds: float) -> dict[str, Any]:
    opened = open_model(run)
    files = sorted(str(path) for path in Path(folder).rglob("*") if path.is_file()) * times
    pixels = np.random.default_rng(0).integers(0, 256, (32, *opened.source.spec.shape), np.uint8)

    def bare(batch: int) -> float:
        images, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            opened.graph({"pixels": pixels[:batch]})
            images += batch
        return images / (time.perf_counter() - began)

    def whole() -> float:
        began = time.perf_counter()
        answered = sum(not row["reason"] for row in opened.rows(read_images(files)))
        return answered / (time.perf_counter() - began)

    whole()
    for batch in BATCHES:
        bare(batch)
    measured = [(whole(), max(bare(batch) for batch in BATCHES)) for _ in range(rounds)]
    ratios = [mine / limit for mine, limit in measured]
    return {
        "images": len(files),
        "images_per_second": round(statistics.median(mine for mine, _ in measured), 1),
        "bare_images_per_second": round(statistics.median(limit for _, limit in measured), 1),
        "ratio": {
            "median": round(statistics.median(ratios), 3),
            "lowest": round(min(ratios), 3),
            "highest": round(max(ratios), 3),
        },
    }
