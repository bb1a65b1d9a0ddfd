"""Steady rate of `mindle predict` over files against the bare forward rate of its graph.

Usage: python benchmarks/predict_rate.py RUN FOLDER [--times 6] [--rounds 5]

Both sides are warmed up and measured in turn in one process; the median ratio of the rounds is what counts.
In every round the bare side is the best of batch 1, 16 and 32. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from mindle.api import named_images, open_model

BATCHES = (1, 16, 32)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--times", type=int, default=6, help="how often the folder is gone through in a round"
    )
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    opened = open_model(arguments.run)
    files = sorted(str(path) for path in arguments.folder.rglob("*") if path.is_file()) * arguments.times
    pixels = np.random.default_rng(0).integers(0, 256, (32, *opened.spec.shape), np.uint8)

    def bare(batch: int) -> float:
        images, began = 0, time.perf_counter()
        while time.perf_counter() - began < 3:
            opened.forward(pixels[:batch])
            images += batch
        return images / (time.perf_counter() - began)

    def whole() -> float:
        began = time.perf_counter()
        answered = sum(not row["reason"] for row in opened.rows(named_images(files)))
        return answered / (time.perf_counter() - began)

    whole()
    for batch in BATCHES:
        bare(batch)
    rounds = [(whole(), max(bare(batch) for batch in BATCHES)) for _ in range(arguments.rounds)]
    ratios = [mine / limit for mine, limit in rounds]
    print(
        json.dumps(
            {
                "benchmark": "predict",
                "images": len(files),
                "images_per_second": round(statistics.median(mine for mine, _ in rounds), 1),
                "bare_images_per_second": round(statistics.median(limit for _, limit in rounds), 1),
                "ratio": {
                    "median": round(statistics.median(ratios), 3),
                    "lowest": round(min(ratios), 3),
                    "highest": round(max(ratios), 3),
                },
            }
        )
    )


if __name__ == "__main__":
    main()
