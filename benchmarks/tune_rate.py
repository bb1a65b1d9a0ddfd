"""Seconds of a search over heads on features that are embedded already.

The photos are checked, split and embedded by a first search of one trial; then the clock runs, from the first
trial to the last.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import mindle
from benchmarks.many_images import generate
from mindle.records import SILENT


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("photos", nargs="?", default="digits", help="what `mindle train` takes")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--weights")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Search twice: the first time fills the cache of features, the second is timed."""
    trials = 2 if arguments.smoke else arguments.trials
    with tempfile.TemporaryDirectory() as folder:
        if arguments.smoke:
            arguments.photos = f"{folder}/photos"
            generate(Path(arguments.photos), images=60, classes=2)
        _searched(arguments, Path(folder) / "warm", trials=1, workers=1)
        run = _searched(arguments, Path(folder) / "timed", trials=trials, workers=arguments.workers)
        seconds: dict[str, list[float]] = defaultdict(list)
        for trial in run.folder.trials():
            heads = "+".join(trial["settings"].get("probe.heads", ["?"]))
            seconds[f"{heads}, {trial['settings'].get('probe.views', 0)} views"].append(trial["seconds"])
        return {
            "trials": trials,
            "workers": arguments.workers,
            "seconds": round(run.metrics["seconds"]["search"], 1),
            "kinds": {
                kind: {"trials": len(each), "median_seconds": round(median(each), 3)}
                for kind, each in sorted(seconds.items())
            },
            "test_accuracy": run.metrics["test"]["accuracy"],
        }


def _searched(arguments: argparse.Namespace, out: Path, *, trials: int, workers: int) -> mindle.Run:
    return mindle.tune(
        arguments.photos,
        strategy="probe",
        model="tf_efficientnet_lite0" if arguments.smoke else None,
        trials=trials,
        workers=workers,
        weights=arguments.weights,
        out=out,
        listener=SILENT,
    )
