"""A folder of photos to a report, each command whole and cold, against what a user would run instead.

PHOTOS holds train/CLASS and val/CLASS. `mindle train` starts with an empty cache in every round. Keras runs
the course's inline way for ten epochs and classifies val; fastai trains MobileNetV2 for three, Ultralytics
its smallest classifier for ten; their scripts are in benchmarks/rivals. VGG19 has random weights: its time
alone counts. With `--epochs keras=2`, a rival runs for so many epochs: what is fixed stays as it was
measured, and each epoch that is missing counts as its fastest; `--images keras=300` takes so many photos
likewise. Both favour the rival, and each round says what it measured.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import _turns, targets
from benchmarks._turns import Figures, Side, answer_of, in_turn, rival
from benchmarks._weights import random_weights
from benchmarks.many_images import generate

EPOCHS = {"keras": 10, "fastai": 3, "ultralytics": 10}
CASES = {"mobilenetv2": "mobilenetv2_100", "vgg19": "vgg19"}


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("photos", nargs="?")
    parser.add_argument("--weights", help="of MobileNetV2, as `mindle train` takes them; random unless given")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=[*CASES])
    parser.add_argument("--rivals", nargs="*", choices=EPOCHS, default=[*EPOCHS])
    parser.add_argument("--epochs", nargs="*", type=_pair, default=[], metavar="RIVAL=N")
    parser.add_argument("--images", nargs="*", type=_pair, default=[], metavar="RIVAL=N")
    _turns.options(parser, rounds=3)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Every case, its sides in turn."""
    with tempfile.TemporaryDirectory() as folder:
        if arguments.smoke:
            arguments.photos, arguments.cases, arguments.rounds = f"{folder}/photos", ["mobilenetv2"], 1
            generate(Path(arguments.photos), images=60, classes=2)
        if not arguments.photos:
            raise SystemExit("folder_to_report must be given a folder of photos, or --smoke.")
        return {
            case: in_turn(
                [_ours(arguments, case, Path(folder)), *_theirs(arguments, case)],
                rounds=arguments.rounds,
                warm_up=0,
            )
            for case in arguments.cases
        }


def _ours(arguments: argparse.Namespace, case: str, folder: Path) -> Side:
    size = 64 if arguments.smoke else {"mobilenetv2": 224, "vgg19": 180}[case]
    weights = arguments.weights if case == "mobilenetv2" else None
    weights = weights or str(random_weights(folder / case, CASES[case], size))
    command = [arguments.photos, "--weights", weights, "--model", CASES[case], "--strategy", "probe"]

    def train() -> Figures:
        done = targets.run(command)
        if "failed" in done:
            raise SystemExit(done["said"])
        return {
            "seconds": done["wall_seconds"], "stages": done["seconds"], "accuracy": done["accuracy"]["value"],
        }  # fmt: skip

    return Side("mindle", train)


def _theirs(arguments: argparse.Namespace, case: str) -> Iterator[Side]:
    backbone = {"mobilenetv2": "MobileNetV2", "vgg19": "VGG19"}[case]
    few = dict(arguments.images).get("keras")
    inline = [arguments.photos, "--backbone", backbone, *(["--images", few] if few else [])]
    called = f"Keras inline, {backbone}{f', {few} photos' if few else ''}"
    yield from _rival(arguments, "keras", "keras", "keras_inline", *inline, name=called)
    if case == "mobilenetv2":
        typed = ["fastai", "fastai", "fastai_flowers", arguments.photos]
        yield from _rival(arguments, *typed, name="fastai, MobileNetV2")
        typed = ["ultralytics", "ultra", "ultralytics_classify", "PHOTOS"]
        yield from _rival(arguments, *typed, name="Ultralytics, yolo11n-cls", copy=Path(arguments.photos))


def _rival(
    arguments: argparse.Namespace,
    who: str,
    environment: str,
    script: str,
    *typed: object,
    name: str,
    copy: Path | None = None,
) -> Iterator[Side]:
    """The side of a rival that was asked for, named after how many of its epochs are run."""
    if who in arguments.rivals:
        whole = EPOCHS[who]
        epochs = dict(arguments.epochs).get(who, whole)
        name = name if epochs == whole else f"{name}, {epochs} of {whole} epochs run"
        side = rival(arguments, environment, script, *typed, "--epochs", epochs, name=name)
        yield _whole(side, whole, copy)


def _whole(side: Side, epochs: int, copy: Path | None = None) -> Side:
    """The side with the seconds of all its epochs over all photos; on a copy of the photos, if need be."""
    return side if side.missing else replace(side, work=_timed(side.work, epochs, copy))


def _timed(command: Any, epochs: int, copy: Path | None) -> Callable[[], Figures]:
    def work() -> Figures:
        with tempfile.TemporaryDirectory() as folder:
            # Ultralytics writes beside the photos; the copy is not timed.
            photos = shutil.copytree(copy, f"{folder}/photos") if copy else None
            began = time.perf_counter()
            said = answer_of([str(photos) if word == "PHOTOS" else word for word in command])
            wall = time.perf_counter() - began
        return {**said, "seconds": _of_all_epochs(said, wall, epochs), "measured_seconds": round(wall, 1)}

    return work


def _of_all_epochs(said: Figures, wall: float, epochs: int) -> float:
    """Wall time, with what was left out of it at the pace of the fastest epoch."""
    done: Sequence[float] = said["epoch_seconds"]
    share = said["all_images"] / said["images"]
    missing = epochs * share - len(done)
    test = said["phases"].get("test", 0.0) * (said.get("all_test_images", 1) / said.get("test_images", 1) - 1)
    return wall + min(done) * missing + test


def _pair(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in EPOCHS or not number.isdigit():
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(EPOCHS)}, =, and a number")
    return name, int(number)
