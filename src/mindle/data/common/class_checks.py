"""Checks of the labels of a data set: classes with few samples, imbalance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mindle.messages import message
from mindle.records import Finding

FEW_IMAGES = 20


IMBALANCE_RATIO = 3.0


GROUP_FRACTION = 0.02


FEW_NUMBERS = 100


GROUP_LEAST = 5  # 2 % of a small data set is less than a pair: as many are always kept together


def judge_classes(names: Sequence[str], counts: Counter[int], things: str = "images") -> list[Finding]:
    """Classes with no, few or unevenly many usable images (or rows).

    Args:
        names: The classes.
        counts: How many usable ones there are of each class, by its index.
        things: What people call them.

    Example:
        >>> [finding.kind for finding in judge_classes(["cat", "dog"], Counter({0: 90, 1: 9}))]
        ['few', 'imbalance']
    """
    called = message(f"data.things.{things}")
    findings = [
        Finding(
            kind="unusable-class",
            files=(name,),
            message=message("data.classes.unusable-class", name=name, things=called),
            action="kept as a name",
            decision=True,
        )
        for label, name in enumerate(names)
        if not counts[label]
    ]
    few = [label for label in range(len(names)) if 0 < counts[label] < FEW_IMAGES]
    if few:
        listed = ", ".join(f"{names[label]} {counts[label]}" for label in few[:8])
        findings.append(
            Finding(
                kind="few",
                files=tuple(names[label] for label in few),
                message=message(
                    "data.classes.few",
                    n=len(few),
                    least=FEW_IMAGES,
                    things=called,
                    classes=listed + (", …" if len(few) > 8 else ""),
                ),
                action="kept",
            )
        )
    ranked = counts.most_common()
    if ranked and ranked[0][1] >= IMBALANCE_RATIO * ranked[-1][1]:
        (most, many), (least, lowest) = ranked[0], ranked[-1]
        findings.append(
            Finding(
                kind="imbalance",
                files=(names[most], names[least]),
                message=message(
                    "data.classes.imbalance",
                    most=names[most],
                    least=names[least],
                    ratio=many / lowest,
                    things=called,
                    many=many,
                    few=lowest,
                ),
                action="kept",
            )
        )
    return findings
