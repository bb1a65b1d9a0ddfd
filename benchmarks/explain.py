"""Maps of where a model looks: in how many images what they name is missed more than random places.

A head on one frozen backbone trained on flowers5, and the net of a course trained on Fashion-MNIST from
random weights, each on images of its test part that it answers correctly; and an edge detector, which poses
as a map and must be caught. A share is of images. Seconds are those of a map of a model that is open, the
median. DATA holds flowers5 and fashion-mnist, WEIGHTS weight files with cards.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import mindle
from benchmarks.calibration import drawings
from mindle.api.neighbours import read_again
from mindle.artifacts.run import RunFolder
from mindle.data import pixels as pixels_of
from mindle.evaluation import tasks
from mindle.explanation.border import answered_well
from mindle.explanation.checks import Checked, Picture, check
from mindle.explanation.fading import Map, Pixels
from mindle.explanation.maps import METHODS, SHUFFLED, Subject, chosen, forgetful, scored
from mindle.explanation.occlusion import occlusion
from mindle.models.classifier import load_model
from mindle.serving.opened import open_model

MODEL = "tf_efficientnet_lite0"
COMPARED = 3
SHOWN = ("deletion", "pixels", "moved", "insertion", "shuffled")


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("weights", nargs="?", type=Path, default=Path("../shared/weights"))
    parser.add_argument(
        "--images", type=int, default=40, help="of the test part, that are answered correctly"
    )


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Checks and seconds of each method, by model."""
    with tempfile.TemporaryDirectory() as path:
        return {name: explained(run, count) for name, run, count in trained(asked, Path(path))}


def trained(asked: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Path, int]]:
    """Models by name, each with the number of images to look at."""
    one_net = {"train.epochs": 2} if asked.smoke else {"train.epochs": 6}
    if asked.smoke:
        data = drawings(folder / "drawings")
        run = mindle.train(data, recipe="fashion-cnn", set=one_net, out=folder / "net", device="cpu")
        yield "drawings", run.path, 2
        return
    run = mindle.train(
        asked.data / "flowers5", strategy="probe", model=MODEL, weights=asked.weights, out=folder / "head"
    )
    yield "flowers5, head on a frozen backbone", run.path, asked.images
    run = mindle.train(
        asked.data / "fashion-mnist",
        recipe="fashion-cnn",
        set=one_net,
        per_class=300,
        out=folder / "net",
        device="cpu",
    )
    yield "Fashion-MNIST, net from random weights", run.path, asked.images


def explained(run: Path, count: int) -> dict[str, Any]:
    """What the checks say of each method and of an edge detector, and how long a map takes."""
    opened, net = open_model(run), load_model(run)
    subject = Subject(score=scored(opened), net=net)
    dataset, test = read_again(RunFolder(run)), RunFolder(run).answers()["test"]
    places = {path: at for at, path in enumerate(dataset.paths)}
    well = answered_well(test, count)
    rows = np.array([places[test.paths[row]] for row in well])
    pixels = pixels_of(dataset, rows, opened.source.spec)[np.arange(len(rows))]
    targets = tasks.of(test.task).explained(test)[well]
    pictures = [Picture(subject.score, each, int(at)) for each, at in zip(pixels, targets, strict=True)]
    shuffled = forgetful(opened, run / "bundle" / "model.onnx", subject, pixels[:16])
    methods = {}
    for name in (*chosen((), subject), "integrated"):
        draw = METHODS[name].draw
        maps, seconds = timed(lambda each, draw=draw: draw(subject, each.pixels, each.target), pictures)
        again = [draw(shuffled, each.pixels, each.target) for each in pictures[:SHUFFLED]]
        methods[name] = {**summary(check(pictures, maps, again)), "seconds": seconds}
    drawn, seconds = timed(lambda each: edges(each.pixels), pictures)
    methods["an edge detector"] = {**summary(check(pictures, drawn, drawn[:SHUFFLED])), "seconds": seconds}
    return {"n": len(pictures), "methods": methods, "largest_difference_from_torch": difference(run, pixels)}


def timed(draw: Callable[[Picture], Map], pictures: list[Picture]) -> tuple[list[Map], float]:
    """The map of each picture, and the median seconds of one."""
    maps, took = [draw(pictures[0])], []
    for each in pictures[1:]:
        began = time.perf_counter()
        maps.append(draw(each))
        took.append(time.perf_counter() - began)
    return maps, round(median(took), 4)


def edges(pixels: Pixels) -> Map:
    """An edge detector, which knows nothing of any model."""
    gray = pixels.mean(axis=2)
    return np.hypot(*np.gradient(gray)).astype(np.float32)


def summary(found: Checked) -> dict[str, Any]:
    """What is shown of the checks of a method."""
    return {
        **{name: getattr(found, name) for name in SHOWN},
        "failures": list(found.failures),
    }


def difference(run: Path, pixels: Pixels) -> float:
    """How far occlusion maps of the torch-free bundle lie from those of the run in PyTorch, at most."""
    far = []
    scores = [scored(open_model(run, engine=engine)) for engine in ("onnx", "torch")]
    for each in pixels[:COMPARED]:
        target = int(scores[0](each[None])[0].argmax())
        first, second = (occlusion(score, each, target) for score in scores)
        far.append(float(np.abs(first - second).max() / max(float(np.ptp(first)), 1.0)))
    return max(far)
