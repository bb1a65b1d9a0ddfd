"""Accuracy and time of whole `mindle train` commands on real photos.

DATA holds flowers5, dogs-vs-cats and trashnet-150; WEIGHTS a folder of weight files with cards. NAME picks
commands by name. Every command runs in a process of its own with a cache of its own, as a stranger's first
command would.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._turns import clean, named

EMBEDDED = "tf_efficientnet_lite0"


def commands(data: Path, weights: Path) -> dict[str, list[str]]:
    """Name of each command and its arguments after `mindle train`."""
    with_weights = ["--weights", str(weights)]
    trash = {
        f"trashnet-{seed}": [
            str(data / "trashnet-150"),
            *with_weights,
            "--seed",
            str(seed),
            "--split-seed",
            str(seed),
        ]
        for seed in (0, 1, 2)
    }
    return {
        "flowers5": [str(data / "flowers5"), *with_weights],
        "flowers5-probe": [
            str(data / "flowers5"), *with_weights, "--model", "mobilenetv2_100", "--strategy", "probe",
        ],
        # The backbone that comes with mindle, even where the extra `weights` has installed others.
        "flowers5-embedded": [str(data / "flowers5"), "--model", EMBEDDED],
        "dogs-vs-cats": [str(data / "dogs-vs-cats"), *with_weights],
        "dogs-vs-cats-embedded": [str(data / "dogs-vs-cats"), "--model", EMBEDDED],
        **trash,
        "fashion-cnn": [str(data / "fashion-mnist"), "--recipe", "fashion-cnn"],
        "fashion-rate": [str(data / "fashion-mnist"), "--recipe", "fashion-cnn", "--set", "train.epochs=2"],
        "catsdogs-cnn": [str(data / "dogs-vs-cats"), "--recipe", "catsdogs-cnn"],
        "digits": ["digits"],
    }  # fmt: skip


def run(arguments: list[str]) -> dict[str, Any]:
    """Train once from nothing and say what came out."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "mindle", "train", *arguments, "--out", f"{folder}/run"],
            env=clean(MINDLE_CACHE=f"{folder}/cache"),
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            return {"failed": done.returncode, "said": done.stderr[-2000:]}
        metrics = json.loads(Path(folder, "run", "metrics.json").read_text(encoding="utf-8"))
        tried = json.loads(Path(folder, "run", "run.json").read_text(encoding="utf-8"))["tried"]
        test = metrics["test"]
        return {
            "command": " ".join(["mindle train", *(named(each) for each in arguments)]),
            "accuracy": test["accuracy"],
            "n": test["n"],
            "recall": {row["name"]: round(row["recall"]["value"], 4) for row in test["per_class"]},
            "strategy": metrics["strategy"],
            "seconds": metrics["seconds"],
            "images_per_second": metrics["images_per_second"],
            "milliseconds_per_image": next(
                (attempt.get("milliseconds") for attempt in tried if attempt["chosen"]), None
            ),
            "kept": [attempt["note"] for attempt in tried if attempt["chosen"]],
            "wall_seconds": round(seconds, 1),
        }


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("data", nargs="?", type=Path, default=Path())
    parser.add_argument("weights", nargs="?", type=Path, default=Path())
    parser.add_argument("names", nargs="*", help="which commands; all unless given")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the chosen commands in turn."""
    if arguments.smoke:
        return {"digits": run(["digits", "--strategy", "scratch", "--set", "train.epochs=1"])}
    every = commands(arguments.data, arguments.weights)
    return {name: run(every[name]) for name in arguments.names or every}
