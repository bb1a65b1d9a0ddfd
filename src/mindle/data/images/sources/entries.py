"""What a source yields of its images, or a program holds, and the one way from there to a data set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.classes import settle_classes, settle_given
from mindle.data.common.names import name_of
from mindle.records import FAMILIES, ArrayImages, Dataset, FileImages, Finding, Task, Texts

Paths = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, kw_only=True)
class Entries:
    """The images of a source, and what it says of each, as columns of equal length.

    A column of which a source says nothing is empty.

    Attributes:
        kind: What the source is, such as "folder" or "csv".
        images: Where the pixels come from.
        paths: NFC path of each image, unique.
        labels: Its class name, "" where it has none.
        targets: Its number, NaN where it has none; in the place of labels.
        target: What these numbers are called.
        given: The split that it came in, or "".
        split_words: The words of the source for these splits.
        groups: What it is related to, or "".
        set_aside: Why it takes no part, or "".
        declared: Further class names, which may have no images.
        order: All class names in the order to keep; sorted where empty.
        findings: What was noticed on the way.
    """

    kind: str
    images: FileImages | ArrayImages
    paths: Sequence[str]
    labels: Sequence[str] = ()
    targets: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0, np.float64))
    target: str = ""
    given: Sequence[str] = ()
    split_words: Sequence[str] = ()
    groups: Sequence[str] = ()
    set_aside: Sequence[str] = ()
    declared: Iterable[str] = ()
    order: Sequence[str] = ()
    findings: Sequence[Finding] = ()

    def dataset(self, *, name: str, source: str, task: str | None = None) -> Dataset:
        """The data set of these images, with its classes and splits decided.

        Args:
            name: Short name of the data set.
            source: What the user typed.
            task: What was asked for, where that is a task and not just a family of tasks.

        Example:
            >>> images = ArrayImages(array=np.zeros((2, 4, 4), np.uint8))
            >>> Entries(kind="npz", images=images, paths=["a", "b"], labels=["x", "y"]).dataset(
            ...     name="two", source="two.npz"
            ... ).classes
            ('x', 'y')
        """
        nothing = ("",) * len(self.paths)
        given, held_out = settle_given(self.given or nothing, spelled=self.split_words)
        classes: tuple[str, ...] = ()
        labels = np.full(len(self.paths), -1, np.int64)
        set_aside, odd = list(self.set_aside or nothing), list[Finding]()
        if not len(self.targets):
            classes, labels, set_aside, odd = settle_classes(
                self.paths, self.labels, given, set_aside, declared=self.declared, order=self.order
            )
        return Dataset(
            name=name,
            kind=self.kind,
            source=source,
            task=Task(task if task in FAMILIES else "multiclass"),
            classes=classes,
            paths=self._paths(),
            labels=labels,
            targets=self.targets,
            target=self.target,
            given=tuple(given),
            groups=tuple(self.groups or nothing),
            images=self.images,
            set_aside=tuple(set_aside),
            findings=(*self.findings, *held_out, *odd),
        )

    def _paths(self) -> Sequence[str]:
        """The paths, in one piece of memory; as the disk spells them where that is the same."""
        paths = Texts(self.paths)
        names = self.images.names if isinstance(self.images, FileImages) else ()
        return names if names == paths else paths


# --------------------------------------------------------------------------- images that a program holds


def image_array(images: Any) -> NDArray[np.uint8] | None:
    """Images in an array as uint8; None where `images` are something else, such as paths.

    Unlike a data set on disk, a program hands over images in pieces (folds, new images), so their numbers
    must mean the same in each of them: 0 to 255 as uint8, or 0 to 1 as floats.

    Args:
        images: (image, height, width) or (image, height, width, channel) with 1 or 3 channels.

    Raises:
        ValueError: If the shape or the numbers are not those of images.

    Example:
        >>> image_array(np.ones((2, 4, 4))).max(), image_array(["a.jpg"])
        (np.uint8(255), None)
    """
    if not hasattr(images, "dtype") or images.dtype.kind not in "uifb":
        return None
    array = np.asarray(images)
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3)) or 0 in array.shape[1:]:
        raise ValueError(
            "`images` in an array must be (image, height, width) or (image, height, width, channel) with 1 "
            f"or 3 channels. Received shape {array.shape}. Reshape it, or name the shape of flattened rows."
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f" or not (array.min(initial=0) >= 0 and array.max(initial=0) <= 1):
        raise ValueError(
            "`images` in an array must be uint8 from 0 to 255, or floats from 0 to 1. Received "
            f"{array.dtype} from {array.min():g} to {array.max():g}. Scale them."
        )
    return np.asarray(np.rint(array * 255), np.uint8)


def dataset_of(
    images: Paths | NDArray[np.uint8], labels: NDArray[np.int64], classes: Sequence[str]
) -> Dataset:
    """A data set of labelled images, none of them looked at yet.

    Args:
        images: Paths, or uint8 (image, height, width[, channel]).
        labels: Index into `classes`, one an image.
        classes: Class names in the order that answers keep.

    Raises:
        ValueError: If labels and images disagree in number.

    Example:
        >>> dataset = dataset_of(np.zeros((2, 4, 4), np.uint8), np.array([0, 1]), ["a", "b"])
        >>> dataset.paths, dataset.classes
        (('data/000000', 'data/000001'), ('a', 'b'))
    """
    if len(images) != len(labels):
        raise ValueError(
            f"`labels` must have one label an image. Received {len(labels)} for {len(images)} images."
        )
    count = len(images)
    if isinstance(images, np.ndarray):
        paths = tuple(f"data/{number:06d}" for number in range(count))
        source: FileImages | ArrayImages = ArrayImages(array=images)
    else:
        names = tuple(os.path.abspath(path) for path in images)
        paths = tuple(name_of(Path(name).as_posix()) for name in names)
        source = FileImages(root=Path(os.sep), names=names)
    return Dataset(
        name="data",
        kind="memory",
        source="images in memory",
        classes=tuple(classes),
        paths=paths,
        labels=np.asarray(labels, np.int64),
        given=("",) * count,
        groups=("",) * count,
        images=source,
        set_aside=("",) * count,
    )
