"""Time, memory and recall of the search for near duplicates among many thumbnails with known copies.

The pictures are crops of the photos below DATA, turned, mirrored and mixed with one another, so that their
hashes lie as near to each other as those of real photos; a tenth is smooth fields with grain. The first
pictures come in pairs: a crop, and the same saved again, shrunk, brighter, with less contrast or with a pixel
cut off. The same pairs are looked for in a tenth of the pictures and in all. Without DATA there are only
fields.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

SIDE = 160
LOT = 1000


def _saved(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("L")


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved at quality 30": lambda picture: _saved(picture, 30),
    "a third of the size": lambda picture: picture.resize((SIDE // 3, SIDE // 3)),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.1),
    "less contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.7),
    "a pixel cut": lambda picture: picture.crop((1, 1, SIDE - 1, SIDE - 1)),
}


def _photos(data: Path | None) -> list[Image.Image]:
    found = []
    for file in sorted(data.rglob("*.jpg")) if data else ():
        with suppress(OSError, Image.DecompressionBombError), Image.open(file) as image:
            image.draft("L", (SIDE, SIDE))
            found.append(image.convert("L").resize((SIDE, SIDE)))
    return found


def _picture(photos: list[Image.Image], rng: np.random.Generator, side: int) -> Image.Image:
    """A crop of a photo, mixed with another one half of the time; or a smooth field."""
    if not photos or rng.random() < 0.1:
        coarse = Image.fromarray(rng.integers(0, 256, (int(rng.integers(2, 7)),) * 2, np.uint8))
        smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
        grain = rng.normal(0, rng.uniform(0, 10), (side, side))
        return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))
    crop = _crop(photos, rng, side)
    return Image.blend(crop, _crop(photos, rng, side), 0.35) if rng.random() < 0.5 else crop


def _crop(photos: list[Image.Image], rng: np.random.Generator, side: int) -> Image.Image:
    size = rng.uniform(0.25, 1) * SIDE
    left, top = rng.uniform(0, SIDE - size, 2)
    box = (left, top, left + size, top + size)
    crop = photos[rng.integers(len(photos))].resize((side, side), Image.Resampling.BILINEAR, box=box)
    turn = int(rng.integers(8))
    return crop.transpose(Image.Transpose(turn)) if turn < 7 else crop


def _thumbnail(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(picture.resize((32, 32), Image.Resampling.BILINEAR))


def generate(file: Path, images: int, pairs: int, data: Path | None) -> None:
    """Write the thumbnails of `pairs` pictures and their copies, and then of others, as one .npy."""
    photos = _photos(data)
    out = np.lib.format.open_memmap(file, "w+", np.uint8, (images, 32, 32))
    kinds = list(COPIES.values())
    for number in range(pairs):
        picture = _picture(photos, np.random.default_rng([1, number]), SIDE)
        out[2 * number] = _thumbnail(_saved(picture, 92))
        out[2 * number + 1] = _thumbnail(_saved(kinds[number % len(kinds)](picture), 92))

    def fill(start: int) -> None:
        rng = np.random.default_rng([2, start])
        for number in range(start, min(start + LOT, images)):
            out[number] = np.asarray(_picture(photos, rng, 32))

    with ThreadPoolExecutor() as pool:
        list(pool.map(fill, range(2 * pairs, images, LOT)))


SEARCH = """
import json, resource, sys, time
import numpy as np
from mindle.data.common.groups import Groups
from mindle.data.images.duplicates import near_duplicates, perceptual_hashes

thumbnails = np.load(sys.argv[1], mmap_mode="r")[: int(sys.argv[2])]
pairs = int(sys.argv[3])
small, kinds = np.zeros(len(thumbnails), bool), np.zeros(len(thumbnails), np.int64)
began = time.perf_counter()
hashes = perceptual_hashes(thumbnails)
hashed = time.perf_counter()
found = near_duplicates(thumbnails.__getitem__, hashes, kinds=kinds, small=small)
seconds = time.perf_counter() - hashed
groups = Groups(len(thumbnails))
groups.join(found.pairs)
roots = groups.roots()[: 2 * pairs].reshape(-1, 2)
print(json.dumps({
    "pictures": len(thumbnails), "complete": found.complete, "pairs": len(found.pairs),
    "hash_seconds": round(hashed - began, 1), "search_seconds": round(seconds, 1),
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    "thumbnails_mb": thumbnails.nbytes >> 20,
    "found": np.flatnonzero(roots[:, 0] == roots[:, 1]).tolist(),
}))
"""


def search(file: Path, images: int, pairs: int) -> dict[str, Any]:
    """Look for near duplicates among the first pictures, in a process of its own."""
    typed = [sys.executable, "-c", SEARCH, str(file), str(images), str(pairs)]
    found: dict[str, Any] = json.loads(subprocess.run(typed, check=True, capture_output=True).stdout)
    return found


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5000)
    parser.add_argument("--thumbnails", type=Path, help="a file to keep them in, and to take them from again")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Search a tenth, and then all."""
    images, pairs = (1000, 40) if arguments.smoke else (arguments.images, arguments.pairs)
    with tempfile.TemporaryDirectory() as folder:
        file = arguments.thumbnails or Path(folder, "thumbnails.npy")
        if not file.exists():
            generate(file, images, pairs, arguments.data)
        few, many = (search(file, count, pairs) for count in (images // 10, images))
    before, now = set(few.pop("found")), set(many.pop("found"))
    kinds = {
        f"found of {pairs // len(COPIES):,} copies {kind}": sum(pair % len(COPIES) == number for pair in now)
        for number, kind in enumerate(COPIES)
    }
    counts = {
        "planted": pairs,
        "found among a tenth": len(before),
        "of these not among all": len(before - now),
    }
    return {**many, **counts, **kinds, **{f"{name} (a tenth)": value for name, value in few.items()}}
