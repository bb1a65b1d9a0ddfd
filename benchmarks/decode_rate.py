"""Read, hash, check and decode of 12-megapixel JPEGs to 224 px, against Pillow with hash and resize.

Pillow decodes the whole picture; libjpeg-turbo is the limit: it decodes at a quarter of the size and does
nothing else. All sides use as many threads as there are cores, and read the same files, which are in memory
after the warm-up. The files are photos below DATA, enlarged, with `--grain`, without DATA smooth fields: a
grain of 9 makes files of 4 MB, as cameras do, and one of 4 on photos 2.5 MB, as phones do. Their bits take
most of the time, and are read at any scale: 31 of 40 ms of a file of 4 MB.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks._turns import Figures, Side, in_turn
from benchmarks._turns import options as turns
from mindle.data.images.decoding.decode import examine, read_bytes
from mindle.data.images.pixels import content_hash, in_threads, thread_count
from mindle.records import InputSpec

SPEC = InputSpec(height=224, width=224)


def generate(
    folder: Path, files: int, size: tuple[int, int], data: Path | None, grain: float = 9
) -> list[Path]:
    """Write JPEGs of a size (width, height) at quality 90."""
    rng = np.random.default_rng(0)
    photos = sorted(data.rglob("*.jpg")) if data else []
    made = []
    for number in range(files):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
        photo = Image.open(photos[number * len(photos) // files]).convert("RGB") if photos else coarse
        large = np.asarray(photo.resize(size, Image.Resampling.BICUBIC)) + rng.normal(
            0, grain, (*size[::-1], 1)
        )
        made.append(folder / f"{number:03d}.jpg")
        Image.fromarray(large.clip(0, 255).astype(np.uint8)).save(made[-1], quality=90)
    return made


def ours(file: Path) -> None:
    """What `mindle check` and a training do with a file."""
    data = read_bytes(file)
    content_hash(data)
    if examine(data, [SPEC]).kind:
        raise ValueError(file)


def pillow(file: Path) -> None:
    """What a script does with a file."""
    data = file.read_bytes()
    hashlib.sha256(data).hexdigest()
    image = Image.open(io.BytesIO(data)).convert("RGB")
    np.asarray(image.resize((SPEC.width, SPEC.height), Image.Resampling.BILINEAR))


def limit(file: Path) -> None:
    """The part that nobody can leave out."""
    image = Image.open(io.BytesIO(file.read_bytes()))
    image.draft(None, (image.width // 4, image.height // 4))
    image.load()


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--files", type=int, default=32)
    parser.add_argument("--grain", type=float, default=9)
    turns(parser)


def measure(arguments: argparse.Namespace) -> Figures:
    """Both sides in turn over the same files."""
    files, size = (2, (400, 300)) if arguments.smoke else (arguments.files, (4000, 3000))
    threads = thread_count()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(threads) as pool:
        made = generate(Path(folder), files, size, arguments.data, arguments.grain)

        def side(name: str, work: Callable[[Path], None]) -> Side:
            return Side(name, lambda: list(pool.map(work, made)), units=files)

        mindle = Side("mindle", lambda: list(in_threads(ours, made)), units=files)
        sides = [mindle, side("pillow", pillow), side("libjpeg-turbo", limit)]
        found = in_turn(sides, rounds=1 if arguments.smoke else arguments.rounds)
        megabytes = sum(file.stat().st_size for file in made) / files / 1e6
    return {f"{megabytes:.1f} MB a file": {**found, "threads": threads}}
