"""Accuracy of whole `mindle train` commands on real photos, one JSON line a command.

Usage: python benchmarks/targets.py DATA WEIGHTS [NAME …]

DATA holds flowers5, dogs-vs-cats and trashnet-150; WEIGHTS a folder of weight files with cards. NAME picks
commands by name. Every command runs in a process of its own with a cache of its own, as a stranger's first
command would.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


def run(name: str, arguments: list[str]) -> dict[str, object]:
    """Train once from nothing and say what came out."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "MINDLE_CACHE": f"{folder}/cache", "HF_HUB_OFFLINE": "1"}
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "mindle", "train", *arguments, "--out", f"{folder}/run"],
            env=environment,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            return {"run": name, "failed": done.returncode, "said": done.stderr[-2000:]}
        metrics = json.loads(Path(folder, "run", "metrics.json").read_text(encoding="utf-8"))
        test = metrics["test"]
        return {
            "run": name,
            "command": "mindle train " + " ".join(arguments),
            "accuracy": test["accuracy"],
            "n": test["n"],
            "recall": {row["name"]: round(row["recall"]["value"], 4) for row in test["per_class"]},
            "strategy": metrics["strategy"],
            "seconds": metrics["seconds"],
            "images_per_second": metrics["images_per_second"],
            "wall_seconds": round(seconds, 1),
        }


def main() -> None:
    """Run the chosen commands in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    every = commands(arguments.data, arguments.weights)
    for name in arguments.names or every:
        print(json.dumps(run(name, every[name])), flush=True)


if __name__ == "__main__":
    main()
