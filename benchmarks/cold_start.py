"""One picture from a cold start: `mindle predict RUN PHOTO` against Python, import Keras, load, predict.

Every side is a process of its own, from its start to its end, files in the system's cache. The rival's model
is a MobileNetV2 with random weights, saved as `.keras` beforehand. `libraries_seconds` is Python with NumPy,
ONNX Runtime and Pillow imported, which no answer can do without.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import _turns
from benchmarks._turns import Side, in_turn, rival
from benchmarks.predict_rate import small_run

CLASSES = 5


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("run", nargs="?", help="a run or a bundle, of MobileNetV2 as the rival's model is")
    parser.add_argument("photo", nargs="?", help="the picture")
    _turns.options(parser, rounds=7)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a process of each side, in turn."""
    if arguments.smoke:
        with small_run() as (run, folder):
            arguments.rounds, photo = 1, str(next(path for path in Path(folder).rglob("*.png")))
            return _compared(arguments, run, photo, folder)
    if not (arguments.run and arguments.photo):
        raise SystemExit("cold_start must be given a run and a photo, or --smoke.")
    with tempfile.TemporaryDirectory() as folder:
        return _compared(arguments, arguments.run, arguments.photo, folder)


def _compared(arguments: argparse.Namespace, run: str, photo: str, folder: str) -> dict[str, Any]:
    model = str(Path(folder, "model.keras"))
    keras = rival(arguments, "keras", "keras_predict", model, photo)
    if not keras.missing:
        made = rival(arguments, "keras", "keras_predict", model, "--save", CLASSES)
        _turns.answer_of(made.work)
    found = in_turn(
        [Side("mindle", [sys.executable, "-m", "mindle", "predict", run, photo]), keras],
        rounds=arguments.rounds,
        warm_up=2,
    )
    alone = Side("libraries", [sys.executable, "-c", "import numpy, onnxruntime, PIL.Image"])
    seconds = statistics.median(alone.turn()["seconds"] for _ in range(arguments.rounds))
    return {**found, "libraries_seconds": seconds}
