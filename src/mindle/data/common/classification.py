"""Data whose truth is a class: strata, findings, counts and sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.counts import by_split, headings
from mindle.data.common.findings import finding
from mindle.errors import DataError, did_you_mean
from mindle.messages import Message, message
from mindle.records import SPLITS, Dataset, Examples, Finding

FEW = 20  # images or rows of a class
IMBALANCE_RATIO = 3.0


class ClassificationData:
    """See `mindle.data.common.tasks.DataTask`."""

    same = "two-labels"
    all_blank = "data.images.blank-class"
    asks_numbers = False

    def strata(self, data: Examples, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The class of each row."""
        return data.labels[rows]

    def known(self, data: Examples) -> NDArray[np.bool_]:
        """Rows that have a class."""
        return data.labels >= 0

    def spread(self, data: Examples) -> float:
        """Two classes always differ."""
        return 0.0

    def text(self, data: Examples, row: int) -> str:
        """The name of the class."""
        return data.classes[int(data.labels[row])]

    def truth(self, data: Examples, text: str) -> int:
        """The class of that name.

        Raises:
            ValueError: If there is none.
        """
        name = normalize("NFC", text)
        if name not in data.classes:
            raise ValueError(
                f"A label must be one of {', '.join(data.classes[:12])}{', …' * (len(data.classes) > 12)}. "
                f"Received {name!r}.{did_you_mean(name, data.classes)}"
            )
        return data.classes.index(name)

    def summary(self, data: Dataset, rows: Sequence[int]) -> str:
        """How many rows each class has: "cat 3, dog 1"; cut short where there are many classes."""
        counts = Counter(data.labels[list(rows)].tolist())
        names = [f"{data.classes[label]} {count:,}" for label, count in counts.most_common() if label >= 0]
        if len(names) <= 8:
            return ", ".join(names)
        return message("data.list.and_more_classes", names=", ".join(names[:8]), n=len(names) - 8)

    def findings(self, data: Examples, rows: NDArray[np.int64]) -> list[Finding]:
        """Classes with no or few usable images or rows, imbalance."""
        counts = Counter(data.labels[rows].tolist())
        things = message(f"data.things.{data.unit}")
        findings = [
            finding(
                "unusable-class", [name], message("data.classes.unusable-class", name=name, things=things)
            )
            for label, name in enumerate(data.classes)
            if not counts[label]
        ]
        few = {name: counts[label] for label, name in enumerate(data.classes) if 0 < counts[label] < FEW}
        if few:
            listed = ", ".join(f"{name} {count}" for name, count in list(few.items())[:8])
            classes = listed + (", …" if len(few) > 8 else "")
            values = {"n": len(few), "least": FEW, "things": things, "classes": classes}
            findings.append(finding("few", few, message("data.classes.few", **values)))
        ranked = counts.most_common()
        if ranked and ranked[0][1] >= IMBALANCE_RATIO * ranked[-1][1]:
            (largest, many), (smallest, least) = ranked[0], ranked[-1]
            names = {"most": data.classes[largest], "least": data.classes[smallest]}
            values = {"ratio": many / least, "things": things, "many": many, "few": least}
            findings.append(
                finding("imbalance", names.values(), message("data.classes.imbalance", **names, **values))
            )
        return findings

    def odd(self, data: Dataset, rows: NDArray[np.int64]) -> list[Finding]:
        """No class is odd by itself."""
        return []

    def counts(self, data: Examples) -> dict[str, dict[str, int]]:
        """Rows of each class in each split."""
        cells = by_split(data, data.labels, len(data.classes), SPLITS)
        columns = (*SPLITS, "set_aside")
        return {
            name: dict(zip(columns, row, strict=True)) for name, row in zip(data.classes, cells, strict=True)
        }

    def headline(self, data: Dataset) -> Message:
        """How many images and classes there are."""
        images = message("data.summary.images", n=len(data.rows()))
        return message("data.summary.classes", name=data.name, images=images, n=len(data.classes))

    def rows(self, data: Examples, most: int) -> Iterator[tuple[str, ...]]:
        """How many there are of each class, by split where there is one."""
        splits = SPLITS if any(data.splits) else (None,)
        yield headings("class", *(split or data.unit for split in splits), "set-aside")
        cells = by_split(data, data.labels, len(data.classes), splits)
        for name, row in list(zip(data.classes, cells, strict=True))[:most]:
            yield name, *(f"{count:,}" for count in row)

    def require_drawable(self, data: Dataset, per_class: Any) -> None:
        """Classes can be drawn from."""

    def require_learnable(self, data: Dataset, aside: str) -> None:
        """At least two classes must have training images."""
        learned = {data.classes[label] for label in data.labels[data.rows("train")].tolist()}
        if len(learned) < 2:
            raise DataError(
                f"At least two classes must have usable training images. Received {len(learned)} "
                f"({', '.join(sorted(learned)) or 'none'}) in {data.source}.{aside} "
                "`mindle check` names every file and its reason."
            )
