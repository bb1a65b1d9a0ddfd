"""What this machine can do at most: products of matrices, copies, decoding, bare training and forward passes.

Nothing of mindle is measured here; the other benchmarks are compared with these. Weights and pixels are
random. Every way to run a network forward takes its turn: PyTorch, ONNX Runtime and, where it is installed,
OpenVINO, all in float32, by batch and by how many calls run side by side.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks import _forward
from benchmarks._machine import cores
from benchmarks._turns import Figures, Side, in_turn
from benchmarks.loop_rate import LAYOUTS, bare_loop
from mindle.models.nets.zoo import ZOO
from mindle.records import InputSpec

NETS = {"mobilenetv2_100": 224, "resnet50": 224, "vgg19": 180}
COURSE_NET, COURSE_BATCH = "catsdogs-cnn", 16


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("--nets", nargs="*", choices=NETS, default=[*NETS])
    parser.add_argument("--batches", nargs="+", type=int, default=[*_forward.BATCHES])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one turn, at the least")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Each limit, and each network in each way."""
    if arguments.smoke:
        arguments.nets, arguments.batches, arguments.rounds, arguments.seconds = (
            ["mobilenetv2_100"],
            [1],
            1,
            0.0,
        )
    small = arguments.smoke
    found = in_turn([*_sides(arguments.seconds, small)], rounds=arguments.rounds)
    forward = {name: _forward_rates(name, arguments) for name in arguments.nets}
    return {
        "limits": {name: one["units_a_second"] for name, one in found["sides"].items()},
        "rounds": found["rounds"],
    } | {"forward": forward}


def _forward_rates(name: str, arguments: argparse.Namespace) -> Figures:
    size = 64 if arguments.smoke else NETS[name]
    with _forward.bare_sides(
        _forward.network(name, size), size, batches=arguments.batches, at_least=arguments.seconds
    ) as sides:
        found = in_turn(sides, rounds=arguments.rounds)
    rates = {side: one["units_a_second"] for side, one in found["sides"].items()}
    best = max(rates, key=lambda side: rates[side])
    return {
        "size": size,
        "best": best,
        "images_a_second": rates,
        "others_cpu_share": found["others_cpu_share"],
    }


def _sides(seconds: float, small: bool) -> Iterator[Side]:
    side = 256 if small else 4096
    yield Side(
        "float32 matrix product, GFLOP", partial(_product, torch.rand(side, side)), 2 * side**3 / 1e9, seconds
    )
    block = np.ones((1 if small else 256) << 20, np.uint8)
    target = np.empty_like(block)
    yield Side("memory copied, GB", lambda: np.copyto(target, block), block.nbytes / 1e9, seconds)
    photo = _photo(*(300, 400) if small else (3000, 4000))
    for name, size in (("whole", None), ("drafted to 224 px", (224, 224))):
        decode = partial(_decode_on_all, photo, size)
        yield Side(f"12-megapixel JPEG decoded {name}", decode, cores(), seconds)
    for name, step in _loops(small):
        yield Side(f"course's CNN trained bare, {name}, images", step, COURSE_BATCH, seconds)


def _product(matrix: torch.Tensor) -> None:
    torch.mm(matrix, matrix)


def _photo(height: int, width: int) -> bytes:
    """A JPEG that costs what a photo costs: smooth areas, edges and some noise."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 50, width // 50, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    noisy = (smooth + rng.normal(0, 6, (height, width, 1)).astype(np.int16)).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=90)
    return file.getvalue()


def _decode_on_all(photo: bytes, size: tuple[int, int] | None) -> None:
    """One photo a core, in threads: libjpeg-turbo lets go of Python's lock."""
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(lambda _: _decode(photo, size), range(cores())))


def _decode(photo: bytes, size: tuple[int, int] | None) -> None:
    with Image.open(io.BytesIO(photo)) as image:
        if size:
            image.draft("RGB", size)
        image.load()


def _loops(small: bool) -> Iterator[tuple[str, Any]]:
    card = ZOO[COURSE_NET]
    channels, height, width = card.shape
    spec = InputSpec(height=height, width=width, mean=(0.5,) * channels, std=(0.25,) * channels)
    rng = np.random.default_rng(0)
    images = 16 if small else 512
    pixels = rng.integers(0, 256, (images, height, width, channels), np.uint8)
    labels = rng.integers(0, card.classes, images).astype(np.int64)
    torch.set_flush_denormal(True)
    for name, layout in LAYOUTS.items():
        yield name, bare_loop(COURSE_NET, spec, pixels, labels, COURSE_BATCH, layout)
