"""What a source yields of its images, and the one way from there to a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.classes import settle_classes, settle_given
from mindle.records import FAMILIES, ArrayImages, Dataset, FileImages, Finding, Task


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
            paths=tuple(self.paths),
            labels=labels,
            targets=self.targets,
            target=self.target,
            given=tuple(given),
            groups=tuple(self.groups or nothing),
            images=self.images,
            set_aside=tuple(set_aside),
            findings=(*self.findings, *held_out, *odd),
        )
