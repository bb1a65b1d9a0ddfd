"""Time and memory of `check` and of one epoch from scratch over many generated 32x32 images.

The images are PNG files of coloured noise in a temporary folder that is deleted afterwards. Of several sizes,
each is larger than the one before, and both commands run on each with an empty cache: what grows is said for
each image more. Time is that of the processors, which a busy machine changes little; memory is what the
process alone holds, without the files that it maps.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COMMANDS: Mapping[str, Sequence[str]] = {
    "check": (),
    "train": ("--strategy", "scratch", "--set", "train.epochs=1"),
}


def generate(folder: Path, images: int, classes: int, *, already: int = 0) -> None:
    """Write noise whose mean colour depends on the class; the images from `already` on."""
    tints = np.random.default_rng(0).integers(40, 216, (classes, 3))
    rng = np.random.default_rng([already])
    for number in range(already, images):
        label = number % classes
        where = folder / f"class{label:02d}"
        where.mkdir(parents=True, exist_ok=True)
        noise = rng.normal(tints[label], 50, (32, 32, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).save(where / f"{number:06d}.png", compress_level=1)


def run(arguments: list[str], cache: str) -> dict[str, Any]:
    """Run one command; its time on the clock and on the processors, and its largest memory."""
    began, processor, private = time.perf_counter(), processor_seconds(), 0
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "mindle", *arguments],
            env={**os.environ, "MINDLE_CACHE": cache},
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        while True:
            private = max(private, private_bytes(process.pid))
            try:
                code = process.wait(timeout=0.05)
                break
            except subprocess.TimeoutExpired:
                continue
        said.seek(0)
        last = said.read()[-300:]
    return {
        "command": "mindle " + " ".join(arguments[:1]),
        "exit": code,
        "seconds": round(time.perf_counter() - began, 1),
        "processor_seconds": round(processor_seconds() - processor, 1),
        "private_mb": private // 1_000_000,
        "said": last if code not in (0, 1) else "",
    }


def private_bytes(process: int) -> int:
    """What a process holds now that is in no file; 0 where the system does not say, or it has ended."""
    try:
        found = re.search(r"RssAnon:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def processor_seconds() -> float:
    """What all finished commands took of the processors."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("--images", type=int, nargs="+", default=[30_000, 300_000])
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Generate the images, run the commands on them, and say what grew."""
    sizes, classes = ([60, 120], 2) if arguments.smoke else (sorted(arguments.images), arguments.classes)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        for already, images in pairwise([0, *sizes]):
            generate(photos, images, classes, already=already)
            cache = f"{folder}/cache-{images}"
            out = ["--out", f"{folder}/run-{images}"]
            done = {
                name: run([name, str(photos), *COMMANDS[name], *(out if name == "train" else [])], cache)
                for name in arguments.commands
            }
            found.append({"images": images, **done})
            print(found[-1], file=sys.stderr, flush=True)
    return {
        "sizes": found,
        "growth": {name: [growth(*two, name) for two in pairwise(found)] for name in arguments.commands},
    }


def growth(small: Mapping[str, Any], large: Mapping[str, Any], command: str) -> dict[str, float]:
    """What a command takes of the larger data set, against the smaller one."""
    less, more = small[command], large[command]
    images = large["images"] / small["images"]
    bytes_more = (more["private_mb"] - less["private_mb"]) * 1e6
    return {
        "times_the_images": round(images, 2),
        "times_the_processor_seconds": round(more["processor_seconds"] / less["processor_seconds"], 2),
        "bytes_an_image_more": round(bytes_more / (large["images"] - small["images"])),
    }
