"""A reader's desk: photos and a table to run the examples of the documentation on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: photos of two classes, `new/`, `houses.csv`, and a cache of its own."""
    generator = np.random.default_rng(0)
    for folder, count in (("photos", 40), ("newly-sorted", 10)):
        for label, tint in (("birch", (190, 110, 60)), ("oak", (60, 140, 190))):
            for number in range(count):
                write_photo(tmp_path / folder / label / f"IMG_{number:04d}.jpg", tint, generator)
    for number in range(3):
        write_photo(tmp_path / "new" / f"{number}.jpg", (190, 110, 60), generator)
    write_houses(tmp_path / "houses.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINDLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINDLE_WEIGHTS", raising=False)
    return tmp_path


def write_photo(path: Path, tint: tuple[int, int, int], generator: np.random.Generator) -> None:
    """Write a JPEG of coarse noise with a tint in its middle; the border and the light are alike in all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = generator.normal(125, 70, (8, 8, 3))
    coarse[2:6, 2:6] = generator.normal(tint, 40, (4, 4, 3))
    coarse = np.clip(coarse, 0, 255).astype(np.uint8)
    Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC).save(path, quality=92)


def write_houses(path: Path, rows: int = 200) -> None:
    """Write a table of houses whose price follows from size, town and year, with some gaps."""
    generator = np.random.default_rng(0)
    lines = ["no,size,town,garden,sold,price"]
    for number in range(1, rows + 1):
        size, year = generator.uniform(40, 220), generator.integers(2015, 2025)
        town = generator.choice(["Bonn", "Rome", "Seoul"])
        price = 2500 * size + 90_000 * (town == "Seoul") + 9000 * (year - 2015) + generator.normal(0, 20_000)
        garden = generator.choice(["yes", "no", "?"])
        month = generator.integers(1, 13)
        lines.append(f'{number},{size:.1f},{town},{garden},{year}-{month:02d}-01,"{price:,.0f}"')
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
