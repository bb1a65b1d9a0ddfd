"""Training images beside what is explained: of a run from its data, of a bundle those that it carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mindle.artifacts.arrays import read_arrays
from mindle.artifacts.bundle import LIMITS, NEIGHBOURS
from mindle.artifacts.files import exists, write_arrays
from mindle.artifacts.run import RunFolder
from mindle.errors import MindleError
from mindle.records import Dataset, Listener

if TYPE_CHECKING:
    from mindle.explanation.neighbours import Neighbours
    from mindle.serving.opened import Opened


def read_again(run: RunFolder) -> Dataset:
    """The images that a run was trained on, as its data hold them now; they are neither checked nor split.

    Raises:
        DataError: If they have moved.
    """
    from mindle.data.reading import ReadingOptions

    recorded = run.document()["asked"]
    seed = recorded.get("split_seed", 0)
    return ReadingOptions.from_dict(recorded).read_images(recorded["source"], split_seed=seed)


def gathered(
    opened: Opened, dataset: Dataset, labels: Mapping[int, str], listener: Listener
) -> Neighbours | None:
    """Some training images, drawn by chance; None of a graph that answers no features, as those of 0.1.0.

    Args:
        opened: The bundle.
        dataset: The images.
        labels: Of each row of the train split.
        listener: Hears progress.
    """
    from mindle.data import pixels as pixels_of
    from mindle.data.images.pixels import thumbnail
    from mindle.explanation.neighbours import IMAGES, Neighbours, features_of

    rows = np.random.default_rng(0).permutation(list(labels))[:IMAGES]
    if "features" not in opened.nothing or not len(rows):
        return None
    pixels = pixels_of(dataset, rows, opened.source.spec, listener=listener)[np.arange(len(rows))]
    return Neighbours(
        features=features_of(opened.graph, pixels),
        labels=[labels[row] for row in rows.tolist()],
        paths=[dataset.paths[row] for row in rows.tolist()],
        pictures=[thumbnail(dataset, row) or b"" for row in rows.tolist()],
    )


def read_or_none(path: Path) -> Neighbours | None:
    """Those that `write` wrote; None where there are none, or the file is none of ours."""
    from mindle.explanation.neighbours import SLOTS, read_neighbours

    if not exists(path):
        return None
    try:
        return read_neighbours(read_arrays(path, SLOTS, limit=LIMITS[NEIGHBOURS]))
    except (ValueError, MindleError):
        return None


def carried(opened: Opened, dataset: Dataset, folder: Path, listener: Listener) -> int:
    """Put small training images with their labels into a bundle, without their names.

    Args:
        opened: The bundle.
        dataset: Checked and split.
        folder: Of the bundle, whose document is written later.
        listener: Hears progress.

    Returns:
        How many.
    """
    from mindle.artifacts import answers as layouts

    texts = layouts.of(dataset.task).labels(dataset)
    labels = {row: str(texts[row]) for row in dataset.rows("train").tolist()}
    found = gathered(opened, dataset, labels, listener)
    if found is None:
        return 0
    write(folder / NEIGHBOURS, replace(found, paths=[""] * len(found.labels)))
    return len(found.labels)


def write(path: Path, found: Neighbours) -> None:
    """Write them as an NPZ file."""
    write_arrays(path, found.arrays())
