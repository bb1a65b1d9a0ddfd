"""Small pictures with a number that they show: drawn here, so that tests need nobody's photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def discs(count: int, *, side: int = 24, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Gray discs somewhere on grain, (image, height, width), and their diameters in pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side]
    diameters = rng.uniform(0.2, 0.8, count) * side
    centres = rng.uniform(0.4, 0.6, (count, 2)) * side
    grounds, lights = rng.uniform(30, 90, count), rng.uniform(140, 230, count)
    images = np.empty((count, side, side), np.uint8)
    for i in range(count):
        away = np.hypot(y - centres[i, 0], x - centres[i, 1]) - diameters[i] / 2
        share = np.clip(0.5 - away, 0, 1)  # a soft edge, so that size is more than whole pixels
        picture = grounds[i] + (lights[i] - grounds[i]) * share + rng.normal(0, 6, (side, side))
        images[i] = np.clip(picture, 0, 255).astype(np.uint8)
    return images, diameters


def write_discs(
    folder: Path, count: int = 120, *, side: int = 24, seed: int = 0, column: str = "target", extra: str = ""
) -> Path:
    """The same as PNG files with a CSV that lists them; `extra` are lines below."""
    images, diameters = discs(count, side=side, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"path,{column}"]
    for number, (image, diameter) in enumerate(zip(images, diameters, strict=True)):
        Image.fromarray(image).save(folder / f"{number:04d}.png")
        lines.append(f"{number:04d}.png,{diameter:.4f}")
    file = folder / "discs.csv"
    file.write_text("\n".join([*lines, *extra.splitlines()]) + "\n", encoding="utf-8")
    return file
