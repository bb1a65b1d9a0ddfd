"""What a model of flowers refuses that it never saw: rubbish, pets, noise, blank and blurred pictures.

Heads on frozen backbones, as `mindle train` fits them, and the limits that it finds for 5 % of what is held
out; false alarms are counted on the test part. A model of dogs and cats, of whose classes none can be left
out, beside it. DATA holds flowers5, dogs-vs-cats and trashnet-150, WEIGHTS weight files with cards.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import mindle.data
from benchmarks._heads import MODEL, Headed, checked, fitted
from benchmarks.calibration import drawings
from mindle.data.images.quality import STATISTICS, measure_stored
from mindle.data.images.quality import measure as measured
from mindle.evaluation.intervals import counted
from mindle.evaluation.trust.limits import Inputs, Limits, fit_limits

OTHERS = {"flowers5": ("trashnet-150", "dogs-vs-cats"), "dogs-vs-cats": ("trashnet-150", "flowers5")}
REFUSE = 0.05
BLURS = (2, 4, 8, 12)
GENERATED = 60


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("weights", nargs="?", type=Path, default=Path("../shared/weights"))
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--most", type=int, default=600, help="images of each other data set")


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Shares that are refused, by model and by what is shown to it."""
    if asked.smoke:
        with tempfile.TemporaryDirectory() as path:
            folder = drawings(Path(path))
            return {"drawings": _refused(fitted(checked(folder), None, model="tf_efficientnet_lite0"), {})}
    sets = {name: checked(asked.data / name) for name in (*OTHERS, "trashnet-150")}
    found = {}
    for name, others in OTHERS.items():
        headed = fitted(sets[name], asked.weights, model=asked.model)
        found[name] = _refused(headed, {other: sets[other] for other in others}, asked.most)
    return found


def _refused(headed: Headed, others: dict[str, Any], most: int = 0) -> dict[str, Any]:
    limits = limits_of(headed)
    test = headed.dataset.rows("test")
    found = {"held out like training": _share(limits, *_seen(headed, headed.dataset, test))}
    for name, dataset in others.items():
        rows = dataset.rows()
        some = np.sort(np.random.default_rng(0).permutation(rows)[:most])
        found[name] = _share(limits, *_seen(headed, dataset, some))
    for name, pixels in generated(headed, test):
        found[name] = _share(limits, headed.run(pixels), measured(pixels))
    return {"promised": REFUSE, "refused": found, "panel": limits.measured.get("panel", {})}


def limits_of(headed: Headed) -> Limits:
    """As a training finds them."""
    dataset, known = headed.dataset, headed.outcome.out_of_fold
    rows = np.union1d(dataset.rows("train"), dataset.rows("val"))[known.rows]
    spec = headed.outcome.model.spec
    inputs = Inputs(
        statistics=STATISTICS,
        quality=measure_stored(mindle.data.pixels(dataset, rows, spec)),
        sides=np.minimum(dataset.heights, dataset.widths)[rows],
        model_side=min(spec.height, spec.width),
    )
    return fit_limits(known, refuse=REFUSE, inputs=inputs)[0]


def _seen(headed: Headed, dataset: Any, rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    stored = mindle.data.pixels(dataset, rows, headed.outcome.model.spec)
    return headed.features(dataset, rows), measure_stored(stored)


def _share(limits: Limits, features: NDArray[Any], quality: NDArray[Any]) -> dict[str, Any]:
    codes = limits.codes({"features": features}, quality=quality)
    score = counted(int((codes != "").sum()), len(codes))
    return {"n": len(codes), **{name: round(value or 0.0, 4) for name, value in score.items()}}


def generated(headed: Headed, test: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Noise of three kinds, blank pictures, and test images blurred, in pixels as a model sees them."""
    rng, shape = np.random.default_rng(0), headed.outcome.model.spec.shape
    yield "noise, fine", rng.integers(0, 256, (GENERATED, *shape), np.uint8)
    gray = rng.normal(128, 60, (GENERATED, *shape[:2], 1)).clip(0, 255).astype(np.uint8)
    yield "noise, gray", np.repeat(gray, shape[2], axis=3)
    coarse = rng.integers(0, 256, (GENERATED, -(-shape[0] // 16), -(-shape[1] // 16), shape[2]), np.uint8)
    yield "noise, squares of 16 pixels", coarse.repeat(16, 1).repeat(16, 2)[:, : shape[0], : shape[1]]
    colours = rng.integers(0, 256, (GENERATED, 1, 1, shape[2]))
    slopes = np.linspace(0, 1, shape[0])[:, None, None] * rng.integers(-40, 40, (GENERATED, 1, 1, shape[2]))
    slopes = slopes * (np.arange(GENERATED) % 2)[:, None, None, None]  # half of them a gradient
    yield (
        "blank",
        np.broadcast_to((colours + slopes).clip(0, 255).astype(np.uint8), (GENERATED, *shape)).copy(),
    )
    stored = mindle.data.pixels(
        headed.dataset, test[:: max(len(test) // GENERATED, 1)], headed.outcome.model.spec
    )
    plain = stored[np.arange(len(stored))]
    for sigma in BLURS:
        blurred = [np.asarray(Image.fromarray(one).filter(ImageFilter.GaussianBlur(sigma))) for one in plain]
        yield f"blurred, {sigma} pixels", np.stack(blurred)
