"""Time and peak memory of `check` and of one epoch from scratch over many generated 32x32 images.

The images are PNG files of coloured noise in a temporary folder that is deleted afterwards.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def generate(folder: Path, images: int, classes: int) -> None:
    """Write noise whose mean colour depends on the class."""
    rng = np.random.default_rng(0)
    tints = rng.integers(40, 216, (classes, 3))
    for number in range(images):
        label = number % classes
        where = folder / f"class{label:02d}"
        where.mkdir(parents=True, exist_ok=True)
        noise = rng.normal(tints[label], 50, (32, 32, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).save(where / f"{number:06d}.png", compress_level=1)


def run(arguments: list[str], cache: str) -> dict[str, Any]:
    """Run one command; its time on the clock and on the processors, and the largest memory of any so far."""
    began, processor = time.perf_counter(), processor_seconds()
    done = subprocess.run(
        [sys.executable, "-m", "mindle", *arguments],
        env={**os.environ, "MINDLE_CACHE": cache},
        capture_output=True,
        text=True,
    )
    return {
        "command": "mindle " + " ".join(arguments[:1]),
        "exit": done.returncode,
        "seconds": round(time.perf_counter() - began, 1),
        "processor_seconds": round(processor_seconds() - processor, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "said": done.stderr[-300:] if done.returncode not in (0, 1) else "",
    }


def processor_seconds() -> float:
    """What all finished commands took of the processors: a busy machine changes it little."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=10)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Generate the images, then run both commands on them."""
    images, classes = (60, 2) if arguments.smoke else (arguments.images, arguments.classes)
    one_epoch = ["--strategy", "scratch", "--set", "train.epochs=1"]
    with tempfile.TemporaryDirectory() as folder:
        photos, cache = Path(folder, "photos"), f"{folder}/cache"
        generate(photos, images, classes)
        checked = run(["check", str(photos)], cache)
        trained = run(["train", str(photos), *one_epoch, "--out", f"{folder}/run"], cache)
    return {"images": images, "check": checked, "train": trained}
