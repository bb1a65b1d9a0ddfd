"""Data whose truth is a class: strata, findings, counts and sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.findings import finding
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import NOT_DRAWN, SPLITS, Dataset, Examples, Finding

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

    def summary(self, data: Dataset, rows: Sequence[int]) -> str:
        """How many rows each class has: "cat 3, dog 1"; cut short where there are many classes."""
        counts = Counter(data.labels[list(rows)].tolist())
        names = [f"{data.classes[label]} {count:,}" for label, count in counts.most_common() if label >= 0]
        if len(names) <= 8:
            return ", ".join(names)
        return message("data.list.and_more_classes", names=", ".join(names[:8]), n=len(names) - 8)

    def findings(self, data: Examples, rows: Sequence[int]) -> list[Finding]:
        """Classes with no or few usable images or rows, imbalance."""
        counts = Counter(data.labels[list(rows)].tolist())
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

    def odd(self, data: Dataset, rows: Sequence[int]) -> list[Finding]:
        """No class is odd by itself."""
        return []

    def counts(self, data: Examples) -> dict[str, dict[str, int]]:
        """Rows of each class in each part."""
        counts = {name: dict.fromkeys((*SPLITS, "set_aside"), 0) for name in data.classes}
        unknown = ("",) * len(data)
        for label, part, aside in zip(
            data.labels.tolist(), data.splits or unknown, data.set_aside or unknown, strict=True
        ):
            column = "set_aside" if aside else part
            if label >= 0 and aside != NOT_DRAWN and column:
                counts[data.classes[label]][column] += 1
        return counts

    def description(self, data: Dataset, most: int) -> list[str]:
        """A table of the classes: images by part, or in all where there is no split yet."""
        counts = self.counts(data) if any(data.splits) else _unsplit_counts(data)
        width = max(len("class"), *map(len, counts), 0)
        code = "data.summary.split-columns" if any(data.splits) else "data.summary.columns"
        images = message("data.summary.images", n=len(data.rows()))
        lines: list[str] = [
            message("data.summary.classes", name=data.name, images=images, n=len(data.classes)),
            message(code, gap=" " * (width - len("class"))),
        ]
        for name, row in list(counts.items())[:most]:
            *cells, last = (f"{count:,}" for count in row.values())
            lines.append(f"  {name:<{width}}  " + " ".join(f"{cell:>7}" for cell in cells) + f"  {last:>9}")
        if len(counts) > most:
            lines.append(message("data.summary.more-classes", n=len(counts) - most))
        return lines

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
        if not len(data.rows("test")):
            raise DataError(
                f"The test part must hold at least one image. Received none from {len(data.rows()):,} usable "
                f"images in {data.source}.{aside} Give every class at least 10 images, or a test folder."
            )


def _unsplit_counts(data: Dataset) -> dict[str, dict[str, int]]:
    """Images of each class where there is no split yet, and how many were set aside."""
    counts = {name: {"images": 0, "set_aside": 0} for name in data.classes}
    for label, aside in zip(data.labels.tolist(), data.set_aside, strict=True):
        if label >= 0 and aside != NOT_DRAWN:
            counts[data.classes[label]]["set_aside" if aside else "images"] += 1
    return counts
