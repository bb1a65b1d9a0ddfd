"""The course's CNNs from scratch with the course's settings, against Keras: fastest epoch and whole fit.

DATA holds dogs-vs-cats and fashion-mnist. Both sides train the same layers with Adam at 1e-3 from pixels
that are decoded once, validate after each epoch, and are compared by the training image; cats and dogs are
flipped, turned and zoomed anew in every step.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import _turns
from benchmarks._turns import Figures, Side, clean, in_turn, rival, summary
from benchmarks.many_images import generate

PLAIN = {"optimizer": "adam", "learning_rate": 1e-3, "schedule": "constant", "warmup_fraction": 0.0}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "catsdogs": (
        "dogs-vs-cats",
        {
            "model.name": "catsdogs-cnn", "input.height": 180, "input.width": 180, "train.batch_size": 16,
            "augment.flip": "horizontal", "augment.rotate": 0.1, "augment.zoom": 0.1,
        },
    ),
    "fashion": (
        "fashion-mnist", {"model.name": "fashion-cnn", "train.batch_size": 64, "augment.flip": "none"},
    ),
}  # fmt: skip


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=[*CASES])
    parser.add_argument("--epochs", type=int, default=2)
    _turns.options(parser, rounds=1)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both comparisons of each net."""
    with tempfile.TemporaryDirectory() as folder:
        if arguments.smoke:
            arguments.data, arguments.cases, arguments.epochs = Path(folder), ["catsdogs"], 1
            generate(Path(folder, "dogs-vs-cats"), images=60, classes=2)
        if not arguments.data:
            raise SystemExit("fit_rate must be given the folder of the data, or --smoke.")
        return {name: one for case in arguments.cases for name, one in _case(arguments, case).items()}


def _case(arguments: argparse.Namespace, case: str) -> dict[str, Figures]:
    data = arguments.data / CASES[case][0]
    settings = {f"train.{name}": value for name, value in PLAIN.items()} | CASES[case][1]
    settings["train.epochs"] = arguments.epochs
    if arguments.smoke:
        settings |= {"input.height": 32, "input.width": 32}
    sides = [
        Side("mindle", lambda: _ours(data, settings)),
        rival(arguments, "keras", "keras_fit", case, data, "--epochs", arguments.epochs, name="Keras"),
    ]
    found = in_turn(sides, rounds=arguments.rounds, warm_up=0)
    each: Sequence[dict[str, Figures]] = found.pop("rounds")
    kept = {name: found[name] for name in ("skipped", "others_cpu_share")}
    seconds = {
        "fastest epoch": lambda one: min(one["epoch_seconds"]),
        "whole fit": lambda one: one["fit_seconds"],
    }
    return {
        f"{case}, {what}": summary(
            [
                {side: one | {"seconds_a_unit": of(one) / one["images"]} for side, one in turn.items()}
                for turn in each
            ]
        )
        | kept
        for what, of in seconds.items()
    }


def _ours(data: Path, settings: dict[str, Any]) -> Figures:
    """One training with an empty cache: its epochs and its fit, and how many images it learned from."""
    with tempfile.TemporaryDirectory() as folder:
        asked = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        # Not the recipe of that name, which also crops, colours, smooths and averages.
        recipe = Path(folder, "plain.toml")
        recipe.write_text('strategy = "scratch"\n', encoding="utf-8")
        command = [sys.executable, "-m", "mindle", "train", str(data), "--recipe", str(recipe), *asked]
        done = subprocess.run(
            [*command, "--out", f"{folder}/run"],
            env=clean(MINDLE_CACHE=f"{folder}/cache"),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
        run = Path(folder, "run")
        metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        return {
            "fit_seconds": metrics["seconds"]["fit"],
            "epoch_seconds": [float(row["seconds"]) for row in _rows(run / "history.csv")],
            "images": sum(
                row["split"] == "train" and not row["finding"] for row in _rows(run / "manifest.csv")
            ),
            "accuracy": metrics["test"]["accuracy"]["value"],
        }


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
