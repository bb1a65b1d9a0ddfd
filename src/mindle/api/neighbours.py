"""Training images beside what is explained: of a run from its data, of a bundle those that it carries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mindle.artifacts.arrays import read_arrays
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
    from mindle.explanation.neighbours import LARGEST_BYTES, SLOTS, read_neighbours

    if not exists(path):
        return None
    try:
        return read_neighbours(read_arrays(path, SLOTS, limit=LARGEST_BYTES))
    except (ValueError, MindleError):
        return None


def write(path: Path, found: Neighbours) -> None:
    """Write them as an NPZ file."""
    write_arrays(path, found.arrays())
