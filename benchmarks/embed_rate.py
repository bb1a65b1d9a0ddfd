"""Embedding with a frozen backbone, against the fastest bare float32 forward pass of it in any engine.

`embedding`: from decoded pixels to stored features, images that the cache has not seen. `folder`: from PHOTOS
to stored features with no pixels and features in the cache, against decoding them with Pillow on all cores,
by the processor seconds that this takes, plus their bare forward passes. (Cores that are two threads of one
are slower together: what one thread needs alone, divided by two, is no limit there.) The backbone's graph is
made, and its engine found, before the rounds: that happens once a machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import _forward, _turns
from benchmarks._machine import cores
from benchmarks._turns import Side, hardest, in_turn
from benchmarks._weights import card_of
from benchmarks.many_images import generate
from mindle import data
from mindle.models.pretrained.cards import WeightCard
from mindle.training.images.features import Engine

KEPT = ("graphs", "engines", "weights")  # of the cache, from round to round


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument(
        "photos", nargs="?", help="a folder of photos; without it, only `embedding` is measured"
    )
    parser.add_argument("--weights", help="as `mindle train` takes them; random unless given")
    parser.add_argument("--model", default="mobilenetv2_100")
    parser.add_argument(
        "--images", type=int, default=1536, help="of random pixels, each round of `embedding`"
    )
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="of one turn of the bare sides, at the least"
    )
    _turns.options(parser)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both comparisons, with the few bare ways that were fastest in a first turn."""
    with tempfile.TemporaryDirectory() as folder:
        if arguments.smoke:
            arguments.photos, arguments.images, arguments.seconds, arguments.rounds = (
                f"{folder}/photos",
                8,
                0.0,
                1,
            )
            generate(Path(arguments.photos), images=12, classes=2)
        os.environ["MINDLE_CACHE"] = f"{folder}/cache"
        size = 64 if arguments.smoke else 224
        card = card_of(arguments.model, arguments.weights, Path(folder, "weights"), size)
        batches = (1,) if arguments.smoke else _forward.BATCHES
        net = _forward.network(arguments.model, card.spec.height, card)
        with _forward.bare_sides(net, card.spec.height, batches=batches, at_least=arguments.seconds) as bare:
            best = _forward.fastest(bare, 1 if arguments.smoke else 3)
            found = {
                "embedding": in_turn([_embedding(card, arguments.images), *best], rounds=arguments.rounds)
            }
            if arguments.photos:
                named = hardest(found["embedding"])[0]
                limit = next(side for side in best if side.name == named)
                found["folder"] = in_turn(
                    [*_folder(card, Path(arguments.photos), limit)], rounds=arguments.rounds
                )
    return found


def _embedding(card: WeightCard, images: int) -> Side:
    pixels = np.random.default_rng(0).integers(0, 256, (images, *card.spec.shape), np.uint8)
    engine, numbers = Engine(card), count()

    def embed() -> dict[str, str]:
        engine.embed(pixels, [f"{next(numbers):064x}" for _ in pixels])
        return {"plan": str(engine.plan)}

    return Side("mindle", embed, units=images)


def _folder(card: WeightCard, photos: Path, bare: Side) -> Iterator[Side]:
    files = sorted(path for path in photos.rglob("*") if path.is_file())

    def ours() -> None:
        _empty_cache()
        dataset = data.check(data.read(photos), specs=[card.spec])
        rows = np.flatnonzero([not why for why in dataset.set_aside])
        keys = [dataset.sha256[row] for row in rows.tolist()]
        Engine(card).embed(data.pixels(dataset, rows, card.spec), keys)

    def limit() -> dict[str, float]:
        decoding = _decoding_seconds(files, (card.spec.width, card.spec.height))
        forward = bare.turn()["seconds_a_unit"] * len(files)
        return {
            "seconds": decoding / cores() + forward,
            "decoding_cpu_seconds": decoding,
            "forward_seconds": forward,
        }

    yield Side("mindle", ours, units=len(files))
    yield Side(f"decoding on all cores, then {bare.name}", limit, units=len(files))


def _decoding_seconds(files: Sequence[Path], size: tuple[int, int]) -> float:
    """Processor seconds of all threads."""

    def decode(file: Path) -> None:
        with Image.open(file) as image:
            image.draft("RGB", size)
            image.convert("RGB").resize(size, Image.Resampling.BILINEAR)

    began = time.process_time()
    with ThreadPoolExecutor(cores()) as pool:
        deque(pool.map(decode, files), maxlen=0)
    return time.process_time() - began


def _empty_cache() -> None:
    for part in Path(os.environ["MINDLE_CACHE"]).iterdir():
        if part.name not in KEPT:
            shutil.rmtree(part)
