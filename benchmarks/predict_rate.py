"""Steady rate of `mindle predict` over files, and of evaluation, against the fastest bare forward pass.

`files`: from photos on disk to the rows of a table of answers. `stored`: from pixels in memory to answers, as
a test split is evaluated. The bare side is the network without its head on floats in memory, in the engines,
batches and streams that were fastest in a first turn. The plan of the bundle is found before the rounds: that
happens once a machine. `decoding` are the processor seconds of a photo's decoding, and the ratio that they
leave where both cores decode and answer without a pause.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import mindle
from benchmarks import _forward, _turns
from benchmarks._machine import cores
from benchmarks._turns import Side, in_turn
from mindle.api.predict import inputs_of, open_model
from mindle.data.images.decoding.decode import decode
from mindle.data.images.pixels import Pixels
from mindle.records import SILENT
from mindle.serving.opened import Opened


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("run", nargs="?", help="a run or a bundle on features of --model")
    parser.add_argument("folder", nargs="?", help="the images")
    parser.add_argument("--model", default="mobilenetv2_100", help="the network that the bare side runs")
    parser.add_argument("--images", type=int, default=1000, help="a round; the folder is gone through again")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of a turn of the bare sides, at the least"
    )
    _turns.options(parser)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both comparisons, and what decoding takes."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MINDLE_CACHE"] = f"{folder}/cache"
        if arguments.smoke:
            arguments.images, arguments.seconds, arguments.rounds = 8, 0.0, 1
            with small_run() as (run, photos):
                return _rates(arguments, run, photos)
        if not (arguments.run and arguments.folder):
            raise SystemExit("predict_rate must be given a run and a folder of images, or --smoke.")
        return _rates(arguments, arguments.run, arguments.folder)


@contextmanager
def small_run() -> Iterator[tuple[str, str]]:
    """A net trained for one epoch on the digits, and some of them as files."""
    with tempfile.TemporaryDirectory() as folder:
        mindle.prepare("digits", f"{folder}/images")
        settings = {"train.epochs": 1}
        run = mindle.train("digits", strategy="scratch", set=settings, out=f"{folder}/run", listener=SILENT)
        yield str(run.path), f"{folder}/images/test"


def _rates(arguments: argparse.Namespace, run: str, folder: str) -> dict[str, Any]:
    opened, count = open_model(run), arguments.images
    found = sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())
    files = (found * (count // len(found) + 1))[:count]
    size = 64 if arguments.smoke else opened.source.spec.height
    batches = (1,) if arguments.smoke else _forward.BATCHES
    net = _forward.network(arguments.model, size)
    with _forward.bare_sides(net, size, batches=batches, at_least=arguments.seconds) as sides:
        best = _forward.fastest(sides, 1 if arguments.smoke else 4)
        both = [_files(opened, files), _stored(opened, count)]
        rates = {side.name: in_turn([side, *best], rounds=arguments.rounds) for side in both}
    bare = min(one["seconds_a_unit"] for name, one in rates["files"]["sides"].items() if name != "files")
    decoding = _decoding_seconds(opened, files[:200])
    left = {"cpu_seconds_a_photo": decoding, "ratio_left": round(bare / (bare + decoding / cores()), 3)}
    return {**rates, "decoding": left, "plan": str(opened.graph.forward.plan)}


def _files(opened: Opened, files: Sequence[str]) -> Side:
    def predict() -> None:
        answered = sum(not row["reason"] for row in opened.rows(inputs_of(opened, files)))
        assert answered == len(files)  # noqa: S101  # a reason would be cheaper than an answer

    return Side("files", predict, units=len(files))


def _stored(opened: Opened, count: int) -> Side:
    some = np.random.default_rng(0).integers(0, 256, (64, *opened.source.spec.shape), np.uint8)
    pixels, paths = Pixels.of(some, np.arange(count) % len(some)), ("",) * count
    return Side("stored", lambda: opened.answer_stored(pixels, paths), units=count)


def _decoding_seconds(opened: Opened, files: Sequence[str]) -> float:
    began = time.process_time()
    for file in files:
        decode(Path(file), opened.source.spec)
    return (time.process_time() - began) / len(files)
