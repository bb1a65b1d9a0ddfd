"""The training images that a model finds most like one, with their labels: what it may have gone by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.arrays import Slot
from mindle.evaluation.trust.unknown import ROOT_FLOOR

IMAGES, SHOWN = 500, 6
"""Training images that are looked through, and the nearest that are shown."""

SLOTS = {
    "features": Slot("f2", (None, None)),
    "labels": Slot("U", (None,)),
    "paths": Slot("U", (None,)),
    "pictures": Slot("u1", (None,)),
    "ends": Slot("i8", (None,)),
}
_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Some training images as a model sees them.

    Attributes:
        features: float16 (image, feature), the signed root of what the graph answers as `features`.
        labels: What each shows.
        paths: Where each lies in the data; "" in a bundle.
        pictures: A small JPEG of each; b"" where it cannot be read.
    """

    features: NDArray[np.float16]
    labels: Sequence[str]
    paths: Sequence[str]
    pictures: Sequence[bytes]

    def nearest(self, features: NDArray[np.floating[Any]], most: int = SHOWN) -> list[dict[str, Any]]:
        """The nearest images to features (feature,), the nearest first: `path`, `label` and `picture`."""
        away = np.linalg.norm(self.features.astype(np.float32) - _rooted(features).astype(np.float32), axis=1)
        order = np.argsort(away, kind="stable")[:most].tolist()
        return [
            {"path": self.paths[at], "label": self.labels[at], "picture": self.pictures[at]} for at in order
        ]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What an NPZ file carries."""
        joined = b"".join(self.pictures)
        return {
            "features": self.features,
            "labels": np.array(self.labels, np.str_),
            "paths": np.array(self.paths, np.str_),
            "pictures": np.frombuffer(joined, np.uint8),
            "ends": np.cumsum([len(each) for each in self.pictures]).astype(np.int64),
        }


def read_neighbours(arrays: Mapping[str, NDArray[Any]]) -> Neighbours:
    """The images that `Neighbours.arrays` gave.

    Raises:
        ValueError: If the arrays do not fit each other.
    """
    count, ends, joined = len(arrays["features"]), arrays["ends"], arrays["pictures"].tobytes()
    lengths = {len(arrays[name]) for name in ("labels", "paths", "ends")}
    if lengths != {count} or (np.diff(ends, prepend=0) < 0).any() or int(ends[-1:].sum()) != len(joined):
        raise ValueError(f"Neighbours must have one label, path and picture an image. Received {lengths}.")
    begins = [0, *ends[:-1].tolist()]
    return Neighbours(
        features=arrays["features"],
        labels=arrays["labels"].tolist(),
        paths=arrays["paths"].tolist(),
        pictures=[joined[begin:end] for begin, end in zip(begins, ends.tolist(), strict=True)],
    )


def features_of(
    graph: Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]], pixels: NDArray[np.uint8]
) -> NDArray[np.float16]:
    """What `Neighbours.features` holds of pixels (image, height, width, channel)."""
    parts = [graph({"pixels": pixels[at : at + _BATCH]})["features"] for at in range(0, len(pixels), _BATCH)]
    return _rooted(np.concatenate(parts))


def _rooted(features: NDArray[np.floating[Any]]) -> NDArray[np.float16]:
    rooted = features / np.sqrt(np.abs(features) + ROOT_FLOOR)
    return np.asarray(np.clip(rooted, -6e4, 6e4), np.float16)
