"""Small photo folders drawn in code, for tests of whole commands."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("네모", "circle", "stripe & <b>")


def draw(kind: int, seed: int, side: int = 48) -> Image.Image:
    """A square, a circle or stripes, of random colour, position and grain."""
    rng = np.random.default_rng([kind, seed])
    ground = tuple(int(v) for v in rng.integers(0, 110, 3))
    ink = tuple(int(v) for v in rng.integers(145, 256, 3))
    image = Image.new("RGB", (side, side), ground)
    pen = ImageDraw.Draw(image)
    half, x, y = int(rng.integers(8, 14)), *(int(v) for v in rng.integers(16, side - 16, 2))
    if kind == 0:
        pen.rectangle((x - half, y - half, x + half, y + half), fill=ink)
    elif kind == 1:
        pen.ellipse((x - half, y - half, x + half, y + half), fill=ink)
    else:
        for start in range(int(rng.integers(0, 6)), side, 8):
            pen.line((start, 0, start, side), fill=ink, width=3)
    grain = rng.normal(0, 10, (side, side, 3))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def scene(width: int, height: int, *, seed: int = 0) -> Image.Image:
    """Something like a photo: soft patches of colour, with grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(20, 236, (8, 8, 3)).astype(np.uint8))
    soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(soft + rng.normal(0, 12, soft.shape), 0, 255).astype(np.uint8))


def photo_folder(root: Path, per_class: int = 24, *, dirty: bool = False) -> Path:
    """Class folders of drawings; `dirty` adds what real folders hold: broken, foreign, hidden and doubled
    files."""
    for kind, name in enumerate(CLASSES):
        folder = root / name
        folder.mkdir(parents=True)
        for seed in range(per_class):
            draw(kind, seed).save(folder / f"사진 {seed:02d}.png")
    if dirty:
        whole = (root / CLASSES[0] / "사진 00.png").read_bytes()
        (root / CLASSES[0] / "잘림.png").write_bytes(whole[: len(whole) // 2])
        (root / CLASSES[0] / "copy.png").write_bytes(whole)
        (root / CLASSES[1] / "notes.jpg").write_text("not an image")
        (root / CLASSES[1] / "empty.png").write_bytes(b"")
        (root / CLASSES[2] / "Thumbs.db").write_bytes(b"\0" * 64)
        (root / ".DS_Store").write_bytes(b"\0" * 64)
        twice = draw(0, 999)
        twice.save(root / CLASSES[1] / "both.png")
        twice.save(root / CLASSES[2] / "both.png")
    return root


def fingerprints(root: Path) -> dict[str, tuple[str, int, int]]:
    """SHA-256, size and modification time of every file below a folder, and the times of the folders."""
    return {
        str(path.relative_to(root)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_size if path.is_file() else 0,
            path.stat().st_mtime_ns,
        )
        for path in sorted([root, *root.rglob("*")])
    }
